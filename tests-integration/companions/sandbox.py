"""A home folder of its own in which the companion packages start their services, and its end.

The published packages keep their state below HOME and find running services there, so each
place gets a HOME, below a temporary folder; whatever runs with that HOME is ended with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from companions.environment import Environment

#: seconds that one command may take on a busy machine
TIMEOUT = 90

#: `local` runs its services from here; `frontend` is a machine behind ssh, which is this one
CLUSTERS = """\
local:
  tunnel: false
  type: local
  workers: 1
  frontends:
    - hostname: null
      hashserver:
        bufferdir: {home}/data/buffers
        network_interface: 127.0.0.1
        port_start: 20000
        port_end: 22999
      database:
        database_dir: {home}/data/databases
        network_interface: 127.0.0.1
        port_start: {database[0]}
        port_end: {database[1]}
frontend:
  tunnel: false
  type: local
  workers: 1
  frontends:
    - hostname: 127.0.0.1
      hashserver:
        bufferdir: {home}/data/buffers
        network_interface: 127.0.0.1
        port_start: 20000
        port_end: 22999
      database:
        database_dir: {home}/data/databases
        network_interface: 127.0.0.1
        port_start: {database[0]}
        port_end: {database[1]}
      jobserver:
        conda: null
        network_interface: 127.0.0.1
        port_start: 26000
        port_end: 28999
"""

#: stands in for ssh to this machine: leaves out options and host, runs the rest
SSH = """\
#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    -[bcDEeFIiJLlmOopQRSWw]) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
shift
exec /bin/sh -c "$*"
"""


@dataclass(frozen=True)
class Run:
    """What a command has printed, and its exit status."""

    status: int
    out: str
    err: str


class Sandbox:
    """A home, its cluster, its projects, and the processes that were started in it."""

    def __init__(
        self,
        folder: Path,
        environment: Environment,
        ports: tuple[int, int] = (23000, 25999),
    ) -> None:
        self.environment = environment
        self.home = folder / "home"
        (self.home / ".seamless").mkdir(parents=True)
        clusters = CLUSTERS.format(home=self.home, database=ports)
        (self.home / ".seamless" / "clusters.yaml").write_text(clusters)
        self._ssh = folder / "commands" / "ssh"
        self._ssh.parent.mkdir()
        self._ssh.write_text(SSH)
        self._ssh.chmod(0o755)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of everything that runs here; nothing leaks in."""
        path = [self._ssh.parent, self.environment.commands, "/usr/local/bin", "/usr/bin", "/bin"]
        return {
            "HOME": str(self.home),
            "PATH": os.pathsep.join(map(str, path)),
            "LANG": "C.UTF-8",
            "TMPDIR": tempfile.gettempdir(),
        }

    def project(self, name: str, *commands: str, cluster: str = "local") -> Project:
        folder = self.home / "projects" / name
        folder.mkdir(parents=True)
        (folder / "seamless.yaml").write_text(f"- project: {name}\n")
        profile = [f"cluster: {cluster}", *commands]
        (folder / "seamless.profile.yaml").write_text("".join(f"- {line}\n" for line in profile))
        return Project(self, folder)

    def run(self, *words: str | Path, cwd: Path, status: int | None = 0) -> Run:
        """Run a command of the environment to its end; services that it starts go on."""
        # files, because a service that inherits a pipe would keep it open
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [*map(str, words)],
                cwd=cwd,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                check=False,
                timeout=TIMEOUT,
            )
            for file in (out, err):
                file.seek(0)
            run = Run(done.returncode, out.read(), err.read())
        assert status is None or run.status == status, run.out + run.err
        return run

    def services(self, kind: str) -> list[dict[str, Any]]:
        """What the launcher's state files say about the services of one kind."""
        files = (self.home / ".remote-http-launcher" / "server").glob(f"{kind}*.json")
        return [json.loads(file.read_text()) for file in sorted(files)]

    def processes(self) -> list[int]:
        """The processes that carry this HOME in their environment."""
        return [pid for pid in map(_number, Path("/proc").iterdir()) if pid and self._is_ours(pid)]

    def end(self) -> None:
        """End what was started here: ask, and after a while insist."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.processes():
                _send(pid, number)
            deadline = time.monotonic() + 10
            while self.processes() and time.monotonic() < deadline:
                time.sleep(0.05)

    def _is_ours(self, pid: int) -> bool:
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or belongs to another user
            return False
        return f"HOME={self.home}".encode() in variables


@dataclass(frozen=True)
class Project:
    """A folder with the two configuration files of seamless-config."""

    sandbox: Sandbox
    folder: Path

    def run(self, *words: str | Path, status: int | None = 0) -> Run:
        return self.sandbox.run(*words, cwd=self.folder, status=status)

    def script(self, name: str, *texts: str) -> Path:
        """Write a Python file here, in which MARK is where executions are counted."""
        file = self.folder / name
        file.write_text("".join(map(dedent, texts)).replace("MARK", repr(self.mark)))
        return file

    def python(self, script: Path, *arguments: str, status: int = 0) -> str:
        """Run a Python file; returns what it prints."""
        return self.run("python", script, *arguments, status=status).out

    @property
    def mark(self) -> str:
        """The file to which whatever is executed appends a line."""
        return str(self.folder / "executions")

    def executions(self) -> int:
        """How often something has been executed."""
        file = Path(self.mark)
        return len(file.read_text().splitlines()) if file.exists() else 0


def _number(path: Path) -> int:
    return int(path.name) if path.name.isdigit() else 0


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended by itself
