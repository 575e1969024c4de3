"""The public surface of both packages: compared with the committed files and the last release.

    hatch run test:api             what differs from the last release, and which step it asks for;
                                   exit 1 if a file is out of date or the changelog is silent
    hatch run test:api --write     bring tools/api/*.json up to date

The last release is the file at the latest tag `core-v…` or `database-v…`; before the first tag,
what is known of the published release that ours takes the place of (tools/api/recorded/published/).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from tools.api import changelog, surface
from tools.api.changes import Change, asked_step, changes
from tools.api.packages import Package, packages

if TYPE_CHECKING:
    from tools.api.surface import Surface

WRITE = "hatch run test:api --write"
#: lines of differences that are shown
_SHOWN = 60


def last_release(package: Package) -> Surface:
    """Return the surface of the latest release."""
    prefix = f"{package.short}-v"
    tags = [tag for tag in _git(package, "tag", "--list", f"{prefix}*").split() if _is_tag(tag)]
    if not tags:
        return surface.read(package.published_file.read_text())
    latest = max(tags, key=lambda tag: Version(tag.removeprefix(prefix)))
    file = package.surface_file.relative_to(package.root).as_posix()
    return surface.read(_git(package, "show", f"{latest}:{file}"))


def out_of_date(package: Package, code: Surface) -> list[Change]:
    """Return what differs between the committed file and the code."""
    return changes(surface.read(package.surface_file.read_text()), code)


def unnamed(package: Package, before: Surface, found: list[Change]) -> list[Change]:
    """Return the changes that the changelog does not name."""
    latest = changelog.entries(package.changelog.read_text())[0]
    if latest.version == before.version:
        return found  # it describes the release before
    return [change for change in found if not latest.names(change, found)]


def problems(package: Package, code: Surface) -> list[str]:
    """Return what has to be done, a line each; none if all is well."""
    lines = []
    if package.surface_file.read_text() != code.text():
        lines.append(f"{package.surface_file.name} is out of date; bring it up to date: {WRITE}")
        lines += _shown(out_of_date(package, code))
    before = last_release(package)
    silent = unnamed(package, before, changes(before, code))
    if silent:
        step = asked_step(silent, before.version).name.lower()
        lines.append(
            f"{package.changelog.relative_to(package.root)}: the latest entry must name, in code "
            f"spans, what has changed since {before.version}; this asks for a {step} step"
        )
        lines += _shown(silent)
    return lines


def report(package: Package, code: Surface) -> str:
    """Say what has changed since the last release, and which step that asks for."""
    before = last_release(package)
    found = changes(before, code)
    step = asked_step(found, before.version).name.lower()
    added = sum(change.old is None for change in found)
    removed = sum(change.new is None for change in found)
    return (
        f"{package.distribution}: {added} added, {removed} removed, "
        f"{len(found) - added - removed} changed since {before.version}: a {step} step"
    )


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="bring the committed files up to date")
    write = parser.parse_args(arguments).write
    status = 0
    for package in packages().values():
        code = surface.collect(package)
        if write:
            package.surface_file.write_text(code.text())
        print(report(package, code))
        for line in problems(package, code):
            print(line, file=sys.stderr)
            status = 1
    return status


def _shown(found: list[Change]) -> list[str]:
    """Write changes out, without what lies inside of others."""
    held = {(change.section, change.name) for change in found}
    outer = [
        change
        for change in found
        if not any((change.section, name) in held for name in changelog.holders(change.name))
    ]
    rest = [f"  and {len(outer) - _SHOWN} more"] if len(outer) > _SHOWN else []
    return [f"  {change}" for change in outer[:_SHOWN]] + rest


def _is_tag(tag: str) -> bool:
    try:
        Version(tag.partition("-v")[2])
    except InvalidVersion:
        return False
    return True


def _git(package: Package, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=package.root, capture_output=True, text=True, check=False
    )
    # a source archive has no history, and so no tags
    return done.stdout if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
