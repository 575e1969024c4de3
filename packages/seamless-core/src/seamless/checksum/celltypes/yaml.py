"""Codec of `yaml`: text that holds one YAML 1.2 document of plain data; the value is the text.

JSON is YAML by definition (YAML 1.2, chapter 1.2), but parsers refuse some of it: raw control
characters, long keys. So text that is JSON is accepted without the parser, which is also a
hundred times faster.
"""

from __future__ import annotations

from seamless.checksum.celltypes import text
from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.celltypes.validation_cache import ValidationCache
from seamless.checksum.celltypes.yaml_json import yaml_to_json


def from_bytes(content: bytes) -> str:
    """Read the text of a YAML document and validate it.

    Raises
    ------
    ValueError
        For the reasons of `yaml_to_json`.
    """
    source = text.from_bytes(content)
    _check_once(source)
    return source


def _check(source: str) -> None:
    yaml_to_json(source.encode())


_check_once = ValidationCache(_check)

YAML = Codec(to_bytes=text.to_bytes, from_bytes=from_bytes, check=from_bytes)
