"""What the facts known of a buffer imply about its cell types: tables, and how they are read.

A condition says "these facts are so". A fact that is not known (None) is never
so; an empty condition always holds. Nothing here looks at bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

#: A number, as JSON text, is never longer than this.
MAX_NUMBER_LENGTH = 1000

NUMBERS = ("int", "float", "bool")
JSON_SCALARS = ("str", *NUMBERS)


Facts: TypeAlias = Mapping[str, Any]
Condition: TypeAlias = Mapping[str, tuple[Any, ...]]


def when(**facts: Any) -> Condition:
    """Write a condition: a value per field, or several in a tuple; none is always true."""
    return {key: value if isinstance(value, tuple) else (value,) for key, value in facts.items()}


def _too_long(facts: Facts) -> bool | None:
    length = facts.get("length")
    return None if length is None else length > MAX_NUMBER_LENGTH


def _stands_for_bytes(facts: Facts) -> bool | None:
    """Say whether the array is a single byte string: what `bytes` become in `binary`."""
    dtype, shape = facts.get("dtype"), facts.get("shape")
    if dtype is None and shape is None:
        return None
    is_bytes = dtype is None or str(dtype).lstrip("|").startswith("S")
    return is_bytes and (shape is None or len(shape) == 0)


#: Facts that follow from several fields, or from one by comparison.
DERIVED: Mapping[str, Callable[[Facts], Any]] = {
    "too_long": _too_long,
    "stands_for_bytes": _stands_for_bytes,
}


def holds(condition: Condition, facts: Facts) -> bool:
    """Say whether all facts of a condition are known to be so."""
    return all(
        (DERIVED[name](facts) if name in DERIVED else facts.get(name)) in wanted
        for name, wanted in condition.items()
    )


def any_holds(conditions: Iterable[Condition], facts: Facts) -> bool:
    """Say whether one of several conditions is known to be so."""
    return any(holds(condition, facts) for condition in conditions)


_NOT_TEXT = (when(is_utf8=False),)
_NOT_JSON = (*_NOT_TEXT, when(is_numpy=True), when(is_seamless_mixed=True))
_NOT_SCALAR = (*_NOT_JSON, when(json_type=("dict", "list")))
_NOT_NUMBER = (*_NOT_SCALAR, when(is_json_numeric_scalar=False))

#: Facts that rule a cell type out.
CONTRADICTS: Mapping[str, tuple[Condition, ...]] = {
    "binary": (when(is_json=True), when(is_seamless_mixed=True)),
    "mixed": (when(is_json=False, is_numpy=False, is_seamless_mixed=False),),
    "text": _NOT_TEXT,
    "python": _NOT_TEXT,
    "ipython": _NOT_TEXT,
    "yaml": _NOT_TEXT,
    "plain": _NOT_JSON,
    "str": _NOT_SCALAR,
    "int": _NOT_NUMBER,
    "float": _NOT_NUMBER,
    "bool": _NOT_NUMBER,
    "bytes": (),
    "checksum": (),
}

_ALWAYS = (when(),)

#: Facts that prove a cell type. Source code and YAML need a parser to be sure of.
PROVES: Mapping[str, tuple[Condition, ...]] = {
    "binary": (when(is_numpy=True),),
    "mixed": (when(is_seamless_mixed=True), when(is_numpy=True), when(is_json=True)),
    "text": (when(is_utf8=True),),
    "python": (),
    "ipython": (),
    "yaml": (),
    "plain": (when(is_json=True),),
    "str": (when(is_json=True, json_type=JSON_SCALARS),),
    **{
        number: (
            when(is_json=True, json_type=number),
            when(is_json=True, is_json_numeric_scalar=True),
        )
        for number in NUMBERS
    },
    "bytes": _ALWAYS,
    "checksum": _ALWAYS,
}
