"""What was built, tried as a user would: installed alone, and the README's examples run with it."""

from __future__ import annotations

import sys
import tarfile
from typing import TYPE_CHECKING

from tools.release.process import ReleaseError, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.api.packages import Package

#: the test that runs what the README shows; it comes with the source archive
_TEST = "tests/test_readme.py"


def try_out(
    package: Package, files: list[Path], folder: Path, version: str, say: Callable[[str], None]
) -> None:
    """Install each file in an environment of its own, and run the examples there."""
    source = _unpacked(next(file for file in files if file.name.endswith(".tar.gz")), folder)
    for number, file in enumerate(files):
        home = folder / f"environment-{number}"
        run(sys.executable, "-m", "venv", home, cwd=folder)
        python = home / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", file, cwd=folder)
        script = f"import {package.module} as m; print(m.__version__, m.__file__)"
        found, _, path = run(python, "-W", "error", "-c", script, cwd=folder).partition(" ")
        if found != version or not path.startswith(str(home)):
            raise ReleaseError(f"{file.name} installs {found} at {path.strip()}, not {version}")
        # only now the runner comes in: what was installed alone could be imported alone
        run(python, "-m", "pip", "install", "--quiet", "pytest", "hypothesis", cwd=folder)
        options = ("--import-mode=importlib", "-p", "no:cacheprovider", "-o", "pythonpath=tests")
        output = run(
            *(python, "-m", "pytest", "-q", "-c", source / "pytest.ini", *options),
            *("--rootdir", source, source / _TEST),
            cwd=source,
        )
        say(f"{file.name}: README {output.strip().splitlines()[-1].strip('= ')}")


def _unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    (source / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return source
