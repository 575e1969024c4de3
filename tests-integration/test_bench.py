"""The benchmarks run, and leave a report of the promised form; what they measure is not tested."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tools.bench.__main__ import SLOWER
from tools.bench.against import Change, Changes
from tools.bench.contenders import Contenders
from tools.bench.core import workloads as core
from tools.bench.core.values import SMALL
from tools.bench.environments import linked, ours, replaced
from tools.bench.evict import workloads as evict
from tools.bench.settings import ROUNDS, Plan
from tools.bench.table import Comparison, Row

ROOT = Path(__file__).resolve().parents[1]
BENCH = [sys.executable, "-m", "tools.bench"]
PAGE = ROOT / "docs" / "benchmarks.md"
SUITES = ["core", "database", "cli", "stores", "evict"]
#: suite -> part of the name of a workload that is over soon
SOON = {"core": "from and to text", "cli": "import seamless", "evict": "beside 1,000, with room"}
#: sides of a comparison, in the order of the columns
SIDES = ["ours", "published", "limit"]


def measure(suite: str, report: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run one small workload of a suite once, without the published package."""
    command = [
        sys.executable,
        "-m",
        "tools.bench",
        suite,
        "--quick",
        "--no-published",
        "--rounds",
        "1",
    ]
    command += ["--only", SOON[suite], "--report", str(report), *more]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
    )


