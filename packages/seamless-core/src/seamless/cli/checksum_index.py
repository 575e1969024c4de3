"""`seamless-checksum-index`: writes the index of a folder and the checksum of that index."""

from __future__ import annotations

import os

from seamless.checksum.calculate_checksum import calculate_checksum
from seamless.cli.command import (
    CommandError,
    given_paths,
    lone_path,
    make_parser,
    run,
)
from seamless.cli.parallel_hash import hash_files
from seamless.cli.tree import index_targets, list_tree, own_files, relative_path, write_sidecars
from seamless.compression_utils import MEMORY

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Sequence

    from seamless.cli.index_cache import IndexCache
    from seamless.cli.several import Failures

_DESCRIPTION = """\
Write the index of a folder (suffix .INDEX) and its checksum (suffix .CHECKSUM),
both beside the folder.

The index is a JSON object: relative file name -> SHA-256 of the content. Files
named *.gz or *.zst are decompressed and listed without that suffix. Links to files
are read as files; links to folders and empty folders are left out. Seamless
identifies the folder by the checksum of the index.

For the folder "." the two files are written inside it, as ..INDEX and ..CHECKSUM;
the index never contains the two files that the command itself writes.

With --keep-going, every file that can't be read is reported on stderr, not only the
first. An index that lacks a file would be that of another folder, so no index is
written then.

With --check INDEX, the files of the directory (data for data.INDEX) are compared
with an index: each file that differs, is missing or was added is printed, and the
exit status is 1 if there is one.

With --cache FILE, a file is not read again while its device, inode, size and times
are the same as in an earlier run with that FILE. A run does not cache files that
changed in the minute before it."""
_CACHE = "keep checksums in this file, outside of the directory"
_KEEP_GOING = "report every file that can't be read, not only the first"
_CHECK = "compare a directory with this index, and write nothing"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    folder = lone_path(argv)
    if folder is not None:
        return run(lambda: write_index(folder))
    parser = make_parser(
        prog="seamless-checksum-index",
        description=_DESCRIPTION,
        name="directory",
        meaning="the folder to index",
    )
    parser.add_argument("--cache", metavar="FILE", help=_CACHE)
    parser.add_argument("--keep-going", action="store_true", help=_KEEP_GOING)
    parser.add_argument("--check", metavar="INDEX", help=_CHECK)
    options = parser.parse_args(argv)
    if options.check is not None:
        if options.each or options.cache or options.keep_going:
            parser.error("--check goes with a directory and --memory, not with other options")
        return run(lambda: _check(options.check, options.directory, options.memory))
    folders = given_paths(parser, options.directory, options.each)
    if options.cache and options.each:
        parser.error("--cache keeps the files of one directory: index each with its own cache")
    return run(lambda: _write(folders, options.cache, options.memory, options.keep_going))


def _check(index: str, folder: str | None, memory: int) -> int:
    from seamless.cli.check_index import check_index

    return check_index(index, folder, memory)


def _write(folders: str | list[str], cache: str | None, memory: int, keep_going: bool) -> int:
    """Write the index of each folder; return the exit status."""
    if isinstance(folders, list):
        from seamless.cli.several import for_each

        return for_each(folders, lambda folder: _write(folder, cache, memory, keep_going))
    if not keep_going:
        write_index(folders, cache, memory)
        return 0
    from seamless.cli.several import Failures

    failures = Failures()
    try:
        write_index(folders, cache, memory, failures)
    finally:
        failures.write()
    return 0


def write_index(
    folder: str, cache: str | None = None, memory: int = MEMORY, failures: Failures | None = None
) -> None:
    """Write the index of a folder and the checksum of the index.

    Parameters
    ----------
    folder
        The folder; the two files are written beside it.
    cache
        A file that keeps checksums between runs, or None.
    memory
        Bytes that decompressing a file may take.
    failures
        Collects the error of each file that can't be read; None raises the first error.

    Raises
    ------
    OSError, CommandError
        When a file can't be read or written. Then only the cache is written.
    """
    targets = index_targets(folder)
    leave_out = own_files(folder, targets)
    opened = None if cache is None else _open_cache(cache, folder, targets)
    failed = None if failures is None else failures.add
    tree = list_tree(folder, leave_out, failed)
    if opened is None:
        digests = hash_files(list(tree.values()), memory=memory, failed=failed)
    else:
        digests = opened.hash_tree(tree, memory, failed)
    if failures:
        if opened is not None:
            opened.save()
        raise CommandError(
            f"{folder!r}: no index is written, as {len(failures)} of its entries can't be read"
        )
    content = _index(dict(zip(tree, digests, strict=True)))
    checksum = calculate_checksum(content)
    index_path, checksum_path = targets
    write_sidecars((index_path, content), (checksum_path, f"{checksum}\n".encode()))
    if opened is not None:
        opened.save()


def _open_cache(cache: str, folder: str, results: Sequence[str]) -> IndexCache:
    """Open a cache file, which must be outside of the folder and not one of the results."""
    from seamless.cli.index_cache import IndexCache

    target = os.path.realpath(cache)  # writing follows a link
    if target in map(os.path.realpath, results):
        raise CommandError(f"{cache!r} is the path of a result: name another file")
    if any(relative_path(path, folder).partition("/")[0] != ".." for path in (cache, target)):
        raise CommandError(f"{cache!r} is in the folder that is indexed: put the cache elsewhere")
    return IndexCache(cache)


def _index(checksums: dict[str, str]) -> bytes:
    """Return the bytes of an index: the `plain` buffer of name → checksum, sorted by name."""
    names = "".join(checksums)
    if checksums and names.isprintable() and '"' not in names and "\\" not in names:
        return _index_of_plain_names(checksums)
    from seamless.cli.interrupts import defer_sigint

    with defer_sigint():  # a Ctrl-C during the import of orjson crashes the interpreter
        from seamless.checksum.json_ import json_dumps_bytes

        return json_dumps_bytes(checksums) + b"\n"


def _index_of_plain_names(checksums: dict[str, str]) -> bytes:
    """Return the bytes of an index whose names need no escapes in JSON.

    The bytes are those of orjson, whose import takes 15 ms: as long as listing 15,000 files.
    """
    lines = [f'  "{name}": "{checksum}"' for name, checksum in checksums.items()]
    return "{{\n{}\n}}\n".format(",\n".join(lines)).encode()
