"""Where counted references were taken: file and line, for finding who forgot to give one back.

Off unless asked for, since looking at the stack costs more than taking a reference does.
"""

from __future__ import annotations

import os
import sys
from collections import Counter

__all__ = ["ReferenceTrace", "is_trace_wanted"]

TRACE_VARIABLE = "SEAMLESS_DEBUG_REFERENCES"
_PACKAGE = __name__.partition(".")[0]


def is_trace_wanted() -> bool:
    """Tell whether the environment asks for a trace."""
    return os.environ.get(TRACE_VARIABLE, "").strip().lower() not in {"", "0", "false", "no"}


class ReferenceTrace:
    """Places by digest, with how often a reference was taken there.

    A `decref` doesn't say which reference it gives back, so places are kept until the last
    reference of a checksum is given back. Not thread-safe by itself.
    """

    def __init__(self) -> None:
        self._places: dict[bytes, Counter[str]] = {}

    def note(self, digest: bytes) -> None:
        """Remember the place outside of this package that is taking a reference now."""
        self._places.setdefault(digest, Counter())[_calling_place()] += 1

    def forget(self, digest: bytes) -> None:
        """Forget the places of a checksum: nothing holds it any more."""
        self._places.pop(digest, None)

    def places(self, digest: bytes) -> tuple[str, ...]:
        """Return where references were taken, the most frequent place first."""
        # a copy, which is made in one step: a finalizer may note another place meanwhile
        counted = Counter(dict(self._places.get(digest, {}))).most_common()
        return tuple(
            place if times == 1 else f"{place} ({times} times)" for place, times in counted
        )


def _calling_place() -> str:
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
