"""Bind the listening sockets; a random port is reserved by listening on it."""

from __future__ import annotations

import errno
import random
import socket
from typing import TYPE_CHECKING

from seamless_database.errors import AddressError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: the dynamic ports, from which one is chosen by default
DYNAMIC_PORTS = (49152, 65535)
HIGHEST_PORT = 65535
BACKLOG = 2048

_PORT_IN_USE = (errno.EADDRINUSE, errno.EACCES)
_UNSUPPORTED_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def bind_listeners(host: str, first: int, last: int) -> list[socket.socket]:
    """Listen on a random free port of an inclusive range, on every address of the host."""
    check_ports(first, last)
    addresses = _addresses(host)
    for port in _shuffled(first, last):
        sockets = _listen_on(host, addresses, port)
        if sockets:
            return sockets
    if first == last:
        raise AddressError(f"port {first} of {host} is taken, or needs more privileges")
    raise AddressError(f"no port from {first} to {last} of {host} is free")


def check_ports(first: int, last: int) -> None:
    """Raise an `OptionError` for an empty range, or for numbers that are no ports."""
    if not 0 <= first <= last <= HIGHEST_PORT:
        wrong = f"port {first}" if first == last else f"the port range {first} to {last}"
        raise OptionError(f"{wrong} is not within 0 to {HIGHEST_PORT}, in rising order")


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Return the URL that a socket listens on."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"--host {host} is no address of this machine ({error})") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _shuffled(first: int, last: int) -> Iterable[int]:
    return random.sample(range(first, last + 1), last + 1 - first)


def _listen_on(
    host: str, addresses: list[tuple[socket.AddressFamily, str]], port: int
) -> list[socket.socket]:
    """Listen on one port of all addresses, or on none if it is in use on one of them."""
    listeners: list[socket.socket] = []
    error_of_family: OSError | None = None
    for family, address in addresses:
        try:
            listeners.append(_listener(family, address, port))
        except OSError as error:
            if error.errno in _UNSUPPORTED_FAMILY:
                # a host name may have an IPv6 address on a machine without IPv6
                error_of_family = error
                continue
            for listener in listeners:
                listener.close()
            if error.errno in _PORT_IN_USE:
                return []
            raise AddressError(f"cannot listen on --host {host}: {error}") from error
        # port 0 is any free port, but the same one on every address
        port = port or port_of(listeners[0])
    if not listeners:
        raise AddressError(f"--host {host} is no address of this machine ({error_of_family})")
    return listeners


def _listener(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # an IPv6 address does not include IPv4
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        # until they listen, two sockets could share the port
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
