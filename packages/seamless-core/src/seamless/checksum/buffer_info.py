"""`BufferInfo`: facts known of a buffer, by checksum, and what they say about cell types.

Facts are kept in databases as JSON, under the names of the fields here. None is
"not known". How facts follow from bytes is in `buffer_facts`; what they imply is
in `buffer_implications` and `buffer_conversions`.
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

#: True: the same checksum. False: can't be. None: not known. -1: works, has to be
#: computed. Otherwise the checksum of the result.
Foretold: TypeAlias = Checksum | str | bool | Literal[-1] | None

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
#: All fields, in the order in which they are shown.
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
    """Facts known of one buffer. Every field starts as None: not known.

    Parameters
    ----------
    checksum
        The checksum of the buffer.
    params
        Facts to start with, by field name. Unknown names are ignored: records
        in a database may come from a later version.

    Attributes
    ----------
    checksum : Checksum
        The buffer that the facts are about.
    length : int
        Its size in bytes.
    is_utf8, is_json : bool
        Its bytes decode as UTF-8; its text parses as JSON.
    json_type : str
        `dict`, `list`, `str`, `int`, `float` or `bool`.
    is_json_numeric_array, is_json_numeric_scalar : bool
        The JSON value is a list of numbers only; is a number itself.
    is_numpy : bool
        It is a NumPy array as in a `.npy` file.
    dtype : str
        The item type of the array, such as `float64`, or `S5` for byte strings.
    shape : sequence of int
        The shape of the array.
    is_seamless_mixed : bool
        It is a mixed stream: JSON and arrays together.
    str2text, text2str, binary2bytes, bytes2binary, binary2json, json2binary : str
        The checksum of what the buffer becomes in a conversion, as hex digits
        (`json` stands for `plain`).
    members : object
        What is known of the members of a deep cell.
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
        """Return a fact, or the default while it is not known."""
        value = getattr(self, name)
        return default if value is None else value

    def update(self, other: BufferInfo) -> None:
        """Take over all that is known in another record of the same buffer."""
        if not isinstance(other, BufferInfo):
            raise TypeError(f"facts come from a BufferInfo, not {type(other).__name__}")
        if other.checksum != self.checksum:
            raise ValueError(
                f"facts about {other.checksum} don't belong to {self.checksum}: "
                "update only with facts about the same buffer"
            )
        for field, value in other.as_dict().items():
            setattr(self, field, value)

    def as_dict(self) -> dict[str, Any]:
        """Return what is known, by field name, without the checksum."""
        facts = {field: getattr(self, field) for field in FIELDS}
        return {field: value for field, value in facts.items() if value is not None}


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
    """Refuse a cell type that the known facts rule out.

    Raises
    ------
    ValueError
        If the buffer can't be one of this cell type. Nothing rules out `bytes`
        and `checksum`.
    """
    facts = buffer_info.as_dict()
    if any_fulfilled(_rules(celltype).contradicts, facts):
        raise ValueError(
            f"buffer {buffer_info.checksum} is no {celltype}: this is known of it: {facts}"
        )


def verify_buffer_info(buffer_info: BufferInfo, celltype: str) -> bool:
    """Say whether the known facts prove that the buffer is one of this cell type.

    Facts that contradict each other prove nothing, and False is no proof of the
    opposite. Source code and YAML are never proved.
    """
    facts = buffer_info.as_dict()
    rules = _rules(celltype)
    return any_fulfilled(rules.proves, facts) and not any_fulfilled(rules.contradicts, facts)


def convert_from_buffer_info(
    buffer_info: BufferInfo, celltype: str, target_celltype: str
) -> Foretold:
    """Say what is known about a conversion without having the bytes.

    True says that the same bytes read as a value of the target. Doing the
    conversion may still give other bytes: an integer 1 reads as a float, and
    converts to 1.0.

    Returns
    -------
    Checksum, str, bool, -1 or None
        True: the buffer is one of the target as it stands, the checksum stays.
        A checksum: that of the result. -1: it has to be computed; it works, but
        for text as `python` or `yaml`, which nothing known here can vouch for.
        False: it can't work. None: not known.

    Raises
    ------
    ConversionError
        If the buffer is known to be no buffer of the source, or if the
        conversion goes through other cell types: ask for each step.
    """
    pair = {"source": celltype, "target": target_celltype}
    try:
        validate_buffer_info(buffer_info, celltype)
    except ValueError as error:
        raise ConversionError(str(error), **pair) from None
    require_celltype(target_celltype)
    answer = predict(buffer_info.as_dict(), celltype, target_celltype)
    if isinstance(answer, KnownResult):
        stored: str = buffer_info[answer.field]
        return stored if "json" in answer.field else Checksum(stored)
    if answer is Outcome.STEPWISE:
        raise ConversionError(
            f"{celltype} -> {target_celltype} takes several steps: see "
            "seamless.checksum.conversion.route, and ask for each",
            **pair,
        )
    return _SHOWN[answer]


_SHOWN: Mapping[Outcome, Foretold] = {
    Outcome.SAME: True,
    Outcome.FAILS: False,
    Outcome.COMPUTE: -1,
    Outcome.UNKNOWN: None,
}


def _rules(celltype: str) -> CellTypeRules:
    require_celltype(celltype)  # which refuses aliases
    return rules_of(celltype)
