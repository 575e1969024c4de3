from __future__ import annotations

import asyncio
import copy
import gc
import hashlib
import pickle
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from seamless import Buffer, CacheMissError, Checksum
from seamless.caching.buffer_cache import get_buffer_cache
from seamless.errors import ChecksumMismatchError

if TYPE_CHECKING:
    from pathlib import Path


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# -- making ---------------------------------------------------------------------------


def test_bytes_are_taken_as_they_are() -> None:
    assert Buffer(b"raw").content == b"raw"


def test_a_buffer_is_made_from_a_buffer() -> None:
    assert Buffer(Buffer(b"raw")).content == b"raw"


def test_no_celltype_is_the_raw_form() -> None:
    assert Buffer(b"raw", None).content == b"raw"


@pytest.mark.parametrize("value", ["text", bytearray(b"x"), memoryview(b"x"), 5, None, {}])
def test_other_values_need_a_celltype(value: Any) -> None:
    with pytest.raises(TypeError, match="without a cell type"):
        Buffer(value)


def test_a_value_is_written_by_its_celltype() -> None:
    assert Buffer({"b": (1, 2), "a": None}, celltype="plain").content == (
        b'{\n  "a": null,\n  "b": [\n    1,\n    2\n  ]\n}\n'
    )


@pytest.mark.parametrize("celltype", ["deepcell", "deepfolder", "folder", "module"])
def test_four_more_names_are_written_as_plain(celltype: str) -> None:
    value = {"x": "y"}
    assert Buffer(value, celltype) == Buffer(value, "plain")
    assert Buffer(value, celltype).get_value(celltype) == value


def test_an_unknown_celltype_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="nonsense"):
        Buffer(1, "nonsense")
    with pytest.raises(TypeError, match="nonsense"):
        Buffer(b"1").get_value("nonsense")


def test_a_value_changed_in_place_is_serialized_anew() -> None:
    value: dict[str, Any] = {"list": [1], "deep": {}}
    before = Buffer(value, "plain").get_checksum()
    value["list"].append(2)
    value["deep"]["x"] = 1
    after = Buffer(value, "plain")
    assert after.get_checksum() != before
    assert after.get_value("plain") == value


def test_an_array_changed_in_place_is_serialized_anew() -> None:
    array = np.zeros(4)
    Buffer(array, "binary")
    array[2] = 5
    assert Buffer(array, "binary").get_value("binary")[2] == 5


# -- checksum -------------------------------------------------------------------------


def test_the_checksum_is_the_sha256_of_the_content() -> None:
    assert Buffer(b"some content").get_checksum() == Checksum(digest(b"some content"))


def test_the_checksum_is_unknown_before_get_checksum() -> None:
    buffer = Buffer(b"content")
    with pytest.raises(AttributeError, match="get_checksum"):
        _ = buffer.checksum
    assert buffer.get_checksum() is buffer.checksum


def test_the_coroutine_returns_the_same_checksum() -> None:
    buffer = Buffer(b"async content")
    assert asyncio.run(buffer.get_checksum_async()) == buffer.get_checksum()


def test_a_given_checksum_is_taken_on_trust_and_registered() -> None:
    checksum = Checksum(digest(b"trusted"))
    buffer = Buffer(b"trusted", checksum=checksum)
    assert buffer.checksum == checksum
    assert checksum.resolve() is buffer


def test_verify_rejects_a_wrong_checksum() -> None:
    wrong = Checksum("12" * 32)
    with pytest.raises(ChecksumMismatchError, match=digest(b"content")):
        Buffer(b"content", checksum=wrong, verify=True)
    with pytest.raises(CacheMissError):
        wrong.resolve()


def test_verify_accepts_a_right_checksum() -> None:
    buffer = Buffer(b"verified", checksum=Checksum(digest(b"verified")), verify=True)
    assert buffer.checksum.hex() == digest(b"verified")


def test_get_checksum_takes_no_reference() -> None:
    checksum = Buffer(b"construct and forget").get_checksum()
    with pytest.raises(CacheMissError):
        checksum.resolve()


# -- as a value -----------------------------------------------------------------------


def test_buffers_of_equal_content_are_equal_and_one_key() -> None:
    known, unknown = Buffer(b"same"), Buffer(b"same")
    known.get_checksum()
    assert known == unknown
    assert len({known, unknown, Buffer(b"other")}) == 2


def test_a_buffer_does_not_equal_its_bytes() -> None:
    assert Buffer(b"same") != b"same"
    assert not isinstance(Buffer(b"same"), bytes)


def test_an_empty_buffer_is_false_and_others_are_true() -> None:
    assert not Buffer(b"")
    assert Buffer(b"\0")
    assert len(Buffer(b"abc")) == 3


def test_content_is_decoded_as_utf8() -> None:
    assert Buffer("é".encode()).decode() == "é"
    with pytest.raises(UnicodeDecodeError):
        Buffer(b"\xff").decode()


def test_a_buffer_can_be_referenced_weakly() -> None:
    buffer = Buffer(b"weak")
    reference = weakref.ref(buffer)
    del buffer
    gc.collect()
    assert reference() is None


def roundtrips() -> list[Any]:
    by_pickle: list[Any] = [
        lambda buffer, p=protocol: pickle.loads(pickle.dumps(buffer, p))
        for protocol in (2, 3, 4, 5)
    ]
    return [*by_pickle, copy.copy, copy.deepcopy]


