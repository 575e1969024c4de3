"""The environments that are compared: ours, and one with the published packages or of a commit.

The published one is made from the package index, once, inside the checkout. That of a commit
has its sources, and for the rest the libraries of ours.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
#: distribution -> the release that is measured
PUBLISHED = {
    "seamless-core": "seamless-core==0.1.4",
    "seamless-database": "seamless-database==2.1.0",
}
#: the server from which buffers are read, and what it needs and does not ask for
HASHSERVER = ("hashserver==1.1.0", "aiofiles")
#: what the published packages are measured with: the same releases as ours
LIBRARIES = ("numpy", "orjson", "uvloop")


#: commands of a distribution in its pyproject.toml: name, module and function
COMMANDS = re.compile(r'^([\w-]+) = "([\w.]+):(\w+)"$', re.MULTILINE)
COMMAND = """\
#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""
#: in the environment that runs this, because those of commits use its libraries
COMMITS = Path(sys.prefix) / "commits"
#: the folders of commands that stand for ours and for the published ones, if any do
_replaced: list[tuple[Path, Path]] = []


@contextlib.contextmanager
def replaced(ours: Path, published: Path) -> Iterator[None]:
    """Measure these environments in place of ours and of the published packages."""
    _replaced.append((ours, published))
    try:
        yield
    finally:
        _replaced.pop()


def ours() -> Path:
    """Return the folder of commands of the environment that runs this."""
    return _replaced[-1][0] if _replaced else Path(sys.executable).parent


def published() -> Path:
    """Return the folder of commands of the published packages; made on first use."""
    if _replaced:
        return _replaced[-1][1]
    libraries = [f"{name}=={version(name)}" for name in LIBRARIES]
    return installed("bench-published", [*PUBLISHED.values(), *libraries])


def hashserver() -> Path:
    """Return the published hashserver; installed on first use."""
    return installed("bench-hashserver", HASHSERVER) / "hashserver"


def installed(name: str, releases: Sequence[str]) -> Path:
    """Return the folder of commands of an environment with these releases; made on first use."""
    folder = ROOT / ".dev" / name
    stamp = folder / "made-for"
    wanted = " ".join([*releases, sys.version])
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {', '.join(releases)} for comparison, once", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        command = [*pip, "--disable-pip-version-check", *releases]
        subprocess.run(command, check=True)
        stamp.write_text(wanted)
    return folder / "bin"


def commit_of(name: str) -> str:
    """Return the full name of a commit.

    Raises
    ------
    ValueError
        When the repository has none of that name.
    """
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        raise ValueError(f"no commit of this repository is called {name!r}")
    return found.stdout.strip()


def of_commit(commit: str) -> Path:
    """Return the folder of commands of a commit's distributions; its sources are unpacked once."""
    folder = COMMITS / commit
    source = folder / "source"
    if not source.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / "source.tar"
        command = ["git", "archive", "--output", str(archive), commit, "packages"]
        subprocess.run(command, cwd=ROOT, check=True)
        shutil.unpack_archive(archive, folder / "unpacked", filter="data")
        (folder / "unpacked").rename(source)
        archive.unlink()
    return linked(source, folder / "environment")


def of_checkout() -> Path:
    """Return the same of this checkout, so that the two sides differ in nothing but the sources."""
    return linked(ROOT, COMMITS / "checkout")


def linked(source: Path, folder: Path) -> Path:
    """Make an environment with the distributions below a folder, and the libraries of ours."""
    venv.create(folder)
    (libraries,) = (folder / "lib").glob("python*/site-packages")
    sources = [str(path) for path in source.glob("packages/*/src")]
    path = "\n".join([*sources, sysconfig.get_path("purelib")])
    (libraries / "linked.pth").write_text(path + "\n")
    binaries = folder / "bin"
    for project in source.glob("packages/*/pyproject.toml"):
        for name, module, function in COMMANDS.findall(project.read_text(encoding="utf-8")):
            text = COMMAND.format(python=binaries / "python", module=module, function=function)
            (binaries / name).write_text(text)
            (binaries / name).chmod(0o755)
    return binaries
