"""The conversion matrix: the class of the conversion between each pair of cell types.

The class describes the whole conversion, also if it is done by another pair or in several
steps (see `routes`). A conversion of several steps keeps the checksum if all its steps do, and
can fail if one of them can. FORMATS.md shows the matrix as a square.
"""

from __future__ import annotations

from enum import Enum


class Conversion(str, Enum):
    """How a conversion treats the bytes of a valid buffer, and whether it can fail."""

    TRIVIAL = "trivial"  #: keeps the checksum, never fails
    REINTERPRET = "reinterpret"  #: keeps the checksum, or fails
    REFORMAT = "reformat"  #: may change the checksum, never fails
    POSSIBLE = "possible"  #: may change the checksum, or fails
    FORBIDDEN = "forbidden"  #: needs a decision about values; never done on buffers

    def __str__(self) -> str:
        return self.value

    @property
    def keeps_checksum(self) -> bool:
        """Whether the result, if there is one, has the bytes of the source."""
        return self in (Conversion.TRIVIAL, Conversion.REINTERPRET)

    @property
    def always_works(self) -> bool:
        """Whether every valid buffer of the source can be converted."""
        return self in (Conversion.TRIVIAL, Conversion.REFORMAT)


#: One row for each cell type. An entry has two signs: the conversion from the cell type of the
#: row to that of the column, and the conversion back. The columns are the rows above.
#: = trivial, v reinterpret (validate), f reformat, ? possible, . forbidden.
_ROWS = """
         binary mixed text python ipython plain yaml str bytes int float bool checksum
binary
mixed      v=
text       ..     f?
python     ..     f?   =v
ipython    ..     f?   =v    f=
plain      ..     =v   ff    ?f      ?f
yaml       ..     f?   =v    ..      ..     f=
str        .?     =?   ff    ?f      ?f     =?   ?f
bytes      ff     ff   v=    v=      v=     v=   v=   ?=
int        .?     =?   f?    ..      ..     =?   =?   f?   =?
float      .?     =?   f?    ..      ..     =?   =?   f?   =?   ff
bool       .?     =?   f?    ..      ..     =?   =?   f?   =?   ff   ff
checksum   ..     ..   ..    ..      ..     ..   ..   ..   ..   ..   ..   ..
"""

_SIGNS = {
    "=": Conversion.TRIVIAL,
    "v": Conversion.REINTERPRET,
    "f": Conversion.REFORMAT,
    "?": Conversion.POSSIBLE,
    ".": Conversion.FORBIDDEN,
}


def _read_rows(rows: str) -> dict[tuple[str, str], Conversion]:
    _header, *lines = rows.strip().splitlines()
    matrix: dict[tuple[str, str], Conversion] = {}
    above: list[str] = []
    for line in lines:
        celltype, *entries = line.split()
        matrix[celltype, celltype] = Conversion.TRIVIAL
        for other, signs in zip(above, entries, strict=True):
            matrix[celltype, other] = _SIGNS[signs[0]]
            matrix[other, celltype] = _SIGNS[signs[1]]
        above.append(celltype)
    return {(source, target): matrix[source, target] for source in above for target in above}


#: The class of every pair of cell types, pairs of the same cell type included.
MATRIX = _read_rows(_ROWS)


def classify(source: str, target: str) -> Conversion:
    """Return the class of the conversion from one cell type to another.

    Parameters
    ----------
    source, target
        Two cell types. From a cell type to itself is trivial.

    Raises
    ------
    TypeError
        For a name that is not a cell type.
    """
    require_celltype(source)
    require_celltype(target)
    return MATRIX[source, target]


def require_celltype(name: str) -> None:
    """Refuse a name that is not a cell type; aliases such as `deepcell` do not convert.

    Raises
    ------
    TypeError
        The message names it, and lists the cell types.
    """
    if (name, name) not in MATRIX:
        names = ", ".join(source for source, target in MATRIX if source == target)
        raise TypeError(f"{name!r} is not a cell type that converts; it must be one of {names}")
