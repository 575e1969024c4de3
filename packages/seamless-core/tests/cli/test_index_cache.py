"""`seamless-checksum-index --cache`: only unchanged files are not read again."""

from __future__ import annotations

import gzip
import json
import os
import stat
from pathlib import Path
from typing import NamedTuple

import pytest
from command_runs import assert_one_error_line, files_below, run_command, sha256
from python_runs import run_python

from seamless.cli.index_cache import SETTLED_NS, IndexCache, _file_state
from seamless.cli.parallel_hash import MIN_FILES, SMALL_BYTES

NAME = "seamless-checksum-index"
#: hashes the given files with a clock set forward by some seconds; prints the files it opened
RUN = """
    import json, os, sys, time
    from seamless.cli.index_cache import IndexCache

    cache, later, *paths = sys.argv[1:]
    opened = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
    found = IndexCache(cache, lambda: time.time_ns() + int(float(later) * 10**9))
    tree = {os.path.basename(path).removesuffix(".gz"): path for path in paths}
    digests = found.hash_tree(tree)
    found.save()
    print(json.dumps([digests, [path for path in paths if path in opened]]))
"""
#: seconds after which the present files count as old
LATER = 2 * SETTLED_NS / 10**9


class Outcome(NamedTuple):
    """The digests of a run, and the paths that it read."""

    digests: list[str]
    read: list[str]


def run(cache: Path, *paths: Path, later: float = LATER) -> Outcome:
    output = run_python(RUN, str(cache), str(later), *map(str, paths)).stdout
    return Outcome(*json.loads(output))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "d" / "f"
    path.parent.mkdir()
    path.write_bytes(b"one")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize("size", [0, 3, 3 * SMALL_BYTES])
def test_an_unchanged_file_is_not_read_again(size: int, file: Path, cache: Path) -> None:
    file.write_bytes(b"x" * size)
    assert run(cache, file) == ([sha256(b"x" * size)], [str(file)])
    assert run(cache, file) == ([sha256(b"x" * size)], [])


def test_a_file_of_the_last_minute_is_read_again(file: Path, cache: Path) -> None:
    for later in (0, LATER / 3):
        run(cache, file, later=later)
        assert run(cache, file, later=later).read == [str(file)]


@pytest.mark.parametrize(("age", "cached"), [(60 * 10**9, False), (60 * 10**9 + 1, True)])
def test_a_file_is_cached_from_the_age_of_a_minute(
    age: int, cached: bool, file: Path, cache: Path
) -> None:
    status = file.stat()
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    found = IndexCache(str(cache), lambda: changed + age)
    assert found.hash_tree({"f": str(file)}) == [sha256(b"one")]
    found.save()
    assert run(cache, file).read == ([] if cached else [str(file)])


def test_the_cache_file_is_written_only_if_it_changes(file: Path, cache: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"two")
    run(cache, file)
    first = cache.stat().st_ino
    run(cache, file)
    assert cache.stat().st_ino == first
    run(cache, file, other)
    assert run(cache, file, other).read == []


def test_a_cached_file_that_is_gone_is_a_failure(file: Path, cache: Path) -> None:
    run(cache, file)
    file.unlink()
    failures: list[Exception] = []
    found = IndexCache(str(cache))
    assert found.hash_tree({"f": str(file)}, failed=failures.append) == [""]
    assert [str(file) in str(failure) for failure in failures] == [True]


def test_new_content_under_the_old_size_and_date_is_read(file: Path, cache: Path) -> None:
    before = file.stat()
    run(cache, file)
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(cache, file).digests == [sha256(b"two")]


def test_another_file_under_the_old_name_is_read(file: Path, cache: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"two")
    run(cache, file)
    other.replace(file)
    assert run(cache, file).digests == [sha256(b"two")]


def test_a_link_with_another_target_is_read_again(file: Path, cache: Path) -> None:
    other, link = file.with_name("other"), file.with_name("link")
    other.write_bytes(b"two")
    link.symlink_to(file)
    run(cache, link)
    link.unlink()
    link.symlink_to(other)
    assert run(cache, link).digests == [sha256(b"two")]


def test_the_same_bytes_plain_and_compressed_have_two_entries(file: Path, cache: Path) -> None:
    content = gzip.compress(b"plain")
    file.write_bytes(content)
    plain, compressed = file.with_name("a"), file.with_name("a.gz")
    plain.symlink_to(file)
    compressed.symlink_to(file)
    assert run(cache, plain).digests == [sha256(content)]
    assert run(cache, compressed).digests == [sha256(b"plain")]


