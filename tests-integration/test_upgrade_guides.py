"""The upgrade guides: their commands name the right distributions and versions, links resolve."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from tools.api import surface
from tools.api.packages import ROOT, Package, packages

PACKAGES = packages()
each_package = pytest.mark.parametrize("package", PACKAGES.values(), ids=list(PACKAGES))


def guide(package: Package) -> str:
    return (package.folder / "UPGRADING.md").read_text()


def requirements(package: Package) -> list[Requirement]:
    """What the pip commands of a guide install: first ours, then the published one."""
    return [Requirement(text) for text in re.findall(r'pip install .*"(.+)"', guide(package))]


@each_package
def test_the_commands_name_the_distribution_and_nothing_else(package: Package) -> None:
    assert [found.name for found in requirements(package)] == [package.distribution] * 2


@each_package
def test_the_way_there_takes_this_version_and_not_the_published_one(package: Package) -> None:
    published = surface.read(package.published_file.read_text()).version
    there, _ = requirements(package)
    assert package.version() in there.specifier
    assert published not in there.specifier


@each_package
def test_the_way_back_takes_the_published_version_alone(package: Package) -> None:
    published = surface.read(package.published_file.read_text()).version
    _, back = requirements(package)
    assert published in back.specifier
    assert package.version() not in back.specifier
    assert guide(package).startswith(f"# Coming from {package.distribution} {published}\n")


@each_package
def test_every_option_in_a_guide_exists(package: Package) -> None:
    commands = surface.read(package.surface_file.read_text()).sections["commands"]
    known = {word.strip(",") for name in commands for word in name.split()[1:]}
    assert set(re.findall(r"`(--[a-z-]+)", guide(package))) <= known


@pytest.mark.parametrize("short", ["core", "database"])
def test_every_name_and_variable_in_a_guide_is_public(short: str) -> None:
    sections = surface.read(PACKAGES[short].surface_file.read_text()).sections
    text = guide(PACKAGES[short])
    assert set(re.findall(r"SEAMLESS_\w+", text)) <= set(sections["variables"])
    assert set(re.findall(r"`(seamless[\w]*\.[\w.]+)`", text)) - {"seamless.db"} <= {
        *sections["names"]
    }


@each_package
def test_a_guide_comes_with_the_source_archive_and_is_linked(package: Package) -> None:
    linked = f"packages/{package.distribution}/UPGRADING.md"
    assert f"({linked})" in (ROOT / "README.md").read_text()
    assert "(UPGRADING.md)" in (package.folder / "README.md").read_text()
    assert "/UPGRADING.md" in (package.folder / "pyproject.toml").read_text()
