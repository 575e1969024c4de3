"""The root README: its commands are those of the developer tool, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_every_shown_command_is_one_of_the_tool() -> None:
    from tools import dev

    shown = set(re.findall(r"python3 tools/dev\.py (\w+)", README))
    assert {"demo", "test"} <= shown <= set(dev.COMMANDS)


def test_an_unknown_command_shows_the_known_ones() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "tools" / "dev.py", "tset"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 2
    assert "tools/dev.py test" in run.stderr


def test_links_inside_the_repository_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_continuous_integration_calls_the_same_command() -> None:
    assert "python3 tools/dev.py test" in (ROOT / ".ci" / "run").read_text()
