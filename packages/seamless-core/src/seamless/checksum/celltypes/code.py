"""`python` and `ipython`: source code, stored as text and checked when it is read.

IPython's own syntax (magics, shell escapes) is accepted as it stands: only IPython can tell
whether it is right, and reading a buffer must not depend on what is installed.
"""

from __future__ import annotations

import ast
import warnings

from ...locks import new_lock
from . import text
from .checked_texts import CheckedTexts
from .codec import Codec

#: guards the filters of `warnings`, which belong to the process: of two threads that set them
#: aside at once, the later one would put back what the earlier one had set
_filters_lock = new_lock()


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
        with _filters_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the source, which is not ours to judge
            ast.parse(source)
    except SyntaxError as error:
        raise ValueError(f"no valid Python: {error}") from None
    except (RecursionError, MemoryError):
        raise ValueError("no valid Python: nested too deeply") from None


_check_once = CheckedTexts(_check)

PYTHON = Codec(text.to_bytes, from_bytes, from_bytes)
IPYTHON = Codec(text.to_bytes, text.from_bytes, text.from_bytes)
