"""Digests of many files: complete and in order, also if a worker process dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_runs import sha256
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless.cli.parallel_hash import (
    MAX_CHUNKS,
    MIN_CHUNK_FILES,
    MIN_FILES,
    SMALL_BYTES,
    hash_files,
)

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
