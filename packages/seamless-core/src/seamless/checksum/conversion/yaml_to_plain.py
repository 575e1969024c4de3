"""YAML → JSON: the data of a document, as far as JSON can say it.

JSON lacks some of what YAML has. Where one way to write it is plain, it is taken:

- a key that is a number, truth value or null becomes its JSON text,
- dates become their ISO text, `!!binary` its base64 text,
- a set becomes a dict with null values, as YAML itself defines it,
- integers beyond 64 bits become floats, NaN and the infinities null: as JSON is
  read and written everywhere here.

Refused are duplicate keys, keys that fall together or are no scalars, a value
that contains itself, and documents whose aliases blow up when written out.
"""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass, field
from typing import Any

from seamless.checksum.celltypes import codec_of
from seamless.checksum.json_ import json_dumps_bytes

#: Values a document may have when its aliases are written out; more only if it is longer.
MAX_VALUES = 1_000_000


def yaml_to_plain(content: bytes) -> bytes:
    """Convert a YAML buffer to canonical JSON.

    Raises
    ------
    ValueError, TypeError
        For a document that is no YAML, or that JSON can't say.
    """
    plain = codec_of("plain")
    try:
        value = plain.from_bytes(content)  # JSON is YAML, and most YAML of machines is JSON
    except (ValueError, TypeError):
        writer = _Writer(room=max(MAX_VALUES, len(content)))
        try:
            value = writer.to_json(_load(content.decode()))
        except RecursionError:
            raise ValueError("the document is nested too deeply") from None
    return plain.to_bytes(value)


def _load(source: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError, YAMLWarning

    try:
        return YAML(typ="safe", pure=True).load(source)
    # hostile documents make the constructors raise the last three
    except (YAMLError, YAMLWarning, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"no YAML that has one meaning: {error}") from None


@dataclass
class _Writer:
    """Turns the values of one document into those of JSON."""

    room: int  #: how many values may still come
    inside: set[int] = field(default_factory=set)  #: ids of the containers around a value

    def to_json(self, value: Any) -> Any:
        self.room -= 1
        if self.room < 0:
            raise ValueError("the document is too large with its aliases written out")
        if isinstance(value, (dict, list, tuple, set)):
            return self._container(value)
        return _scalar(value)

    def _container(self, value: dict[Any, Any] | list[Any] | tuple[Any, ...] | set[Any]) -> Any:
        if id(value) in self.inside:
            raise ValueError("a value of the document contains itself")
        self.inside.add(id(value))
        result: Any
        if isinstance(value, dict):
            result = self._dict(value)
        elif isinstance(value, set):
            result = self._dict(dict.fromkeys(value))
        else:
            result = [self.to_json(item) for item in value]
        self.inside.remove(id(value))
        return result

    def _dict(self, value: dict[Any, Any]) -> dict[str, Any]:
        result = {_key(key): self.to_json(item) for key, item in value.items()}
        if len(result) < len(value):
            raise ValueError("keys of the document fall together when they become text")
        return result


def _scalar(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else _as_float(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    raise TypeError(f"JSON has nothing for {type(value).__name__}")


def _as_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _key(key: Any) -> str:
    if isinstance(key, (dict, list, tuple, set)):
        raise TypeError("a key of the document is no scalar")
    value = _scalar(key)
    return value if isinstance(value, str) else json_dumps_bytes(value).decode()
