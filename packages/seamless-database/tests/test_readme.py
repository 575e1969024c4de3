"""The README is true: its code runs, and it leaves no option or request type out."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_server import TIMEOUT, Server

from seamless_database import errors, request_types
from seamless_database.admin.cli import command_group
from seamless_database.cli.arguments import parser

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
#: the command as it is called where it is not installed
ADMIN = f"{shlex.quote(sys.executable)} -W error -m seamless_database.admin"
#: commands that the test leaves to the reader, because they need an index or another program
LEFT_OUT = ("pip install",)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Shell:
    """Runs the commands of the README in order; servers stay up until the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, str] = {}
        self._servers: list[subprocess.Popen[str]] = []

    def translated(self, text: str) -> str:
        """The text, with free ports for those that the README names."""
        for port in re.findall(r"\b55\d\d\b", text):
            self._ports.setdefault(port, str(free_port()))
            text = text.replace(port, self._ports[port])
        return text

    def run(self, block: str) -> None:
        lines = self.translated(block).splitlines()
        for number, line in enumerate(lines):
            if not line.startswith("$ ") or any(word in line for word in LEFT_OUT):
                continue
            output = []
            for following in lines[number + 1 :]:
                if following.startswith("$ "):
                    break
                output.append(following)
            self._command(line[2:], output)

    def _command(self, command: str, output: list[str]) -> None:
        if command.startswith("seamless-database "):
            words = [*Server.command, *command.removesuffix("&").split()[1:]]
            server = subprocess.Popen(words, cwd=self._folder, stdout=subprocess.PIPE, text=True)
            self._servers.append(server)
            assert server.stdout is not None
            assert [server.stdout.readline().rstrip("\n") for _ in output] == output
            return
        command = re.sub("^seamless-database-admin ", f"{ADMIN} ", command)
        if shutil.which(shlex.split(command)[0]):
            done = subprocess.run(
                command, shell=True, cwd=self._folder, stdout=subprocess.PIPE, text=True, check=True
            )
            assert done.stdout.splitlines() == output

    def close(self) -> None:
        for server in self._servers:
            server.terminate()
            server.communicate(timeout=TIMEOUT)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def test_the_code_runs_and_answers_as_shown(shell: Shell) -> None:
    names: dict[str, object] = {}
    found = re.findall(r"```(console|python)\n(.*?)```", README, re.DOTALL)
    for language, block in found:
        if language == "console":
            shell.run(block)
            continue
        test = doctest.DocTestParser().get_doctest(
            shell.translated(block), names, "README", None, 0
        )
        runner = doctest.DocTestRunner()
        complaints: list[str] = []
        runner.run(test, out=complaints.append, clear_globs=False)
        names = test.globs
        assert not complaints, "".join(complaints)
    assert {language for language, _ in found} == {"console", "python"}


def test_every_option_is_described() -> None:
    for action in parser()._actions:
        for option in action.option_strings or [action.dest]:
            assert re.search(rf"^\| .*`{option}[ `]", README, re.MULTILINE), option


def test_every_sub_command_and_option_of_the_administration_is_described() -> None:
    for name, one in command_group().commands.items():
        assert re.search(rf"^\| `{name} ", README, re.MULTILINE), name
        for parameter in one.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert re.search(rf"^\| `{option}[ `]", README, re.MULTILINE), option


def test_every_request_type_is_described_twice() -> None:
    for kind in {*request_types.READS, *request_types.WRITES}:
        assert len(re.findall(rf"^\| `{kind}` ", README, re.MULTILINE)) == 2, kind


def test_every_status_is_described() -> None:
    for kind in (errors.RequestError, errors.ConflictError, errors.UnavailableError):
        assert re.search(rf"^\| {kind.status} .*`{kind.__name__}`", README, re.MULTILINE)
