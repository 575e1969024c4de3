from __future__ import annotations

import gzip
import hashlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
import zstandard

from seamless.errors import ChecksumMismatchError
from seamless.stores.directory import (
    LOCK_SECONDS,
    MIN_BYTES_FOR_THREAD,
    BufferDirectory,
    _open_without_waiting,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> BufferDirectory:
    return BufferDirectory(tmp_path / "buffers")


def named(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


CONTENT = b"stored content\n"
NAME = named(CONTENT)


def place(directory: BufferDirectory, relative: str, content: bytes) -> Path:
    path = directory.path / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_written_buffer_is_read(directory: BufferDirectory) -> None:
    directory.write(NAME, CONTENT)
    assert directory.read(NAME).content == CONTENT


def test_a_missing_folder_has_no_buffers(directory: BufferDirectory) -> None:
    assert directory.read(NAME).content is None
    assert directory.find(NAME) is None
    assert not directory.path.exists()


def test_a_new_folder_gets_the_prefix_layout_of_the_hashserver(directory: BufferDirectory) -> None:
    directory.write(NAME, CONTENT)
    mark = directory.path / ".HASHSERVER_PREFIX"
    assert mark.read_bytes() == b"1\n"
    assert mark.stat().st_mode & 0o777 == 0o644
    path = directory.path / NAME[:2] / NAME
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o444
    assert path.parent.stat().st_mode & 0o777 == 0o775
    assert directory.find(NAME) == path


def test_a_failed_buffer_does_not_harm_the_others_of_its_batch(directory: BufferDirectory) -> None:
    blocked, wrong = named(b"blocked"), named(b"wrong")
    directory.write(NAME, CONTENT)
    (directory.path / blocked[:2] / blocked).mkdir(parents=True)
    contents = [b"%d" % number for number in range(5)]
    batch = [(named(content), content) for content in contents]
    errors = directory.write_together(
        [*batch[:2], (blocked, b"blocked"), *batch[2:4], (wrong, b"other"), *batch[4:]]
    )
    assert [type(error) for error in errors if error is not None] == [
        IsADirectoryError,
        ChecksumMismatchError,
    ]
    assert (errors.index(errors[2]), errors.index(errors[5])) == (2, 5)
    assert all(directory.read(named(content)).content == content for content in contents)
    assert list(directory.path.rglob("*.tmp")) == []


def test_a_flat_folder_stays_flat(directory: BufferDirectory) -> None:
    other = named(b"other")
    place(directory, other, b"other")
    directory.write(NAME, CONTENT)
    assert sorted(path.name for path in directory.path.iterdir()) == sorted([NAME, other])


@pytest.mark.parametrize("prefix", [NAME[:2] + "/", ""])
@pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
def test_every_layout_and_form_is_read(
    directory: BufferDirectory, prefix: str, suffix: str
) -> None:
    forms = {"": CONTENT, ".zst": zstandard.compress(CONTENT), ".gz": gzip.compress(CONTENT)}
    path = place(directory, prefix + NAME + suffix, forms[suffix])
    assert directory.read(NAME).content == CONTENT
    assert directory.find(NAME) == path


def test_wrong_content_is_never_returned_and_reported_once(
    directory: BufferDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    path = place(directory, NAME, b"something else")
    with caplog.at_level(logging.WARNING, "seamless"):
        assert directory.read(NAME).content is None
        assert directory.read(NAME).content is None
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]
    assert caplog.records[0].name.startswith("seamless.")


def test_a_file_that_is_damaged_again_is_reported_again(
    directory: BufferDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        path = place(directory, NAME, b"something else")
        directory.read(NAME)
        path.unlink()
        directory.read(NAME)
    assert len(caplog.records) == 2


def test_a_damaged_file_that_is_rewritten_is_found(directory: BufferDirectory) -> None:
    directory.write(NAME, CONTENT)
    path = directory.find(NAME)
    assert path is not None
    path.unlink()
    path.write_bytes(b"something else")
    assert directory.read(NAME).outcome == "wrong content"
    directory.write(NAME, CONTENT)
    assert directory.locate(NAME) == ("found", str(path))


def test_opening_a_file_that_became_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    descriptor = _open_without_waiting(str(tmp_path / "pipe"), os.O_RDONLY)
    assert os.read(descriptor, 1) == b""
    os.close(descriptor)


def test_a_file_that_another_process_repairs_is_found_again(directory: BufferDirectory) -> None:
    path = place(directory, NAME, b"something else")
    assert directory.read(NAME).outcome == directory.locate(NAME)[0] == "wrong content"
    path.write_bytes(CONTENT)
    assert directory.read(NAME).content == CONTENT
    assert directory.locate(NAME)[0] == "found"


@pytest.mark.parametrize("suffix", [".zst", ".gz"])
def test_damaged_compressed_content_is_ignored(
    directory: BufferDirectory, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    place(directory, NAME + suffix, b"not compressed at all")
    assert directory.read(NAME).content is None
    assert len(caplog.records) == 1


def test_a_valid_form_is_found_after_a_damaged_one(directory: BufferDirectory) -> None:
    place(directory, NAME, b"wrong")
    place(directory, NAME + ".gz", gzip.compress(CONTENT))
    assert directory.read(NAME).content == CONTENT


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("wrong", [b"shorter", b"x" * len(CONTENT)])
def test_wrong_content_is_replaced_when_written(
    directory: BufferDirectory, wrong: bytes, noticed: bool
) -> None:
    directory.write(named(b"other"), b"other")
    place(directory, f"{NAME[:2]}/{NAME}", wrong)
    if noticed:
        assert directory.read(NAME).outcome == "wrong content"
    directory.write(NAME, CONTENT)
    assert directory.read(NAME).content == CONTENT


@pytest.mark.parametrize("suffix", [".zst", ".gz"])
def test_a_damaged_compressed_form_does_not_count_as_written(
    directory: BufferDirectory, suffix: str
) -> None:
    place(directory, f"{NAME[:2]}/{NAME}{suffix}", b"damaged")
    directory.write(NAME, CONTENT)
    assert directory.read(NAME).content == CONTENT


@pytest.mark.parametrize("suffix", [".zst", ".gz"])
def test_a_valid_compressed_form_counts_as_written(directory: BufferDirectory, suffix: str) -> None:
    forms = {".zst": zstandard.compress(CONTENT), ".gz": gzip.compress(CONTENT)}
    directory.write(named(b"other"), b"other")
    path = place(directory, f"{NAME[:2]}/{NAME}{suffix}", forms[suffix])
    directory.write(NAME, CONTENT)
    assert list(path.parent.iterdir()) == [path]


def test_the_outcome_explains_missing_content(directory: BufferDirectory) -> None:
    assert directory.read(NAME).outcome == "no"
    path = place(directory, NAME + ".gz", b"damaged")
    assert [directory.read(NAME).outcome for _ in range(2)] == ["wrong content"] * 2
    assert directory.locate(NAME) == ("wrong content", str(path))
    path.unlink()
    assert directory.read(NAME).outcome == "no"
    assert directory.locate(NAME) == ("no", str(directory.path))


@pytest.mark.parametrize("begun", [b"", CONTENT[:3]])
def test_a_reader_waits_for_a_locked_buffer(
    directory: BufferDirectory, begun: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    lock = place(directory, NAME + ".LOCK", b"")
    path = place(directory, NAME, begun)
    found: list[bytes | None] = []
    reader = threading.Thread(target=lambda: found.append(directory.read(NAME).content))
    reader.start()
    path.write_bytes(CONTENT)
    lock.unlink()
    reader.join()
    assert found == [CONTENT]
    assert caplog.records == []


def test_a_reader_ends_when_the_lock_is_removed(directory: BufferDirectory) -> None:
    lock = place(directory, NAME + ".LOCK", b"")
    found: list[bytes | None] = []
    reader = threading.Thread(target=lambda: found.append(directory.read(NAME).content))
    reader.start()
    lock.unlink()
    reader.join()
    assert found == [None]


def test_an_old_lock_is_ignored(directory: BufferDirectory) -> None:
    lock = place(directory, NAME + ".LOCK", b"")
    os.utime(lock, (0, 0))
    assert directory.read(NAME).content is None


def test_a_lock_expires_as_that_of_the_hashserver() -> None:
    assert LOCK_SECONDS == 120.0


def test_a_lock_from_the_future_expires(directory: BufferDirectory) -> None:
    lock = place(directory, NAME + ".LOCK", b"")
    os.utime(lock, (2**32, 2**32))
    assert BufferDirectory(directory.path, lock_seconds=0.2).read(NAME).content is None


def test_a_lock_does_not_hide_a_buffer_or_stop_a_write(directory: BufferDirectory) -> None:
    place(directory, NAME + ".LOCK", b"")
    directory.write(NAME, CONTENT)
    assert directory.read(NAME).content == CONTENT


@pytest.mark.parametrize("content", [b"other content", bytes(MIN_BYTES_FOR_THREAD)], ids=len)
def test_content_is_never_stored_under_another_digest(
    directory: BufferDirectory, content: bytes
) -> None:
    with pytest.raises(ChecksumMismatchError):
        directory.write(NAME, content)
    assert directory.find(NAME) is None
    assert list(directory.path.rglob("*.tmp")) == []
    directory.write(NAME, CONTENT)
    with pytest.raises(ChecksumMismatchError):
        directory.write(NAME, content)
    assert directory.read(NAME).content == CONTENT


def test_an_existing_buffer_is_not_written_again(directory: BufferDirectory) -> None:
    directory.write(NAME, CONTENT)
    path = directory.find(NAME)
    assert path is not None
    before = path.stat().st_ino
    directory.write(NAME, CONTENT)
    assert path.stat().st_ino == before


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_an_existing_buffer_that_is_written_again_looks_newly_written(
    directory: BufferDirectory, suffix: str
) -> None:
    """`seamless-buffers gc` keeps what was written lately."""
    content = zstandard.compress(CONTENT) if suffix else CONTENT
    path = place(directory, f"{NAME[:2]}/{NAME}{suffix}", content)
    for then in (0, 2**32):
        os.utime(path, (then, then))
        directory.write(NAME, CONTENT)
        assert abs(path.stat().st_mtime - time.time()) < 60
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_buffer_that_is_deleted_while_it_is_written_again_is_stored(
    directory: BufferDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place(directory, f"{NAME[:2]}/{NAME}", CONTENT)
    lstat = os.lstat

    def delete(where: Path) -> os.stat_result:
        status = lstat(where)
        path.unlink(missing_ok=True)
        return status

    os.utime(path, (0, 0))
    place(directory, ".HASHSERVER_PREFIX", b"1\n")
    with monkeypatch.context() as patched:
        patched.setattr(os, "lstat", delete)
        directory.write(NAME, CONTENT)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("sticky", [False, True])
def test_a_file_of_another_user_is_replaced_where_the_folder_allows_it(
    directory: BufferDirectory, monkeypatch: pytest.MonkeyPatch, sticky: bool
) -> None:
    path = place(directory, f"{NAME[:2]}/{NAME}", CONTENT)
    place(directory, ".HASHSERVER_PREFIX", b"1\n")
    os.utime(path, (0, 0))

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", deny)
    if sticky:
        monkeypatch.setattr(os, "replace", deny)
    directory.write(NAME, CONTENT)  # the buffer is there in both cases
    assert path.read_bytes() == CONTENT
    assert (path.stat().st_mtime == 0) == sticky
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("content", [b"another user's", CONTENT])
@pytest.mark.parametrize("layout", ["prefix", "flat"])
def test_an_entry_that_is_a_link_is_replaced_and_its_target_kept(
    directory: BufferDirectory, tmp_path: Path, layout: str, content: bytes
) -> None:
    own = tmp_path / "own"
    own.write_bytes(content)
    if layout == "flat":
        place(directory, named(b"other"), b"other")
    entry = directory.path / (NAME[:2] if layout == "prefix" else "") / NAME
    entry.parent.mkdir(parents=True, exist_ok=True)
    if layout == "prefix":
        place(directory, ".HASHSERVER_PREFIX", b"1\n")
    entry.symlink_to(own)
    directory.write(NAME, CONTENT)
    assert not entry.is_symlink()
    assert entry.read_bytes() == CONTENT
    assert own.read_bytes() == content


def test_a_layout_mark_that_is_a_dangling_link_is_not_followed(
    directory: BufferDirectory, tmp_path: Path
) -> None:
    directory.path.mkdir()
    (directory.path / ".HASHSERVER_PREFIX").symlink_to(tmp_path / "elsewhere")
    directory.write(NAME, CONTENT)
    assert directory.read(NAME).content == CONTENT
    assert not (tmp_path / "elsewhere").exists()


def test_writing_leaves_no_temporary_files(directory: BufferDirectory) -> None:
    directory.write(NAME, CONTENT)
    names = {path.name for path in directory.path.rglob("*") if path.is_file()}
    assert names == {".HASHSERVER_PREFIX", NAME}


def test_a_folder_that_cannot_be_created_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        BufferDirectory(tmp_path / "file" / "buffers").write(NAME, CONTENT)


def test_threads_may_write_the_same_buffers(directory: BufferDirectory) -> None:
    contents = [b"%d" % number for number in range(20)]
    errors: list[Exception] = []

    def work() -> None:
        try:
            for content in contents:
                directory.write(named(content), content)
                assert directory.read(named(content)).content == content
        except Exception as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
