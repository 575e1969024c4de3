"""Finds the part of a nested value that a cell type refuses, to name it in the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seamless.errors import RefusedTypeError, RefusedValueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless.checksum.celltypes.codec import Codec

_CONTAINERS = (dict, list, tuple)
#: steps into a value; a value that is refused deeper down is refused for its depth
_DEEPEST = 100
_LONGEST_KEY = 80  # characters that are shown


def value_path(steps: list[Any]) -> str:
    """Write the way into a nested value as Python has it: `value['runs'][3]`."""
    return "value" + "".join(f"[{_shown(step)}]" for step in steps)


def refusal(value: Any, celltype: str, codec: Codec, error: Exception) -> Exception:
    """Return the error for a value that `codec.to_bytes` has refused with an error.

    It names the first part that is refused, or is the error itself where that is all.
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
        if len(steps) == _DEEPEST:
            return original
        found = _error(codec.probe, value)
        if found is None:  # it is refused for the depth at which it stands
            return original
        error = found
        containers.append(value)
        entry = _refused_entry(value, codec.probe)
        if entry is None:  # its entries are fine, but not together
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
    """Return key or index and value of an entry that is refused by itself."""
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
        return f"the key {_shown(key)} is no string"
    return f"the key {_shown(key)} is refused: {error}"


def _advice(value: Any, celltype: str) -> str:
    """Say how to store what JSON can't hold; nothing where the cell type is no JSON."""
    if celltype == "mixed" or not hasattr(value, "dtype"):
        return ""
    if getattr(value, "shape", ()):
        return "; store its tolist(), or store the whole value as mixed"
    kind = getattr(value.dtype, "kind", "")
    if kind == "c":
        return "; store its real and its imag"
    return "; store its item()" + (", or store the whole value as mixed" if kind in "iuf" else "")


def _shown(key: Any) -> str:
    text = ascii(key)
    return text if len(text) <= _LONGEST_KEY else f"{text[:_LONGEST_KEY]}…"
