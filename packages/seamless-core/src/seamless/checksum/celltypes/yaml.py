"""`yaml`: text that holds one YAML 1.2 document of plain data; the value is the text.

JSON is YAML by definition (YAML 1.2, chapter 1.2), but parsers refuse some of it: raw control
characters, long keys. So text that is JSON is taken without asking the parser, which is also
a hundred times faster; so is YAML of the simplest kind.
"""

from __future__ import annotations

from typing import Any

from seamless.checksum.python_json import read_json

from . import text
from .checked_texts import CheckedTexts
from .codec import Codec
from .simple_yaml import is_simple_yaml


def parse_yaml(source: str) -> Any:
    """Return the data of a YAML document.

    Raises
    ------
    ValueError
        When the text is no YAML, several documents, or asks for objects of a program.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError, YAMLWarning

    loader = YAML(typ="safe", pure=True)
    loader.allow_duplicate_keys = True
    try:
        return loader.load(source)
    except (YAMLError, YAMLWarning, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no valid YAML: {error}") from None
    except RecursionError:
        raise ValueError("no valid YAML: nested too deeply") from None


def from_bytes(content: bytes) -> str:
    """Read the text of a YAML document, checked."""
    source = text.from_bytes(content)
    _check_once(source)
    return source


def _check(source: str) -> None:
    if not _is_json(source) and not is_simple_yaml(source):
        parse_yaml(source)


def _is_json(source: str) -> bool:
    try:
        read_json(source)
    except ValueError:
        return False
    return True


_check_once = CheckedTexts(_check)

YAML = Codec(text.to_bytes, from_bytes, from_bytes)
