"""Converts a YAML document to JSON. A text is a valid `yaml` buffer if this succeeds.

ruamel.yaml parses the text and converts its scalars; this module builds the containers. YAML has
values that JSON lacks. These are converted:

- a key that is a number, truth value or null becomes its JSON text; of equal keys the last counts,
- dates become their ISO text, `!!binary` its base64 text,
- a set becomes a dict with null values, as YAML itself defines it,
- integers beyond 64 bits become floats, NaN and the infinities null, as in `plain`.

Refused are keys that are not scalars, values that contain themselves, and documents that become
too large when their aliases and merge keys are expanded.
"""

from __future__ import annotations

import base64
import datetime
import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from seamless.checksum.celltypes import plain
from seamless.checksum.json_ import json_dumps_bytes
from seamless.util.deep_call import deep_call

if TYPE_CHECKING:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor

#: a scalar, sequence or mapping of ruamel.yaml, whose classes have no precise types
Node: TypeAlias = Any

#: values that a document may have when its aliases are expanded; a longer text may have more
MAX_VALUES = 1_000_000

_TAG = "tag:yaml.org,2002:"
_STR, _FLOAT, _MERGE, _VALUE = f"{_TAG}str", f"{_TAG}float", f"{_TAG}merge", f"{_TAG}value"


def yaml_to_json(content: bytes) -> bytes:
    """Convert a YAML document to canonical JSON.

    Raises
    ------
    ValueError
        When the text is not YAML, has several documents, contains application-specific objects,
        or has no JSON equivalent.
    """
    try:
        value = plain.from_bytes(content)  # JSON is YAML, and generated YAML is often JSON
    except ValueError:
        return _to_json(content.decode())
    try:
        return plain.to_bytes(value)
    except TypeError:  # the reader's limit of nesting is higher than the writer's
        return content


def _to_json(source: str) -> bytes:
    try:
        return plain.to_bytes(deep_call(_read, source))
    except MemoryError:
        raise
    # malformed documents make the parser and the converters raise nearly any exception
    except Exception as error:  # noqa: BLE001
        raise ValueError(f"no valid YAML: {error}") from None


def _read(source: str) -> Any:
    loader = _loader()(typ="safe", pure=True)
    loader.composer.warn_double_anchors = False  # YAML allows them: the last definition counts
    return loader.load(source)


@functools.cache
def _loader() -> type[YAML]:
    """Create the classes on first use, because importing ruamel.yaml takes long."""
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor

    class Constructor(SafeConstructor):
        """Constructs JSON values."""

        def construct_document(self, node: Node) -> Any:
            return _Reader(self, node.end_mark.index).value(node)

    class Loader(YAML):
        """Loads without plug-ins: searching folders for them takes as long as a small document."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.Constructor = Constructor

        def official_plug_ins(self) -> list[str]:
            return []

    return Loader


class _Reader:
    """Converts the nodes of one document to JSON values.

    Parameters
    ----------
    constructor
        Converts scalars.
    length
        Number of characters of the document.
    """

    def __init__(self, constructor: SafeConstructor, length: int) -> None:
        self._constructor = constructor
        #: number of values and merged entries that are still allowed
        self._budget = max(MAX_VALUES, length)
        #: the containers around the current value
        self._open: set[Node] = set()
        #: value and number of values of each anchored node
        self._known: dict[Node, tuple[Any, int]] = {}
        #: the entries of mappings that other mappings merge
        self._merged: dict[Node, dict[str, Node]] = {}

    def value(self, node: Node) -> Any:
        """Return the value of a node.

        Raises
        ------
        ValueError
            For a value that JSON lacks.
        """
        if node in self._known:
            result, size = self._known[node]
            self._spend(size)
            return result
        budget = self._budget
        self._spend(1)
        if node.id == "scalar":
            return _json_scalar(self._scalar(node))
        self._enter(node)
        result = self._sequence(node) if node.id == "sequence" else self._mapping(node)
        self._open.remove(node)
        if node.anchor:
            self._known[node] = result, budget - self._budget
        return result

    def _spend(self, count: int) -> None:
        self._budget -= count
        if self._budget < 0:
            raise ValueError("the document is too large with its aliases expanded")

    def _enter(self, node: Node) -> None:
        if node in self._open:
            raise ValueError("a value of the document contains itself")
        self._open.add(node)

    def _sequence(self, node: Node) -> Any:
        tag = node.tag.removeprefix(_TAG)
        if tag == "seq":
            return [self.value(item) for item in node.value]
        if tag not in ("omap", "pairs"):
            raise ValueError(f"a sequence has the unknown tag {node.tag}")
        pairs = [_single_pair(item) for item in node.value]
        entries = [(self._key(key), self.value(value)) for key, value in pairs]
        return dict(entries) if tag == "omap" else [list(entry) for entry in entries]

    def _mapping(self, node: Node) -> Any:
        tag = node.tag.removeprefix(_TAG)
        if tag not in ("map", "set"):
            raise ValueError(f"a mapping has the unknown tag {node.tag}")
        values = {key: self.value(value) for key, value in self._entries(node).items()}
        return values if tag == "map" else dict.fromkeys(values)

    def _entries(self, node: Node) -> dict[str, Node]:
        """Return the entries of a mapping; its own entries override those that it merges."""
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                for source in reversed(value.value if value.id == "sequence" else [value]):
                    merged.update(self._entries_to_merge(source))
            else:
                own[self._key(key)] = value
        return {**merged, **own}

    def _entries_to_merge(self, node: Node) -> dict[str, Node]:
        if node.id != "mapping":
            raise ValueError(f"a merge key needs mappings, not a {node.id}")
        entries = self._merged.get(node)
        if entries is None:
            if node in self._open:
                raise ValueError("a mapping of the document merges itself")
            self._enter(node)
            entries = self._merged[node] = self._entries(node)
            self._open.remove(node)
        self._spend(len(entries))
        return entries

    def _key(self, node: Node) -> str:
        if node.id != "scalar":
            raise ValueError("a key of the document is not a scalar")
        key = node.value if node.tag == _VALUE else _json_scalar(self._scalar(node))
        return key if isinstance(key, str) else json_dumps_bytes(key).decode()

    def _scalar(self, node: Node) -> Any:
        tag = node.tag
        if (
            tag == _STR
        ):  # most scalars; the constructor would return the same, at five times the cost
            return node.value
        if tag == _FLOAT and "." not in node.value:
            # without a point the constructor warns, in documents of YAML 1.1
            node.value = node.value.lower().replace("e", ".e")
        return self._constructor.construct_object(node, deep=True)


def _single_pair(node: Node) -> tuple[Node, Node]:
    if node.id != "mapping" or len(node.value) != 1:
        raise ValueError("an item of an ordered mapping is not a single entry")
    pair: tuple[Node, Node] = node.value[0]
    return pair


def _json_scalar(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else _as_float(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):  # escapes may have produced a surrogate pair
        return (
            value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16")
        )
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    raise ValueError(f"JSON has no equivalent of {type(value).__name__}")


def _as_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None
