"""Checks of the responses that a client receives: what each request type defines, or an error.

Any web server may listen at a mistyped URL, and a proxy may respond in place of the database. Each
function here reads the text of a response with status 200 and raises ValueError if a
seamless-database never sends such a text.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Object = dict[str, Any]

#: every error text of a seamless-database begins so, published versions included
ERROR_PREFIX = "ERROR: "
_DIGITS = re.compile("[0-9a-fA-F]{64}")
_TITLE = re.compile(r"<title[^>]*>\s*(.{1,60}?)\s*<", re.IGNORECASE | re.DOTALL)
_IRREPRODUCIBLE = ("checksum", "result", "metadata")
_EXPRESSION = ("checksum", "path", "celltype", "target_celltype", "result")
_CLAIM = ("holder", "since", "remaining")
_PROBE = ("bucket_kind", "label", "bucket_checksum", "captured_at", "freshness_tokens")


def describe(text: str) -> str:
    """Describe a response without repeating it, since it may repeat the headers of the request."""
    if not text.strip():
        return "an empty body"
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        return f"an HTML page titled {title[1]!r}" if title else "an HTML page"
    try:
        return f"JSON ({type(_json(text)).__name__})"
    except ValueError:
        return f"a text of {len(text)} characters"


def healthy(text: str) -> bool:
    """Read the response to a healthcheck."""
    stored(text)
    return True


def stored(text: str) -> None:
    """Read the response to a PUT."""
    _expect(text == "OK", "OK")


def protocol(text: str) -> list[str]:
    """Read the name and version of the protocol."""
    found = _json(text)
    is_known = isinstance(found, list) and len(found) == 3 and found[:2] == ["seamless", "database"]
    _expect(is_known and isinstance(found[2], str), "the name of the protocol")
    return cast("list[str]", found)


def checksum(text: str) -> str:
    """Read a bare checksum."""
    _expect(_is_checksum(text), "64 hexadecimal digits")
    return text.lower()


def checksums(text: str) -> list[str]:
    """Read a list of checksums."""
    found = _json(text)
    _expect(isinstance(found, list) and all(map(_is_checksum, found)), "a list of checksums")
    return cast("list[str]", found)


def buffer_info(text: str) -> Object:
    """Read the info of a buffer."""
    found = _json(text)
    _expect(isinstance(found, dict), "an object")
    return cast("Object", found)


def checksum_by_checksum(text: str) -> dict[str, str]:
    """Read the results of many transformations."""
    found = _json(text)
    is_valid = isinstance(found, dict) and all(map(_is_checksum, [*found, *found.values()]))
    _expect(is_valid, "an object of checksums")
    return cast("dict[str, str]", found)


def buffer_info_by_checksum(text: str) -> dict[str, Object]:
    """Read the info of many buffers."""
    found = _json(text)
    is_valid = isinstance(found, dict) and all(
        _is_checksum(key) and isinstance(value, dict) for key, value in found.items()
    )
    _expect(is_valid, "an object of objects")
    return cast("dict[str, Object]", found)


def outcomes(keys: Collection[str]) -> Callable[[str], Object]:
    """Return a function that reads the outcomes of a bulk write of these keys."""

    def read(text: str) -> Object:
        found = _json(text)
        is_valid = isinstance(found, dict) and found.keys() == set(keys)
        _expect(is_valid and all(map(_is_outcome, found.values())), "an outcome of each entry")
        return cast("Object", found)

    return read


def execution_record(transformation: str) -> Callable[[str], Object]:
    """Return a function that reads the execution record of a transformation."""

    def read(text: str) -> Object:
        found = _json(text)
        is_valid = isinstance(found, dict) and found.get("tf_checksum") == transformation
        _expect(is_valid, f"the execution record of {transformation}")
        return cast("Object", found)

    return read


def irreproducible_results(text: str) -> list[Object]:
    """Read irreproducible results, each with its execution record or an empty text."""
    return _objects(text, _IRREPRODUCIBLE, "a list of irreproducible results")


def expressions(text: str) -> list[Object]:
    """Read expressions, each with its result."""
    return _objects(text, _EXPRESSION, "a list of expressions")


def claim(text: str) -> Object:
    """Read a claim, or the result of the claimed transformation."""
    found = _json(text)
    _expect(_has(found, ("result",)) or _has(found, _CLAIM), "a claim or a result")
    return cast("Object", found)


def bucket_probe(text: str) -> Object:
    """Read a probe of a bucket."""
    found = _json(text)
    _expect(_has(found, _PROBE), "a bucket probe")
    return cast("Object", found)


def _objects(text: str, names: tuple[str, ...], wanted: str) -> list[Object]:
    found = _json(text)
    _expect(isinstance(found, list) and all(_has(item, names) for item in found), wanted)
    return cast("list[Object]", found)


def _has(value: object, names: tuple[str, ...]) -> bool:
    """Whether a value is an object with these fields, and its checksums are valid."""
    return isinstance(value, dict) and all(
        name in value and (not name.endswith(("checksum", "result")) or _is_checksum(value[name]))
        for name in names
    )


def _is_outcome(value: object) -> bool:
    if isinstance(value, dict):
        return type(value.get("status")) is int and isinstance(value.get("error"), str)
    return value in ("stored", "unchanged")


def _is_checksum(value: object) -> bool:
    return isinstance(value, str) and _DIGITS.fullmatch(value) is not None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def _expect(is_valid: bool, wanted: str) -> None:
    if not is_valid:
        raise ValueError(f"{wanted} expected")
