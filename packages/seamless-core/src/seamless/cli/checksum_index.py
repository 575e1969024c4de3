"""`seamless-checksum-index`: write the index of a folder, and the checksum of that index."""

from __future__ import annotations

import os

from seamless.checksum.calculate_checksum import calculate_checksum
from seamless.cli.command import CommandError, lone_path, make_parser, run
from seamless.cli.files import checksum_sidecar, list_tree, write_sidecars
from seamless.cli.hash_files import hash_files
from seamless.compression_utils import MEMORY

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Sequence

    from seamless.cli.index_cache import IndexCache

_DESCRIPTION = """\
Write the index of a folder (suffix .INDEX) and its checksum (suffix .CHECKSUM),
both beside the folder.

The index is a JSON object: relative file name -> SHA-256 of the content. Files
named *.gz or *.zst are decompressed and stand there without that suffix. Links to
files count as files, links to folders are left out, empty folders leave no trace.
The checksum of the index is what Seamless knows the folder by.

Of the folder "." the two files come to lie inside it, as ..INDEX and ..CHECKSUM;
the index never contains the two files that the command itself writes.

With --cache FILE, a file is not read again while its device, inode, size and times
are as they were in an earlier run with that FILE. What changed in the minute before
a run is not remembered by it."""
_CACHE = "remember checksums in this file, outside of the directory"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    folder, cache, memory = lone_path(argv), None, MEMORY
    if folder is None:
        parser = make_parser(
            prog="seamless-checksum-index",
            description=_DESCRIPTION,
            name="directory",
            meaning="the folder to index",
        )
        parser.add_argument("--cache", metavar="FILE", help=_CACHE)
        options = parser.parse_args(argv)
        folder, cache, memory = str(options.directory), options.cache, options.memory
    return run(lambda: write_index(folder, cache, memory))


def write_index(folder: str, cache: str | None = None, memory: int = MEMORY) -> None:
    """Write the index of a folder and the checksum of the index.

    Parameters
    ----------
    folder
        The folder; the two files come to lie beside it.
    cache
        A file in which checksums are remembered from run to run, or None.
    memory
        Bytes that decompressing a file may take.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - pathlib would slow every start
        raise CommandError(f"{folder!r} is not a directory")
    stem = folder.rstrip("/") or "/"
    index_path, checksum_path = f"{stem}.INDEX", checksum_sidecar(stem)
    targets = (index_path, checksum_path)
    for target in targets:
        if os.path.isdir(target):  # noqa: PTH112 - as above
            raise CommandError(f"{target!r} has to be written, but is a directory: rename it")
    leave_out = {_relative(target, folder) for target in targets}
    remembered = None if cache is None else _open_cache(cache, folder, targets)
    tree = list_tree(folder, leave_out)
    if remembered is None:
        digests = hash_files(list(tree.values()), memory=memory)
    else:
        digests = remembered.hash_tree(tree, memory)
    content = _index(dict(zip(tree, digests, strict=True)))
    checksum = calculate_checksum(content)
    write_sidecars((index_path, content), (checksum_path, f"{checksum}\n".encode()))
    if remembered is not None:
        remembered.save()


def _open_cache(cache: str, folder: str, results: Sequence[str]) -> IndexCache:
    """Open a cache that is neither in the folder, and so in its index, nor one of the results."""
    from seamless.cli.index_cache import IndexCache

    target = os.path.realpath(cache)  # what is written: a link is followed
    if target in map(os.path.realpath, results):
        raise CommandError(f"{cache!r} is where a result has to be written: name another file")
    if any(_relative(place, folder).partition("/")[0] != ".." for place in (cache, target)):
        raise CommandError(f"{cache!r} lies in the folder that is indexed: put the cache elsewhere")
    return IndexCache(cache)


def _index(checksums: dict[str, str]) -> bytes:
    """Bytes of an index: the `plain` buffer of name → checksum, whose names are in order."""
    names = "".join(checksums)
    if checksums and names.isprintable() and '"' not in names and "\\" not in names:
        return _index_of_plain_names(checksums)
    from seamless.checksum.json_ import json_dumps_bytes
    from seamless.cli.interrupts import uninterrupted

    with uninterrupted():  # a Ctrl-C while orjson is being imported crashes the interpreter
        return json_dumps_bytes(checksums) + b"\n"


def _index_of_plain_names(checksums: dict[str, str]) -> bytes:
    """Write an index in which no name has a character that JSON writes in another way.

    The same bytes as orjson's, whose import takes 15 ms: as long as listing 15,000 files.
    """
    lines = [f'  "{name}": "{checksum}"' for name, checksum in checksums.items()]
    return "{{\n{}\n}}\n".format(",\n".join(lines)).encode()


def _relative(target: str, folder: str) -> str:
    """Name of a target below the folder (with `..` in front where it lies elsewhere)."""
    parent, name = os.path.split(target)
    beside = os.path.realpath(parent or ".")
    return os.path.relpath(os.path.join(beside, name), os.path.realpath(folder))  # noqa: PTH118 - as above
