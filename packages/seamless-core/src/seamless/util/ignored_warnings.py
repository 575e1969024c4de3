"""Ignores certain warnings for a moment, safely beside other threads.

The filters of warnings belong to the process. `warnings.catch_warnings` copies their list and
puts the old one back: of two threads that do so at once, one puts back what the other one had set.
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

    A filter is added to the list that is in force, and taken out of the same list: whichever
    list another thread puts back, it is as it was. Other threads must not need such warnings,
    and where one of them replaces the list meanwhile, the filter is missing.
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
        with contextlib.suppress(ValueError):  # where another thread has emptied the list
            filters.remove(entry)
