"""The README's examples run, in one session from top to bottom as a reader would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from buffer_folders import make_directory, named

PACKAGE = Path(__file__).resolve().parents[1]
README = (PACKAGE / "README.md").read_text()
#: command -> its module and function
ENTRY_POINTS = dict(
    re.findall(r'^(seamless-\S+) = "(\S+)"$', (PACKAGE / "pyproject.toml").read_text(), re.M)
)
RUN = "import sys; from {} import {} as main; sys.exit(main())"


def blocks(language: str) -> list[str]:
    """The blocks that need this package alone; tests-integration/ runs the others too."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return [block for block in found if "seamless_database" not in block]


def test_the_python_examples_run_one_after_the_other(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks("python"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr
    assert "294.25" in child.stdout
    assert "refused: " in child.stdout
    assert child.stderr == ""


def test_every_shown_result_is_the_printed_one(tmp_path: Path) -> None:
    """A comment below a `print` is what it prints; a prefix of it, where it ends in dots."""
    code = "\n".join(blocks("python"))
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    shown = re.findall(r"^print\(.*\)\n# (.*)$", code, re.MULTILINE)
    assert shown
    for result in shown:
        assert result.removesuffix("...") in child.stdout


def test_every_command_is_described() -> None:
    assert len(ENTRY_POINTS) == 4
    for command in ENTRY_POINTS:
        assert f"`{command} " in README


def test_the_shown_commands_run(tmp_path: Path) -> None:
    shown = [line[2:] for block in blocks("console") for line in block.splitlines()]
    commands = [words for line in shown if (words := line.split())[0] in ENTRY_POINTS]
    (tmp_path / "README.md").write_text(README)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.txt").write_text("1")
    make_directory(tmp_path / "buffers", [b"used", b"garbage"])
    listed = f"{named(b'used')}\n# end: 1 checksums\n"
    (tmp_path / "live.txt").write_text(listed)

    assert commands
    for name, *arguments in commands:
        code = RUN.format(*ENTRY_POINTS[name].split(":"))
        words = [sys.executable, "-c", code, *arguments]
        subprocess.run(words, cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "data.INDEX").is_file()
