"""The 13 cell types, as names and as types, and the table that says which codec writes each.

A codec lives in a module of its own here, loaded at its first use, so that naming a cell
type costs no NumPy and no YAML. A new cell type is one entry below and one file.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from seamless.checksum.celltypes.codec import Codec

#: cell types whose values are text
TextType: TypeAlias = Literal["text", "python", "ipython", "yaml", "str"]
#: every cell type
CellType: TypeAlias = Literal[
    TextType, "binary", "mixed", "plain", "bytes", "int", "float", "bool", "checksum"
]
#: every name that a buffer takes as its cell type
BufferType: TypeAlias = Literal[CellType, "deepcell", "deepfolder", "folder", "module"]

#: cell type -> module here, and the name of the codec in it
_TABLE = {
    "binary": ("binary", "BINARY"),
    "mixed": ("mixed", "MIXED"),
    "text": ("text", "TEXT"),
    "python": ("python", "PYTHON"),
    "ipython": ("python", "IPYTHON"),
    "plain": ("plain", "PLAIN"),
    "yaml": ("yaml", "YAML"),
    "str": ("scalar", "STR"),
    "bytes": ("bytes_", "BYTES"),
    "int": ("scalar", "INT"),
    "float": ("scalar", "FLOAT"),
    "bool": ("scalar", "BOOL"),
    "checksum": ("checksum", "CHECKSUM"),
}

celltypes: list[str] = list(_TABLE)

#: names that buffers know besides; they are stored as `plain`: nested dicts and lists of
#: checksums (deepcell), files by path (deepfolder, folder), source trees (module)
PLAIN_ALIASES = ("deepcell", "deepfolder", "folder", "module")


def storage_celltype(celltype: str) -> str:
    """Return the cell type as which a name is stored.

    Raises
    ------
    TypeError
        For a name that is neither a cell type nor an alias.
    """
    if celltype in _TABLE:
        return celltype
    if celltype in PLAIN_ALIASES:
        return "plain"
    raise TypeError(
        f"{celltype!r} is no cell type; it must be one of {', '.join([*_TABLE, *PLAIN_ALIASES])}"
    )


@functools.cache
def codec_of(celltype: str) -> Codec:
    """Return the codec of a cell type.

    Raises
    ------
    TypeError
        For a name that is none.
    """
    module, name = _TABLE[storage_celltype(celltype)]
    found: Codec = getattr(import_module(f".{module}", __name__), name)
    return found
