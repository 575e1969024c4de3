"""The table of cell types: their names, their codecs, and the rules about their buffers.

A codec is a module of this folder, imported at its first use, so that the names of cell types
can be used without importing NumPy and YAML. To add a cell type, follow CONTRIBUTING.md.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from seamless.checksum import buffer_info_rules as rules

if TYPE_CHECKING:
    from seamless.checksum.celltypes.codec import Codec

#: cell types whose values are text
TextType: TypeAlias = Literal["text", "python", "ipython", "yaml", "str"]
#: every cell type
CellType: TypeAlias = Literal[
    TextType, "binary", "mixed", "plain", "bytes", "int", "float", "bool", "checksum"
]
#: every name that a buffer accepts as its cell type
BufferType: TypeAlias = Literal[CellType, "deepcell", "deepfolder", "folder", "module"]


class _Entry(NamedTuple):
    module: str  # the file in this folder
    codec: str  # the name of the codec in it
    rules: rules.CellTypeRules


_TABLE: dict[CellType, _Entry] = {
    "binary": _Entry("binary", "BINARY", rules.ARRAY),
    "mixed": _Entry("mixed", "MIXED", rules.MIXED),
    "text": _Entry("text", "TEXT", rules.TEXT),
    "python": _Entry("python", "PYTHON", rules.SOURCE),
    "ipython": _Entry("python", "IPYTHON", rules.SOURCE),
    "plain": _Entry("plain", "PLAIN", rules.JSON),
    "yaml": _Entry("yaml", "YAML", rules.SOURCE),
    "str": _Entry("scalar", "STR", rules.JSON_SCALAR),
    "bytes": _Entry("bytes_", "BYTES", rules.BYTES),
    "int": _Entry("scalar", "INT", rules.number_rules("int")),
    "float": _Entry("scalar", "FLOAT", rules.number_rules("float")),
    "bool": _Entry("scalar", "BOOL", rules.number_rules("bool")),
    "checksum": _Entry("checksum", "CHECKSUM", rules.CHECKSUM),
}

celltypes: list[str] = list(_TABLE)

#: further names that buffers accept; they are stored as `plain`: nested dicts and lists of
#: checksums (deepcell), files by path (deepfolder, folder), source trees (module)
PLAIN_ALIASES = ("deepcell", "deepfolder", "folder", "module")


def storage_celltype(celltype: str) -> CellType:
    """Return the cell type under which a name is stored: itself, or `plain` for an alias.

    Raises
    ------
    TypeError
        For a name that is neither a cell type nor an alias.
    """
    if celltype in _TABLE:
        return celltype
    if celltype in PLAIN_ALIASES:
        return "plain"
    names = ", ".join([*_TABLE, *PLAIN_ALIASES])
    raise TypeError(f"{celltype!r} is not a cell type; the cell type must be one of {names}")


@functools.cache
def codec_of(celltype: str) -> Codec:
    """Return the codec of a cell type or alias.

    Raises
    ------
    TypeError
        For a name that is neither.
    """
    entry = _TABLE[storage_celltype(celltype)]
    codec: Codec = getattr(import_module(f".{entry.module}", __name__), entry.codec)
    return codec


def rules_of(celltype: str) -> rules.CellTypeRules:
    """Return the rules about the buffers of a cell type or alias.

    Raises
    ------
    TypeError
        For a name that is neither.
    """
    return _TABLE[storage_celltype(celltype)].rules