def sections(page: str) -> dict[str, str]:
    """Sections of a report by the name of their suite."""
    parts = re.split(r"^## (.*)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("suite", sorted(SOON))
def test_a_run_fills_the_section_of_its_suite(suite: str, tmp_path: Path) -> None:
    measure(suite, tmp_path / "report.md")
    found = sections((tmp_path / "report.md").read_text(encoding="utf-8"))
    assert list(found) == SUITES
    assert f"`python3 tools/dev.py bench {suite} --quick" in found[suite]
    assert re.search(r", \d+ cores, Python 3\.\d+\.\d+; seamless-core \d", found[suite])
    assert re.search(rf"^\|.*{SOON[suite]}.*\|.* [nµm]?s \|", found[suite], re.MULTILINE)


def test_a_second_run_replaces_its_section_and_keeps_the_others(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    measure("core", report)
    first = sections(report.read_text(encoding="utf-8"))
    measure("cli", report)
    measure("cli", report)
    second = sections(report.read_text(encoding="utf-8"))
    assert second["core"] == first["core"]
    assert second["cli"].count("| workload |") == 1


def test_the_figures_are_there_as_json(tmp_path: Path) -> None:
    measure("core", tmp_path / "report.md", "--json", str(tmp_path / "figures.json"))
    found: dict[str, Any] = json.loads((tmp_path / "figures.json").read_text())
    (row,) = found["core"]["results"][0]["workloads"]
    assert [row[side] is None for side in SIDES] == [False, True, False]
    assert row["times_the_limit"] == pytest.approx(row["ours"] / row["limit"])
    assert row["times_faster_than_published"] is None


def test_a_run_of_a_part_leaves_the_page_of_the_repository_alone() -> None:
    before = PAGE.read_bytes()
    command = [*BENCH, "core", "--only", SOON["core"], "--rounds", "1"]
    subprocess.run(
        [*command, "--no-published"], cwd=ROOT, check=True, capture_output=True, timeout=120
    )
    assert PAGE.read_bytes() == before


def test_the_page_has_a_section_and_a_command_for_each_suite() -> None:
    found = sections(PAGE.read_text(encoding="utf-8"))
    assert list(found) == SUITES
    for suite, text in found.items():
        assert f"`python3 tools/dev.py bench {suite}" in text


def test_the_limit_of_each_workload_is_given_in_words_and_code(tmp_path: Path) -> None:
    measure("core", tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    code = "[bytes.fromhex(text).hex() for text in texts]"
    assert (
        f"- 50,000 checksums from and to text: Convert each text to bytes and back. `{code}`\n"
        in text
    )
    for workload in (*core.WORKLOADS.values(), *evict.WORKLOADS.values()):
        assert re.fullmatch(
            r"[A-Z].*\. ?(`.*`|\n\n```python\n.*\n```)", workload.limit_text(), re.DOTALL
        )


@pytest.mark.parametrize("celltype", SMALL)
def test_each_cell_type_of_small_values_has_a_row_for_writing_and_one_for_reading(
    celltype: str,
) -> None:
    named = [name for name in core.WORKLOADS if f"small {celltype} values" in name]
    assert [name.partition(" ")[0] for name in named] == ["write", "read"]
    assert all(core.WORKLOADS[name].at_most for name in named)


def test_the_mean_is_given_with_and_without_what_cannot_be_faster() -> None:
    rows = [
        Row("parse", [1.0], [4.0], None),
        Row("hash", [1.0], [1.0], None, bound=True),
        Row("view", [1.0], [101.0], None),
        Row("memory", [1.0], [50.0], None, unit="B"),
    ]
    text = Comparison(rows, mean=3.0).markdown()
    assert "gains in time: 2.00× (≥ 3); 4.00× without" in text
    assert "one SHA-256 or one copy (hash); left out, " in text
    assert text.endswith("would decide it: view.\n")


def test_a_commit_beside_itself_is_measured_in_the_same_rows(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    options = ["--quick", "--against", "HEAD", "--json", str(figures)]
    done = subprocess.run(
        [*BENCH, "core", "--only", SOON["core"], *options],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    # two runs of the same code can differ beyond noise on a busy machine
    assert done.returncode in (0, SLOWER), done.stderr
    assert done.stdout.startswith("## core: this checkout beside ")
    found = json.loads(figures.read_text())["core"]
    assert re.fullmatch("[0-9a-f]{40}", found["commit"])
    (ratios,) = found["ratios"].values()
    assert len(ratios) == ROUNDS
    assert not found["not_compared"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--against", "no-such-commit"],
            "no commit of this repository is called 'no-such-commit'",
        ),
        (["--against", "HEAD", "--rounds", "2"], "--against needs 3 rounds"),
    ],
)
def test_an_impossible_comparison_says_why(options: list[str], message: str) -> None:
    done = subprocess.run(
        [*BENCH, "core", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr


def test_the_rows_beyond_noise_are_listed_the_others_counted() -> None:
    changes = Changes("core", "c0ffee" + 34 * "0", 5)
    for name, ratios in {
        "slower": [1.2, 1.21, 1.19, 1.2, 3.0],
        "faster": [0.5, 0.5, 0.51, 0.5, 0.5],
        "noisy": [1.0, 1.3, 1.6, 0.9, 1.2],
        "little": [1.04, 1.04, 1.04, 1.04, 1.04],
    }.items():
        changes.rows.append(Change(name, ratios))
    changes.missing.append("gone: the other commit cannot run it")
    assert [row.name for row in changes.slower()] == ["slower"]
    assert [row.name for row in changes.faster()] == ["faster"]
    text = changes.markdown()
    assert "Slower or larger: 1 of 4 rows." in text
    assert "| slower | 120 % | ±2 % |" in text
    assert "Within noise, or within 5 %: 2 rows." in text
    assert text.endswith("- gone: the other commit cannot run it\n")


def test_what_one_side_lacks_is_named_and_the_rest_compared(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "seamless-core" / "src" / "seamless"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "class Checksum:\n    def __init__(self, text): self.hex = lambda: text\n"
    )
    other = linked(tmp_path, tmp_path / "environment")
    plan = Plan(rounds=1, quick=True, against=True)
    with replaced(ours(), other), contextlib.ExitStack() as stack:
        sides = Contenders("tools.bench.core.workloads", plan, stack)
        name = "50,000 checksums from and to text"
        able = sides.row(name, core.WORKLOADS[name])
        name = "write 10,000 small bool values"
        unable = sides.row(name, core.WORKLOADS[name])
    assert [sample.side for sample in Comparison([able]).samples()] == ["ours", "published"]
    assert [sample.side for sample in Comparison([unable]).samples()] == ["ours"]
