"""`check_index`: compares a folder with its index, and prints each difference."""

from __future__ import annotations

from seamless.cli.command import CommandError, write_line
from seamless.cli.parallel_hash import hash_files
from seamless.cli.several import Failures
from seamless.cli.tree import index_targets, list_tree, own_files

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from typing import Any

__all__ = ["check_index"]

_SUFFIX = ".INDEX"
_DIGITS = frozenset("0123456789abcdef")
_DIGEST_LENGTH = 64


def check_index(path: str, folder: str | None, memory: int) -> int:
    """Print the differences between a folder and an index; return the exit status.

    Parameters
    ----------
    path
        The index.
    folder
        The folder; None for the folder beside the index: `data` for `data.INDEX`.
    memory
        Bytes that decompressing a file may take.

    Raises
    ------
    OSError, CommandError
        When the index can't be read, or its name does not determine the folder, or there are
        differences.
    """
    index = read_index(path)
    if folder is None:
        folder = path.removesuffix(_SUFFIX)
        if folder == path:
            raise CommandError(f"{path!r} does not end in {_SUFFIX}: name the directory too")
    failures = Failures()
    tree = list_tree(folder, own_files(folder, index_targets(folder)), failures.add)
    present = [name for name in tree if name in index]
    digests = hash_files([tree[name] for name in present], memory=memory, failed=failures.add)
    found = dict(zip(present, digests, strict=True))
    lines = [
        f"{name}: {problem}"
        for name in sorted(index.keys() | tree.keys())
        if (problem := _problem(index.get(name), found.get(name)))
    ]
    if lines:
        write_line("\n".join(map(_on_one_line, lines)))
    failures.write()
    if lines or failures:
        raise CommandError(
            f"{folder!r} differs from {path!r}: {len(lines)} files differ, "
            f"and {len(failures)} entries can't be read"
        )
    write_line(f"{folder}: OK, {len(index)} files")
    return 0


def _problem(expected: str | None, found: str | None) -> str | None:
    if expected is None:
        return "ADDED"
    if found is None:
        return "MISSING"
    if not found:
        return "FAILED, can't be read"
    return None if found == expected else "FAILED"


def _on_one_line(line: str) -> str:
    return line.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")


def read_index(path: str) -> dict[str, str]:
    """Read an index: file name → checksum.

    Raises
    ------
    OSError
        When the file can't be read.
    CommandError
        When it is not an index.
    """
    from seamless.cli.interrupts import defer_sigint

    with open(path, "rb") as stream:
        content = stream.read()
    with defer_sigint():  # a Ctrl-C during the import of orjson crashes the interpreter
        from seamless.checksum.json_ import json_loads

        try:
            index = json_loads(content)
        except ValueError as error:
            raise CommandError(f"{path!r} is not an index: {error}") from None
    if not isinstance(index, dict) or not all(map(_is_checksum, index.values())):
        raise CommandError(f"{path!r} is not an index: not an object of file names and checksums")
    return index


def _is_checksum(value: Any) -> bool:
    return isinstance(value, str) and len(value) == _DIGEST_LENGTH and _DIGITS.issuperset(value)
