from __future__ import annotations

import asyncio
import copy
import gc
import hashlib
import operator
import pickle
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import seamless
from seamless import Buffer, CacheMissError, Checksum

if TYPE_CHECKING:
    from pathlib import Path

HEX = hashlib.sha256(b"a buffer").hexdigest()


# -- making ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", [HEX, HEX.upper(), bytes.fromhex(HEX), Checksum(HEX)])
def test_every_way_to_write_a_digest_gives_the_same_checksum(value: Any) -> None:
    assert Checksum(value).hex() == HEX


def test_whitespace_in_the_digits_is_tolerated() -> None:
    assert Checksum(f" {HEX[:32]} {HEX[32:]}\n").hex() == HEX


@pytest.mark.parametrize("text", ["", "abc", "ab", "zz" * 32, HEX + "00", "data/file.txt"])
def test_a_str_that_is_no_digest_is_a_value_error_that_names_fromhex(text: str) -> None:
    with pytest.raises(ValueError, match="fromhex"):
        Checksum(text)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_bytes_of_another_length_are_a_value_error(length: int) -> None:
    with pytest.raises(ValueError, match=f"not {length}"):
        Checksum(bytes(length))


@pytest.mark.parametrize("value", [None, 5, [HEX], bytearray(32), 1.5])
def test_anything_else_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        Checksum(value)


# -- as a value -----------------------------------------------------------------------


def test_the_text_is_the_bare_digits() -> None:
    assert str(Checksum(HEX)) == f"{Checksum(HEX)}" == HEX


def test_equality_with_text_holds_in_both_orders_and_either_case() -> None:
    checksum: Any = Checksum(HEX)
    assert checksum == HEX
    assert HEX.upper() == checksum
    assert operator.ne(HEX, checksum) is False


def test_equality_with_bytes_compares_the_digest() -> None:
    checksum: Any = Checksum(HEX)
    assert checksum == bytes.fromhex(HEX)


@pytest.mark.parametrize("other", [None, 5, "no digest", b"", object()])
def test_a_checksum_equals_nothing_else(other: Any) -> None:
    assert Checksum(HEX) != other


def test_equal_checksums_are_one_key() -> None:
    assert len({Checksum(HEX), Checksum(HEX.upper()), Checksum("00" * 32)}) == 2


def test_checksums_are_ordered_by_their_digits() -> None:
    low, high = Checksum("00" * 32), Checksum("ff" * 32)
    assert sorted([high, low]) == [low, high]


def test_a_checksum_is_always_true() -> None:
    assert bool(Checksum("00" * 32)) is True


def test_a_checksum_is_neither_text_nor_bytes() -> None:
    assert not isinstance(Checksum(HEX), (str, bytes))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_checksum_can_be_pickled(protocol: int) -> None:
    restored = pickle.loads(pickle.dumps(Checksum(HEX), protocol))
    assert type(restored) is Checksum
    assert restored == Checksum(HEX)


def test_a_pickle_names_the_class_as_published() -> None:
    assert Checksum.__module__ == "seamless"
    assert b"checksum_class" not in pickle.dumps(Checksum(HEX))


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_a_checksum_can_be_copied(copier: Any) -> None:
    assert copier({"a": [Checksum(HEX)]}) == {"a": [Checksum(HEX)]}


def test_a_checksum_can_be_referenced_weakly() -> None:
    checksum = Checksum(HEX)
    reference = weakref.ref(checksum)
    assert reference() is checksum
    del checksum
    gc.collect()
    assert reference() is None


def test_methods_can_be_replaced_on_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checksum, "resolve", lambda _self, _celltype=None: "replaced")
    assert Checksum(HEX).resolve() == "replaced"


# -- files ----------------------------------------------------------------------------


def test_the_suffix_is_added_to_a_file_name_that_lacks_it(tmp_path: Path) -> None:
    Checksum(HEX).save(tmp_path / "data.txt")
    assert (tmp_path / "data.txt.CHECKSUM").read_bytes() == HEX.encode() + b"\n"
    assert Checksum.load(tmp_path / "data.txt") == Checksum(HEX)


