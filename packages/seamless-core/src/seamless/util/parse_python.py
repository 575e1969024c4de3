"""`parse_python`: `ast.parse`, also while other code of the process parses."""

from __future__ import annotations

import ast
from typing import Literal

#: how often a source is parsed before a SystemError is final
_ATTEMPTS = 10


def parse_python(
    source: str, filename: str = "<unknown>", mode: Literal["exec", "eval"] = "exec"
) -> ast.AST:
    """Parse Python source.

    Python 3.11 and 3.12 count the depth of the tree in one counter for all threads, and raise a
    SystemError ("recursion depth mismatch") if another call of the parser changes the counter
    meanwhile (https://github.com/python/cpython/issues/106905). The source has then passed the
    parser; parsing is repeated.

    Raises
    ------
    SyntaxError
        When the running interpreter can't parse the source.
    MemoryError, RecursionError
        When the source is nested too deeply.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return ast.parse(source, filename, mode)
        except SystemError:
            continue
    return ast.parse(source, filename, mode)
