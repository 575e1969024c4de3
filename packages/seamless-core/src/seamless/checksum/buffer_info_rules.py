"""Rules: which known properties of a buffer prove a cell type, and which contradict it.

A condition states values of properties. A property that is not known (None) fulfils no
condition; an empty condition is always fulfilled. The table of cell types names the rules of
each one. No rule reads the bytes of a buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

#: longest JSON text of a number, in bytes
MAX_NUMBER_LENGTH = 1000

NUMBERS = ("int", "float", "bool")
JSON_SCALARS = ("str", *NUMBERS)


Properties: TypeAlias = Mapping[str, Any]
Condition: TypeAlias = Mapping[str, tuple[Any, ...]]


def make_condition(**properties: Any) -> Condition:
    """Return a condition: the accepted value of each property, or a tuple of several."""
    return {
        name: value if isinstance(value, tuple) else (value,) for name, value in properties.items()
    }


def _too_long(properties: Properties) -> bool | None:
    length = properties.get("length")
    return None if length is None else length > MAX_NUMBER_LENGTH


def _is_byte_string(properties: Properties) -> bool | None:
    """Return whether the array is a single byte string, which `bytes` become in `binary`."""
    dtype, shape = properties.get("dtype"), properties.get("shape")
    if dtype is None and shape is None:
        return None
    is_bytes = dtype is None or str(dtype).lstrip("|").startswith("S")
    return is_bytes and (shape is None or len(shape) == 0)


#: properties that are derived from stored ones
DERIVED: Mapping[str, Callable[[Properties], Any]] = {
    "too_long": _too_long,
    "is_byte_string": _is_byte_string,
}


def is_fulfilled(condition: Condition, properties: Properties) -> bool:
    """Return whether all properties of a condition are known and have an accepted value."""
    return all(
        (DERIVED[name](properties) if name in DERIVED else properties.get(name)) in accepted
        for name, accepted in condition.items()
    )


def any_fulfilled(conditions: Iterable[Condition], properties: Properties) -> bool:
    """Return whether at least one condition is fulfilled."""
    return any(is_fulfilled(condition, properties) for condition in conditions)


class CellTypeRules(NamedTuple):
    """The rules of one cell type.

    Parameters
    ----------
    contradicts
        Conditions that exclude the cell type.
    proves
        Conditions that prove the cell type, unless another property contradicts it.
    may_be_json
        Whether `compute_buffer_info` parses the content of such a buffer as JSON.
    """

    contradicts: tuple[Condition, ...]
    proves: tuple[Condition, ...]
    may_be_json: bool = True


_NOT_TEXT = (make_condition(is_utf8=False),)
_NOT_JSON = (*_NOT_TEXT, make_condition(is_numpy=True), make_condition(is_seamless_mixed=True))
_NOT_SCALAR = (*_NOT_JSON, make_condition(json_type=("dict", "list")))
_ALWAYS = (make_condition(),)

ARRAY = CellTypeRules(
    (make_condition(is_json=True), make_condition(is_seamless_mixed=True)),
    (make_condition(is_numpy=True),),
    may_be_json=False,
)
MIXED = CellTypeRules(
    (make_condition(is_json=False, is_numpy=False, is_seamless_mixed=False),),
    (
        make_condition(is_seamless_mixed=True),
        make_condition(is_numpy=True),
        make_condition(is_json=True),
    ),
)
TEXT = CellTypeRules(_NOT_TEXT, (make_condition(is_utf8=True),), may_be_json=False)
#: text that only a parser can validate
SOURCE = CellTypeRules(_NOT_TEXT, (), may_be_json=False)
JSON = CellTypeRules(_NOT_JSON, (make_condition(is_json=True),))
JSON_SCALAR = CellTypeRules(_NOT_SCALAR, (make_condition(is_json=True, json_type=JSON_SCALARS),))
#: any bytes
BYTES = CellTypeRules((), _ALWAYS, may_be_json=False)
#: any bytes, which are probably JSON
CHECKSUM = CellTypeRules((), _ALWAYS)


def number_rules(json_type: str) -> CellTypeRules:
    """Return the rules of a cell type that holds a JSON number of this type."""
    return CellTypeRules(
        (*_NOT_SCALAR, make_condition(is_json_numeric_scalar=False)),
        (
            make_condition(is_json=True, json_type=json_type),
            make_condition(is_json=True, is_json_numeric_scalar=True),
        ),
    )
