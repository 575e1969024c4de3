"""Wheel and source archive of the last commit, built twice: the bytes must be the same.

The source is taken from the history, not from the folder, so nothing that lies about gets in.
The two builds run in different folders; the time of the commit is the time of every file.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

from tools.release.process import ReleaseError, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.api.packages import Package


def build(package: Package, folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Build into `folder`/dist; returns the files, wheel first."""
    epoch = run("git", "log", "-1", "--format=%ct", cwd=package.root).strip()
    builds = []
    for name in ("first", "a-second-time"):
        source = _export(package, folder / name)
        run(
            *(sys.executable, "-m", "build", "--outdir", folder / name / "dist", source),
            cwd=folder,
            variables={"SOURCE_DATE_EPOCH": epoch},
        )
        builds.append({file.name: file for file in sorted((folder / name / "dist").iterdir())})
    first, second = builds
    for file in first:
        if file not in second or first[file].read_bytes() != second[file].read_bytes():
            raise ReleaseError(f"{file} is built otherwise the second time; compare in {folder}")
    files = sorted(first.values(), key=lambda file: file.suffix != ".whl")
    run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=folder)
    for built in files:
        say(f"{hashlib.sha256(built.read_bytes()).hexdigest()}  {built.name}")
    return files


def _export(package: Package, folder: Path) -> Path:
    """Unpack the package as the last commit has it."""
    inside = package.folder.relative_to(package.root)
    archive = subprocess.run(
        ["git", "archive", "HEAD", str(inside)], cwd=package.root, capture_output=True, check=True
    )
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / inside
