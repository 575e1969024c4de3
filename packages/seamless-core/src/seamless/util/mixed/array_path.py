"""Finds the path of the first array of a mixed container in its form; reads no array data."""

from __future__ import annotations

import json
from typing import Any

from seamless.util.mixed.get_form import PURE_BINARY
from seamless.util.mixed.read_container import read_head


def first_array_path(content: bytes) -> list[Any] | None:
    """Return the keys and indices of the first array of a mixed container.

    Returns None if the container is damaged or has no array.
    """
    try:
        form = json.loads(read_head(memoryview(content))[1])
    except (ValueError, RecursionError):
        return None
    pending: list[tuple[list[Any], Any]] = [([], form)]
    while pending:
        path, form = pending.pop()
        if not isinstance(form, dict):
            continue
        if form.get("storage") == PURE_BINARY:
            return path
        pending += reversed([([*path, key], item) for key, item in _entries(form)])
    return None


def _entries(form: dict[str, Any]) -> list[tuple[Any, Any]]:
    properties, items = form.get("properties"), form.get("items")
    if isinstance(properties, dict):
        return list(properties.items())
    if isinstance(items, list):
        return list(enumerate(items))
    return [(0, items)]  # all items have the same form
