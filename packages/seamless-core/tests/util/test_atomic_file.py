"""Atomic writes of files."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from python_runs import run_python

from seamless import Buffer
from seamless.cli.tree import write_sidecars
from seamless.util.atomic_file import (
    replace_entries,
    replace_entry,
    write_atomically,
    write_together,
)
from seamless.util.mount_directory import write_to_directory


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_permissions_that_open_gives(tmp_path: Path) -> None:
    (tmp_path / "opened").write_bytes(b"")
    write_atomically(tmp_path / "new", b"content")

    assert (tmp_path / "new").read_bytes() == b"content"
    assert permissions(tmp_path / "new") == permissions(tmp_path / "opened")


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o641)
    write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert permissions(path) == 0o641


def test_an_entry_gets_the_given_permissions(tmp_path: Path) -> None:
    replace_entry(tmp_path / "file", b"", 0o444)
    assert permissions(tmp_path / "file") == 0o444


def test_a_symbolic_link_stays_one_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", b"new")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_failure_leaves_no_file_behind_and_names_the_given_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder") as caught:
        write_atomically(tmp_path / "folder", b"x")

    assert caught.value.filename == str(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_entry_that_is_a_folder_stays_and_no_file_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        replace_entry(tmp_path / "folder", b"x", 0o444)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_interrupted_batch_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_entries([(tmp_path / name, b"x", lambda: None) for name in ("one", "two")], 0o444)
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_the_longest_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


# -- links, named pipes, devices ------------------------------------------------------


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """A named pipe with a reader; the result is what it has read when the writer closes."""
    path, received = tmp_path / "fifo.CHECKSUM", list[bytes]()
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()), daemon=True)
    reader.start()
    yield path, received
    with contextlib.suppress(OSError):  # unblocks a reader to which nothing was written
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    reader.join()


BUFFER = Buffer(b"content")
HEX_LINE = BUFFER.get_checksum().hex().encode() + b"\n"


@pytest.mark.parametrize(
    ("save", "expected"),
    [
        (BUFFER.save, b"content"),
        (BUFFER.get_checksum().save, HEX_LINE),
        (lambda path: write_to_directory(path.parent, {path.name: b"content"}), b"content"),
        (lambda path: write_sidecars((str(path), HEX_LINE)), HEX_LINE),
    ],
    ids=["buffer", "checksum", "folder", "sidecar"],
)
def test_a_named_pipe_is_written_to(
    fifo: tuple[Path, list[bytes]], save: Callable[[Path], object], expected: bytes
) -> None:
    path, received = fifo
    save(path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    deadline = time.monotonic() + 30
    while not received and time.monotonic() < deadline:
        time.sleep(0.01)
    assert received == [expected]
    assert list(path.parent.iterdir()) == [path]


def test_a_device_is_written_to(tmp_path: Path) -> None:
    # the file system of terminals has no regular files, so a fault cannot replace the device
    terminal, device = os.openpty()
    try:
        (tmp_path / "device").symlink_to(os.ttyname(device))
        for path in (tmp_path / "device", Path(os.ttyname(device))):
            BUFFER.save(path)
            assert os.read(terminal, 1000) == BUFFER.content
        assert stat.S_ISCHR(Path(os.ttyname(device)).stat().st_mode)
    finally:
        os.close(terminal)
        os.close(device)


def test_standard_output_that_is_a_file_is_written_to(tmp_path: Path) -> None:
    code = """
        import os
        from seamless import Buffer
        Buffer(b"saved").save("/dev/stdout")
        os.lseek(1, 0, os.SEEK_END)
        os.write(1, b", then printed")
    """
    with (tmp_path / "output").open("wb") as output:
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], stdout=output, check=True)
    assert (tmp_path / "output").read_bytes() == b"saved, then printed"


def test_an_entry_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"another user's")
    (tmp_path / "link").symlink_to("target")
    replace_entry(tmp_path / "link", b"new", 0o444)

    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_bytes() == b"new"
    assert (tmp_path / "target").read_bytes() == b"another user's"


def test_an_entry_that_is_a_named_pipe_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    replace_entry(tmp_path / "fifo", b"new", 0o444)
    assert (tmp_path / "fifo").read_bytes() == b"new"


# -- permissions ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_content_is_never_readable_by_more_than_the_final_file(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    seen: set[int] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for entry in os.scandir(tmp_path):
                with contextlib.suppress(FileNotFoundError):
                    seen.add(stat.S_IMODE(entry.stat().st_mode))

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = os.umask(0)
    try:
        for _ in range(100):
            write_atomically(path, bytes(1 << 18))
    finally:
        os.umask(before)
        over.set()
        watcher.join()
    assert permissions(path) == mode
    assert all(found & ~mode & 0o077 == 0 for found in seen), [oct(found) for found in seen]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
def test_a_file_of_another_user_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 12345, 23456)
    write_atomically(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder for an ordinary user; root becomes one until the end of the test."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        root = os.geteuid() == 0
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)
                os.setegid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_group_that_can_not_be_kept_gets_no_access(shared_folder: Path) -> None:
    path = shared_folder / "file"
    path.write_bytes(b"old")
    os.chown(path, 0, 0)
    path.chmod(0o673)
    os.setegid(12345)
    os.seteuid(12345)
    write_atomically(path, b"new")
    assert path.stat().st_gid == 12345
    assert permissions(path) == 0o633


def test_a_read_only_file_is_not_replaced(shared_folder: Path) -> None:
    path = shared_folder / "file"
    path.write_bytes(b"old")
    path.chmod(0o444)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
        os.seteuid(12345)
    with pytest.raises(PermissionError, match="file"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


# -- names ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ü" * 127, "n" * 240, "😀" * 63, "\udcff" * 255, "a\nb"])
def test_every_name_that_the_file_system_allows_can_be_written(tmp_path: Path, name: str) -> None:
    Buffer(b"content").save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"content"


# -- several files --------------------------------------------------------------------


def test_a_failure_changes_none_of_several_files(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"old")
    (tmp_path / "two").mkdir()
    with pytest.raises(IsADirectoryError, match="two"):
        write_together([(tmp_path / "one", b"new"), (tmp_path / "two", b"new")])
    assert (tmp_path / "one").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_rename_that_fails_changes_nothing_and_names_the_file(shared_folder: Path) -> None:
    shared_folder.chmod(0o1777)  # users may not replace files of others
    for name in ("first", "second"):
        (shared_folder / name).write_bytes(b"old")
        (shared_folder / name).chmod(0o666)
    os.seteuid(12345)
    with pytest.raises(PermissionError) as caught:
        write_together([(shared_folder / name, b"new") for name in ("first", "second")])
    assert caught.value.filename == str(shared_folder / "first")
    assert sorted(os.listdir(shared_folder)) == ["first", "second"]
    assert (shared_folder / "first").read_bytes() == b"old"


def test_ctrl_c_changes_all_of_several_files_or_none(tmp_path: Path) -> None:
    code = """
        import random, signal, sys
        from pathlib import Path
        from seamless.util.atomic_file import write_together

        signal.signal(signal.SIGALRM, signal.default_int_handler)
        folder = Path(sys.argv[1])
        random.seed(0)
        interrupts = 0
        for number in range(int(sys.argv[2])):
            content = b"%d" % number
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 4e-4))
                write_together([(folder / "one", content), (folder / "two", content)])
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupts += 1
            if (folder / "one").exists():
                assert (folder / "one").read_bytes() == (folder / "two").read_bytes()
            assert {path.name for path in folder.iterdir()} in ({"one", "two"}, set())
        assert interrupts
    """
    run_python(code, str(tmp_path), os.environ.get("SEAMLESS_INTERRUPTS", "2000"))
