"""One HTTP client for all threads: made when needed, closed when nobody is using it any more.

A connection must not be closed under a thread that waits for an answer on it: that thread
would wait until its time is up. So whoever comes last closes a client that has been given up.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from ..locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SharedClient"]

CONNECTIONS = 32


@dataclass(eq=False)
class _Session:
    client: httpx.Client
    users: int = 0


class SharedClient:
    """A client that threads share. In a forked child it begins anew.

    Parameters
    ----------
    timeout
        How long to wait for what.
    """

    def __init__(self, timeout: httpx.Timeout) -> None:
        self._timeout = timeout
        #: guards the session and the number of its users
        self._lock = new_lock()
        self._session: _Session | None = None
        #: the session of the parent process: neither used nor closed here
        self._inherited: _Session | None = None

    def renew_after_fork(self) -> None:
        """Begin without connections: those that are open are the parent's."""
        self._inherited, self._session = self._session, None

    @contextmanager
    def use(self) -> Iterator[httpx.Client]:
        """Lend the client for one request."""
        with self._lock:
            session = self._session
            if session is None:
                session = self._session = _Session(self._make())
            session.users += 1
        try:
            yield session.client
        finally:
            with self._lock:
                session.users -= 1
                given_up = session is not self._session and session.users == 0
            if given_up:
                session.client.close()

    def close(self) -> None:
        """Close the client, once nobody is using it; the next use makes a new one."""
        with self._lock:
            session, self._session = self._session, None
            idle = session is not None and session.users == 0
        if session is not None and idle:
            session.client.close()

    def _make(self) -> httpx.Client:
        return httpx.Client(
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            # a web proxy of the environment has no way to a server of the cluster
            trust_env=False,
        )
