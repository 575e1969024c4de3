"""What becomes of a buffer in each conversion, in five words for all pairs: the matrix.

The grid says what a conversion comes to as a whole, also for the pairs that are
done by another pair or in several steps (`routes` has the ways). A conversion
of several steps keeps the checksum if all its steps do, and can fail if one can.
"""

from __future__ import annotations

from enum import Enum


class Conversion(str, Enum):
    """How a conversion treats bytes, and whether it can fail on a valid buffer."""

    TRIVIAL = "trivial"  #: keeps the checksum, never fails
    REINTERPRET = "reinterpret"  #: keeps the checksum, or fails
    REFORMAT = "reformat"  #: may change the checksum, never fails
    POSSIBLE = "possible"  #: may change the checksum, or fails
    FORBIDDEN = "forbidden"  #: asks for a decision about values; never done on buffers

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


#: Sources downwards, targets across: = trivial, v reinterpret (validate), f reformat,
#: ? possible, . forbidden. The diagonal is trivial.
_GRID = """
         binary mixed text python ipython plain yaml str bytes int float bool checksum
binary     =      =    .     .       .      .    .    ?    f    ?    ?    ?      .
mixed      v      =    ?     ?       ?      v    ?    ?    f    ?    ?    ?      .
text       .      f    =     v       v      f    v    f    =    ?    ?    ?      .
python     .      f    =     =       =      f    .    f    =    .    .    .      .
ipython    .      f    =     f       =      f    .    f    =    .    .    .      .
plain      .      =    f     ?       ?      =    =    ?    =    ?    ?    ?      .
yaml       .      f    =     .       .      f    =    f    =    ?    ?    ?      .
str        .      =    f     ?       ?      =    ?    =    =    ?    ?    ?      .
bytes      f      f    v     v       v      v    v    ?    =    ?    ?    ?      .
int        .      =    f     .       .      =    =    f    =    =    f    f      .
float      .      =    f     .       .      =    =    f    =    f    =    f      .
bool       .      =    f     .       .      =    =    f    =    f    f    =      .
checksum   .      .    .     .       .      .    .    .    .    .    .    .      =
"""

_SIGNS = {
    "=": Conversion.TRIVIAL,
    "v": Conversion.REINTERPRET,
    "f": Conversion.REFORMAT,
    "?": Conversion.POSSIBLE,
    ".": Conversion.FORBIDDEN,
}


def _read_grid(grid: str) -> dict[tuple[str, str], Conversion]:
    header, *rows = (line.split() for line in grid.strip().splitlines())
    return {
        (source, target): _SIGNS[sign]
        for source, *signs in rows
        for target, sign in zip(header, signs, strict=True)
    }


#: The class of every pair of cell types, pairs of the same cell type included.
MATRIX = _read_grid(_GRID)


def classify(source: str, target: str) -> Conversion:
    """Say what converting a buffer from one cell type to another comes to.

    Parameters
    ----------
    source, target
        Two of the 13 cell types. From a cell type to itself is trivial.

    Raises
    ------
    TypeError
        For a name that is no cell type.
    """
    require_celltype(source)
    require_celltype(target)
    return MATRIX[source, target]


def require_celltype(name: str) -> None:
    """Refuse a name that is none of the 13 cell types.

    Raises
    ------
    TypeError
        Naming it, and those there are.
    """
    if (name, name) not in MATRIX:
        names = ", ".join(source for source, target in MATRIX if source == target)
        raise TypeError(f"{name!r} is no cell type that converts; it must be one of {names}")
