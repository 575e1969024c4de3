"""Processes several paths in one run: collects every failure, and continues with the others."""

from __future__ import annotations

import os
import sys

from seamless.checksum.calculate_checksum import (
    calculate_chunks_checksum,
    read_chunks,
)
from seamless.cli.command import CommandError, describe, write_error
from seamless.cli.parallel_hash import hash_files
from seamless.cli.tree import plain_checksum
from seamless.errors import SeamlessError

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["STANDARD_INPUT", "Failures", "digests_of", "for_each", "stdin_checksum"]

#: the path of standard input
STANDARD_INPUT = "-"


class Failures:
    """The errors of a run; any thread may add one."""

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def __len__(self) -> int:
        return len(self._errors)

    def add(self, error: Exception) -> None:
        """Add an error."""
        self._errors.append(error)

    def write(self) -> None:
        """Write a line for each error to standard error, sorted."""
        for line in sorted(map(describe, self._errors)):
            write_error(line)


def for_each(paths: Sequence[str], action: Callable[[str], object]) -> int:
    """Call `action` for each path, report failures; return the exit status: 1 after a failure."""
    failures = Failures()
    for path in paths:
        try:
            action(path)
        except BrokenPipeError:
            raise
        except (OSError, SeamlessError) as error:
            failures.add(error)
    failures.write()
    return int(len(failures) > 0)


def digests_of(paths: Sequence[str], memory: int, failures: Failures) -> dict[str, str]:
    """Return path → hex digest of the plain content of files and other inputs.

    Files are read on all cores; other inputs, such as pipes, are read one after the other, because
    they can be read only once. Errors are added to the failures.
    """
    files: list[str] = []
    others: list[str] = []
    for path in dict.fromkeys(paths):
        # pathlib would slow every start
        is_file = path != STANDARD_INPUT and os.path.isfile(path)  # noqa: PTH113
        (files if is_file else others).append(path)
    texts = hash_files(files, memory=memory, failed=failures.add)
    found = {path: text for path, text in zip(files, texts, strict=True) if text}
    for path in others:
        try:
            is_input = path == STANDARD_INPUT
            found[path] = stdin_checksum() if is_input else plain_checksum(path, memory=memory)
        except (OSError, SeamlessError) as error:
            failures.add(error)
    return found


def stdin_checksum() -> str:
    """Return the hex digest of standard input, which is never decompressed."""
    if sys.stdin is None:  # descriptor 0 may belong to another file
        raise CommandError("standard input is closed")
    with open(0, "rb", buffering=0, closefd=False) as stream:
        return calculate_chunks_checksum(read_chunks(stream))
