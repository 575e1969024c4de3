"""The import surface that companion packages rely on, in one inventory.

Who takes each name: T seamless-transformer, D seamless-dask, R seamless-remote,
C seamless-config, J seamless-jobserver, S their commands; `-` no known importer. The last
parts exercise what they replace at run time, and what crosses processes.
"""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import pickle
import sys
import types
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from patched_worker import DummyCache, use_everything
from published_pickles import PUBLISHED_PICKLES
from python_runs import run_python

import seamless
from seamless import Buffer, Checksum, buffer_class, is_worker, set_is_worker
from seamless.caching import buffer_cache
from seamless.caching.buffer_cache import BufferCache

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place(NamedTuple):
    """A module of the surface: what is taken from it, its kind, and by whom."""

    path: str
    names: str
    kind: str
    importers: str


SURFACE = [
    Place(
        "seamless",
        "Checksum Buffer CacheMissError is_worker set_is_worker ensure_open close "
        "register_close_hook _closed _require_close",
        "real",
        "T D R C J S",
    ),
    Place("seamless.buffer_class", "Buffer get_buffer_cache", "real", "T"),
    Place("seamless.checksum_class", "Checksum", "real", "T"),
    Place("seamless.shutdown", "close _closed _closing", "real", "T"),
    Place("seamless.caching.buffer_cache", "get_buffer_cache BufferCache TempRef", "real", "T D"),
    Place(
        "seamless.caching.buffer_writer",
        "register await_existing_task flush purge init",
        "real",
        "T D R",
    ),
    Place(
        "seamless.checksum.calculate_checksum",
        "calculate_checksum calculate_file_checksum",
        "real",
        "T",
    ),
    Place("seamless.checksum.celltypes", "celltypes", "real", "T"),
    Place("seamless.checksum.json_", "json_dumps_bytes json_dumps", "real", "T"),
    Place("seamless.checksum.parse_buffer", "parse_buffer_sync parse_buffer", "real", "T"),
    Place("seamless.checksum.serialize", "serialize_sync serialize", "real", "T"),
    Place(
        "seamless.checksum.conversion",
        "conversion_trivial conversion_reinterpret conversion_reformat conversion_possible "
        "conversion_forbidden conversion_values conversion_equivalent conversion_chain "
        "SeamlessConversionError check_conversions",
        "real",
        "-",
    ),
    Place(
        "seamless.checksum.buffer_info",
        "BufferInfo validate_buffer_info verify_buffer_info convert_from_buffer_info",
        "real",
        "-",
    ),
    Place("seamless.util", "unchecksum", "real", "T"),
    Place("seamless.util.get_event_loop", "get_event_loop", "real", "T J"),
    Place("seamless.util.ipython", "execute", "real", "T"),
    Place("seamless.util.mixed.get_form", "get_form", "real", "T"),
    Place("seamless.util.mount_directory", "write_to_directory", "real", "T"),
    Place("seamless.util.pylru", "lrucache", "alias", "R"),
    Place("seamless.compression_utils", "", "real", "-"),
    Place("seamless.config", "", "bridge", "T D C R J S"),
    Place("seamless.transformer", "", "bridge", "C D J"),
]
everywhere = pytest.mark.parametrize("place", SURFACE, ids=[place.path for place in SURFACE])


@everywhere
def test_every_path_is_a_module_with_its_names(place: Place) -> None:
    module = importlib.import_module(place.path)
    assert isinstance(module, types.ModuleType)
    assert [name for name in place.names.split() if not hasattr(module, name)] == []


@everywhere
def test_the_first_line_of_a_module_tells_its_kind(place: Place) -> None:
    first_line = (importlib.import_module(place.path).__doc__ or "").splitlines()[0]
    prefix = {"real": "", "bridge": "Bridge: ", "alias": "Alias: "}[place.kind]
    assert first_line.startswith(prefix)
    assert prefix or not first_line.startswith(("Bridge:", "Alias:"))


def test_the_public_names_are_sorted_and_there() -> None:
    assert seamless.__all__ == sorted(seamless.__all__)
    assert all(hasattr(seamless, name) for name in seamless.__all__)


def test_the_buffer_writer_is_an_attribute_of_its_package() -> None:
    from seamless.caching import buffer_writer

    assert buffer_writer is sys.modules["seamless.caching.buffer_writer"]


def test_celltypes_is_a_list_that_can_be_added_to() -> None:
    from seamless.checksum.celltypes import celltypes

    assert type(celltypes) is list
    names = "binary mixed text python ipython plain yaml str bytes int float bool checksum"
    assert set(names.split()) <= set(celltypes)


# -- calls as they are made -----------------------------------------------------------


def test_a_buffer_without_a_checksum_of_its_own_is_parsed() -> None:
    from seamless.checksum.parse_buffer import parse_buffer_sync

    buffer = Buffer(b'{"a": 1}')
    checksum = Buffer(b'{"a": 1}').get_checksum()
    assert parse_buffer_sync(buffer, checksum, "plain", copy=False) == {"a": 1}


