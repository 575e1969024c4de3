"""The one command of a developer: environments, tests, lint, packages and the demonstration.

    python3 tools/dev.py demo [FOLDER]   a computation cache at work on real files
    python3 tools/dev.py test [ARGS]     lint, type check, every test; ARGS go to pytest
    python3 tools/dev.py lint            lint and type check alone
    python3 tools/dev.py fix             let the linter fix what it can
    python3 tools/dev.py build           wheels and source archives, into dist/
    python3 tools/dev.py compat [ROW]    our wheels beside published companion packages, row by row
    python3 tools/dev.py matrix [ROW]    golden bytes and protocol, oldest and newest libraries
    python3 tools/dev.py mutate [PATH]   small faults in the sources, and whether a test notices
    python3 tools/dev.py bench [SUITE]   beside the published packages; --quick for a first look,
                                         --against COMMIT for what is slower or faster than that

Needs a stock python3 (>= 3.10) with venv, and a package index. Everything it makes stays
inside the checkout, under .dev/ and dist/, except the temporary files of tests, which are kept in
memory where there is room, unless TMPDIR is set. The environments themselves are Hatch's and are
described in hatch.toml, so `hatch run test:unit` does the same where Hatch is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".dev"
#: one set of environments for each Python that this is called with
ENVIRONMENTS = HOME / str(sys.implementation.cache_tag)
HATCH = "hatch>=1.18,<2"  # 1.18 is the first whose workspaces work without a root package
OLDEST = (3, 10)
#: a file system in memory, on Linux
MEMORY = Path("/dev/shm")
#: bytes for the temporary files of all tests, which take up to 2 GB
MEMORY_NEEDED = 4 * 2**30

#: command -> the Hatch scripts that do it
COMMANDS = {
    "demo": ["default:demo"],
    "test": ["test:all"],
    "lint": ["test:lint", "test:types"],
    "fix": ["test:fix"],
    "build": ["build:dist"],
    "compat": ["default:compat"],
    "matrix": ["default:matrix"],
    "mutate": ["test:mutate"],
    "bench": ["bench:bench"],
}
#: the commands that run tests
TESTS = ("test", "mutate")


def bootstrap() -> Path:
    """Make the environment that holds Hatch, unless it is there; returns its `hatch`."""
    folder = ENVIRONMENTS / "hatch"
    binary = folder / "bin" / "hatch"
    stamp = folder / "made-for"
    made_for = f"{HATCH} {sys.version} {folder}"
    if stamp.is_file() and stamp.read_text() == made_for:
        return binary
    print("Setting up Hatch in .dev/, once", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", HATCH], check=True)
    stamp.write_text(made_for)
    return binary


def environment() -> dict[str, str]:
    """The caller's environment, with Hatch kept inside the checkout."""
    env = dict(os.environ)
    config = ENVIRONMENTS / "hatch.toml"
    if not config.is_file():
        config.write_text("")
    env |= {
        "HATCH_CONFIG": str(config),
        "HATCH_DATA_DIR": str(ENVIRONMENTS / "data"),
        "HATCH_CACHE_DIR": str(ENVIRONMENTS / "cache"),
        "HATCH_PYTHON": sys.executable,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    # one test process more than processors, because many tests wait for a server or a timeout
    env.setdefault("PYTEST_XDIST_AUTO_NUM_WORKERS", str((os.cpu_count() or 1) + 1))
    # an activated environment or a user's path must not leak into ours
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "HATCH_ENV"):
        env.pop(name, None)
    return env


@contextmanager
def temporary_files(command: str) -> Iterator[dict[str, str]]:
    """Give variables that keep the temporary files of tests in memory, until the end of the block.

    The tests write many small files and sync them, which takes longer than all else on a slow disk.
    """
    if command not in TESTS or "TMPDIR" in os.environ or not _has_room(MEMORY):
        yield {}
        return
    with tempfile.TemporaryDirectory(
        prefix="seamless-tests-", dir=MEMORY, ignore_cleanup_errors=True
    ) as folder:
        # PostgreSQL, and some of the tests, run as another user if this is root
        Path(folder).chmod(0o755)
        yield {"TMPDIR": folder}


def _has_room(folder: Path) -> bool:
    """Whether a folder can hold the temporary files, and programs in it can be executed."""
    if not folder.is_dir():
        return False
    system = os.statvfs(folder)
    return not system.f_flag & os.ST_NOEXEC and system.f_bavail * system.f_frsize >= MEMORY_NEEDED


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit status."""
    if sys.version_info < OLDEST:
        print("Error: Python 3.10 or newer is needed", file=sys.stderr)
        return 1
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    command, *rest = arguments
    if command == "build":
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
    try:
        ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
        hatch = bootstrap()
        with temporary_files(command) as variables:
            for script in COMMANDS[command]:
                words = [str(hatch), "run", script, *rest]
                env = environment() | variables
                status = subprocess.run(words, cwd=ROOT, env=env, check=False)
                if status.returncode:
                    return status.returncode
    except subprocess.CalledProcessError as error:
        print(f"Error: setting up failed at: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
