"""The matrix: every pair has a class, which follows from the classes of its steps."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from itertools import pairwise, permutations, product

import pytest

from seamless.checksum import conversion
from seamless.checksum.conversion import (
    MATRIX,
    Conversion,
    celltypes,
    check_conversions,
    classify,
    route,
)
from seamless.checksum.conversion.upstream_sets import UPSTREAM_CELLTYPES

PAIRS = list(permutations(celltypes, 2))
DIRECT = {
    Conversion.TRIVIAL: conversion.conversion_trivial,
    Conversion.REINTERPRET: conversion.conversion_reinterpret,
    Conversion.REFORMAT: conversion.conversion_reformat,
    Conversion.POSSIBLE: conversion.conversion_possible,
    Conversion.FORBIDDEN: conversion.conversion_forbidden | conversion.conversion_values,
}
#: the last step of their route fails for every result of the step before
DEAD_ENDS = {("text", "binary"), ("python", "binary"), ("ipython", "binary")}


def in_one_step(source: str, target: str) -> Conversion:
    return next(word for word, pairs in DIRECT.items() if (source, target) in pairs)


def one_after_the_other(first: Conversion, second: Conversion) -> Conversion:
    if Conversion.FORBIDDEN in (first, second):
        return Conversion.FORBIDDEN
    keeps = first.keeps_checksum and second.keeps_checksum
    works = first.always_works and second.always_works
    if keeps:
        return Conversion.TRIVIAL if works else Conversion.REINTERPRET
    return Conversion.REFORMAT if works else Conversion.POSSIBLE


def test_every_pair_has_a_class() -> None:
    assert set(MATRIX) == set(product(celltypes, repeat=2))


@pytest.mark.parametrize("celltype", celltypes)
def test_from_a_cell_type_to_itself_is_trivial(celltype: str) -> None:
    assert classify(celltype, celltype) is Conversion.TRIVIAL


@pytest.mark.parametrize(("word", "pairs"), DIRECT.items())
def test_a_pair_of_an_upstream_set_has_the_class_of_that_set(
    word: Conversion, pairs: set[tuple[str, str]]
) -> None:
    assert {classify(*pair) for pair in pairs} == {word}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_class_of_a_pair_follows_from_its_steps(source: str, target: str) -> None:
    steps = [in_one_step(*pair) for pair in route(source, target)]
    expected = reduce(one_after_the_other, steps)
    if (source, target) in DEAD_ENDS:
        expected = Conversion.FORBIDDEN
    assert classify(source, target) is expected


@pytest.mark.parametrize(
    ("source", "target"), [pair for pair in PAIRS if classify(*pair) is not Conversion.FORBIDDEN]
)
def test_each_step_of_a_route_begins_where_the_one_before_ends(source: str, target: str) -> None:
    steps = route(source, target)
    assert all(before[1] == after[0] for before, after in pairwise(steps))


def test_the_classes_of_the_upstream_pairs_have_their_counts() -> None:
    pairs = permutations(UPSTREAM_CELLTYPES, 2)
    assert Counter(str(classify(*pair)) for pair in pairs) == {
        "trivial": 27,
        "reinterpret": 10,
        "reformat": 31,
        "possible": 34,
        "forbidden": 54,
    }


@pytest.mark.parametrize("pair", [("jpeg", "text"), ("text", "jpeg")])
def test_an_unknown_cell_type_is_named_in_the_error(pair: tuple[str, str]) -> None:
    with pytest.raises(TypeError, match=r"'jpeg' is not a cell type.*one of binary, mixed"):
        classify(*pair)


def test_the_text_of_a_class_is_its_name() -> None:
    assert f"{classify('text', 'bytes')}" == "trivial"


def test_the_eight_upstream_sets_are_a_partition() -> None:
    check_conversions()


def test_a_pair_in_two_upstream_sets_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "seamless.checksum.conversion.upstream_sets.conversion_trivial", {("text", "str")}
    )
    with pytest.raises(ValueError, match="binary"):
        check_conversions()
