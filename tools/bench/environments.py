"""The environments that are compared: ours, and one with the published packages.

The published one is made from the package index, once, inside the checkout.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: distribution -> the release that is measured
PUBLISHED = {
    "seamless-core": "seamless-core==0.1.4",
    "seamless-database": "seamless-database==2.1.0",
}
#: what the published packages are measured with: the same releases as ours
LIBRARIES = ("numpy", "orjson", "uvloop")


def ours() -> Path:
    """Return the folder of commands of the environment that runs this."""
    return Path(sys.executable).parent


def published() -> Path:
    """Return the folder of commands of the published packages; made on first use."""
    folder = ROOT / ".dev" / "bench-published"
    stamp = folder / "made-for"
    releases = [*PUBLISHED.values(), *(f"{name}=={version(name)}" for name in LIBRARIES)]
    wanted = " ".join([*releases, sys.version])
    if not stamp.is_file() or stamp.read_text() != wanted:
        print("installing the published packages for comparison, once", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        command = [*pip, "--disable-pip-version-check", *releases]
        subprocess.run(command, check=True)
        stamp.write_text(wanted)
    return folder / "bin"
