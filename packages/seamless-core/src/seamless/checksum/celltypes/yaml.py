"""`yaml`: text that holds one YAML 1.2 document of plain data; the value is the text."""

from __future__ import annotations

from typing import Any

from . import text
from .codec import Codec


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
    parse_yaml(source)
    return source


YAML = Codec(text.to_bytes, from_bytes, from_bytes)
