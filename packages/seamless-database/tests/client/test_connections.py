"""HTTP as the clients speak it: responses of all forms, connections that end, and their bounds."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server
from other_servers import PROTOCOL, raw_server, scripted_server

from seamless_database.client import AsyncDatabaseClient, DatabaseClient, blocking_connections
from seamless_database.client.async_connections import MAX_CONNECTIONS
from seamless_database.errors import ClientError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY, RESULT = checksum(1), checksum(2)
BODY = PROTOCOL.encode()
FRAMED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
UNFRAMED = b"HTTP/1.1 200 OK\r\n\r\n" + BODY
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (BODY[:5], len(BODY) - 5, BODY[5:])
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + FRAMED


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("connections") / "seamless.db") as server:
        with DatabaseClient(server.url) as client:
            client.put_transformation(KEY, RESULT)
        yield server


@pytest.fixture(params=["blocking", "asynchronous"])
def is_blocking(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "blocking")


def ask(url: str, is_blocking: bool, times: int = 1, pause: float = 0) -> list[list[str]]:
    """Ask for the protocol, each time with the same client."""

    async def talk() -> list[list[str]]:
        found = []
        async with AsyncDatabaseClient(url, timeout=TIMEOUT) as client:
            for _ in range(times):
                found.append(await client.get_protocol())
                await asyncio.sleep(pause)
        return found

    if not is_blocking:
        return asyncio.run(talk())
    found = []
    with DatabaseClient(url, timeout=TIMEOUT) as client:
        for _ in range(times):
            found.append(client.get_protocol())
            time.sleep(pause)
    return found


@pytest.mark.parametrize("answer", [FRAMED, UNFRAMED, CHUNKED])
def test_a_response_may_have_any_form(is_blocking: bool, answer: bytes) -> None:
    with raw_server([answer]) as url:
        assert ask(url, is_blocking) == [["seamless", "database", "2.1"]]


def test_an_interim_response_is_skipped_in_an_event_loop() -> None:
    with raw_server([INTERIM]) as url:
        assert ask(url, is_blocking=False) == [["seamless", "database", "2.1"]]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        FRAMED[:-1],
        CHUNKED[:-5],
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_what_is_no_complete_response_is_a_client_error(is_blocking: bool, answer: bytes) -> None:
    error = r"gave no answer: no complete HTTP/1\.1 response \(.+\); if the server speaks TLS"
    with raw_server([answer]) as url, pytest.raises(ClientError, match=error):
        ask(url, is_blocking)


def test_an_error_that_the_caller_handles_is_not_the_reason() -> None:
    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url, timeout=TIMEOUT) as client:
            try:
                raise OSError("of the caller")
            except OSError:
                await client.get_protocol()

    with raw_server([b""]) as url, pytest.raises(ClientError, match=r"no complete HTTP/1\.1"):
        asyncio.run(talk(url))


def test_a_change_of_the_protocol_is_a_client_error(is_blocking: bool) -> None:
    answer = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    with raw_server([answer]) as url, pytest.raises(ClientError):
        ask(url, is_blocking)


@pytest.mark.parametrize("url", ["127.0.0.1:1", "ftp://x", "http://", "http://a..b", "http://x:y"])
def test_a_url_that_is_none_is_a_client_error(is_blocking: bool, url: str) -> None:
    with pytest.raises(ClientError, match=r"gave no answer: [^;]+$"):
        ask(url, is_blocking)


def test_a_connection_is_used_again(is_blocking: bool) -> None:
    with raw_server([FRAMED, CHUNKED, FRAMED]) as url:
        assert len(ask(url, is_blocking, times=3)) == 3


@pytest.mark.parametrize(
    "last",
    [
        UNFRAMED,
        FRAMED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        FRAMED.replace(b"1.1", b"1.0"),
        # what follows belongs to no request, so it must not be the answer of the next one
        FRAMED + FRAMED,
        FRAMED + b"garbage",
    ],
)
def test_a_connection_that_cannot_be_used_again_is_replaced(is_blocking: bool, last: bytes) -> None:
    with raw_server([last], [FRAMED]) as url:
        assert len(ask(url, is_blocking, times=2)) == 2


def test_a_connection_that_the_server_has_closed_is_replaced(is_blocking: bool) -> None:
    with raw_server([FRAMED], [FRAMED]) as url:
        assert len(ask(url, is_blocking, times=2, pause=0.3)) == 2


def test_a_rejected_large_body_is_a_request_error(tmp_path: Path) -> None:
    info = {"text": "x" * 3_000_000}
    with Server(tmp_path / "seamless.db", "--max-body", "1MB") as server:
        with (
            DatabaseClient(server.url) as client,
            pytest.raises(RequestError, match="larger than"),
        ):
            client.put_buffer_info(KEY, info)

        async def talk() -> None:
            async with AsyncDatabaseClient(server.url) as client:
                await client.put_buffer_info(KEY, info)

        with pytest.raises(RequestError, match="larger than"):
            asyncio.run(talk())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_connections_that_were_idle_for_long_are_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_connections, "KEEP_SECONDS", 0.2)
    before, together = open_files(), threading.Barrier(8)

    def send(client: DatabaseClient) -> None:
        together.wait(TIMEOUT)
        client.healthcheck()

    with DatabaseClient(server.url) as client:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(send, [client] * 8))
        time.sleep(0.3)
        client.healthcheck()
        assert open_files() == before + 1
    assert open_files() == before


def test_threads_share_a_client(server: Server) -> None:
    with DatabaseClient(server.url) as client, ThreadPoolExecutor(8) as pool:
        assert set(pool.map(client.get_transformation, [KEY] * 400)) == {RESULT}


def test_a_forked_process_makes_its_own_connections(server: Server) -> None:
    keys = [checksum(number) for number in range(100, 140)]
    with DatabaseClient(server.url) as client:
        for key in keys:
            client.put_transformation(key, key)
        context = multiprocessing.get_context("fork")
        wrong = context.Value("i", 0)

        def look_up() -> None:
            for key in keys * 5:
                if client.get_transformation(key) != key:
                    wrong.value += 1

        processes = [context.Process(target=look_up) for _ in range(2)]
        for process in processes:
            process.start()
        look_up()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert wrong.value == 0


@pytest.mark.parametrize("client_class", [DatabaseClient, AsyncDatabaseClient])
def test_a_client_is_not_pickled_with_its_token(
    client_class: type[DatabaseClient | AsyncDatabaseClient],
) -> None:
    with pytest.raises(TypeError, match="create one in each process"):
        pickle.dumps(client_class("http://127.0.0.1:1", token="t" * 20))


def test_a_closed_client_sends_nothing(server: Server) -> None:
    client = DatabaseClient(server.url)
    assert client.healthcheck()
    client.close()
    with pytest.raises(ClientError, match="the client is closed"):
        client.healthcheck()

    async def talk() -> None:
        client = AsyncDatabaseClient(server.url)
        assert await client.healthcheck()
        await client.close()
        with pytest.raises(ClientError, match="the client is closed"):
            await client.get_transformation(KEY)

    asyncio.run(talk())


def test_an_event_loop_has_a_bounded_number_of_connections() -> None:
    connections = set()

    def respond(_request: object) -> tuple[int, str]:
        connections.add(threading.get_ident())  # the server has a thread for each
        time.sleep(0.005)
        return 404, "ERROR: Unknown key"

    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            found = await asyncio.gather(*(client.get_metadata(KEY) for _ in range(200)))
            assert found == [None] * 200

    with scripted_server(respond) as (url, requests):
        asyncio.run(talk(url))
    assert len(connections) <= MAX_CONNECTIONS
    assert sum(request["type"] == "protocol" for request in requests) <= MAX_CONNECTIONS


def test_requests_that_wait_for_a_silent_server_fail_with_those_before_them() -> None:
    calls = 4 * MAX_CONNECTIONS
    with socket.create_server(("127.0.0.1", 0), backlog=2 * calls) as silent:

        async def talk() -> None:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            async with AsyncDatabaseClient(url, timeout=0.3) as client:
                found = await asyncio.gather(
                    *(client.get_metadata(KEY) for _ in range(calls)), return_exceptions=True
                )
            assert {str(error) for error in found} == {f"{url} did not answer in time"}

        asyncio.run(talk())
        silent.setblocking(False)
        connections = 0
        try:
            while True:
                silent.accept()[0].close()
                connections += 1
        except BlockingIOError:
            pass
    assert connections == MAX_CONNECTIONS


def test_a_request_that_times_out_fails_alone_while_the_server_answers_others() -> None:
    stalled, end = checksum("stalled"), threading.Event()

    def respond(request: dict[str, Any]) -> tuple[int, str]:
        if request["checksum"] == stalled:
            end.wait(TIMEOUT)
        time.sleep(0.05)
        return 404, "ERROR: Unknown key"

    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url, timeout=1) as client:
            # the others outlast the timeout of the first
            calls = [client.get_metadata(key) for key in (stalled, *[KEY] * 1000)]
            first, *others = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(first, ClientError)
            assert others == [None] * 1000

    with scripted_server(respond) as (url, _):
        try:
            asyncio.run(talk(url))
        finally:
            end.set()
