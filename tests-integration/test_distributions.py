"""What is published: a wheel and a source archive of each package, each installable alone."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

PACKAGES = Path(__file__).resolve().parents[1] / "packages"
COMMANDS = {
    "seamless-core": [
        "seamless-buffers",
        "seamless-checksum",
        "seamless-checksum-file",
        "seamless-checksum-index",
    ],
    "seamless-database": ["seamless-database", "seamless-database-admin"],
}
MODULES = {"seamless-core": "seamless", "seamless-database": "seamless_database"}


def run(*words: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=list(COMMANDS))
def package(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def built(package: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source archive of a package."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, PACKAGES / package)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment that holds the wheel and what it asks for, nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=True)
    (wheel,) = built.glob("*.whl")
    pip = folder / "bin" / "pip"
    run(pip, "install", "--quiet", "--disable-pip-version-check", wheel)
    return folder / "bin"


def test_the_wheel_holds_the_package_its_types_and_its_licence(package: str, built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    module = MODULES[package]

    assert f"{module}/__init__.py" in names
    assert f"{module}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert all(name.startswith((f"{module}/", f"{module.split('_')[0]}_")) for name in names)


def test_the_source_archive_holds_the_tests_too(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = [name.partition("/")[2] for name in tar.getnames()]

    assert {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"} <= set(names)
    assert any(name.startswith("tests/test_") for name in names)
    assert not any("/." in name or name.startswith(".") for name in names if name != ".gitignore")


def test_an_installed_wheel_has_working_commands(package: str, installed: Path) -> None:
    for command in COMMANDS[package]:
        assert "usage: " in run(installed / command, "--help").lower()


def test_an_installed_wheel_can_be_imported_alone(package: str, installed: Path) -> None:
    module = MODULES[package]
    script = f"import {module}; print({module}.__version__)"
    version = run(installed / "python", "-W", "error", "-c", script)
    assert version.strip() in (PACKAGES / package / "src" / module / "__init__.py").read_text()


def test_the_installed_database_also_runs_as_a_module(package: str, installed: Path) -> None:
    if package == "seamless-core":
        assert run(installed / "seamless-checksum", PACKAGES / package / "LICENSE").count("\n") == 1
    else:
        assert "usage: " in run(installed / "python", "-m", "seamless_database", "--help")
