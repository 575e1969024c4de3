"""`seamless-buffers gc`, with real directories: what is deleted, and above all what is not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from buffer_folders import DAY, add_foreign_entries, make_directory, named, put, set_age
from command_runs import files_below

from seamless.cli.buffers.checksum_set import ChecksumSet
from seamless.cli.buffers.deletion import delete_garbage, put_back
from seamless.cli.buffers.main import main
from seamless.stores.directory import BufferDirectory

if TYPE_CHECKING:
    from collections.abc import Iterable

Captured = pytest.CaptureFixture[str]
USED, GARBAGE = b"used", b"garbage"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_directory(tmp_path / "buffers", [USED, GARBAGE])


def write_list(path: Path, names: Iterable[str], *, end: str | None = None) -> Path:
    lines = list(names)
    last = f"# end: {len(lines)} checksums\n" if end is None else end
    path.write_text("".join(f"{line}\n" for line in lines) + last)
    return path


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return write_list(tmp_path / "live", [named(USED)])


def gc(*words: str | Path) -> int:
    return main(["gc", *map(str, words)])


def contents(folder: Path) -> set[bytes]:
    return {content for name, content in files_below(folder).items() if not name.startswith(".")}


@pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
@pytest.mark.parametrize("flat", [False, True])
def test_what_no_list_names_is_deleted(
    tmp_path: Path, live: Path, capsys: Captured, suffix: str, flat: bool
) -> None:
    folder = tmp_path / "b"
    used = put(folder, USED, suffix=suffix, flat=flat)
    garbage = put(folder, GARBAGE, suffix=suffix, flat=flat)
    size = garbage.stat().st_size
    assert gc(folder, live) == 0
    assert used.exists()
    assert not garbage.exists()
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(
        f"{folder}: 1 files of {size} bytes deleted; 1 buffers are listed or pinned, 0 were written"
    )


def test_several_lists_and_pins_are_one_set(folder: Path, tmp_path: Path, live: Path) -> None:
    for content in (b"in b", b"pinned", b"pinned too"):
        put(folder, content)
    other = write_list(tmp_path / "other", [named(b"in b").upper(), named(b"nowhere")])
    pins = ["--pin", named(b"pinned"), "--pin", named(b"pinned too")]
    assert gc(folder, live, other, *pins) == 0
    assert contents(folder) == {USED, b"in b", b"pinned", b"pinned too"}


def test_a_dry_run_prints_the_garbage_and_deletes_nothing(
    folder: Path, live: Path, capsys: Captured
) -> None:
    before = files_below(folder)
    assert gc(folder, live, "--dry-run") == 0
    assert files_below(folder) == before
    name = named(GARBAGE)
    assert capsys.readouterr().out.startswith(
        f"{folder}/{name[:2]}/{name}\n{folder}: 1 files of 7 bytes would be deleted; "
    )


def test_a_list_is_read_from_standard_input(
    folder: Path, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "seamless.cli.buffers", "gc", str(folder), "-"],
        input=live.read_bytes(),
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert child.stderr == b""
    assert contents(folder) == {USED}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the last line '# end: 0 checksums' is missing"),
        ("{used}\n", "the last line '# end: 1 checksums' is missing"),
        ("{used}", "line 1: the list ends in the middle of a line"),
        ("{used}\n# end: 1 checks", "line 2: the list ends in the middle of a line"),
        ("{used}\n# end: 2 checksums\n", "line 2: the list should have 2 checksums before"),
        ("{used}\n# end: 1 checksums\n{used}\n", "the last line '# end: 1 checksums' is missing"),
        ("# end: 0 checksums\n", "a list is empty"),
        ("{used}\n# end: " + 5000 * "1" + " checksums\n", "'# end: 1 checksums' is missing"),
        ("{used}\nhello\n# end: 1 checksums\n", "line 2: 64 hexadecimal digits are expected"),
        ("{short}\n# end: 1 checksums\n", "line 1: 64 hexadecimal digits are expected"),
        ("{spaced}\n# end: 1 checksums\n", "line 1: 64 hexadecimal digits are expected"),
        ("\x00\xff\n", "line 1: 64 hexadecimal digits are expected"),
        ("# begin: today\n", "line 1: the time is not of the form"),
        ("{other}\n# end: 1 checksums\n", "has none of the listed buffers"),
    ],
)
def test_a_doubtful_list_deletes_nothing(
    folder: Path, live: Path, capsys: Captured, text: str, problem: str
) -> None:
    digits = named(USED)
    names = {"used": digits, "short": digits[:63], "other": named(b"other")}
    text = text.format(**names, spaced=digits[:30] + "    " + digits[34:])
    doubtful = live.with_name("doubtful")
    doubtful.write_bytes(text.encode("latin-1"))
    before = files_below(folder)
    lists = [doubtful] if "none of" in problem else [live, doubtful]
    assert gc(folder, *lists) == 1
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert files_below(folder) == before


def test_a_missing_list_or_malformed_pin_deletes_nothing(
    folder: Path, live: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert gc(folder, live, tmp_path / "missing") == 1
    assert gc(folder, live, tmp_path) == 1
    assert gc(tmp_path / "nowhere", live) == 1
    assert capsys.readouterr().err.count("\n") == 3
    with pytest.raises(SystemExit) as ended:
        gc(folder, live, "--pin", "abc")
    assert ended.value.code == 2
    assert "'abc': 64 hexadecimal digits are expected" in capsys.readouterr().err
    assert contents(folder) == {USED, GARBAGE}


def test_lists_without_end_and_empty_lists_are_accepted_on_demand(
    folder: Path, tmp_path: Path, live: Path
) -> None:
    plain = write_list(tmp_path / "plain", [named(USED)], end="")
    assert gc(folder, plain, "--no-end-marker") == 0
    assert contents(folder) == {USED}
    assert gc(folder, write_list(tmp_path / "empty", []), "--allow-empty") == 0
    assert contents(folder) == set()


def test_joined_lists_with_comments_and_foreign_line_ends_are_one_list(
    folder: Path, tmp_path: Path
) -> None:
    put(folder, b"second")
    first = f"# a comment\r\n{named(USED)}\r\n\r\n# end: 1 checksums\r\n"
    second = f"{named(b'second')}\n# end: 1 checksum\n# a comment\n"
    joined = tmp_path / "joined"
    joined.write_bytes((first + second).encode())
    assert gc(folder, joined) == 0
    assert contents(folder) == {USED, b"second"}


def test_what_was_written_after_the_list_or_a_week_before_is_kept(
    folder: Path, tmp_path: Path, live: Path, capsys: Captured
) -> None:
    set_age(live, 20)
    put(folder, b"after", days=19.5)
    put(folder, b"shortly before", days=26)
    put(folder, b"long before", days=28)
    assert gc(folder, live) == 0
    assert contents(folder) == {USED, GARBAGE, b"after", b"shortly before"}
    assert "3 were written after" in capsys.readouterr().out


def test_a_list_says_itself_when_it_was_begun(folder: Path, tmp_path: Path) -> None:
    begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 12 * DAY))
    live = write_list(tmp_path / "l", [named(USED)])
    live.write_text(f"# begin: {begun}\n{live.read_text()}")
    assert gc(folder, live) == 0
    assert contents(folder) == {USED, GARBAGE}


@pytest.mark.parametrize(
    ("begin", "words"),
    [("# begin: 0001-01-01T00:00:00+14:00\n", []), ("", ["--older-than", "9999999d"])],
)
def test_nothing_was_written_before_the_first_year(
    folder: Path, tmp_path: Path, capsys: Captured, begin: str, words: list[str]
) -> None:
    end = f"{begin}# end: 1 checksums\n"
    assert gc(folder, write_list(tmp_path / "old", [named(USED)], end=end), *words) == 0
    assert contents(folder) == {USED, GARBAGE}
    assert "0 files of 0 bytes deleted; 1 buffers are listed" in capsys.readouterr().out


@pytest.mark.parametrize(("age", "kept"), [("11d", True), ("9d", False), ("0", False)])
def test_younger_buffers_than_asked_for_are_kept(
    folder: Path, live: Path, age: str, kept: bool
) -> None:
    assert gc(folder, live, "--older-than", age) == 0
    assert (GARBAGE in contents(folder)) == kept


def test_a_malformed_age_is_wrong_usage(folder: Path, live: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        gc(folder, live, "--older-than", "-3d")
    assert ended.value.code == 2
    with pytest.raises(SystemExit):
        gc(folder, live, "--older-than", "3")
    assert "'3' is not a length of time; write it as 90s" in capsys.readouterr().err


def test_foreign_files_and_buffers_that_are_being_written_stay(folder: Path, live: Path) -> None:
    foreign = add_foreign_entries(folder)
    locked = put(folder, b"locked")
    locked.with_name(f"{locked.name}.LOCK").touch()
    stale = put(folder, b"stale lock")
    stale.with_name(f"{stale.name}.LOCK").touch()
    set_age(stale.with_name(f"{stale.name}.LOCK"), 1)
    new = put(folder, b"new", days=0)
    assert gc(folder, live, "--older-than", "0") == 0
    assert all(map(os.path.lexists, foreign))
    assert (locked.exists(), new.exists(), stale.exists()) == (True, True, False)


def test_remains_of_killed_writers_and_of_repairs_go_when_they_are_old(
    folder: Path, live: Path
) -> None:
    beside = folder / named(GARBAGE)[:2]
    remains = [beside / f".{named(GARBAGE)}.0123456789ab.tmp", beside / f"{named(GARBAGE)}.damaged"]
    for path in remains:
        path.touch()
    needed = folder / named(USED)[:2] / f"{named(USED)}.zst.damaged"
    needed.touch()
    set_age(needed, 10)
    assert gc(folder, live) == 0
    assert all(path.exists() for path in remains)
    for path in remains:
        set_age(path, 8)
    assert gc(folder, live) == 0
    assert not any(path.exists() for path in remains)
    assert needed.exists()


# -- running writers ------------------------------------------------------------------


def test_a_buffer_that_is_written_again_is_kept(folder: Path, live: Path) -> None:
    BufferDirectory(folder).write(named(GARBAGE), GARBAGE)
    assert gc(folder, live, "--older-than", "0") == 0
    assert GARBAGE in contents(folder)


@pytest.mark.parametrize("moment", ["lstat", "rename"])
def test_a_buffer_that_is_written_again_in_the_moment_of_its_deletion_is_kept(
    folder: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer comes after a step of the deletion, which goes on as if it had seen nothing."""
    path = folder / named(GARBAGE)[:2] / named(GARBAGE)
    step = getattr(os, moment)
    writes: list[str] = []

    def step_then_write(*words: Any) -> Any:
        result = step(*words)
        if not writes:
            writes.append(moment)
            BufferDirectory(folder).write(named(GARBAGE), GARBAGE)
        return result

    monkeypatch.setattr(os, moment, step_then_write)
    delete_garbage(str(path), named(GARBAGE), time.time() - 60)
    assert writes
    assert path.read_bytes() == GARBAGE
    assert contents(folder) == {USED, GARBAGE}


