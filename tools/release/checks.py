"""What has to hold before a release: each check is a function that returns what is wrong, or None.

They look at the repository alone, and take no more than a second each.
"""

from __future__ import annotations

import datetime
import subprocess
from typing import TYPE_CHECKING, Protocol

from packaging.version import InvalidVersion, Version

from tools.api import __main__ as public_api
from tools.api import changelog, surface
from tools.api.changes import asked_step, changes, taken_step

if TYPE_CHECKING:
    from tools.api.packages import Package


class Check(Protocol):
    """Looks at one thing; returns what is wrong with it."""

    __name__: str

    def __call__(self, package: Package, version: str, /) -> str | None:
        """Return one line that says what to do, or None."""
        ...


def tag_of(package: Package, version: str) -> str:
    """Return the tag of a release."""
    return f"{package.short}-v{version}"


def the_version_is_well_formed(_package: Package, version: str) -> str | None:
    """Three numbers; releases of other kinds have no place in the changelogs."""
    try:
        well_formed = str(Version(version)) == version and len(Version(version).release) == 3
    except InvalidVersion:
        well_formed = False
    if well_formed and not Version(version).is_prerelease:
        return None
    return f"{version!r} is no version; give three numbers, such as 1.2.3"


def the_source_has_the_version(package: Package, version: str) -> str | None:
    """What is built gets its version from the source."""
    found = package.version()
    if found == version:
        return None
    return f"{_path(package, package.version_file)} says {found}; set __version__ to {version}"


def the_changelog_has_the_version_and_a_date(package: Package, version: str) -> str | None:
    """The latest entry is the one of this release."""
    name = _path(package, package.changelog)
    found = changelog.entries(package.changelog.read_text())
    if not found or found[0].version != version:
        latest = found[0].version if found else "none"
        return f"{name}: the latest entry is {latest}; add one for {version}"
    try:
        datetime.date.fromisoformat(found[0].date or "")
    except ValueError:
        return f"{name}: {version} has no date; write '## {version} (YYYY-MM-DD)'"
    return None


def the_tree_is_clean(package: Package, _version: str) -> str | None:
    """A tag must name what was tried."""
    changed = _git(package, "status", "--porcelain").splitlines()
    if not changed:
        return None
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"not committed: {changed[0].split(maxsplit=1)[1]}{more}; commit or remove it"


def the_tag_is_free(package: Package, version: str) -> str | None:
    """A version is released once."""
    tag = tag_of(package, version)
    if not _git(package, "tag", "--list", tag).strip():
        return None
    return f"the tag {tag} exists; a release is never made again, take the next version"


def the_tag_is_here(package: Package, version: str) -> str | None:
    """What is built again is what was tagged."""
    tag = tag_of(package, version)
    here = _git(package, "tag", "--list", tag, "--points-at", "HEAD").strip()
    return None if here else f"the last commit is not the one of tag {tag}; check that out"


def the_surface_is_recorded_and_named(package: Package, _version: str) -> str | None:
    """The committed file shows the code, and the changelog names the differences."""
    problems = public_api.problems(package, surface.collect(package))
    if not problems:
        return None
    more = f" ({len(problems) - 1} lines more: hatch run test:api)" if len(problems) > 1 else ""
    return problems[0] + more


def the_step_is_large_enough(package: Package, version: str) -> str | None:
    """What has changed for users decides how far the version has to go."""
    before = public_api.last_release(package)
    asked = asked_step(changes(before, surface.collect(package)), before.version)
    taken = taken_step(before.version, version)
    if taken is None:
        return f"{version} does not come after {before.version}, the last release"
    if taken < asked:
        return (
            f"from {before.version} to {version} is a {taken.name.lower()} step, but what has "
            f"changed asks for a {asked.name.lower()} one (hatch run test:api)"
        )
    return None


CHECKS: tuple[Check, ...] = (
    the_version_is_well_formed,
    the_source_has_the_version,
    the_changelog_has_the_version_and_a_date,
    the_tree_is_clean,
    the_tag_is_free,
    the_surface_is_recorded_and_named,
    the_step_is_large_enough,
)
#: what has to hold for building a release again; the rest was looked at before it was tagged
CHECKS_OF_REBUILDING: tuple[Check, ...] = (
    the_version_is_well_formed,
    the_source_has_the_version,
    the_changelog_has_the_version_and_a_date,
    the_tree_is_clean,
    the_tag_is_here,
)


def _path(package: Package, file: object) -> str:
    return str(file).removeprefix(f"{package.root}/")


def _git(package: Package, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=package.root, capture_output=True, text=True, check=True
    )
    return done.stdout
