"""Digests of many files: complete and in order, also if a worker process dies."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_runs import sha256
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless.cli import parallel_hash
from seamless.cli.parallel_hash import (
    MAX_CHUNKS,
    MIN_BYTES,
    MIN_CHUNK_FILES,
    MIN_FILES,
    NO_STAMP,
    SMALL_BYTES,
    hash_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: hashes the files of a folder while every worker process dies at its start
WITHOUT_HELP = """
import os, signal, sys
from seamless.cli import parallel_hash

def fork_a_victim(*args):
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return child

parallel_hash._fork = fork_a_victim
parallel_hash.core_count = lambda: 3
names = sorted(os.listdir(sys.argv[1]), key=int)
print(*parallel_hash.hash_files([os.path.join(sys.argv[1], name) for name in names]))
"""


def test_no_files_have_no_digests() -> None:
    assert hash_files([]) == []


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.sampled_from([0, 1, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, 3 * SMALL_BYTES]),
        max_size=8,
    )
)
def test_digests_have_the_order_of_the_files(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    contents = [bytes([number]) * size for number, size in enumerate(sizes)]
    for number, content in enumerate(contents):
        (folder / str(number)).write_bytes(content)
    paths = [str(folder / str(number)) for number in range(len(sizes))]
    assert hash_files(paths) == [sha256(content) for content in contents]


def test_large_files_are_hashed_in_parallel_and_in_order(tmp_path: Path) -> None:
    contents = [bytes([number]) * (number + 1) * 2_000_000 for number in range(5)]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    paths = [str(tmp_path / str(number)) for number in range(5)]
    assert hash_files(paths) == [sha256(content) for content in contents]


def test_there_may_be_more_files_than_fit_into_the_smallest_chunks(tmp_path: Path) -> None:
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    for path in paths:
        Path(path).write_bytes(path.encode())
    expected = [sha256(path.encode()) for path in paths]
    times = MAX_CHUNKS * MIN_CHUNK_FILES // 2 + 1
    assert hash_files(paths * times) == expected * times


def test_a_worker_process_that_dies_leaves_no_file_out(tmp_path: Path) -> None:
    for number in range(MIN_FILES):
        (tmp_path / str(number)).write_bytes(b"%d" % number)
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_HELP, str(tmp_path)], capture_output=True, check=True
    )
    assert result.stdout.decode().split() == [sha256(b"%d" % number) for number in range(MIN_FILES)]


def test_a_removed_file_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"")
    with pytest.raises(FileNotFoundError) as caught:
        hash_files([str(tmp_path / "there"), str(tmp_path / "gone")])
    assert caught.value.filename == str(tmp_path / "gone")


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES - 1])
def test_small_files_are_hashed_in_the_first_pass(tmp_path: Path, size: int) -> None:
    path = tmp_path / "small"
    path.write_bytes(bytes(size))
    entry = parallel_hash._small_entry(str(path), NO_STAMP, 0)
    assert entry.hex() == sha256(bytes(size))


def test_a_short_read_is_not_taken_for_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(b"some")
            unread = bytearray(4)
            while fcntl.ioctl(pipe, termios.FIONREAD, unread) or any(unread):
                time.sleep(0.001)
            pipe.write(b"more")

    writer = threading.Thread(target=write)
    writer.start()
    entry = parallel_hash._small_entry(str(path), NO_STAMP, 0)
    writer.join()
    assert entry == NO_STAMP.no_entry


@pytest.mark.parametrize(
    ("sizes", "cores", "parallel"),
    [
        ([MIN_BYTES - 1, 1], 2, True),
        ([MIN_BYTES - 2, 1], 2, False),
        ([MIN_BYTES], 2, False),
        ([MIN_BYTES, 1], 1, False),
    ],
)
def test_threads_are_started_for_several_large_files_and_cores(
    sizes: list[int], cores: int, parallel: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    in_threads = parallel_hash._hash_in_threads

    def counted(*args: Any) -> list[str]:
        started.append(len(args[0]))
        return in_threads(*args)

    monkeypatch.setattr(parallel_hash, "core_count", lambda: cores)
    monkeypatch.setattr(parallel_hash, "_hash_in_threads", counted)
    paths = [str(tmp_path / str(number)) for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        with Path(path).open("wb") as file:
            file.truncate(size)
    entries = parallel_hash._hash_large_files(paths, (NO_STAMP, 0))
    assert entries == [sha256(bytes(size)) for size in sizes]
    assert started == ([len(paths)] if parallel else [])


def test_the_progress_of_all_threads_is_counted() -> None:
    advanced: list[int] = []

    def entry(path: str, advance: Callable[[int], None] | None) -> str:
        assert advance is not None
        advance(len(path))
        return path

    paths = ["a", "bc", "def"]
    assert parallel_hash._hash_in_threads(paths, [1, 2, 3], entry, advanced.append) == paths
    assert sorted(advanced) == [1, 2, 3]


def test_after_a_failure_the_threads_stop_reading() -> None:
    from concurrent.futures import CancelledError

    failed, stopped = threading.Event(), threading.Event()

    def entry(path: str, advance: Callable[[int], None] | None) -> str:
        assert advance is not None
        if path == "bad":
            failed.set()
            raise OSError("damaged")
        assert failed.wait(60)
        try:
            for _ in range(60_000):
                advance(1)
                time.sleep(0.001)
        except CancelledError:
            stopped.set()
        return path

    with pytest.raises(OSError, match="damaged"):
        parallel_hash._hash_in_threads(["bad", "endless"], [1, 2], entry, None)
    assert stopped.is_set()


def test_the_numbers_of_all_chunks_fit_into_the_smallest_pipe() -> None:
    assert MAX_CHUNKS * parallel_hash._NUMBER_SIZE <= 4096


def test_worker_processes_have_ended_when_all_files_are_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked: list[int] = []
    fork = parallel_hash._fork

    def late(work: Callable[[], None]) -> int:
        def work_and_wait() -> None:
            work()
            time.sleep(0.2)

        forked.append(fork(work_and_wait))
        return forked[-1]

    monkeypatch.setattr(parallel_hash, "_fork", late)
    monkeypatch.setattr(parallel_hash, "core_count", lambda: 2)
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert hash_files([str(path)] * MIN_FILES) == [sha256(b"")] * MIN_FILES
    (child,) = forked
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


def test_worker_processes_are_stopped_after_a_failure() -> None:
    child = parallel_hash._fork(lambda: time.sleep(60))
    parallel_hash._stop([child])
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)
    parallel_hash._stop([child])  # it has ended already
