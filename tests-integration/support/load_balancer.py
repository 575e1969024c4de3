"""Debian's nginx in front of replicas, with the configuration that our documentation shows."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_server import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXAMPLE = Path(__file__).resolve().parents[2].joinpath(
    "packages", "seamless-database", "examples", "nginx.conf"
)  # fmt: skip
#: the addresses in the example: its own, and those of the replicas
OWN, REPLICAS = "127.0.0.1:5520", ("127.0.0.1:5521", "127.0.0.1:5522")


@contextmanager
def load_balancer(ports: Sequence[int], folder: Path) -> Iterator[int]:
    """Run nginx before replicas at two ports; gives its own port."""
    binary = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if binary is None:
        pytest.skip("nginx is not installed here; apt-get install nginx-light")
    own = _free_port()
    text = EXAMPLE.read_text().replace(OWN, f"127.0.0.1:{own}")
    for address, port in zip(REPLICAS, ports, strict=True):
        text = text.replace(address, f"127.0.0.1:{port}")
    # where it keeps what is too large for its memory
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        text = text.replace("http {", f"http {{\n    {name}_temp_path {folder}/{name};", 1)
    if os.geteuid() == 0:
        # or nginx becomes a user that may not enter the folder
        text = f"user root;\n{text}"
    file = folder / "nginx.conf"
    file.write_text(text)
    command = [binary, "-p", str(folder), "-c", str(file), "-g", "daemon off;", "-e", "stderr"]
    with (folder / "nginx.log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            _wait_for(own, process, folder / "nginx.log")
            yield own
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"nginx did not start: {log.read_text()}") from None
            time.sleep(0.02)
        else:
            return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