def test_serializing_gives_bytes() -> None:
    from seamless.checksum.serialize import serialize_sync

    assert type(serialize_sync("text", "text")) is bytes


def test_json_has_no_final_newline() -> None:
    from seamless.checksum.json_ import json_dumps_bytes

    assert json_dumps_bytes({"b": float("nan"), "a": [1]}) == (
        b'{\n  "a": [\n    1\n  ],\n  "b": null\n}'
    )


def test_forms_are_pairs() -> None:
    from seamless.util.mixed.get_form import get_form

    assert get_form("text") == ("pure-plain", "string")
    assert get_form(b"bytes")[0] == "pure-binary"
    with pytest.raises(TypeError):
        get_form(Checksum("12" * 32))


def test_a_miss_is_no_builtin_error_but_an_exception() -> None:
    assert issubclass(seamless.CacheMissError, Exception)
    assert not issubclass(seamless.CacheMissError, (KeyError, LookupError, ValueError, OSError))
    assert str(seamless.CacheMissError(Checksum("12" * 32))) == "12" * 32


# -- what is replaced at run time -----------------------------------------------------


class NotingCache(DummyCache):
    """Remembers which of its methods were called; has no others."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in {"register", "incref", "decref", "tempref", "get"}:
            self.calls.append(name)
        return super().__getattribute__(name)


@pytest.fixture
def worker_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[NotingCache]:
    """Make this process what T makes of its workers, in the same order."""
    dummy = NotingCache()
    before = is_worker()
    set_is_worker(True)
    monkeypatch.setattr(buffer_cache, "get_buffer_cache", lambda: dummy)
    monkeypatch.setattr(buffer_class, "get_buffer_cache", lambda: dummy)
    yield dummy
    set_is_worker(before)


def test_a_worker_uses_nothing_but_the_replaced_cache(worker_cache: NotingCache) -> None:
    buffer = Buffer({"a": 1}, "plain")
    checksum = buffer.get_checksum()
    assert buffer.get_value("plain") == {"a": 1}
    assert (len(buffer), buffer.decode()) == (len(buffer.content), buffer.content.decode())
    Buffer(buffer.content, checksum=checksum)
    buffer.incref()
    buffer.tempref()
    buffer.decref()
    checksum.incref()
    checksum.tempref(scratch=True)
    checksum.decref()
    assert worker_cache.calls == [
        "register",
        "register",
        *["incref", "tempref", "decref"] * 2,
    ]


@pytest.mark.usefixtures("worker_cache")
def test_a_worker_fingertips_through_the_replaced_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(self: Checksum, celltype: str | None = None) -> Any:
        buffer = Buffer(b"[]\n", checksum=self)
        return buffer if celltype is None else buffer.get_value(celltype)

    monkeypatch.setattr(Checksum, "resolve", resolve)
    assert Checksum("12" * 32).fingertip_sync("plain") == []


def test_a_buffer_uses_the_cache_that_its_own_module_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other: BufferCache[Buffer] = BufferCache()
    monkeypatch.setattr(buffer_class, "get_buffer_cache", lambda: other)
    buffer = Buffer("only in the other cache", "text")
    buffer.incref()
    assert other.get(buffer.get_checksum()) is buffer
    assert buffer_cache.get_buffer_cache().get(buffer.get_checksum()) is None
    buffer.decref()


def test_a_checksum_uses_the_cache_that_the_module_of_the_cache_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other: BufferCache[Buffer] = BufferCache()
    buffer = Buffer("registered by hand", "text")
    other.register(buffer.get_checksum(), buffer)
    monkeypatch.setattr(buffer_cache, "get_buffer_cache", lambda: other)
    checksum = buffer.get_checksum()
    assert checksum.resolve() == buffer
    checksum.incref()
    assert other.strong_cache[checksum].normal_refs == 1
    checksum.decref()
    assert checksum not in other.strong_cache or other.strong_cache[checksum].normal_refs == 0


def test_every_way_to_a_value_goes_through_the_replaced_methods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = Checksum("12" * 32)

    def resolve(_self: Checksum, celltype: str | None = None) -> Any:
        return Buffer(b"1\n") if celltype is None else f"resolved as {celltype}"

    async def resolution(_self: Checksum, celltype: str | None = None) -> Any:
        return Buffer(b"2\n") if celltype is None else f"resolution as {celltype}"

    monkeypatch.setattr(Checksum, "resolve", resolve)
    monkeypatch.setattr(Checksum, "resolution", resolution)
    assert nowhere.fingertip_sync("plain") == "resolved as plain"
    assert asyncio.run(nowhere.fingertip("plain")) == "resolution as plain"
    assert nowhere.convert("int", "str").fingertip_sync("plain") == "resolved as plain"


REPLACED = [
    *[(Checksum, n) for n in ("incref", "decref", "tempref", "resolve", "resolution")],
    *[(Buffer, n) for n in ("incref", "decref", "tempref", "write")],
]


@pytest.mark.parametrize(("owner", "name"), REPLACED)
def test_a_method_is_replaced_for_instances_that_exist_already(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Checksum("12" * 32) if owner is Checksum else Buffer(b"x")
    monkeypatch.setattr(owner, name, lambda _self: "replaced")
    assert getattr(instance, name)() == "replaced"


@pytest.mark.parametrize("module", ["seamless.config", "seamless.transformer"])
def test_a_bridge_takes_a_replaced_function(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = importlib.import_module(module)
    monkeypatch.setattr(bridge, "set_stage", "replaced", raising=False)
    assert importlib.import_module(module).set_stage == "replaced"


def test_setting_the_closed_flags_back_opens_everything_again(tmp_path: Path) -> None:
    outcome = run_python(
        """
        import seamless
        from seamless import Buffer, Checksum, ensure_open
        seamless.close()
        try:
            ensure_open("a test")
        except RuntimeError as error:
            assert "Seamless has been closed" in str(error)
        else:
            raise SystemExit("it was not closed")

        seamless._closed = seamless._require_close = False
        seamless.shutdown._closed = seamless.shutdown._closing = False
        ensure_open("a test")
        buffer = Buffer("written after reopening", "text")
        buffer.incref()
        print(buffer.get_checksum())
        seamless.close()
        """,
        directory=tmp_path,
    )
    checksum = outcome.stdout.strip()
    assert [path.name for path in tmp_path.glob("??/*")] == [checksum]
    assert outcome.stderr == ""


# -- what crosses processes -----------------------------------------------------------

HEX = "ab" * 32
PICKLED = pytest.mark.parametrize("protocol", [2, 3, 4, 5])


def published(protocol: int, name: str) -> Any:
    return pickle.loads(bytes.fromhex(PUBLISHED_PICKLES[protocol, name]))


@PICKLED
def test_a_published_checksum_is_read(protocol: int) -> None:
    checksum = published(protocol, "checksum")
    assert type(checksum) is Checksum
    assert checksum == Checksum(HEX)
    assert {checksum: 1}[Checksum(HEX)] == 1


@PICKLED
def test_a_published_buffer_is_read_without_a_checksum_if_it_had_none(protocol: int) -> None:
    buffer = published(protocol, "bare buffer")
    assert type(buffer) is Buffer
    assert buffer.content == b"abc"
    with pytest.raises(AttributeError, match="not known yet"):
        _ = buffer.checksum
    assert buffer.get_checksum() == Buffer(b"abc").get_checksum()


@PICKLED
def test_a_published_buffer_keeps_its_checksum_and_is_in_no_cache(protocol: int) -> None:
    cache = buffer_cache.get_buffer_cache()
    buffer = published(protocol, "buffer")
    checksum = buffer.checksum
    assert checksum == Buffer({"a": 1}, "plain").get_checksum()
    assert cache.get(checksum) is not buffer
    assert buffer.get_value("plain") == {"a": 1}
    assert cache.get(checksum) is not None


@PICKLED
def test_published_objects_inside_values_are_read(protocol: int) -> None:
    assert published(protocol, "nested") == {"k": [Checksum(HEX), Buffer({"a": 1}, "plain")]}


@PICKLED
@pytest.mark.parametrize("name", ["checksum", "bare buffer", "buffer", "nested"])
def test_what_is_pickled_here_is_what_was_pickled_there(protocol: int, name: str) -> None:
    """So that the published package reads it: it has been tried, and the bytes are the same."""
    value = published(protocol, name)
    assert pickle.dumps(value, protocol).hex() == PUBLISHED_PICKLES[protocol, name]


def test_a_spawned_worker_does_everything_with_what_is_replaced() -> None:
    given = Buffer({"a": 1}, "plain")
    parent = {given.get_checksum().hex(): given.content}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        outcome = pool.submit(
            use_everything, parent, given.get_checksum(), Buffer("sent", "text")
        ).result(timeout=120)

    result = Buffer({"seen": {"a": 1}}, "plain")
    name = result.get_checksum()
    assert outcome["is_worker"]
    assert outcome["open"]
    assert (type(outcome["checksum"]), outcome["checksum"]) == (Checksum, name)
    assert (outcome["buffer"], outcome["buffer"].checksum) == (result, name)
    assert (outcome["value"], outcome["length"]) == ({"seen": {"a": 1}}, len(result))
    assert outcome["text"] == "sent\n"
    assert outcome["sent"] == Buffer("sent", "text").get_checksum()
    for way in ("resolution", "fingertip", "fingertip_sync"):
        assert outcome[way] == {"a": 1}
    assert outcome["asked"] == [(way, name.hex()) for way in ("tempref", "incref", "decref")]
    assert not is_worker()
