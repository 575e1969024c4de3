"""What is timed of the buffer stores, and the limit of each.

Each process that measures has a folder and a hashserver of its own, which end with it.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.bench.environments import ROOT, hashserver
from tools.bench.workload import Prepared, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless.stores.directory import BufferDirectory

SMALL, SMALL_BYTES = 2_000, 1_000
#: what 6,000 synced writes a second take
SMALL_SECONDS = round(SMALL / 6_000, 2)
LARGE_BYTES = 256 << 20
REQUESTS = 1_000
THREADS = 16
START_SECONDS = 30.0

WRITE_SMALL = f"write {SMALL:,} buffers of 1 kB to a directory, synced"


@functools.cache
def folder() -> Path:
    """Make the folder of this process, on the disk of the checkout."""
    (ROOT / ".dev").mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="bench-stores-", dir=ROOT / ".dev"))
    atexit.register(shutil.rmtree, path)
    return path


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def directory(name: str) -> BufferDirectory:
    """Make a directory with all of its folders, as one has that is in use."""
    from seamless.stores.directory import BufferDirectory

    top = folder() / name
    if not top.is_dir():
        for number in range(256):
            (top / f"{number:02x}").mkdir(parents=True)
        (top / ".HASHSERVER_PREFIX").write_bytes(b"1\n")
    return BufferDirectory(top)


def large_content() -> bytes:
    """Return bytes that no earlier call has returned."""
    return os.urandom(1 << 20) * (LARGE_BYTES >> 20)


# -- a directory ----------------------------------------------------------------------


def write_small() -> Callable[[Any], Any]:
    """Reference new buffers, and wait until the upload queue has stored them."""
    from seamless import Buffer
    from seamless.caching import buffer_writer
    from seamless.remote import configure

    configure(directory=directory("small").path)

    def buffers() -> list[Buffer]:
        made = [Buffer(os.urandom(SMALL_BYTES)) for _ in range(SMALL)]
        for buffer in made:
            buffer.get_checksum()
        return made

    def write(made: list[Buffer]) -> None:
        for buffer in made:
            buffer_writer.register(buffer)
        buffer_writer.flush()

    return Prepared(buffers, write)


def write_small_files() -> Callable[[Any], Any]:
    """Write, sync and rename each file, and sync its folder, in 16 threads of plain code."""
    top = directory("small").path

    def contents() -> list[tuple[Path, bytes]]:
        made = [os.urandom(SMALL_BYTES) for _ in range(SMALL)]
        return [(top / digest_of(content)[:2] / digest_of(content), content) for content in made]

    def write(files: list[tuple[Path, bytes]]) -> None:
        def write_share(share: list[tuple[Path, bytes]]) -> None:
            for path, content in share:
                temporary = path.with_suffix(".tmp")
                with temporary.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.rename(path)
                descriptor = os.open(path.parent, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)

        threads = [
            threading.Thread(target=write_share, args=(files[number::THREADS],))
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return Prepared(contents, write)


def write_large() -> Callable[[Any], Any]:
    """Write a new buffer to a directory."""
    store = directory("large")

    def new() -> tuple[str, bytes]:
        shutil.rmtree(store.path)
        directory("large")
        content = large_content()
        return digest_of(content), content

    return Prepared(new, lambda buffer: store.write(*buffer))


def copy_and_sync() -> Callable[[Any], Any]:
    """Copy a file that is in memory, and sync the copy."""
    source, target = folder() / "source", folder() / "target"
    source.write_bytes(large_content())
    command = f"cp {source} {target} && sync {target}"

    def remove() -> None:
        target.unlink(missing_ok=True)

    return Prepared(remove, lambda _: subprocess.run(["sh", "-c", command], check=True))


def read_large() -> Callable[[], Any]:
    """Read a buffer from a directory."""
    content = large_content()
    store, digest = directory("read"), digest_of(content)
    store.write(digest, content)
    return lambda: store.read(digest)


def sha256sum() -> Callable[[], Any]:
    """Hash a file that is in memory with the command of the system."""
    path = folder() / "hashed"
    path.write_bytes(large_content())
    return lambda: subprocess.run(["sha256sum", path], stdout=subprocess.DEVNULL, check=True)


# -- a hashserver ---------------------------------------------------------------------


@functools.cache
def server() -> str:
    """Start a hashserver on a folder of this process; return its URL."""
    status = folder() / "status.json"
    status.write_text("{}")
    options = ["--host", "127.0.0.1", "--port-range", "40000", "49000"]
    command = [hashserver(), directory("served").path, "--status-file", status, *options]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([str(word) for word in command], stdout=quiet, stderr=quiet)
    atexit.register(process.wait)
    atexit.register(process.kill)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        reported = json.loads(status.read_text())
        if reported.get("status") == "running":
            time.sleep(0.5)  # it reports that before it listens
            return f"http://127.0.0.1:{reported['port']}"
        time.sleep(0.05)
    raise RuntimeError("the hashserver did not start")


def served(content: bytes) -> str:
    """Put a buffer into the folder of the server; return its digest."""
    digest = digest_of(content)
    (directory("served").path / digest[:2] / digest).write_bytes(content)
    return digest


def small_checksums() -> list[Any]:
    from seamless import Checksum
    from seamless.remote import configure

    configure(directory=(), read_servers=server())
    return [Checksum(served(os.urandom(SMALL_BYTES))) for _ in range(REQUESTS)]


def resolve_together() -> Callable[[], Any]:
    """Resolve buffers of 1 kB at once."""
    checksums = small_checksums()

    async def resolve() -> None:
        await asyncio.gather(*(checksum.resolution() for checksum in checksums))

    return lambda: asyncio.run(resolve())


def resolve_each() -> Callable[[], Any]:
    """Resolve the buffers one after the other, by the same package."""
    checksums = small_checksums()

    async def resolve() -> None:
        for checksum in checksums:
            await checksum.resolution()

    return lambda: asyncio.run(resolve())


def download() -> Callable[[], Any]:
    """Read a large buffer from the server."""
    from seamless.stores.hashserver import HashServer

    store, digest = HashServer(server()), served(large_content())
    return lambda: store.read(digest)


def curl() -> Callable[[], Any]:
    """Download the buffer with curl, which does not hash it."""
    url = f"{server()}/{served(large_content())}"
    return lambda: subprocess.run(["curl", "--silent", "--output", os.devnull, url], check=True)


MEGABYTES = LARGE_BYTES >> 20

WORKLOADS = {
    WRITE_SMALL: Workload(write_small, write_small_files, at_most=1.0),
    f"write {MEGABYTES} MiB to a directory, synced": Workload(
        write_large, copy_and_sync, at_most=1.3
    ),
    f"read {MEGABYTES} MiB from a directory": Workload(read_large, sha256sum, at_most=1.2),
    f"resolve {REQUESTS:,} buffers of 1 kB from a hashserver": Workload(
        resolve_together, resolve_each, at_most=0.2
    ),
    f"read {MEGABYTES} MiB from a hashserver": Workload(download, curl, at_most=1.25),
}
