"""`python` and `ipython`: source code, stored as text and checked when it is read.

IPython's own syntax (magics, shell escapes) is accepted as it stands: only IPython can tell
whether it is right, and reading a buffer must not depend on what is installed.
"""

from __future__ import annotations

import ast

from seamless.checksum.celltypes import text
from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.celltypes.validation_cache import ValidationCache
from seamless.util.deep_call import NestingError, deep_call
from seamless.util.ignored_warnings import ignored_warnings

#: where the parser's warnings come from, and no other warning of this process
_FILENAME = "<python cell>"
#: an error may be a warning in truth, where another thread has just replaced the filters
_ATTEMPTS = 3


def from_bytes(content: bytes) -> str:
    """Read Python source.

    Raises
    ------
    ValueError
        When it is no Python, by the syntax of the running interpreter.
    """
    source = text.from_bytes(content)
    _check_once(source)
    return source


def _check(source: str) -> None:
    try:
        deep_call(_parse, source)
    except SyntaxError as error:
        raise ValueError(f"no valid Python: {error}") from None
    except (NestingError, MemoryError):  # the parser's own limit is a MemoryError
        raise ValueError("no valid Python: nested too deeply") from None


def _parse(source: str) -> None:
    """Parse Python source; its warnings are neither shown nor, where they are errors, raised."""
    for attempt in range(_ATTEMPTS):
        with ignored_warnings(Warning, module=_FILENAME):
            try:
                ast.parse(source, _FILENAME)
                return
            except SyntaxError:
                if attempt == _ATTEMPTS - 1:
                    raise


_check_once = ValidationCache(_check)

PYTHON = Codec(text.to_bytes, from_bytes, from_bytes)
IPYTHON = Codec(text.to_bytes, text.from_bytes, text.from_bytes)
