"""The import surface that neighbouring packages rely on, in one inventory.

Who takes each name: T seamless-transformer, D seamless-dask, R seamless-remote,
C seamless-config, J seamless-jobserver, S their commands. The last part exercises what they
replace at run time.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import seamless
from seamless import Buffer, Checksum, buffer_class, is_worker, set_is_worker
from seamless.caching import buffer_cache

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
    Place("seamless.checksum.json_", "json_dumps_bytes", "real", "T"),
    Place("seamless.checksum.parse_buffer", "parse_buffer_sync", "real", "T"),
    Place("seamless.checksum.serialize", "serialize_sync", "real", "T"),
    Place("seamless.util", "unchecksum", "real", "T"),
    Place("seamless.util.get_event_loop", "get_event_loop", "real", "T J"),
    Place("seamless.util.ipython", "execute", "real", "T"),
    Place("seamless.util.mixed.get_form", "get_form", "real", "T"),
    Place("seamless.util.mount_directory", "write_to_directory", "real", "T"),
    Place("seamless.util.pylru", "lrucache", "alias", "R"),
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
    assert sorted(celltypes) == sorted(names.split())


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


class DummyCache:
    """What a spawned worker has in the place of the cache."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def _note(self, name: str) -> Any:
        def call(*_args: Any, **_kwargs: Any) -> None:
            self.calls.append(name)

        return call

    def __getattr__(self, name: str) -> Any:
        if name in {"register", "incref", "decref", "tempref", "get"}:
            return self._note(name)
        raise AttributeError(name)


@pytest.fixture
def worker_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[DummyCache]:
    """Make this process what T makes of its workers, in the same order."""
    dummy = DummyCache()
    before = is_worker()
    set_is_worker(True)
    monkeypatch.setattr(buffer_cache, "get_buffer_cache", lambda: dummy)
    monkeypatch.setattr(buffer_class, "get_buffer_cache", lambda: dummy)
    yield dummy
    set_is_worker(before)


def test_a_worker_uses_nothing_but_the_replaced_cache(worker_cache: DummyCache) -> None:
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


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        *[(Checksum, n) for n in ("incref", "decref", "tempref", "resolve", "resolution")],
        *[(Buffer, n) for n in ("incref", "decref", "tempref", "write")],
    ],
)
def test_methods_are_replaced_on_the_class(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, lambda _self: "replaced")
    instance = Checksum("12" * 32) if owner is Checksum else Buffer(b"x")
    assert getattr(instance, name)() == "replaced"