#: stops itself after a step of the deletion
KILLED = """
import os, signal, sys
from seamless.cli.buffers.main import main
step, number = os.{step}, int(sys.argv.pop(1))
def stop(*words):
    result = step(*words)
    os.kill(os.getpid(), number)
    return result
os.{step} = stop
sys.exit(main())
"""


@pytest.mark.parametrize("step", ["rename", "unlink"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_loses_no_needed_buffer_and_the_next_completes_it(
    folder: Path, live: Path, tmp_path: Path, step: str, number: signal.Signals
) -> None:
    words = ["gc", str(folder), str(live)]
    code = KILLED.format(step=step)
    child = subprocess.run(
        [sys.executable, "-c", code, str(int(number)), *words],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert child.returncode == (130 if number is signal.SIGINT else -number)
    assert child.stderr == b""
    if step == "rename" and number is signal.SIGKILL:
        (left,) = os.listdir(folder / named(GARBAGE)[:2])
        assert re.fullmatch(rf"{named(GARBAGE)}\.[0-9a-f]{{12}}\.deleted", left)
        both = write_list(tmp_path / "both", [named(USED), named(GARBAGE)])
        assert gc(folder, both) == 0  # it has become needed in the meantime
        assert contents(folder) == {USED, GARBAGE}
    assert main(words) == 0
    assert contents(folder) == {USED}


def test_what_a_killed_run_left_behind_is_deleted_or_put_back(folder: Path, live: Path) -> None:
    for content, days in ((b"old", 10.0), (b"renewed", 0.1), (b"anew", 10.0)):
        path = put(folder, content, days=days)
        path.rename(f"{path}.deleted")
    anew = put(folder, b"anew", days=0)
    assert gc(folder, live) == 0
    assert contents(folder) == {USED, b"renewed", b"anew"}
    assert BufferDirectory(folder).read(named(b"renewed")).content == b"renewed"
    assert os.listdir(anew.parent) == [anew.name]


@pytest.mark.parametrize("listed", [True, False])
def test_what_is_left_behind_stays_while_the_new_file_is_damaged(
    folder: Path, live: Path, listed: bool
) -> None:
    content = USED if listed else b"renewed"
    path = put(folder, content, days=10 if listed else 0.1)
    left = path.rename(f"{path}.deleted")
    put(folder, b"not it", name=named(content), days=0)
    assert gc(folder, live) == 0
    assert (left.read_bytes(), path.read_bytes()) == (content, b"not it")
    path.unlink()
    assert gc(folder, live) == 0
    assert (path.read_bytes(), left.exists()) == (content, False)


def test_a_dry_run_names_nothing_that_would_be_put_back(
    folder: Path, live: Path, capsys: Captured
) -> None:
    path = put(folder, b"renewed", days=0)
    path.rename(f"{path}.deleted")
    assert gc(folder, live, "--dry-run") == 0
    out = capsys.readouterr().out
    assert named(b"renewed") not in out
    assert f"{folder}: 1 files of 7 bytes would be deleted; 1 buffers are listed" in out


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_is_written_while_an_old_one_is_put_back_stays(
    folder: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(folder, b"damaged", name=named(b"anew"))
    left = path.rename(f"{path}.deleted")
    link = os.link

    def write_then_link(*words: Any, **options: Any) -> None:
        BufferDirectory(folder).write(named(b"anew"), b"anew")
        if not links:
            raise PermissionError(1, "Operation not permitted")
        link(*words, **options)

    monkeypatch.setattr(os, "link", write_then_link)
    put_back(str(left), named(b"anew"))
    assert path.read_bytes() == b"anew"
    assert not left.exists()


def test_a_buffer_that_is_written_while_two_processes_delete_the_old_one_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has renamed the old file; the second, which saw the old one, renames the new."""
    path, before = folder / named(GARBAGE)[:2] / named(GARBAGE), time.time() - 60
    rename, unlink = os.rename, os.unlink

    def first(*words: Any) -> None:
        """Run the first process up to its last step, with a writer after its rename."""
        monkeypatch.setattr(os, "rename", rename)
        monkeypatch.setattr(os, "unlink", second)
        delete_garbage(str(path), named(GARBAGE), before)
        rename(*words)

    def second(renamed: str) -> None:
        """Let the second process go on before the first deletes the file."""
        monkeypatch.setattr(os, "unlink", unlink)
        BufferDirectory(folder).write(named(GARBAGE), GARBAGE)
        late.append(renamed)

    late: list[str] = []
    monkeypatch.setattr(os, "rename", first)
    lstat = os.lstat

    def unlink_late(name: str) -> Any:
        if late and name.endswith(".deleted"):
            unlink(late.pop())
        return lstat(name)

    monkeypatch.setattr(os, "lstat", unlink_late)
    assert not delete_garbage(str(path), named(GARBAGE), before)
    assert not late
    assert contents(folder) == {USED, GARBAGE}
    assert path.read_bytes() == GARBAGE


def test_what_is_put_back_is_on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(folder, b"renewed")
    left = path.rename(f"{path}.deleted")
    synced: list[bool] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        assert os.readlink(f"/proc/self/fd/{descriptor}") == str(path.parent)
        synced.append(path.exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    put_back(str(left), named(b"renewed"))
    assert synced == [True]


def test_a_good_buffer_that_a_repair_has_just_set_aside_is_not_deleted(folder: Path) -> None:
    aside = put(folder, b"fresh", days=0)
    aside = aside.rename(f"{aside}.damaged")
    assert not delete_garbage(str(aside), named(b"fresh"), time.time() - 60)
    assert aside.exists()


def test_writers_lose_nothing_while_garbage_is_collected_again_and_again(
    folder: Path, live: Path
) -> None:
    """A process writes old buffers again, and reports each; all that it reported must be there."""
    texts = [b"%d" % number for number in range(150)]
    for text in texts:
        put(folder, text)
    code = """
import hashlib, sys
from pathlib import Path
from seamless.stores.directory import BufferDirectory
directory = BufferDirectory(Path(sys.argv[1]))
for number in range(0, 150, 2):
    content = b"%d" % number
    directory.write(hashlib.sha256(content).hexdigest(), content)
    print(number, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"0\n"
        while writer.poll() is None:
            assert gc(folder, live, "--older-than", "0") == 0
        written = [0, *map(int, writer.stdout.read().split())]
    assert writer.returncode == 0
    assert gc(folder, live, "--older-than", "0") == 0
    assert contents(folder) == {USED, *(b"%d" % number for number in written)}


# -- failures -------------------------------------------------------------------------


def test_a_file_that_can_not_be_deleted_is_reported_and_the_others_go(
    folder: Path, live: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, b"more garbage")
    rename = os.rename

    def deny(source: str, target: str) -> None:
        if named(GARBAGE) in source:
            raise PermissionError(13, "Permission denied", source)
        rename(source, target)

    monkeypatch.setattr(os, "rename", deny)
    assert gc(folder, live) == 1
    error = capsys.readouterr().err
    assert "Permission denied" in error
    assert error.count("\n") == 1
    assert contents(folder) == {USED, GARBAGE}


def test_temporary_files_without_room_delete_nothing(
    folder: Path, live: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    assert gc(folder, live) == 1
    error = capsys.readouterr().err
    assert "No such file" in error
    assert contents(folder) == {USED, GARBAGE}


# -- the set --------------------------------------------------------------------------


def test_a_set_of_many_checksums_holds_exactly_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seamless.cli.buffers.checksum_set.PART_BYTES", 128)
    digests = [bytes.fromhex(named(b"%d" % number)) for number in range(3000)]
    found = ChecksumSet([*digests, *digests[:1500]])
    assert len(found) == 3000
    assert all(digest in found for digest in digests)
    assert not any(bytes.fromhex(named(b"x%d" % number)) in found for number in range(3000))
    found.close()
