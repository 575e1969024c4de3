"""Codecs of `python` and `ipython`: source code as text; Python's syntax is checked on reading.

The syntax of IPython (magics, shell escapes) is not checked: only IPython could do so, and
reading a buffer must not depend on the installed packages.
"""

from __future__ import annotations

from seamless.checksum.celltypes import text
from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.celltypes.validation_cache import ValidationCache
from seamless.util.deep_call import NestingError, deep_call
from seamless.util.ignored_warnings import ignored_warnings
from seamless.util.parse_python import parse_python

#: The name of the source for the parser. Python shows it as the module of the warnings about the
#: source; no other warning has this module, so only these warnings are ignored.
_FILENAME = "<python cell>"
#: How often a source is parsed before a SyntaxError is final. Where the filters turn warnings into
#: errors, the parser raises a warning as a SyntaxError; that happens if another thread has removed
#: the filter of `ignored_warnings` in the meantime.
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
                parse_python(source, _FILENAME)
                return
            except SyntaxError:
                if attempt == _ATTEMPTS - 1:
                    raise


_check_once = ValidationCache(_check)

PYTHON = Codec(to_bytes=text.to_bytes, from_bytes=from_bytes, check=from_bytes)
IPYTHON = Codec(to_bytes=text.to_bytes, from_bytes=text.from_bytes, check=text.from_bytes)
