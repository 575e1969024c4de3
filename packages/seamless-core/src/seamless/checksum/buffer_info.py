"""`BufferInfo`: known properties of a buffer, and what they imply about its cell types.

Databases store the properties as JSON, under the names of the fields. None means "unknown".
`buffer_facts` computes them from bytes; `buffer_info_rules` and `conversion.predict` have the
rules about cell types and conversions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from seamless.checksum.buffer_info_rules import CellTypeRules, any_fulfilled
from seamless.checksum.celltypes import rules_of
from seamless.checksum.conversion.matrix import require_celltype
from seamless.checksum.conversion.predict import KnownResult, Outcome, predict
from seamless.checksum_class import Checksum
from seamless.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BufferInfo",
    "convert_from_buffer_info",
    "validate_buffer_info",
    "verify_buffer_info",
]

#: True: the checksum stays. False: the conversion fails. None: unknown. -1: the conversion works,
#: the result has to be computed. Otherwise the checksum of the result.
PredictedResult: TypeAlias = Checksum | str | bool | Literal[-1] | None

FLAGS = (
    "is_utf8",
    "is_json",
    "is_json_numeric_array",
    "is_json_numeric_scalar",
    "is_numpy",
    "is_seamless_mixed",
)
RESULTS = (
    "str2text",
    "text2str",
    "binary2bytes",
    "bytes2binary",
    "binary2json",
    "json2binary",
)
#: all fields, in the order of `as_dict`
FIELDS = (
    "length",
    "is_utf8",
    "is_json",
    "json_type",
    "is_json_numeric_array",
    "is_json_numeric_scalar",
    "is_numpy",
    "dtype",
    "shape",
    "is_seamless_mixed",
    *RESULTS,
    "members",
)


class BufferInfo:
    """Known properties of one buffer. Every field is None until its value is known.

    Parameters
    ----------
    checksum
        The checksum of the buffer.
    params
        Initial values by field name. Unknown names are ignored: a record in a database may come
        from a later version.

    Attributes
    ----------
    checksum : Checksum
        The checksum of the buffer.
    length : int
        Its size in bytes.
    is_utf8, is_json : bool
        Its bytes decode as UTF-8; its text parses as JSON.
    json_type : str
        `dict`, `list`, `str`, `int`, `float` or `bool`.
    is_json_numeric_array, is_json_numeric_scalar : bool
        The JSON value is a list of numbers only; is a number.
    is_numpy : bool
        It is a NumPy array in the format of a `.npy` file.
    dtype : str
        The item type of the array, such as `float64`, or `S5` for byte strings.
    shape : sequence of int
        The shape of the array.
    is_seamless_mixed : bool
        It is a mixed container: JSON and arrays together.
    str2text, text2str, binary2bytes, bytes2binary, binary2json, json2binary : str
        The checksum of the result of a conversion, as hex digits (`json` means `plain`).
    members : object
        Known properties of the members of a deep cell.
    """

    __slots__ = ("checksum", *FIELDS)

    checksum: Checksum
    length: int | None
    is_utf8: bool | None
    is_json: bool | None
    json_type: str | None
    is_json_numeric_array: bool | None
    is_json_numeric_scalar: bool | None
    is_numpy: bool | None
    dtype: str | None
    shape: Any
    is_seamless_mixed: bool | None
    str2text: str | None
    text2str: str | None
    binary2bytes: str | None
    bytes2binary: str | None
    binary2json: str | None
    json2binary: str | None
    members: Any

    def __init__(
        self, checksum: Checksum | str | bytes, params: Mapping[str, Any] | None = None
    ) -> None:
        self.checksum = Checksum(checksum)
        given = params or {}
        for field in FIELDS:
            setattr(self, field, given.get(field))

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None:
            value = _checked(name, value)
        object.__setattr__(self, name, value)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __repr__(self) -> str:
        return f"BufferInfo({self.checksum.hex()!r}, {self.as_dict()!r})"

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a field, or the default if it is unknown."""
        value = getattr(self, name)
        return default if value is None else value

    def update(self, other: BufferInfo) -> None:
        """Copy all known properties from another record of the same buffer."""
        if not isinstance(other, BufferInfo):
            raise TypeError(f"properties are copied from a BufferInfo, not {type(other).__name__}")
        if other.checksum != self.checksum:
            raise ValueError(
                f"a record of buffer {other.checksum} can't update that of {self.checksum}"
            )
        for field, value in other.as_dict().items():
            setattr(self, field, value)

    def predict(self, source: str, target: str) -> PredictedResult:
        """Return the result of `convert_from_buffer_info`."""
        return convert_from_buffer_info(self, source, target)

    def as_dict(self) -> dict[str, Any]:
        """Return the known properties by field name, without the checksum."""
        values = {field: getattr(self, field) for field in FIELDS}
        return {field: value for field, value in values.items() if value is not None}


