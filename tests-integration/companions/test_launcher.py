"""The launcher starts our database from the template of seamless-config, and finds it again."""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from companions.environment import Environment
from companions.sandbox import TIMEOUT, Project, Sandbox

#: what the template of seamless-config makes of a database, with a time-out of a test's length
CONFIG = """\
key: short
workdir: {workdir}
network_interface: 127.0.0.1
handshake: healthcheck
timeout: {timeout}
command: >-
  seamless-database --port-range 23000 25999 --status-file {{status_file}}
  --host {{config['network_interface']}} --timeout {{timeout}} --writable {{workdir}}/seamless.db
"""


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("GET", "/healthcheck")
    status = connection.getresponse().status
    connection.close()
    return status == 200


def has_ended(pid: int, sandbox: Sandbox) -> bool:
    deadline = time.monotonic() + TIMEOUT
    while pid in sandbox.processes():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def project(sandbox: Sandbox, request: pytest.FixtureRequest) -> Project:
    return sandbox.project(request.node.name, "execution: process")


def test_the_template_of_the_configuration_starts_our_database(project: Project) -> None:
    project.run("seamless-init")
    (service,) = project.sandbox.services(f"database-local-rw-{project.folder.name}")
    program = Path(os.readlink(f"/proc/{service['pid']}/exe"))
    words = Path(f"/proc/{service['pid']}/cmdline").read_text().split("\0")

    assert service["status"] == "running"
    assert healthy(service["port"])
    assert program.name.startswith("python")
    assert str(project.sandbox.environment.commands / "seamless-database") in words
    assert {"--status-file", "--timeout", "--port-range", "--host", "--writable"} <= set(words)
    assert words[words.index("--timeout") + 1] == "600"
    assert Path(service["workdir"], "seamless.db").is_file()


def test_a_second_start_uses_the_running_database(project: Project) -> None:
    name = f"database-local-rw-{project.folder.name}"
    project.run("seamless-init")
    before = project.sandbox.services(name)
    project.run("seamless-init")
    assert project.sandbox.services(name) == before
    assert before[0]["pid"] in project.sandbox.processes()


def test_a_database_that_was_killed_is_started_again(project: Project) -> None:
    name = f"database-local-rw-{project.folder.name}"
    project.run("seamless-init")
    (before,) = project.sandbox.services(name)
    os.kill(before["pid"], 9)
    assert has_ended(before["pid"], project.sandbox)
    project.run("seamless-init")
    (after,) = project.sandbox.services(name)
    assert after["pid"] != before["pid"]
    assert healthy(after["port"])


def failed_start(project: Project) -> str:
    """Start the services, see that it fails for the database's sake, return its output."""
    run = project.run("seamless-init", status=None)
    key = f"database-local-rw-{project.folder.name}"
    # the launcher forgets a service whose status is "failed"; the log stays
    assert project.sandbox.services(key) == []
    assert run.status != 0
    assert "LauncherError" in run.err
    log = project.sandbox.home / ".remote-http-launcher" / "server" / f"{key}.log"
    return log.read_text()


def test_a_file_that_is_no_database_is_reported_as_a_failed_start(project: Project) -> None:
    folder = project.sandbox.home / "data" / "databases" / project.folder.name
    folder.mkdir(parents=True)
    file = folder / "seamless.db"
    file.write_text("no database, but a text file\n" * 100)

    assert "file is not a database" in failed_start(project).splitlines()[-1]
    assert file.read_text().startswith("no database, but")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def crowded(companions: Environment, tmp_path: Path, taken: int) -> Iterator[Project]:
    """A project whose database may use one port, which is taken."""
    sandbox = Sandbox(tmp_path, companions, ports=(taken, taken))
    yield sandbox.project("crowded", "execution: process")
    sandbox.end()


def test_a_taken_port_is_reported_as_a_failed_start(crowded: Project, taken: int) -> None:
    assert str(taken) in failed_start(crowded).splitlines()[-1]


def test_an_idle_database_ends_and_is_started_again_when_needed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config = tmp_path / "short.yaml"
    config.write_text(CONFIG.format(workdir=tmp_path, timeout=2))
    sandbox.run("remote-http-launcher", config, cwd=tmp_path)
    (first,) = sandbox.services("short") or sandbox.services("")
    assert has_ended(first["pid"], sandbox)
    sandbox.run("remote-http-launcher", config, cwd=tmp_path)
    (second,) = sandbox.services("short")
    assert second["pid"] != first["pid"]
    assert second["status"] == "running"
