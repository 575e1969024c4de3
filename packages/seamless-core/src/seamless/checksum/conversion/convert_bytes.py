"""Doing a conversion: bytes of one cell type → bytes of another, or a `ConversionError`.

A table of the single steps, and `convert_bytes`, which takes the steps of a route
one after the other. Everything here is a function of its arguments alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from seamless.checksum.celltypes import celltypes, codec_of
from seamless.checksum.celltypes.yaml_json import yaml_to_json
from seamless.checksum.conversion import to_scalar
from seamless.checksum.conversion.ipython_to_python import ipython_to_python
from seamless.checksum.conversion.matrix import Conversion, classify
from seamless.checksum.conversion.routes import route
from seamless.checksum.conversion.upstream_sets import (
    conversion_reinterpret,
    conversion_trivial,
)
from seamless.errors import ConversionError
from seamless.util.deep_call import deep_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seamless.checksum.conversion.upstream_sets import Pair

    Step: TypeAlias = Callable[[bytes], bytes]


def convert_bytes(content: bytes, source: str, target: str) -> bytes:
    """Convert the bytes of a buffer from one cell type to another.

    What it comes to is what `classify` says:

    - *trivial* and *reinterpret* give the same bytes back, so the checksum stays;
      a trivial one doesn't even look at them.
    - *reformat* and *possible* give the canonical bytes of the new value. Text that
      is JSON already becomes `plain` as it stands, and `plain` other than a string
      becomes `text` as it stands; other text is, or becomes, a JSON string.
    - `bytes` become an array of one byte string in `binary` and `mixed`, and are
      unwrapped again on the way back, unless they are a `.npy` file (for `mixed`
      also a mixed container): then they stay as they are. Empty bytes become one
      zero byte, because NumPy has no empty byte string.
    - Numbers convert as in Python, but only where a number is meant: see `to_scalar`.

    Parameters
    ----------
    content
        The bytes, a valid buffer of the source.
    source, target
        Two of the 13 cell types.

    Raises
    ------
    ConversionError
        If the conversion is forbidden, or this buffer can't be converted.
    TypeError
        If `content` isn't bytes, or a name is no cell type.
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
            f"this {source} buffer has no {target}: {error}", source=source, target=target
        ) from None
    return content


def refuse_forbidden(source: str, target: str) -> None:
    """Raise if no buffer of the source may be converted to the target.

    Raises
    ------
    ConversionError
        Naming both, and the way round.
    TypeError
        If a name is no cell type.
    """
    if classify(source, target) is Conversion.FORBIDDEN:
        raise ConversionError(
            f"{source} -> {target} is forbidden: it asks for a decision about values; "
            f"read the buffer as {source}, make the {target} value yourself, and write that",
            source=source,
            target=target,
        )


def _keep(content: bytes) -> bytes:
    return content


def _checked(target: str) -> Step:
    """Make the step that keeps what the target can read."""

    def step(content: bytes) -> bytes:
        codec_of(target).check(content)
        return content

    return step


def _by_value(source: str, write: Callable[[Any], bytes]) -> Step:
    """Make the step that reads a value and writes it again."""

    def step(content: bytes) -> bytes:
        return write(codec_of(source).from_bytes(content))

    return step


def _to_text(value: str) -> bytes:
    return codec_of("text").to_bytes(value)


def _mixed_to_binary(content: bytes) -> bytes:
    if not _is_array(content):
        raise ValueError("it is no array")
    return content


def _is_array(content: bytes) -> bool:
    from seamless.util.mixed.format import MAGIC_NUMPY

    return content.startswith(MAGIC_NUMPY) and _reads_as("binary", content)


def _is_container(content: bytes) -> bool:
    from seamless.util.mixed.format import MAGIC_SEAMLESS_MIXED

    return content.startswith(MAGIC_SEAMLESS_MIXED) and _reads_as("mixed", content)


def _reads_as(celltype: str, content: bytes) -> bool:
    try:
        deep_call(codec_of(celltype).check, content)
    except (ValueError, TypeError):
        return False
    return True


def _unwrapped(content: bytes) -> bytes:
    """Return the byte string that an array is, or the buffer of any other value."""
    if not _is_array(content):
        return content
    array = codec_of("binary").from_bytes(content)
    if array.shape != () or array.dtype.kind != "S":
        return content
    data: bytes = array.tobytes()  # not array.item(), which drops zero bytes at the end
    return data


def _wrapped(content: bytes) -> bytes:
    """Return the buffer of an array that is one byte string: these bytes."""
    from seamless.util.mixed.io import serialize_binary

    return serialize_binary(content)


def _bytes_to_binary(content: bytes) -> bytes:
    return content if _is_array(content) else _wrapped(content)


def _bytes_to_mixed(content: bytes) -> bytes:
    return content if _is_container(content) else _bytes_to_binary(content)


def _text_to_plain(content: bytes) -> bytes:
    if _reads_as("plain", content):
        return content
    return codec_of("plain").to_bytes(codec_of("text").from_bytes(content))


def _plain_to_text(content: bytes) -> bytes:
    value = codec_of("plain").from_bytes(content)
    return _to_text(value) if isinstance(value, str) else content


_TO_SCALAR: Mapping[str, Callable[[Any], bytes]] = {
    "str": to_scalar.to_str,
    "int": to_scalar.to_int,
    "float": to_scalar.to_float,
    "bool": to_scalar.to_bool,
}

#: How each single step is done. Those that only look come first.
STEPS: Mapping[Pair, Step] = {
    **dict.fromkeys(conversion_trivial, _keep),
    **{pair: _checked(pair[1]) for pair in conversion_reinterpret},
    ("mixed", "binary"): _mixed_to_binary,
    ("binary", "bytes"): _unwrapped,
    ("mixed", "bytes"): _unwrapped,
    ("bytes", "binary"): _bytes_to_binary,
    ("bytes", "mixed"): _bytes_to_mixed,
    ("text", "plain"): _text_to_plain,
    ("plain", "text"): _plain_to_text,
    ("text", "str"): _by_value("text", to_scalar.to_str),
    ("str", "text"): _by_value("str", _to_text),
    ("ipython", "python"): ipython_to_python,
    ("yaml", "plain"): yaml_to_json,
    **{
        # a str buffer is JSON, and may hold a number or truth value without quotes
        (source, target): _by_value("plain" if source == "str" else source, write)
        for source in celltypes
        for target, write in _TO_SCALAR.items()
        if source in {"binary", "mixed", "plain", *_TO_SCALAR}
        if source != target and (source, target) != ("binary", "str")
    },
}