def test_only_new_files_among_many_are_read(file: Path, cache: Path) -> None:
    paths = [file.with_name(f"{number}") for number in range(MIN_FILES)]
    for path in paths:
        path.write_bytes(path.name.encode())
    expected = [sha256(path.name.encode()) for path in paths]
    assert run(cache, *paths).digests == expected
    assert run(cache, *paths, file) == ([*expected, sha256(b"one")], [str(file)])


def test_a_name_of_any_bytes_is_cached(file: Path, cache: Path) -> None:
    path = file.with_name("a\udcff\n")
    path.write_bytes(b"x")
    run(cache, path)
    assert run(cache, path).read == []


@pytest.mark.parametrize("at", [0.2, 0.5, 0.99])
def test_a_damaged_cache_is_ignored(at: float, file: Path, cache: Path) -> None:
    run(cache, file)
    content = bytearray(cache.read_bytes())
    content[int(at * len(content))] ^= 1
    cache.write_bytes(content)
    # with a damaged first line it could be a file of another program
    if content.startswith(b"seamless-checksum-index cache "):
        assert run(cache, file) == ([sha256(b"one")], [str(file)])
    else:
        assert "not a cache" in assert_one_error_line(
            run_command(NAME, "d", "--cache", "cache", cwd=cache.parent)
        )


@pytest.mark.parametrize("rest", [b"", b"seamless-checksum-index cache 3\nwhat comes later"])
def test_an_empty_or_later_cache_is_replaced(rest: bytes, file: Path, cache: Path) -> None:
    cache.write_bytes(rest)
    assert run(cache, file).read == [str(file)]
    assert run(cache, file).read == []


@pytest.mark.parametrize("number", [stat.ST_DEV, stat.ST_INO, stat.ST_SIZE])
def test_every_part_of_the_file_state_counts(number: int, file: Path) -> None:
    """If another file system is mounted at the same path, only the device may differ."""
    status = file.stat()
    times = {"st_mtime_ns": status.st_mtime_ns, "st_ctime_ns": status.st_ctime_ns}
    other = list(status)
    other[number] += 1
    same = os.stat_result(list(status), times)
    assert _file_state(same) == _file_state(status) != _file_state(os.stat_result(other, times))


def test_the_command_writes_the_same_with_a_cache_and_without(file: Path, cache: Path) -> None:
    os.link(file, file.with_name("g"))
    run_command(NAME, "d", cwd=cache.parent)
    expected = files_below(cache.parent)
    for _ in range(2):
        result = run_command(NAME, "--cache", "cache", "d", cwd=cache.parent)
        assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
        assert files_below(cache.parent) == expected | {"cache": cache.read_bytes()}


@pytest.mark.parametrize(
    "name", ["d/cache", "d.INDEX", "d.CHECKSUM", "text", "folder", "/dev/null", "gone/cache"]
)
def test_an_invalid_cache_path_is_an_error_before_anything_is_written(
    name: str, file: Path, cache: Path
) -> None:
    (cache.parent / "folder").mkdir()
    (cache.parent / "text").write_bytes(b"precious")
    before = files_below(cache.parent)
    result = run_command(NAME, "d", "--cache", name, cwd=cache.parent)
    assert repr(name) in assert_one_error_line(result)
    assert files_below(cache.parent) == before
    assert file.read_bytes() == b"one"


@pytest.mark.parametrize("target", ["d.INDEX", "d/cache"])
def test_a_link_to_an_invalid_cache_path_is_an_error_too(
    target: str, file: Path, cache: Path
) -> None:
    cache.symlink_to(target)
    before = files_below(cache.parent)
    result = run_command(NAME, "d", "--cache", "cache", cwd=cache.parent)
    assert "'cache'" in assert_one_error_line(result)
    assert files_below(cache.parent) == before
    assert file.read_bytes() == b"one"


def test_a_result_that_is_a_link_to_the_cache_is_an_error(file: Path, cache: Path) -> None:
    run_command(NAME, "d", "--cache", "cache", cwd=cache.parent)
    index = cache.with_name("d.INDEX")
    index.unlink()
    index.symlink_to("cache")
    before = cache.read_bytes()
    result = run_command(NAME, "d", "--cache", "cache", cwd=cache.parent)
    assert "'cache'" in assert_one_error_line(result)
    assert cache.read_bytes() == before
    assert file.read_bytes() == b"one"
