"""Conversions of bytes, buffers and checksums: results, fetches and references."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from fake_companions import Server
from hypothesis import given, settings
from hypothesis import strategies as st
from python_runs import run_python
from value_strategies import VALUES

from seamless import Buffer, CacheMissError, Checksum
from seamless.caching import buffer_writer
from seamless.caching.buffer_cache import get_buffer_cache
from seamless.checksum.buffer_facts import compute_buffer_info
from seamless.checksum.buffer_info import BufferInfo
from seamless.checksum.conversion import (
    Conversion,
    ConversionError,
    celltypes,
    classify,
    convert,
    convert_async,
    convert_bytes,
    route,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: the checksum of a buffer that does not exist
MISSING = Checksum("12" * 32)
PAIRS = list(permutations(celltypes, 2))
TRIVIAL = [pair for pair in PAIRS if classify(*pair) is Conversion.TRIVIAL]
FETCHING = [
    pair for pair in PAIRS if classify(*pair) not in (Conversion.TRIVIAL, Conversion.FORBIDDEN)
]
FORBIDDEN = [pair for pair in PAIRS if classify(*pair) is Conversion.FORBIDDEN]


def in_a_loop(content: Any, source: str, target: str, **options: Any) -> Any:
    return asyncio.run(convert_async(content, source, target, **options))


def by_method(content: Any, source: str, target: str, **options: Any) -> Any:
    if isinstance(content, bytes):
        return convert_bytes(content, source, target)
    return content.convert(source, target, **options)


def by_coroutine_method(content: Any, source: str, target: str, **options: Any) -> Any:
    if isinstance(content, bytes):
        return convert_bytes(content, source, target)
    if isinstance(content, Buffer):
        return asyncio.run(content.convert_async(source, target))
    return asyncio.run(content.conversion(source, target, **options))


variants = pytest.mark.parametrize("variant", [convert, in_a_loop, by_method, by_coroutine_method])


def bytes_of(result: Any) -> bytes:
    if isinstance(result, Checksum):
        return bytes_of(result.resolve())
    content: bytes = result.content if isinstance(result, Buffer) else result
    return content


@st.composite
def buffers(draw: st.DrawFn) -> tuple[Buffer, str, str]:
    source, target = draw(st.sampled_from([p for p in PAIRS if p[0] in VALUES]))
    return Buffer(draw(VALUES[source]), source), source, target


# -- the same result from every function ----------------------------------------------


@pytest.mark.parametrize("variant", [convert, by_method])
@pytest.mark.parametrize("kind", [bytes, Buffer, Checksum])
@settings(deadline=None)
@given(case=buffers())
def test_the_result_is_of_the_same_kind_and_has_the_same_bytes(
    variant: Callable[..., Any], kind: type, case: tuple[Buffer, str, str]
) -> None:
    buffer, *pair = case
    forms = {bytes: buffer.content, Buffer: buffer, Checksum: buffer.get_checksum()}
    try:
        expected = convert_bytes(buffer.content, *pair)
    except ConversionError:
        with pytest.raises(ConversionError):
            variant(forms[kind], *pair)
        return
    result = variant(forms[kind], *pair)
    assert isinstance(result, kind)
    assert bytes_of(result) == expected


@settings(deadline=None, max_examples=50)
@given(case=buffers())
def test_the_coroutine_does_what_the_function_does(case: tuple[Buffer, str, str]) -> None:
    buffer, *pair = case
    checksum = buffer.get_checksum()

    def outcome(variant: Callable[..., Any]) -> Checksum | str:
        try:
            result: Checksum = variant(checksum, *pair)
        except ConversionError as error:
            return str(error)
        return result

    assert outcome(in_a_loop) == outcome(convert)


@variants
def test_if_the_bytes_stay_the_same_object_is_returned(variant: Callable[..., Any]) -> None:
    buffer = Buffer([1, 2], "plain")
    for content in (buffer.content, buffer, buffer.get_checksum()):
        assert variant(content, "plain", "bytes") is content
        assert variant(content, "bytes", "plain") is content
        assert variant(content, "plain", "text") is content


@pytest.mark.parametrize("content", ["text", bytearray(b"1"), None, 5])
def test_anything_else_is_refused_by_its_type(content: Any) -> None:
    with pytest.raises(TypeError, match=f"not {type(content).__name__}"):
        convert(content, "plain", "text")


@variants
@pytest.mark.parametrize("pair", [("jpeg", "text"), ("deepcell", "text")])
def test_an_unknown_cell_type_is_named(variant: Callable[..., Any], pair: tuple[str, str]) -> None:
    with pytest.raises(TypeError, match=pair[0]):
        variant(MISSING, *pair)


# -- fetches --------------------------------------------------------------------------


@variants
@pytest.mark.parametrize("pair", TRIVIAL)
def test_trivial_needs_no_buffer(variant: Callable[..., Any], pair: tuple[str, str]) -> None:
    assert variant(MISSING, *pair) is MISSING


@variants
@pytest.mark.parametrize("celltype", celltypes)
def test_a_cell_type_to_itself_needs_no_buffer(variant: Callable[..., Any], celltype: str) -> None:
    assert variant(MISSING, celltype, celltype) is MISSING


@variants
@pytest.mark.parametrize("pair", FORBIDDEN)
def test_a_forbidden_conversion_fails_before_the_buffer_is_fetched(
    variant: Callable[..., Any], pair: tuple[str, str]
) -> None:
    with pytest.raises(ConversionError, match=f"{pair[0]} -> {pair[1]} is forbidden.*yourself"):
        variant(MISSING, *pair)


@pytest.mark.parametrize("pair", FETCHING)
def test_other_conversions_need_the_buffer(pair: tuple[str, str]) -> None:
    with pytest.raises(CacheMissError, match=MISSING.hex()):
        convert(MISSING, *pair)


def test_a_buffer_is_fetched_through_the_method_that_a_worker_replaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(_self: Checksum, _celltype: str | None = None) -> Buffer:
        return Buffer(b"5\n")

    async def resolution(_self: Checksum, _celltype: str | None = None) -> Buffer:
        return Buffer(b"6\n")

    monkeypatch.setattr(Checksum, "resolve", resolve)
    monkeypatch.setattr(Checksum, "resolution", resolution)
    assert MISSING.convert("text", "str") == Buffer("5", "str").get_checksum()
    assert asyncio.run(MISSING.conversion("text", "str")) == Buffer("6", "str").get_checksum()


def test_a_failure_names_the_checksum() -> None:
    buffer = Buffer("five", "text")
    checksum = buffer.get_checksum()
    words = f"{checksum}: this text buffer can't be converted to int"
    with pytest.raises(ConversionError, match=words) as e:
        checksum.convert("text", "int")
    assert (e.value.source, e.value.target) == ("text", "int")


# -- predictions from properties ------------------------------------------------------


@variants
def test_properties_that_prove_the_target_save_the_fetch(variant: Callable[..., Any]) -> None:
    info = BufferInfo(MISSING, {"is_json": True})
    assert variant(MISSING, "mixed", "plain", info=info) is MISSING
    assert (
        variant(MISSING, "bytes", "plain", info=BufferInfo(MISSING, {"is_json": True})) is MISSING
    )


@variants
def test_properties_that_exclude_the_target_save_the_fetch(variant: Callable[..., Any]) -> None:
    info = BufferInfo(MISSING, {"is_utf8": False})
    with pytest.raises(ConversionError, match=f"{MISSING} can't be converted to python"):
        variant(MISSING, "bytes", "python", info=info)


@variants
def test_other_properties_do_not_save_the_fetch(variant: Callable[..., Any]) -> None:
    with pytest.raises(CacheMissError):
        variant(MISSING, "mixed", "plain", info=BufferInfo(MISSING, {"length": 5}))


@variants
def test_properties_of_another_buffer_are_refused(variant: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="info describes the buffer 3434"):
        variant(MISSING, "mixed", "plain", info=BufferInfo("34" * 32))


def test_a_result_known_only_by_its_checksum_is_not_returned() -> None:
    info = BufferInfo(MISSING, {"text2str": "34" * 32})
    with pytest.raises(CacheMissError):
        convert(MISSING, "text", "str", info=info)


@settings(deadline=None)
@given(case=buffers())
def test_properties_never_change_the_result(case: tuple[Buffer, str, str]) -> None:
    buffer, *pair = case
    checksum = buffer.get_checksum()
    info = compute_buffer_info(buffer.content, pair[0], checksum)
    try:
        expected = convert(checksum, *pair)
    except ConversionError:
        with pytest.raises(ConversionError):
            convert(checksum, *pair, info=info)
    else:
        assert convert(checksum, *pair, info=info) == expected


@settings(deadline=None)
@given(st.binary(), st.sampled_from(FETCHING))
def test_properties_of_invalid_bytes_never_prove_a_failing_conversion(
    content: bytes, pair: tuple[str, str]
) -> None:
    buffer = Buffer(content)
    checksum = buffer.get_checksum()
    info = compute_buffer_info(content, None, checksum)
    try:
        result = convert(checksum, *pair, info=info)
    except ConversionError:
        return
    convert_bytes(content, *pair)
    assert all(classify(*step).keeps_checksum for step in route(*pair)) <= (result == checksum)


# -- references -----------------------------------------------------------------------


@variants
def test_a_new_checksum_resolves_without_a_reference_to_its_buffer(
    variant: Callable[..., Any],
) -> None:
    source = Buffer(f"kept for {variant.__name__}", "text")
    result = variant(source.get_checksum(), "text", "str")
    assert result.resolve("str") == f"kept for {variant.__name__}"
    assert get_buffer_cache().strong_cache[result].tempref is not None


def test_an_unchanged_checksum_is_not_referenced() -> None:
    source = Buffer(["not", "referenced"], "plain")
    assert source.get_checksum().convert("plain", "text") == source.get_checksum()
    assert source.get_checksum() not in get_buffer_cache().strong_cache


def test_a_new_buffer_is_not_referenced_if_the_caller_gets_it() -> None:
    result = Buffer("left alone", "text").convert("text", "str")
    assert result.get_checksum() not in get_buffer_cache().strong_cache


def test_the_result_of_a_scratch_buffer_is_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.install(monkeypatch)
    source = Buffer("scratch it is", "text")
    source.tempref(scratch=True)
    result = source.get_checksum().convert("text", "str")
    assert get_buffer_cache().is_scratch_ref(result)
    buffer_writer.flush()
    assert server.buffers == {}


def test_the_result_of_another_buffer_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.install(monkeypatch)
    source = Buffer("stored it is", "text")
    result = source.get_checksum().convert("text", "str")
    assert not get_buffer_cache().is_scratch_ref(result)
    buffer_writer.flush()
    assert server.buffers == {result.hex(): b'"stored it is"\n'}


def test_a_worker_converts_the_buffer_of_its_parent() -> None:
    outcome = run_python(
        """
        import seamless, seamless.buffer_class, seamless.caching.buffer_cache
        from seamless import Buffer, Checksum, set_is_worker

        class Dummy:
            def register(self, *args, **kwargs): pass
            incref = decref = tempref = get = register

        kept = []
        parent = {Buffer(b"5\\n").get_checksum(): b"5\\n"}
        set_is_worker(True)
        dummy = Dummy()
        seamless.caching.buffer_cache.get_buffer_cache = lambda: dummy
        seamless.buffer_class.get_buffer_cache = lambda: dummy
        Checksum.resolve = lambda self, celltype=None: Buffer(parent[self], checksum=self)
        Buffer.tempref = lambda self, **options: kept.append((self.content, options))

        result = next(iter(parent)).convert("int", "float")
        assert kept == [(b"5.0\\n", {"scratch": False})], kept
        assert result == Buffer(b"5.0\\n").get_checksum()
        """
    )
    assert outcome.stderr == ""
