from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hashserver import Script, answering, running
from forked_children import run_in_child

from seamless import Checksum, remote
from seamless.stores import configured


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("SEAMLESS_BUFFER_DIR", raising=False)
    monkeypatch.delenv("SEAMLESS_BUFFER_SERVER", raising=False)
    remote.configure()
    yield
    remote.configure()


def read() -> list[str]:
    return [place.name for place in configured.readers()]


def written() -> list[str]:
    return [place.name for place in configured.writers()]


def test_no_store_is_configured_by_default() -> None:
    assert (read(), written()) == ([], [])


@pytest.mark.parametrize(
    "text", ["http://a:1,http://b:2", "http://a:1 http://b:2\n", " http://a:1 ,\thttp://b:2/,"]
)
def test_the_environment_names_servers(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_SERVER", text)
    assert read() == written() == ["http://a:1", "http://b:2"]


def test_the_environment_names_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", os.pathsep.join(["/x", "/y"]))
    assert read() == ["directory /x", "directory /y"]
    assert written() == ["directory /x"]


def test_directories_are_read_before_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", "/x")
    remote.configure(read_servers=["http://r:1", "http://r:2"], write_servers="http://w:1")
    assert read() == ["directory /x", "http://r:1", "http://r:2", "http://w:1"]
    assert written() == ["directory /x", "http://w:1"]


def test_a_forked_child_leaves_the_connections_of_its_parent_alone() -> None:
    content = b"read before and after the fork"
    name = Checksum(hashlib.sha256(content).digest())
    with running(Script(answering(content, keep=True))) as server:
        remote.configure(read_servers=server.url)
        assert remote.fetch_sync(name) is not None
        assert run_in_child(lambda: remote.fetch_sync(name) is not None) == "True"
        assert remote.fetch_sync(name) is not None
        assert server.connections == 2
        remote.configure()


def test_a_server_of_both_kinds_is_read_once() -> None:
    remote.configure(read_servers=["http://a:1", "http://b:1"], write_servers=["http://b:1"])
    assert read() == ["http://a:1", "http://b:1"]


def test_configured_servers_replace_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_SERVER", "http://environment:1")
    remote.configure(read_servers="http://r:1")
    assert (read(), written()) == (["http://r:1"], [])
    remote.configure()
    assert read() == written() == ["http://environment:1"]


def test_an_empty_list_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", "/x")
    monkeypatch.setenv("SEAMLESS_BUFFER_SERVER", "http://environment:1")
    remote.configure(directory=(), read_servers=[])
    assert (read(), written()) == ([], [])


def test_a_path_may_be_a_path() -> None:
    remote.configure(directory=[Path("/x"), "/y"])
    assert read() == ["directory /x", "directory /y"]


@pytest.mark.parametrize("by", ["configure", "environment"])
def test_a_relative_directory_is_resolved_when_it_is_configured(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first").mkdir()
    monkeypatch.chdir(tmp_path / "first")
    if by == "configure":
        remote.configure(directory=["buffers", "../more"])
    else:
        monkeypatch.setenv("SEAMLESS_BUFFER_DIR", os.pathsep.join(["buffers", "../more"]))
    expected = [f"directory {tmp_path}/first/buffers", f"directory {tmp_path}/more"]
    assert read() == expected
    monkeypatch.chdir(tmp_path)
    assert (read(), written()) == (expected, expected[:1])
    if by == "environment":
        remote.configure()  # a new configuration
        assert read()[0] == f"directory {tmp_path}/buffers"


@pytest.mark.parametrize("url", ["localhost:5577", "ftp://x", "http://", "/x", ""])
def test_an_invalid_url_is_rejected_and_nothing_changes(url: str) -> None:
    remote.configure(read_servers="http://before:1")
    with pytest.raises(ValueError, match="write http://HOST:PORT"):
        remote.configure(read_servers=[url])
    assert read() == ["http://before:1"]


def test_an_invalid_url_in_the_environment_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_SERVER", "localhost:5577")
    with pytest.raises(ValueError, match="from SEAMLESS_BUFFER_SERVER"):
        read()


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_a_timeout_has_to_be_positive(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        remote.configure(timeout=timeout)


def test_a_new_configuration_creates_new_stores() -> None:
    remote.configure(read_servers="http://a:1")
    first = configured.readers()[0]
    assert configured.readers()[0] is first
    remote.configure(read_servers="http://a:1")
    assert configured.readers()[0] is not first
    assert first not in configured._instances
