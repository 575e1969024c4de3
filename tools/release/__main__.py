"""Make a release of one package: check, build, try out, and tag.

    hatch run test:release core 1.2.3          everything but the tag: a dry run
    hatch run test:release core 1.2.3 --tag    the same, then the tag core-v1.2.3, not pushed
    hatch run test:release core 1.2.3 --rebuild --keep dist    at the tag: build it once more

A dry run goes on after a failed check, to show all there is to do; with --tag the first one ends
it. Nothing is uploaded: see docs/releasing.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.api.packages import Package, packages
from tools.release.builds import build
from tools.release.checks import CHECKS, CHECKS_OF_REBUILDING, tag_of, the_version_is_well_formed
from tools.release.process import ReleaseError, run
from tools.release.smoke_test import try_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.release.checks import Check


def check(package: Package, version: str, checks: Sequence[Check], *, stop: bool) -> int:
    """Do all checks; returns how many fail, or raises at the first if `stop` is set."""
    failed = 0
    for examine in checks:
        complaint = examine(package, version)
        name = examine.__name__.replace("_", " ")
        if complaint is None:
            say(f"ok      {name}")
            continue
        failed += 1
        if stop or examine is the_version_is_well_formed:
            raise ReleaseError(complaint)
        say(f"NOT OK  {name}: {complaint}")
    return failed


def make(package: Package, version: str, keep: Path | None) -> None:
    """Build, try out, and keep what was built where that was asked for."""
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        folder = Path(name).resolve()
        files = build(package, folder, say)
        try_out(package, files, folder, version, say)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copy2(file, keep)


def release(package: Package, options: argparse.Namespace) -> int:
    """Go through the whole release; returns how many checks failed."""
    checks = CHECKS_OF_REBUILDING if options.rebuild else CHECKS
    stop = options.tag or (options.rebuild and not options.check_only)
    failed = check(package, options.version, checks, stop=stop)
    if options.check_only:
        return failed
    # a dry run of a version that is not set yet builds what the source says
    make(package, options.version if stop else package.version(), options.keep)
    if options.tag:
        name = tag_of(package, options.version)
        message = f"{package.distribution} {options.version}"
        run("git", "tag", "-a", name, "-m", message, cwd=package.root)
        say(f"tagged {name}; publish with: git push origin {name}")
    elif not options.rebuild:
        say(f"dry run: no tag; {failed} of {len(checks)} checks failed")
    return failed


def say(line: str) -> None:
    """Print the outcome at once."""
    print(line, flush=True)


def main(arguments: list[str], root: Path | None = None) -> int:
    """Run the command; returns the exit status."""
    known = packages() if root is None else packages(root)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", choices=sorted(known))
    parser.add_argument("version", help="the version to release, such as 1.2.3")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--tag", action="store_true", help="make the tag if all is well")
    how.add_argument("--dry-run", action="store_true", help="make no tag (this is the default)")
    how.add_argument("--rebuild", action="store_true", help="build again what is tagged")
    parser.add_argument("--check-only", action="store_true", help="neither build nor tag")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep wheel and source archive")
    options = parser.parse_args(arguments)
    if options.check_only and (options.tag or options.keep):
        parser.error("--check-only builds nothing to tag or to keep")
    try:
        return 1 if release(known[options.package], options) else 0
    except ReleaseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
