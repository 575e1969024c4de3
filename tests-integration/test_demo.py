"""The demonstration, on a few real files: computed once, found the second time."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.demo", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What two calls on the same folder print."""
    folder = Path(sysconfig.get_path("stdlib")) / "json"
    scratch = tmp_path_factory.mktemp("scratch")
    runs = [demo(folder, "--scratch", scratch) for _ in range(2)]
    for run in runs:
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stderr == ""
    return [run.stdout for run in runs]


def numbers(output: str, name: str) -> list[str]:
    """The values of one row in the tables of both rounds."""
    lines = [line.strip() for line in output.splitlines()]
    return [line.removeprefix(name).strip() for line in lines if line.startswith(name)]


def test_the_first_call_computes_every_file_and_the_edited_one(rounds: list[str]) -> None:
    assert numbers(rounds[0], "misses (computed now)") == ["5", "1"]


def test_the_second_call_finds_every_file_and_says_so(rounds: list[str]) -> None:
    assert numbers(rounds[1], "misses (computed now)") == ["0", "1"]
    assert "All 5 results came from the cache: nothing was computed." in rounds[1]


def test_an_edited_file_is_the_only_one_that_is_computed_again(rounds: list[str]) -> None:
    for output in rounds:
        assert numbers(output, "hits")[1] == "4"
        assert "Only the edited file was computed." in output


def test_two_processes_compute_a_result_once(rounds: list[str]) -> None:
    for output in rounds:
        assert "One of them computed it, the other one got its result." in output


def test_an_execution_record_is_read_back(rounds: list[str]) -> None:
    assert '"wall_time_seconds": ' in rounds[0]
    assert '"complexity": ' in rounds[0]


def test_a_folder_that_is_not_there_is_one_line_of_error(tmp_path: Path) -> None:
    run = demo(tmp_path / "nowhere")

    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("Error: no .py files in ")
    assert run.stderr.count("\n") == 1
