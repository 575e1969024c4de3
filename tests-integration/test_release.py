"""The release tool, on a throw-away clone: it lets a release pass, and stops each mistake."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tools.api import __main__ as public_api
from tools.api import surface
from tools.api.changes import changes
from tools.api.packages import ROOT, Package, packages
from tools.release import __main__ as release
from tools.release.builds import build
from tools.release.checks import CHECKS, tag_of
from tools.release.process import ReleaseError, run

WORKFLOWS = ROOT / ".github" / "workflows"
GUIDE = (ROOT / "docs" / "releasing.md").read_text()
#: a hook of the build backend that makes every build another one
RESTLESS = """
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
import pathlib, uuid

class Restless(BuildHookInterface):
    def initialize(self, version, build_data):
        pathlib.Path(self.root, "src/seamless_database/mark.py").write_text(f"# {uuid.uuid4()}")
"""


def commit(package: Package, message: str) -> None:
    author = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
    run("git", "add", "--all", cwd=package.root)
    run("git", *author, "commit", "--quiet", "-m", message, cwd=package.root)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the database package is ready to be released."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, there is nothing to clone")
    clone = tmp_path_factory.mktemp("ready") / "clone"
    run("git", "clone", "--quiet", ROOT, clone, cwd=clone.parent)
    found = packages(clone)["database"]
    code = surface.collect(found)
    found.surface_file.write_text(code.text())
    before = public_api.last_release(found)
    silent = public_api.unnamed(found, before, changes(before, code))
    names = "".join(f"- `{change.name.split()[-1]}`\n" for change in silent)
    heading, _, rest = found.changelog.read_text().partition("\n## ")
    entry = f"## {found.version()} (2026-01-31)\n\n{names}"
    found.changelog.write_text(f"{heading}\n{entry}\n{rest.partition(chr(10))[2]}")
    commit(found, "Get ready for a release")
    return clone


@pytest.fixture
def package(ready: Path, tmp_path: Path) -> Package:
    """The database package in a clone of its own that is ready to be released."""
    clone = tmp_path / "clone"
    run("git", "clone", "--quiet", ready, clone, cwd=tmp_path)
    return packages(clone)["database"]


def complaints(package: Package, version: str | None = None) -> dict[str, str]:
    found = {examine.__name__: examine(package, version or package.version()) for examine in CHECKS}
    return {name: text for name, text in found.items() if text is not None}


def only_complaint(package: Package, version: str | None = None) -> tuple[str, str]:
    ((name, text),) = complaints(package, version).items()
    assert "\n" not in text
    return name, text


def test_a_clone_that_is_ready_passes_every_check(package: Package) -> None:
    assert complaints(package) == {}


def test_a_file_that_is_not_committed_is_named(package: Package) -> None:
    (package.folder / "left-behind.txt").write_text("")
    assert only_complaint(package) == (
        "the_tree_is_clean",
        "not committed: packages/seamless-database/left-behind.txt; commit or remove it",
    )


def test_a_version_is_released_once(package: Package) -> None:
    version = package.version()
    run("git", "tag", tag_of(package, version), cwd=package.root)
    found = complaints(package)
    assert f"the tag database-v{version} exists" in found["the_tag_is_free"]
    assert "does not come after" in found["the_step_is_large_enough"]


def test_a_changelog_without_a_date_is_refused(package: Package) -> None:
    text = package.changelog.read_text()
    package.changelog.write_text(text.replace("(2026-01-31)", "(unreleased)"))
    commit(package, "Take the date away")
    name, text = only_complaint(package)
    assert name == "the_changelog_has_the_version_and_a_date"
    assert text.endswith(f"write '## {package.version()} (YYYY-MM-DD)'")


def test_a_version_that_nothing_else_has_is_refused(package: Package) -> None:
    assert set(complaints(package, "77.0.0")) == {
        "the_source_has_the_version",
        "the_changelog_has_the_version_and_a_date",
    }


@pytest.mark.parametrize("version", ["1.2", "1.2.3rc1", "v1.2.3", "01.2.3", "next"])
def test_a_version_of_another_form_ends_every_run(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main(["core", version, "--check-only"]) == 1
    assert capsys.readouterr().err == (
        f"Error: {version!r} is no version; give three numbers, such as 1.2.3\n"
    )


def test_too_small_a_step_is_refused(package: Package) -> None:
    assert "asks for a minor one" in complaints(package, "2.1.1")["the_step_is_large_enough"]


def test_a_surface_that_is_out_of_date_is_refused(package: Package) -> None:
    text = package.surface_file.read_text()
    package.surface_file.write_text(text.replace('"GET metadata"', '"GET metadatum"'))
    commit(package, "Name a request otherwise")
    name, text = only_complaint(package)
    assert name == "the_surface_is_recorded_and_named"
    assert public_api.WRITE in text


def test_the_last_release_is_the_highest_tag_of_the_package(package: Package) -> None:
    for tag in ("database-v2.9.0", "database-v2.10.0", "database-vnext", "core-v9.0.0"):
        run("git", "tag", tag, cwd=package.root)
    first = surface.read(package.surface_file.read_text())
    package.surface_file.write_text("{}")
    commit(package, "Lose the surface")
    assert public_api.last_release(package) == first


def test_two_builds_are_the_same_bytes(package: Package, tmp_path: Path) -> None:
    said: list[str] = []
    wheel, archive = build(package, tmp_path / "builds", said.append)
    version = package.version()
    assert wheel.name == f"seamless_database-{version}-py3-none-any.whl"
    assert archive.name == f"seamless_database-{version}.tar.gz"
    assert [line.split()[1] for line in said] == [wheel.name, archive.name]


def test_builds_that_differ_are_refused(package: Package, tmp_path: Path) -> None:
    (package.folder / "hatch_build.py").write_text(RESTLESS)
    with (package.folder / "pyproject.toml").open("a") as project:
        project.write("\n[tool.hatch.build.hooks.custom]\n")
    commit(package, "Build something else every time")
    with pytest.raises(ReleaseError, match="is built otherwise the second time"):
        build(package, tmp_path / "builds", print)


def test_the_command_reports_every_check_and_fails_with_one(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["database", package.version(), "--check-only"]
    assert release.main(arguments, package.root) == 0
    assert capsys.readouterr().out.count("ok      the ") == len(CHECKS)

    (package.root / "left-behind.txt").write_text("")
    assert release.main(arguments, package.root) == 1
    assert "NOT OK  the tree is clean: not committed" in capsys.readouterr().out


def test_the_first_failed_check_keeps_from_tagging(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    (package.root / "left-behind.txt").write_text("")
    assert release.main(["database", package.version(), "--tag"], package.root) == 1
    assert capsys.readouterr().err.startswith("Error: not committed: left-behind.txt;")
    assert run("git", "tag", "--list", tag_of(package, package.version()), cwd=package.root) == ""


def test_a_rebuild_needs_its_tag_at_the_last_commit(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    version = package.version()
    arguments = ["database", version, "--rebuild", "--check-only"]
    assert release.main(arguments, package.root) == 1
    run("git", "tag", tag_of(package, version), cwd=package.root)
    assert release.main(arguments, package.root) == 0
    assert "NOT OK  the tag is here" in capsys.readouterr().out


# -- workflows and guide --------------------------------------------------------------


def workflow(name: str) -> str:
    text = (WORKFLOWS / name).read_text()
    assert set(YAML(typ="safe").load(text)) >= {"name", "on", "permissions", "jobs"}
    return text


def test_continuous_integration_runs_on_every_supported_python_and_on_macos() -> None:
    jobs = YAML(typ="safe").load(workflow("test.yml"))["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    assert [job["system"] for job in matrix["include"]] == ["macos-latest"]
    assert ".ci/run" in [step.get("run") for step in jobs["test"]["steps"]]


@pytest.mark.parametrize("name", ["release.yml", "test.yml"])
def test_actions_are_pinned_to_a_commit(name: str) -> None:
    used = re.findall(r"uses: (\S+)", workflow(name))
    assert used
    assert [action for action in used if not re.fullmatch(r"\S+@[0-9a-f]{40}", action)] == []


def test_a_tag_is_rebuilt_and_waits_for_approval_before_it_is_published() -> None:
    loaded = YAML(typ="safe").load(workflow("release.yml"))
    assert loaded["on"]["push"]["tags"] == ["core-v*", "database-v*"]
    assert loaded["permissions"] == {"contents": "read"}
    publish = loaded["jobs"]["publish"]
    assert publish["environment"] == "pypi"
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert any("--rebuild" in step.get("run", "") for step in loaded["jobs"]["build"]["steps"])


def test_the_guide_names_every_option_of_the_tool() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "tools.release", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    for option in ("--tag", "--dry-run", "--check-only", "--rebuild", "--keep"):
        assert option in shown
        assert f"`{option}" in GUIDE
