from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import AddressError, OptionError
from seamless_database.server.sockets import bind_listeners, port_of, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_it_listens_at_once() -> None:
    (listener,) = bind_listeners("127.0.0.1", 0, 0)
    with closing(listener), socket.create_connection(("127.0.0.1", port_of(listener))):
        assert url_of(listener) == f"http://127.0.0.1:{port_of(listener)}"


def test_a_port_in_use_is_not_chosen() -> None:
    (one,) = bind_listeners("127.0.0.1", 0, 0)
    with closing(one), pytest.raises(AddressError, match="is taken"):
        bind_listeners("127.0.0.1", port_of(one), port_of(one))


def test_the_free_port_of_a_range_is_found(taken: int) -> None:
    first = min(taken, 65535 - 1)
    listeners = bind_listeners("127.0.0.1", first - 1, first + 1)
    ports = [port_of(listener) for listener in listeners]
    for listener in listeners:
        listener.close()
    assert taken not in ports


def test_a_port_in_use_on_loopback_is_in_use_for_all_addresses(taken: int) -> None:
    with pytest.raises(AddressError):
        bind_listeners("0.0.0.0", taken, taken)


def test_a_host_name_is_bound_at_all_its_addresses_with_one_port() -> None:
    listeners = bind_listeners("localhost", 0, 0)
    ports = {port_of(listener) for listener in listeners}
    for listener in listeners:
        listener.close()
    assert len(ports) == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "not an address", "x" * 300])
def test_an_unknown_host_is_named(host: str) -> None:
    with pytest.raises(AddressError, match=host):
        bind_listeners(host, 40000, 40010)


@pytest.mark.parametrize("ports", [(2, 1), (-1, 5), (65530, 65536)])
def test_an_impossible_range_is_an_option_error(ports: tuple[int, int]) -> None:
    with pytest.raises(OptionError):
        bind_listeners("127.0.0.1", *ports)
