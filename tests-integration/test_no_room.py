"""A full disk, and a lock that another process holds: refused with a text, reads go on."""

from __future__ import annotations

import os
import resource
import sqlite3
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record
from database_server import Server
from write_stress import WriteStress, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOM = 3 * 1024 * 1024


class SmallDisk:
    """A file system of its own with little room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, server: Server) -> None:
        with self._filler.open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                return

    def empty(self, server: Server) -> None:
        self._filler.unlink()


class SmallFiles(SmallDisk):
    """Where nothing can be mounted: the server's files may not grow."""

    def fill(self, server: Server) -> None:
        largest = max(entry.stat().st_size for entry in self.folder.iterdir())
        limits = (largest, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)

    def empty(self, server: Server) -> None:
        limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)


@pytest.fixture(params=[SmallDisk, SmallFiles])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param is SmallFiles:
        yield SmallFiles(folder)
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here; the limit on files stands in for a small disk")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.crash
def test_a_full_disk_loses_nothing_and_stops_no_reads(
    disk: SmallDisk, note: Callable[[str], None]
) -> None:
    file = disk.folder / "seamless.db"
    with Server(file) as server:
        key, result = checksum("kept"), checksum("result")
        assert server.put("transformation", checksum=key, value=result).status == 200
        before = WriteStress(server, "before", clients=6)
        while before.count < 100:
            time.sleep(0.01)
        acknowledged = before.stop()
        disk.fill(server)
        # neither the WAL nor the file has room for it, even if the WAL begins anew
        largest = max(entry.stat().st_size for entry in disk.folder.glob("seamless.db*"))
        large = record(checksum(1), checksum(2), x="x" * largest)
        refused = server.put("metadata", checksum=checksum(1), result=checksum(2), value=large)
        assert refused.status == 503
        assert refused.text.startswith("ERROR: the database could not be written")
        # smaller ones may find room or not
        during = WriteStress(server, "during", clients=6)
        for _ in range(30):
            assert server.get("transformation", checksum=key).text == result
            assert server.ask("GET", path="/healthcheck").text == "OK"
            time.sleep(0.01)
        some = during.stop()
        disk.empty(server)
        small = record(checksum(1), checksum(2))  # the write stress may have left no room for more
        again = server.put("metadata", checksum=checksum(1), result=checksum(2), value=small)
        assert again.status == 200
        assert server.get("metadata", checksum=checksum(1)).json() == small
        assert server.stop() == (0, "")
    assert missing(file, acknowledged) == []
    assert missing(file, some) == []
    note(f"{acknowledged.count} + {some.count} acknowledged, {some.refused} refused, none lost")


@pytest.mark.crash
def test_a_server_can_be_ended_while_the_disk_is_full(disk: SmallDisk) -> None:
    file = disk.folder / "seamless.db"
    with Server(file) as server:
        stress = WriteStress(server, "before", clients=6)
        while stress.count < 100:
            time.sleep(0.01)
        acknowledged = stress.stop()
        disk.fill(server)
        assert server.stop() == (0, "")
    if type(disk) is SmallDisk:
        disk.empty(server)
    with Server(file) as server:
        assert server.stop() == (0, "")
    assert missing(file, acknowledged) == []


@pytest.mark.crash
def test_a_full_disk_takes_what_needs_no_more_room(disk: SmallDisk) -> None:
    file = disk.folder / "seamless.db"
    keys = [checksum(number) for number in range(20)]

    def put(length: int) -> list[int]:
        return [
            server.put("buffer_info", checksum=key, value={"length": length}).status for key in keys
        ]

    with Server(file) as server:
        assert set(put(100)) == {200}
        server.stop()
    with Server(file) as server:
        assert set(put(200)) == {200}
        disk.fill(server)
        # the WAL cannot grow, but what is in it has room in the file
        for length in range(300, 305):
            assert set(put(length)) == {200}
        assert server.get("buffer_info", checksum=keys[0]).json() == {"length": 304}
        assert server.stop() == (0, "")


@pytest.mark.crash
def test_while_another_process_holds_the_lock_reads_are_answered(
    tmp_path: Path, note: Callable[[str], None]
) -> None:
    file = tmp_path / "seamless.db"
    waits: dict[str, list[float]] = {"reads": [], "healthchecks": []}
    with Server(file) as server, ThreadPoolExecutor(1) as pool:
        key = checksum(1)
        assert server.put("transformation", checksum=key, value=checksum(2)).status == 200
        with closing(sqlite3.connect(file, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            write = pool.submit(server.put, "transformation", checksum=key, value=checksum(3))
            while not write.done():
                for name, path in (("reads", "/"), ("healthchecks", "/healthcheck")):
                    before = time.perf_counter()
                    body = {"type": "transformation", "checksum": key}
                    assert server.ask("GET", body, path=path).status == 200
                    waits[name].append(time.perf_counter() - before)
                time.sleep(0.01)
            waited = time.monotonic() - started
        assert write.result().status == 503
        assert "locked by another process" in write.result().text
        assert server.get("transformation", checksum=key).text == checksum(2)
        assert server.put("transformation", checksum=key, value=checksum(3)).status == 200
    reported = ", ".join(
        f"{name}: median {statistics.median(times) * 1000:.1f}, most {max(times) * 1000:.1f} ms"
        for name, times in waits.items()
    )
    note(f"503 after {waited:.1f} s; meanwhile {reported}")
