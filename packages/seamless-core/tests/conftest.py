"""What every test of this package leaves behind it: an open Seamless that nobody has to close.

And the small cache that the tests of caching share.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_cache import cache, clock

import seamless

__all__ = ["cache", "clock"]


@pytest.fixture(autouse=True)
def _open_as_found() -> Iterator[None]:
    """Set back the flags of the life cycle, which some tests change on purpose."""
    found = seamless._closed, seamless._require_close
    yield
    seamless._closed, seamless._require_close = found
