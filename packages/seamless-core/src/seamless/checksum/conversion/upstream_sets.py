"""The eight sets of pairs under the names they have been published with.

Every pair of different cell types is in exactly one of them. Five sets are
about what a conversion does, the other three about how it is reached: an
*equivalent* pair does what another pair does, a *chain* goes through a third
cell type, and *values* needs the value, not just the buffer. What a pair comes
to in the end, in five words for all pairs, is in `matrix`.
"""

from __future__ import annotations

from itertools import permutations
from typing import TypeAlias

from seamless.checksum.celltypes import celltypes

#: Source and target cell type.
Pair: TypeAlias = tuple[str, str]


def _pairs(**targets: str) -> set[Pair]:
    return {(source, target) for source, names in targets.items() for target in names.split()}


def _through(**routes: dict[str, str]) -> dict[Pair, str]:
    return {
        (source, target): middle
        for source, ways in routes.items()
        for middle, names in ways.items()
        for target in names.split()
    }


def _replaced(**pairs: dict[str, Pair]) -> dict[Pair, Pair]:
    return {
        (source, target): instead
        for source, ways in pairs.items()
        for names, instead in ways.items()
        for target in names.split()
    }


#: Same bytes, can't fail.
conversion_trivial = _pairs(
    binary="mixed",
    text="bytes",
    python="text ipython",
    ipython="text",
    plain="mixed yaml bytes",
    yaml="text",
    str="plain",
    int="plain",
    float="plain",
    bool="plain",
)

#: Same bytes, if they are what the target asks for.
conversion_reinterpret = _pairs(
    mixed="binary plain",
    text="python ipython yaml",
    bytes="text plain",
)

#: Other bytes where need be, can't fail.
conversion_reformat = _pairs(
    binary="bytes",
    mixed="bytes",
    text="plain str",
    ipython="python",
    plain="text",
    yaml="plain",
    str="text",
    bytes="binary mixed",
    int="str float bool",
    float="str int bool",
    bool="str int float",
)

#: Other bytes where need be, may fail.
conversion_possible = _pairs(
    binary="int float bool",
    mixed="str int float bool",
    plain="str int float bool",
    str="int float bool",
)

#: Done by another pair: the one given.
conversion_equivalent = _replaced(
    text={"mixed": ("text", "str")},
    python={
        "binary": ("text", "binary"),
        "mixed plain str": ("text", "str"),
        "bytes": ("python", "text"),
    },
    ipython={
        "binary": ("text", "binary"),
        "mixed plain str": ("text", "str"),
        "bytes": ("ipython", "text"),
    },
    yaml={"mixed str": ("text", "str"), "bytes": ("text", "bytes")},
    str={
        "binary": ("plain", "binary"),
        "mixed": ("str", "binary"),
        "python ipython yaml": ("str", "text"),
        "bytes": ("plain", "bytes"),
    },
    **{
        number: {
            "binary": ("plain", "binary"),
            "mixed": (number, "plain"),
            "text": ("plain", "text"),
            "bytes": ("plain", "bytes"),
        }
        for number in ("int", "float", "bool")
    },
)

#: Done in two steps, through the cell type given.
conversion_chain = _through(
    binary={"plain": "text", "text": "python ipython yaml", "bytes": "str"},
    mixed={"plain": "text", "text": "python ipython yaml"},
    text={"mixed": "binary", "plain": "int float bool"},
    plain={"text": "python ipython"},
    yaml={"plain": "binary int float bool"},
    bytes={"text": "python ipython yaml", "plain": "str int float bool"},
    int={"plain": "yaml"},
    float={"plain": "yaml"},
    bool={"plain": "yaml"},
)

#: Asks for the value, or for what a checksum stands for.
conversion_values = (
    _pairs(binary="plain", plain="binary")
    | {(name, "checksum") for name in celltypes if name != "checksum"}
    | {("checksum", name) for name in celltypes if name != "checksum"}
)

#: Never done.
conversion_forbidden = _pairs(
    python="yaml int float bool",
    ipython="yaml int float bool",
    yaml="python ipython",
    int="python ipython",
    float="python ipython",
    bool="python ipython",
)


def check_conversions() -> None:
    """Check that every pair of different cell types is in exactly one of the eight sets.

    Raises
    ------
    ValueError
        For the first pair that is in none or in several, naming it and them.
    """
    sets = {
        "trivial": conversion_trivial,
        "reinterpret": conversion_reinterpret,
        "reformat": conversion_reformat,
        "possible": conversion_possible,
        "equivalent": conversion_equivalent,
        "chain": conversion_chain,
        "values": conversion_values,
        "forbidden": conversion_forbidden,
    }
    for pair in permutations(celltypes, 2):
        found = [name for name, pairs in sets.items() if pair in pairs]
        if len(found) != 1:
            raise ValueError(f"conversion {pair} is in {found or 'no set'}, not in exactly one set")