@pytest.mark.parametrize("roundtrip", roundtrips())
def test_a_pickled_buffer_keeps_its_checksum(roundtrip: Any) -> None:
    buffer = Buffer(b"travelling")
    buffer.get_checksum()
    restored = roundtrip(buffer)
    assert (restored.content, restored.checksum) == (b"travelling", buffer.checksum)


@pytest.mark.parametrize("roundtrip", roundtrips())
def test_a_buffer_without_a_checksum_can_be_pickled(roundtrip: Any) -> None:
    restored = roundtrip(Buffer(b"nameless"))
    assert restored.content == b"nameless"
    with pytest.raises(AttributeError):
        _ = restored.checksum


def test_an_unpickled_buffer_is_registered_by_get_checksum() -> None:
    buffer = Buffer(b"registered late")
    checksum = buffer.get_checksum()
    pickled = pickle.dumps(buffer)
    del buffer
    restored = pickle.loads(pickled)
    assert get_buffer_cache().get(checksum) is None
    assert restored.get_checksum() == checksum
    assert get_buffer_cache().get(checksum) is restored


def test_a_pickle_names_the_class_as_published() -> None:
    assert repr(Buffer) == "<class 'seamless.Buffer'>"
    assert b"buffer_class" not in pickle.dumps(Buffer(b"x"))


# -- values ---------------------------------------------------------------------------

VALUES: list[tuple[str, Any]] = [
    ("plain", {"a": [1, 2.5, None, True, "é"]}),
    ("mixed", {"a": [1, 2.5, None, True, "é"]}),
    ("text", "two\nlines"),
    ("python", "def f():\n    return 1"),
    ("ipython", "%time f()"),
    ("yaml", "a: 1"),
    ("str", "text"),
    ("int", -3),
    ("float", 2.5),
    ("bool", True),
    ("checksum", "ab" * 32),
]


@pytest.mark.parametrize(("celltype", "value"), VALUES)
def test_a_value_is_read_as_it_was_written(celltype: str, value: Any) -> None:
    assert Buffer(value, celltype).get_value(celltype) == value


@pytest.mark.parametrize(("celltype", "value"), VALUES)
def test_the_coroutines_return_the_same(celltype: str, value: Any) -> None:
    async def roundtrip() -> Any:
        buffer = await Buffer.from_async(value, celltype)
        assert buffer == Buffer(value, celltype)
        return await buffer.get_value_async(celltype)

    assert asyncio.run(roundtrip()) == value


@pytest.mark.parametrize("celltype", ["binary", "mixed"])
def test_an_array_is_read_as_it_was_written(celltype: str) -> None:
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    back = Buffer(array, celltype).get_value(celltype)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_arrays_inside_mixed_are_read_as_written() -> None:
    value = {"x": [np.arange(3), "text"], "y": None}
    back = Buffer(value, "mixed").get_value("mixed")
    assert back["x"][1:] == ["text"]
    assert np.array_equal(back["x"][0], np.arange(3))


def test_bytes_are_returned_as_the_buffer_itself() -> None:
    buffer = Buffer(b"bytes")
    assert buffer.get_value("bytes") is buffer


def test_a_value_belongs_to_its_caller() -> None:
    buffer = Buffer({"list": [1]}, "plain")
    buffer.get_value("plain")["list"].append(2)
    asyncio.run(buffer.get_value_async("plain", copy=False))["list"].append(3)
    assert buffer.get_value("plain") == {"list": [1]}


def test_content_that_is_no_such_value_is_a_value_error() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the codecs' own tests say which
        Buffer(b"not json").get_value("plain")


# -- files ----------------------------------------------------------------------------


def test_a_buffer_is_saved_and_loaded_byte_for_byte(tmp_path: Path) -> None:
    Buffer(b"line\r\n\0").save(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"line\r\n\0"
    assert Buffer.load(str(tmp_path / "file")) == Buffer(b"line\r\n\0")


def test_saving_into_a_missing_folder_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing.file"):
        Buffer(b"x").save(tmp_path / "missing" / "file")


# -- references -----------------------------------------------------------------------


def test_incref_and_decref_hold_and_release() -> None:
    buffer = Buffer(b"counted")
    buffer.incref()
    checksum = buffer.checksum
    del buffer
    checksum.resolve().decref()
    with pytest.raises(CacheMissError):
        checksum.resolve()


def test_tempref_holds_and_computes_the_checksum() -> None:
    buffer = Buffer(b"for a while")
    buffer.tempref()
    checksum = buffer.checksum
    del buffer
    assert checksum.resolve().content == b"for a while"


def test_a_tempref_fades_by_half_in_two_seconds_by_default() -> None:
    tempref = Buffer(b"held by itself on the usual terms").tempref(scratch=True)
    terms = (tempref.interest, tempref.fade_factor, tempref.fade_interval)
    assert terms == (128.0, 2.0, 2.0)


def test_writing_without_a_write_backend_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAMLESS_BUFFER_DIR", raising=False)
    assert asyncio.run(Buffer(b"nowhere to go").write()) is False


PUBLISHED_BUFFER = (
    "80049584000000000000008c087365616d6c657373948c064275666665729493942981944e7d94288c095f63"
    "6865636b73756d9468008c08436865636b73756d9493942981944e7d948c065f76616c7565944320ba7816bf"
    "8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad94738694628c085f636f6e74656e7494"
    "430361626394758694622e"
)


def test_a_pickle_of_the_published_package_can_be_read() -> None:
    restored = pickle.loads(bytes.fromhex(PUBLISHED_BUFFER))
    assert (restored.content, restored.checksum.hex()) == (b"abc", digest(b"abc"))
