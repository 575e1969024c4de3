from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import AddressError, OptionError
from seamless_database.server.sockets import (
    DYNAMIC_PORTS,
    bind_listeners,
    check_ports,
    port_of,
    url_of,
)

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
    assert not listener.getblocking()
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


def test_a_port_in_use_on_one_address_is_left_free_on_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 0)) for n in (1, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", 0))
        listener.listen()
        port = port_of(listener)
        with pytest.raises(AddressError, match=f"port {port} of localhost is taken"):
            bind_listeners("localhost", port, port)
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_with_connections_of_a_former_server_is_free() -> None:
    (former,) = bind_listeners("127.0.0.1", 0, 0)
    port = port_of(former)
    with socket.create_connection(("127.0.0.1", port)):
        # the side that closes first keeps the connection for some time
        former.setblocking(True)
        former.accept()[0].close()
        former.close()
    (listener,) = bind_listeners("127.0.0.1", port, port)
    listener.close()


def test_an_ipv6_address_leaves_the_port_free_for_ipv4() -> None:
    try:
        (one,) = bind_listeners("::", 0, 0)
    except AddressError:
        pytest.skip("this system has no IPv6")
    with closing(one):
        assert url_of(one) == f"http://[::]:{port_of(one)}"
        (other,) = bind_listeners("0.0.0.0", port_of(one), port_of(one))
        other.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "not an address", "x" * 300])
def test_an_unknown_host_is_named(host: str) -> None:
    with pytest.raises(AddressError, match=host):
        bind_listeners(host, 40000, 40010)


@pytest.mark.parametrize(
    ("ports", "shown"),
    [
        ((2, 1), "the port range 2 to 1"),
        ((-1, 5), "the port range -1 to 5"),
        ((65530, 65536), "the port range 65530 to 65536"),
        ((65536, 65536), "port 65536"),
    ],
)
def test_an_impossible_range_is_an_option_error(ports: tuple[int, int], shown: str) -> None:
    with pytest.raises(OptionError, match=f"^{shown} is not within 0 to 65535"):
        bind_listeners("127.0.0.1", *ports)


def test_the_bounds_of_all_ports_are_possible() -> None:
    check_ports(0, 65535)


def test_a_port_is_chosen_from_the_dynamic_ones() -> None:
    assert DYNAMIC_PORTS == (49152, 65535)
