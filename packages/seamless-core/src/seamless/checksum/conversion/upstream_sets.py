"""The conversion sets of the upstream package, under the names that published packages import.

Every pair of different cell types is in exactly one of eight sets. Five sets describe what a
conversion does. The other three describe how it is done: an *equivalent* pair is done by another
pair, a *chain* goes through a third cell type, and *values* needs a value or the buffer that a
checksum names. The sets list the pairs of the upstream cell types; each pair of a cell type that
upstream lacks is added by its class in the matrix. `matrix` has the class of every pair.
"""

from __future__ import annotations

from itertools import permutations
from typing import TypeAlias

from seamless.checksum.celltypes import celltypes
from seamless.checksum.conversion.matrix import MATRIX, Conversion

#: source and target cell type
Pair: TypeAlias = tuple[str, str]

UPSTREAM_CELLTYPES = frozenset((
    "binary", "mixed", "text", "python", "ipython", "plain", "yaml", "str", "bytes", "int",
    "float", "bool", "checksum",
))  # fmt: skip


def _pairs(**targets: str) -> set[Pair]:
    return {(source, target) for source, names in targets.items() for target in names.split()}


def _chains(**routes: dict[str, str]) -> dict[Pair, str]:
    return {
        (source, target): middle
        for source, chains in routes.items()
        for middle, names in chains.items()
        for target in names.split()
    }


def _replaced(**pairs: dict[str, Pair]) -> dict[Pair, Pair]:
    return {
        (source, target): replacement
        for source, replacements in pairs.items()
        for names, replacement in replacements.items()
        for target in names.split()
    }


#: the same bytes; never fails
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

#: the same bytes, if they are a valid buffer of the target
conversion_reinterpret = _pairs(
    mixed="binary plain",
    text="python ipython yaml",
    bytes="text plain",
)

#: other bytes if necessary; never fails
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

#: other bytes if necessary; may fail
conversion_possible = _pairs(
    binary="int float bool",
    mixed="str int float bool",
    plain="str int float bool",
    str="int float bool",
)

#: done by the pair given
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

#: done in two steps, through the cell type given
conversion_chain = _chains(
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

#: needs the value, or the buffer that a checksum names
conversion_values = (
    _pairs(binary="plain", plain="binary")
    | {(name, "checksum") for name in UPSTREAM_CELLTYPES - {"checksum"}}
    | {("checksum", name) for name in UPSTREAM_CELLTYPES - {"checksum"}}
)

#: never done
conversion_forbidden = _pairs(
    python="yaml int float bool",
    ipython="yaml int float bool",
    yaml="python ipython",
    int="python ipython",
    float="python ipython",
    bool="python ipython",
)

_SET_OF_CLASS = {
    Conversion.TRIVIAL: conversion_trivial,
    Conversion.REINTERPRET: conversion_reinterpret,
    Conversion.REFORMAT: conversion_reformat,
    Conversion.POSSIBLE: conversion_possible,
    Conversion.FORBIDDEN: conversion_forbidden,
}
for _pair, _class in MATRIX.items():
    if _pair[0] != _pair[1] and not UPSTREAM_CELLTYPES.issuperset(_pair):
        _SET_OF_CLASS[_class].add(_pair)


def check_conversions() -> None:
    """Check that every pair of different cell types is in exactly one of the eight sets.

    Raises
    ------
    ValueError
        For the first pair that is in no set or in several; the message names the pair and sets.
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
