"""Check large bodies in a child process, because reading JSON holds up every thread of its own.

Python reads JSON in one piece, during which no other thread runs: 64 MiB would keep the
healthcheck waiting for seconds. The child is started by the first large body, and goes after a
minute without another one, or with this process, however that ends.
"""

from __future__ import annotations

import asyncio
import pickle
import select
import signal
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, TypeVar

from seamless_database.errors import RequestError, UnavailableError
from seamless_database.protocol import Fields, decode
from seamless_database.records import Read, Write, reading, writing

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: seconds without work after which the child ends
IDLE = 60.0
#: what is in front of each message: which check (unused in answers), and the length
_HEAD = struct.Struct("!BQ")
_CHECKS: tuple[Callable[[Fields], Read | Write], ...] = (reading, writing)
#: the modules are looked for where we have found them, never in the working folder
_CHILD = "import sys; sys.path[:] = {path!r}; from seamless_database.checking import main; main()"


class Checker:
    """The child process of one event loop; bodies are checked one after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seamless-database-checker")
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    async def check(self, check: Callable[[Fields], T], body: bytes) -> T:
        """Do `check(decode(body))`, where `check` is `reading` or `writing`."""
        number = _CHECKS.index(check)
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._thread, self._ask, number, body)
        if isinstance(outcome, RequestError):
            raise outcome
        return outcome  # type: ignore[return-value]  # what `check` returns, from elsewhere

    def close(self) -> None:
        """End the child, whatever it is at."""
        self._closed = True
        self._end_child()
        self._thread.shutdown()

    def _ask(self, number: int, body: bytes) -> Read | Write | RequestError:
        for last in (False, True):
            try:
                return self._converse(number, body)
            except (OSError, EOFError, ValueError) as error:
                # it may have gone just now, because it had been idle
                self._end_child()
                if last or self._closed:
                    told = f"a large request could not be checked ({error}); try again later"
                    raise UnavailableError(told) from error
        raise AssertionError  # unreachable

    def _converse(self, number: int, body: bytes) -> Read | Write | RequestError:
        if self._child is None:
            # its complaints would be those about signals and pipes of ours
            self._child = subprocess.Popen(  # noqa: S603  # nothing of a request is in it
                [sys.executable, "-c", _CHILD.format(path=sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        asked, answered = self._child.stdin, self._child.stdout
        assert asked is not None and answered is not None  # noqa: PT018  # both are pipes
        _send(asked, number, body)
        _, answer = _receive(answered)
        outcome: Read | Write | RequestError = pickle.loads(answer)  # noqa: S301  # our own child
        return outcome

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()


def main() -> None:
    """Be the child: check what comes, until nothing comes any more."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # signals to the whole group are meant for the server, which still needs us
        signal.signal(ending, signal.SIG_IGN)
    asked, answered = sys.stdin.buffer, sys.stdout.buffer
    while select.select([asked], [], [], IDLE)[0]:
        try:
            number, body = _receive(asked)
        except EOFError:
            return
        try:
            outcome: object = _CHECKS[number](decode(body))
        except RequestError as error:
            outcome = error
        _send(answered, 0, pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL))


def _send(pipe: IO[bytes], number: int, content: bytes) -> None:
    pipe.write(_HEAD.pack(number, len(content)))
    pipe.write(content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> tuple[int, bytes]:
    number, length = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    return number, _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError("the process that checks it has ended")
    return content
