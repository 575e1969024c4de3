"""Codecs of `python` and `ipython`: source code as text; Python's syntax is checked on reading.

The syntax of IPython (magics, shell escapes) is not checked: only IPython could do so, and
reading a buffer must not depend on the installed packages.
"""

from __future__ import annotations

import ast

from seamless.checksum.celltypes import text
from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.celltypes.validation_cache import ValidationCache
from seamless.util.deep_call import NestingError, deep_call
from seamless.util.ignored_warnings import ignored_warnings

#: the module that the parser's warnings name, and no other warning of this process
_FILENAME = "<python cell>"
#: a SyntaxError may be a warning, if another thread has replaced the filters in the meantime
_ATTEMPTS = 3


def from_bytes(content: bytes) -> str:
    """Read Python source.

    Raises
    ------
    ValueError
        When the running interpreter can't parse it.
    """
    source = text.from_bytes(content)
    _check_once(source)
    return source


def _check(source: str) -> None:
    try:
        deep_call(_parse, source)
    except SyntaxError as error:
        raise ValueError(f"no valid Python: {error}") from None
    except (NestingError, MemoryError):  # the parser reports its own limit as a MemoryError
        raise ValueError("no valid Python: nested too deeply") from None


def _parse(source: str) -> None:
    """Parse Python source; ignore warnings, also where the filters turn them into errors."""
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
