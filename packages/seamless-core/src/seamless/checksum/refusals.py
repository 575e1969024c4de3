"""Values that a cell type refuses: finds the part that is refused, and names it in the error."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from seamless.errors import RefusedTypeError, RefusedValueError
from seamless.util.deep_call import NestingError, call_in_thread, deep_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless.checksum.celltypes.codec import Codec

_CONTAINERS = (dict, list, tuple)
_MAX_DEPTH = 100  # a part at a greater depth is not named
_MAX_KEY_CHARACTERS = 80


def retry_or_explain(value: Any, celltype: str, codec: Codec, error: Exception) -> bytes:
    """Serialize a refused value with a larger stack, or raise an error that names the part."""
    try:
        if isinstance(error, RecursionError):
            return call_in_thread(codec.to_bytes, value)
    except NestingError:
        raise ValueError("the value is nested too deeply, or in itself, to be stored") from None
    except (TypeError, ValueError) as other:
        error = other
    with contextlib.suppress(NestingError):
        raise deep_call(refusal, value, celltype, codec, error) from None
    raise error


def value_path(steps: list[Any]) -> str:
    """Return the Python expression of a part of a nested value: `value['runs'][3]`."""
    return "value" + "".join(f"[{_key_repr(step)}]" for step in steps)


def refusal(value: Any, celltype: str, codec: Codec, error: Exception) -> Exception:
    """Return a more precise error for a value that `codec.to_bytes` has refused.

    The new error names the first part that is refused. If there is none, the given error is
    returned.
    """
    if codec.probe is None or not isinstance(value, _CONTAINERS):
        advice = _advice(value, celltype)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        return kind(f"{error}{advice}") if advice else error
    original = error
    steps: list[Any] = []
    containers: list[Any] = []
    reason = ""
    while isinstance(value, _CONTAINERS) and not reason:
        if any(value is container for container in containers):
            reason = "the value contains itself"
            break
        if len(steps) == _MAX_DEPTH:
            return original
        found = _error(codec.probe, value)
        if found is None:  # the part is valid alone: it is refused for its depth
            return original
        error = found
        containers.append(value)
        entry = _refused_entry(value, codec.probe)
        if entry is None:  # each entry is valid alone, but not all together
            break
        key, part = entry
        if isinstance(value, dict) and (found := _error(codec.probe, {key: None})):
            error, reason = found, _key_reason(key, celltype, found)
        else:
            steps.append(key)
            value = part
    refused = RefusedTypeError if isinstance(error, TypeError) else RefusedValueError
    return refused(celltype, value_path(steps), reason or f"{error}{_advice(value, celltype)}")


def _refused_entry(container: Any, probe: Callable[[Any], object]) -> tuple[Any, Any] | None:
    """Bisect for an entry that is refused alone; return its key or index and its value."""
    is_dict = isinstance(container, dict)
    entries = list(container.items() if is_dict else enumerate(container))
    while len(entries) > 1:
        half = len(entries) // 2
        for part in (entries[:half], entries[half:]):
            if _error(probe, dict(part) if is_dict else [item for _, item in part]):
                entries = part
                break
        else:
            return None
    return entries[0] if entries else None


def _error(probe: Callable[[Any], object], value: Any) -> Exception | None:
    try:
        probe(value)
    except (TypeError, ValueError) as error:
        return error
    return None


def _key_reason(key: Any, celltype: str, error: Exception) -> str:
    if celltype != "mixed" and not isinstance(key, str):
        return f"the key {_key_repr(key)} is not a string"
    return f"the key {_key_repr(key)} is refused: {error}"


def _advice(value: Any, celltype: str) -> str:
    """Return how to store a NumPy value that JSON can't hold; empty for `mixed`."""
    if celltype == "mixed" or not hasattr(value, "dtype"):
        return ""
    if getattr(value, "shape", ()):
        return "; store its tolist(), or store the whole value as mixed"
    kind = getattr(value.dtype, "kind", "")
    if kind == "c":
        return "; store its real and its imag"
    return "; store its item()" + (", or store the whole value as mixed" if kind in "iuf" else "")


def _key_repr(key: Any) -> str:
    text = ascii(key)
    return text if len(text) <= _MAX_KEY_CHARACTERS else f"{text[:_MAX_KEY_CHARACTERS]}…"