def test_the_suffix_is_not_added_twice(tmp_path: Path) -> None:
    Checksum(HEX).save(str(tmp_path / "data.CHECKSUM"))
    assert [path.name for path in tmp_path.iterdir()] == ["data.CHECKSUM"]
    assert Checksum.load(str(tmp_path / "data.CHECKSUM")) == Checksum(HEX)


def test_a_file_without_a_checksum_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "bad.CHECKSUM").write_text("nothing of the kind")
    with pytest.raises(ValueError, match=r"bad\.CHECKSUM holds no checksum"):
        Checksum.load(tmp_path / "bad")


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Checksum.load(tmp_path / "missing")


# -- the buffer it names --------------------------------------------------------------


def test_a_living_buffer_is_resolved() -> None:
    buffer = Buffer(b"alive")
    assert buffer.get_checksum().resolve() is buffer


def test_a_value_is_resolved_by_its_celltype() -> None:
    buffer = Buffer({"b": 1, "a": (2, None)}, "plain")
    assert buffer.get_checksum().resolve("plain") == {"a": [2, None], "b": 1}
    assert buffer.get_checksum().resolve(celltype="plain") == {"a": [2, None], "b": 1}


def test_the_coroutine_returns_the_same() -> None:
    buffer = Buffer([1, 2], "plain")
    assert asyncio.run(buffer.get_checksum().resolution("plain")) == [1, 2]


def test_the_text_of_a_cache_miss_is_the_digits() -> None:
    with pytest.raises(CacheMissError) as missed:
        Checksum(HEX).resolve()
    assert str(missed.value) == HEX


def test_references_hold_the_buffer() -> None:
    checksum = Buffer(b"held by its checksum").get_checksum()
    buffer = Buffer(b"held by its checksum")
    buffer.get_checksum()
    checksum.incref()
    del buffer
    assert checksum.resolve().content == b"held by its checksum"
    checksum.decref()
    with pytest.raises(CacheMissError):
        checksum.resolve()


def test_a_tempref_holds_the_buffer_and_is_returned() -> None:
    checksum = Buffer(b"held for a while").get_checksum()
    buffer = Buffer(b"held for a while")
    buffer.get_checksum()
    tempref = checksum.tempref(interest=5.0, scratch=True)
    del buffer
    assert tempref.interest == 5.0
    assert checksum.resolve().content == b"held for a while"


def test_a_tempref_fades_by_half_in_two_seconds_by_default() -> None:
    tempref = Buffer(b"held on the usual terms").get_checksum().tempref(scratch=True)
    terms = (tempref.interest, tempref.fade_factor, tempref.fade_interval)
    assert terms == (128.0, 2.0, 2.0)


def test_find_returns_the_locations_of_a_buffer() -> None:
    buffer = Buffer(b"to be found")
    locations = buffer.get_checksum().find()
    assert locations is not None
    assert [location.kind for location in locations] == ["cache"]


def test_find_is_none_for_an_unknown_buffer() -> None:
    assert Checksum(HEX).find() is None


def test_find_returns_the_misses_if_verbose() -> None:
    locations = Checksum(HEX).find(verbose=True)
    assert locations is not None
    assert {location.kind for location in locations} >= {"trivial", "cache"}
    assert not any(location.found for location in locations)


def test_the_class_shows_as_published() -> None:
    assert repr(Checksum) == "<class 'seamless.Checksum'>"
    assert seamless.Checksum is Checksum


PUBLISHED_CHECKSUM = (
    "8002637365616d6c6573730a436865636b73756d0a7100298171014e7d710258060000005f76616c75657103"
    "635f636f646563730a656e636f64650a71045840000000" + "c2ab" * 32 + "710558060000006c6174696e31"
    "710686710752710873867109622e"
)


def test_a_pickle_of_the_published_package_can_be_read() -> None:
    assert pickle.loads(bytes.fromhex(PUBLISHED_CHECKSUM)) == Checksum("ab" * 32)


def test_an_endless_file_holds_no_checksum(tmp_path: Path) -> None:
    (tmp_path / "x.CHECKSUM").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="holds no checksum"):
        Checksum.load(tmp_path / "x")
