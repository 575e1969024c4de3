"""What is tested: the wheels, beside the versions that the row names."""

from __future__ import annotations

from pathlib import Path

import pytest
from companions.environment import PACKAGES, ROOT
from companions.sandbox import Sandbox

MODULES = {
    "seamless": "Checksum",
    "seamless.config": "init",
    "seamless.transformer": "direct",
    "seamless_config": "init",
    "seamless_dask": "SeamlessDaskClient",
    "seamless_database": "__version__",
    "seamless_remote.buffer_remote": "get_buffer",
    "seamless_remote.database_remote": "get_execution_record",
    "seamless_transformer": "direct",
}
LOCATE = "import importlib, sys; print(importlib.import_module(sys.argv[1]).__file__)"
VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


@pytest.mark.parametrize("module", ["seamless", "seamless_database"])
def test_what_is_imported_is_the_wheel(sandbox: Sandbox, module: str, tmp_path: Path) -> None:
    file = sandbox.run("python", "-c", LOCATE, module, cwd=tmp_path).out.strip()
    assert Path(file).is_relative_to(sandbox.environment.folder)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_has_the_version_of_the_sources(
    sandbox: Sandbox, package: str, tmp_path: Path
) -> None:
    version = sandbox.run("python", "-c", VERSION, package, cwd=tmp_path).out.strip()
    module = {"seamless-core": "seamless", "seamless-database": "seamless_database"}[package]
    source = ROOT / "packages" / package / "src" / module / "__init__.py"
    assert f'"{version}"' in source.read_text()


def test_the_companions_have_the_versions_of_the_row(sandbox: Sandbox, tmp_path: Path) -> None:
    wanted = sandbox.environment.versions
    script = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    assert sandbox.run("python", "-c", script, *wanted, cwd=tmp_path).out.split() == [
        *wanted.values()
    ]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_can_be_imported_alone(sandbox: Sandbox, module: str, tmp_path: Path) -> None:
    script = f"from {module} import {MODULES[module]}"
    run = sandbox.run("python", "-c", script, cwd=tmp_path)
    assert (run.out, run.err) == ("", "")


def test_pip_finds_no_requirement_of_a_neighbour_unmet(sandbox: Sandbox, tmp_path: Path) -> None:
    assert "No broken requirements" in sandbox.run("python", "-m", "pip", "check", cwd=tmp_path).out
