"""`ignored_warnings`: ignores certain warnings within a block, safely in several threads.

The warning filters belong to the process. `warnings.catch_warnings` replaces their list and
restores the old one: of two threads that do so at once, one restores the list of the other.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def ignored_warnings(
    category: type[Warning], *, message: str = "", module: str = ""
) -> Iterator[None]:
    """Ignore the warnings of a category whose message and module begin with these texts.

    The filter is added to the current list and removed from the same list, so every list that
    another thread restores is unchanged. The filter applies to all threads. It has no effect while
    another thread has replaced the list.
    """
    entry = (
        "ignore",
        re.compile(re.escape(message)) if message else None,
        category,
        re.compile(re.escape(module)) if module else None,
        0,
    )
    filters: list[object] = warnings.filters  # type: ignore[assignment]
    filters.insert(0, entry)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # another thread may have emptied the list
            filters.remove(entry)
