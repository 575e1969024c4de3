"""Converts the bytes of one cell type to the bytes of another.

`STEPS` has the function of each single step; `convert_bytes` does the steps of a route one after
the other. The result depends on the arguments alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from seamless.checksum.celltypes import codec_of
from seamless.checksum.celltypes.yaml_json import yaml_to_json
from seamless.checksum.conversion import to_scalar
from seamless.checksum.conversion.ipython_to_python import ipython_to_python
from seamless.checksum.conversion.matrix import MATRIX, Conversion, classify
from seamless.checksum.conversion.routes import route
from seamless.checksum.python_json import read_json
from seamless.checksum.utf8_text import decode_text
from seamless.errors import ConversionError
from seamless.util.deep_call import deep_call
from seamless.util.mixed.format import MAGIC_NUMPY, MAGIC_SEAMLESS_MIXED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seamless.checksum.conversion.upstream_sets import Pair

    Step: TypeAlias = Callable[[bytes], bytes]


def convert_bytes(content: bytes, source: str, target: str) -> bytes:
    """Convert the bytes of a buffer from one cell type to another.

    The class of the conversion (see `classify`) determines what happens:

    - *trivial* and *reinterpret* return the same bytes, so the checksum stays. A trivial
      conversion does not read them.
    - *reformat* and *possible* return the canonical bytes of the new value. Text that is valid
      JSON becomes `plain` unchanged, and `plain` that is not a string becomes `text` unchanged;
      other text corresponds to a JSON string.
    - `bytes` become an array of one byte string in `binary` and `mixed`, which converts back to
      the same bytes. Bytes that are a `.npy` file (for `mixed` also a mixed container) stay
      unchanged. Empty bytes become one zero byte, because NumPy has no empty byte string.
    - Numbers convert as in Python, but only values that represent a number: see `to_scalar`. An
      integer that an `int` buffer can't hold exactly is refused.

    Parameters
    ----------
    content
        The bytes, a valid buffer of the source.
    source, target
        Two cell types.

    Raises
    ------
    ConversionError
        If the conversion is forbidden, or this buffer can't be converted.
    TypeError
        If `content` is not bytes, or a name is not a cell type.
    """
    if not isinstance(content, bytes):
        raise TypeError(f"a conversion takes the bytes of a buffer, not {type(content).__name__}")
    refuse_forbidden(source, target)
    if classify(source, target) is Conversion.TRIVIAL:
        return content
    try:
        for step in route(source, target):
            content = STEPS[step](content)
    except (ValueError, TypeError, OverflowError) as error:
        raise ConversionError(
            f"this {source} buffer can't be converted to {target}: {error}",
            source=source,
            target=target,
        ) from None
    return content


def refuse_forbidden(source: str, target: str) -> None:
    """Raise an error if the conversion is forbidden for every buffer of the source.

    Raises
    ------
    ConversionError
        The message names both cell types, and what to do instead.
    TypeError
        If a name is not a cell type.
    """
    if classify(source, target) is Conversion.FORBIDDEN:
        raise ConversionError(
            f"{source} -> {target} is forbidden: it needs a decision about values; "
            f"read the buffer as {source}, make the {target} value yourself, and write that",
            source=source,
            target=target,
        )


# -- steps of a class ---------------------------------------------------------------------

_WRITERS: Mapping[str, Callable[[Any], bytes]] = {
    "str": to_scalar.to_str,
    "int": to_scalar.to_int,
    "float": to_scalar.to_float,
    "bool": to_scalar.to_bool,
}


def _keep(content: bytes) -> bytes:
    return content


def _validate_as(target: str) -> Step:
    """Return the step that keeps the bytes if the target can read them."""

    def step(content: bytes) -> bytes:
        codec_of(target).check(content)
        return content

    return step


def _by_value(source: str, target: str) -> Step:
    """Return the step that reads the value of the source and writes it as the target."""

    def step(content: bytes) -> bytes:
        write = _WRITERS.get(target) or codec_of(target).to_bytes
        return write(codec_of(source).from_bytes(content))

    return step


# -- steps of particular pairs ------------------------------------------------------------


def _mixed_to_binary(content: bytes) -> bytes:
    if not _is_array(content):
        raise ValueError("it is not an array")
    return content


def _is_array(content: bytes) -> bool:
    return content.startswith(MAGIC_NUMPY) and _reads_as("binary", content)


def _is_container(content: bytes) -> bool:
    return content.startswith(MAGIC_SEAMLESS_MIXED) and _reads_as("mixed", content)


def _reads_as(celltype: str, content: bytes) -> bool:
    try:
        deep_call(codec_of(celltype).check, content)
    except (ValueError, TypeError):
        return False
    return True


def _unwrap(content: bytes) -> bytes:
    """Return the byte string that an array consists of, or the buffer of any other value."""
    if not _is_array(content):
        return content
    array = codec_of("binary").from_bytes(content)
    if array.shape != () or array.dtype.kind != "S":
        return content
    data: bytes = array.tobytes()  # not array.item(), which drops zero bytes at the end
    return data


def _wrap(content: bytes) -> bytes:
    """Return the buffer of an array that consists of one byte string."""
    from seamless.util.mixed.io import serialize_binary

    return serialize_binary(content)


def _bytes_to_binary(content: bytes) -> bytes:
    return content if _is_array(content) else _wrap(content)


def _bytes_to_mixed(content: bytes) -> bytes:
    return content if _is_container(content) else _bytes_to_binary(content)


def _text_to_plain(content: bytes) -> bytes:
    if _reads_as("plain", content):
        return content
    return codec_of("plain").to_bytes(codec_of("text").from_bytes(content))


def _plain_to_text(content: bytes) -> bytes:
    value = codec_of("plain").from_bytes(content)
    return codec_of("text").to_bytes(value) if isinstance(value, str) else content


def _json_to_int(content: bytes) -> bytes:
    """Convert a JSON number, truth value or text to an integer.

    The JSON is read with integers of any size, unlike a `plain` value: an integer beyond 64 bits
    must be refused, not rounded.
    """
    return to_scalar.to_int(read_json(decode_text(content)))


#: The steps that are not done by their class alone. A `str` buffer is JSON, and may hold a number
#: or truth value without quotes.
_PARTICULAR_STEPS: Mapping[Pair, Step] = {
    ("mixed", "binary"): _mixed_to_binary,
    ("binary", "bytes"): _unwrap,
    ("mixed", "bytes"): _unwrap,
    ("bytes", "binary"): _bytes_to_binary,
    ("bytes", "mixed"): _bytes_to_mixed,
    ("text", "plain"): _text_to_plain,
    ("plain", "text"): _plain_to_text,
    ("ipython", "python"): ipython_to_python,
    ("yaml", "plain"): yaml_to_json,
    ("plain", "int"): _json_to_int,
    ("str", "int"): _json_to_int,
    ("str", "float"): _by_value("plain", "float"),
    ("str", "bool"): _by_value("plain", "bool"),
}


def _step_of_class(source: str, target: str) -> Step:
    conversion = classify(source, target)
    if conversion is Conversion.TRIVIAL:
        return _keep
    if conversion is Conversion.REINTERPRET:
        return _validate_as(target)
    return _by_value(source, target)


#: The function of each single step: of all pairs that are allowed and have a route of one step.
STEPS: Mapping[Pair, Step] = {
    pair: _PARTICULAR_STEPS.get(pair) or _step_of_class(*pair)
    for pair, conversion in MATRIX.items()
    if conversion is not Conversion.FORBIDDEN and route(*pair) == (pair,)
}