def _checked(name: str, value: Any) -> Any:
    if name == "checksum":
        return Checksum(value)
    if name == "length":
        if not isinstance(value, int):
            raise TypeError(f"length is an int, not {type(value).__name__}")
        if value < 0:
            raise ValueError(f"length can't be negative: {value}")
    elif name in FLAGS and not isinstance(value, bool):
        raise TypeError(f"{name} is True, False or None, not {type(value).__name__}")
    elif name in RESULTS and isinstance(value, (bytes, Checksum)):
        return value.hex()
    return value


def validate_buffer_info(buffer_info: BufferInfo, celltype: str) -> None:
    """Raise an error if the known properties contradict a cell type.

    Raises
    ------
    ValueError
        If the buffer can't be a buffer of this cell type. No property contradicts `bytes` and
        `checksum`.
    """
    properties = buffer_info.as_dict()
    if any_fulfilled(_rules(celltype).contradicts, properties):
        raise ValueError(
            f"buffer {buffer_info.checksum} is not {celltype}; known properties: {properties}"
        )


def verify_buffer_info(buffer_info: BufferInfo, celltype: str) -> bool:
    """Return whether the known properties prove that the buffer has this cell type.

    Contradictory properties prove nothing. False does not prove the opposite. Source code and YAML
    are never proved.
    """
    properties = buffer_info.as_dict()
    rules = _rules(celltype)
    proved = any_fulfilled(rules.proves, properties)
    return proved and not any_fulfilled(rules.contradicts, properties)


def convert_from_buffer_info(
    buffer_info: BufferInfo, celltype: str, target_celltype: str
) -> PredictedResult:
    """Predict the outcome of a conversion from the known properties.

    True means that the target can read the same bytes. The conversion itself may produce other
    bytes: an integer 1 can be read as a float, and converts to 1.0.

    Returns
    -------
    Checksum, str, bool, -1 or None
        True: the buffer is a valid buffer of the target. A checksum: that of the result. -1: the
        conversion works, and the result has to be computed; text may still be invalid `python` or
        `yaml`, which no property excludes. False: the conversion fails. None: unknown.

    Raises
    ------
    ConversionError
        If the properties contradict the source, or if the conversion consists of several steps:
        predict each step.
    """
    pair = {"source": celltype, "target": target_celltype}
    try:
        validate_buffer_info(buffer_info, celltype)
    except ValueError as error:
        raise ConversionError(str(error), **pair) from None
    require_celltype(target_celltype)
    outcome = predict(buffer_info.as_dict(), celltype, target_celltype)
    if isinstance(outcome, KnownResult):
        stored: str = buffer_info[outcome.field]
        return stored if "json" in outcome.field else Checksum(stored)
    if outcome is Outcome.STEPWISE:
        raise ConversionError(
            f"{celltype} -> {target_celltype} takes several steps: predict each step of "
            "seamless.checksum.conversion.route",
            **pair,
        )
    return _RESULTS_OF_OUTCOMES[outcome]


_RESULTS_OF_OUTCOMES: Mapping[Outcome, PredictedResult] = {
    Outcome.SAME: True,
    Outcome.FAILS: False,
    Outcome.COMPUTE: -1,
    Outcome.UNKNOWN: None,
}


def _rules(celltype: str) -> CellTypeRules:
    require_celltype(celltype)  # which refuses aliases
    return rules_of(celltype)
