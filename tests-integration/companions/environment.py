"""An environment that holds our built wheels beside the published companion packages, made once.

The versions are a row of tools/compat/companions.toml. The folder is named after what was asked
for; when only our own sources have changed, the two wheels alone are built and installed again.
A lock keeps one run from exchanging the wheels below another.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".dev" / str(sys.implementation.cache_tag) / "companions"
PACKAGES = ("seamless-core", "seamless-database")
#: the environment variable that chooses a row; `hatch run compat` sets it
ROW = "SEAMLESS_COMPAT_ROW"
#: the environment variable with a folder of wheels to test, in place of fresh ones
WHEELS = "SEAMLESS_WHEELS"
#: seconds that building or installing may take
TIMEOUT = 600
#: seconds between two looks at what another process is making
PAUSE = 0.2


class SetupError(RuntimeError):
    """A command that makes the environment has failed; the message ends with its own."""


@dataclass(frozen=True)
class Environment:
    """Where the companion packages live, and which versions were asked for."""

    row: str
    versions: dict[str, str]
    folder: Path

    @property
    def commands(self) -> Path:
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        return self.commands / "python"


def read_toml(file: Path) -> dict[str, Any]:
    # the standard library has it from 3.11 on; before, it comes along with pytest
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content: dict[str, Any] = toml.loads(file.read_text())
    return content


@contextmanager
def environment() -> Iterator[Environment]:
    """Make the environment of the chosen row unless it is there, and lock it against changes."""
    row = os.environ.get(ROW, "newest")
    versions: dict[str, str] = read_toml(ROOT / "tools" / "compat" / "companions.toml")["rows"][row]
    requirements = [f"{name}=={version}" for name, version in versions.items()]
    key = _digest(json.dumps([requirements, sys.version, str(HOME)]).encode())
    made = Environment(row, versions, HOME / f"{row}-{key}")
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{row}-{key}.lock").open("w") as lock:
        while not _is_current_for(made, lock):
            if _is_alone(lock):
                _update(made, requirements)
            else:  # another process makes it, or has just made it
                time.sleep(PAUSE)
        yield made


def _is_current_for(made: Environment, lock: IO[str]) -> bool:
    """Whether the environment can be used; from now on it stays as it is."""
    fcntl.flock(lock, fcntl.LOCK_SH)
    return _is_current(made)


def _is_alone(lock: IO[str]) -> bool:
    """Lock the environment, if no other run uses it."""
    # let go first: of two who want to change it, each would wait for the other
    fcntl.flock(lock, fcntl.LOCK_UN)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _update(made: Environment, requirements: list[str]) -> None:
    sources = _sources()
    wheels = _wheels(sources)
    if not (made.folder / "complete").is_file():
        _run(sys.executable, "-m", "venv", "--clear", made.folder)
        _pip(made, *requirements, *wheels)
        (made.folder / "complete").touch()
    elif not _is_current(made):
        _pip(made, "--no-deps", "--force-reinstall", *wheels)
        _pip(made, *wheels)  # what they may ask for since
    (made.folder / "wheels").write_text(sources)


def _is_current(made: Environment) -> bool:
    stamp = made.folder / "wheels"
    return stamp.is_file() and stamp.read_text() == _sources()


def _sources() -> str:
    """Digest what the two wheels are made from, or the wheels themselves where they are given."""
    if given := os.environ.get(WHEELS):
        files = list(Path(given).glob("*.whl"))
    else:
        folders = [ROOT / "packages" / package for package in PACKAGES]
        files = [file for folder in folders for file in folder.glob("*.*")]
        files += [file for folder in folders for file in (folder / "src").rglob("*")]
    digest = hashlib.sha256()
    for file in sorted(files):
        if file.is_file() and file.suffix != ".pyc":
            digest.update(f"{file}\n{_digest(file.read_bytes())}\n".encode())
    return digest.hexdigest()


def _wheels(sources: str) -> list[Path]:
    """Build the wheels of the present sources, unless that has been done or they are given."""
    if given := os.environ.get(WHEELS):
        return sorted(Path(given).glob("*.whl"))
    folder = HOME / "wheels" / sources[:12]
    if not (folder / "complete").is_file():
        for package in PACKAGES:
            source = ROOT / "packages" / package
            _run(_builder(), "build", "-t", "wheel", "-d", folder, cwd=source)
        (folder / "complete").touch()
    return sorted(folder.glob("*.whl"))


def _builder() -> Path:
    """Find the build backend of both packages, kept: an isolated build would fetch it anew."""
    folder = HOME / "builder"
    command = folder / "bin" / "hatchling"
    if not command.is_file():
        _run(sys.executable, "-m", "venv", "--clear", folder)
        _run(folder / "bin" / "python", "-m", "pip", "install", "-q", "hatchling>=1.26")
    return command


def _pip(made: Environment, *words: str | Path) -> None:
    _run(made.python, "-m", "pip", "--disable-pip-version-check", "install", "-q", *words)


def _run(*words: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    if done.returncode:
        raise SetupError(f"{' '.join(map(str, words))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
