"""The client against scripted servers. `tests-integration` tests it with the real server."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import socket
from typing import TYPE_CHECKING

import pytest
import zstandard
from fake_hashserver import Script, answering, garbage, hang_up, running
from python_runs import run_python

from seamless.errors import BufferServerError, ChecksumMismatchError
from seamless.stores.hashserver import MIN_BYTES_TO_ASK, HashServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fake_hashserver import Behaviour

    Serve = Callable[..., tuple[HashServer, Script]]

#: Timeout in seconds for a server that never responds.
SHORT = 0.3
#: Timeout in seconds for a server that responds.
LONG = 60.0

CONTENT = b"what is wanted"
NAME = hashlib.sha256(CONTENT).hexdigest()
NOT_FOUND = answering(b"Not found", "404 Not Found")
STORED = answering(b"OK")
THERE_ALREADY = answering(b"", "201 Created")
UNDER_WAY = answering(b"", "202 Accepted")


@pytest.fixture
def served() -> Iterator[Serve]:
    """Make a client of a scripted server."""
    ended: list[Callable[[], object]] = []

    def serve(*behaviours: Behaviour | str, timeout: float = LONG) -> tuple[HashServer, Script]:
        script = Script()
        script.behaviours = [getattr(script, b) if isinstance(b, str) else b for b in behaviours]
        context = running(script)
        context.__enter__()
        client = HashServer(script.url, timeout)
        ended.extend([client.close, lambda: context.__exit__(None, None, None)])
        return client, script

    yield serve
    for end in ended:
        end()


def test_content_is_read(served: Serve) -> None:
    client, _ = served(answering(CONTENT))
    assert client.read(NAME).content == CONTENT


def test_a_missing_buffer_has_the_outcome_no(served: Serve) -> None:
    client, _ = served(NOT_FOUND)
    answer = client.read(NAME)
    assert (answer.content, answer.outcome) == (None, "no")


def test_a_slash_at_the_end_of_the_url_does_not_matter(served: Serve) -> None:
    _, script = served(answering(CONTENT))
    client = HashServer(script.url + "/")
    assert client.read(NAME).content == CONTENT
    client.close()
    assert script.requests[0].startswith(b"GET /%s HTTP" % NAME.encode())


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("silent", "timeout"),
        ("trickling", "timeout"),
        (garbage, "garbage or a broken connection"),
        (answering(CONTENT, length=100), "garbage or a broken connection"),
        (hang_up, "garbage or a broken connection"),
        (answering(b"", "500 Oops"), "HTTP 500"),
        (answering(b"", "302 Found"), "HTTP 302"),
        (answering(b"", "503 Busy"), "HTTP 503"),
        (answering(CONTENT, "206 Partial Content"), "HTTP 206"),
    ],
)
def test_an_error_of_a_server_becomes_an_outcome(
    served: Serve, behaviour: Behaviour | str, outcome: str
) -> None:
    client, _ = served(behaviour, timeout=SHORT)
    answer = client.read(NAME)
    assert (answer.content, answer.outcome) == (None, outcome)


def test_an_unreachable_server_is_an_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert HashServer(f"http://127.0.0.1:{port}").read(NAME).outcome == "can't connect"


NOT_NOW = ("502 Bad Gateway", "503 Busy", "504 Gateway Timeout")


@pytest.mark.parametrize("first", [hang_up, *(answering(b"", status) for status in NOT_NOW)])
def test_a_broken_read_is_retried(served: Serve, first: Behaviour) -> None:
    client, script = served(first, answering(CONTENT))
    assert client.read(NAME).content == CONTENT
    assert len(script.requests) == 2


@pytest.mark.parametrize("status", ["500 Oops", "501 Not Implemented", "505 HTTP Version"])
def test_a_permanent_error_is_not_retried(served: Serve, status: str) -> None:
    client, script = served(answering(b"", status), answering(CONTENT))
    assert client.read(NAME).outcome == f"HTTP {status[:3]}"
    assert len(script.requests) == 1


def test_the_number_of_retries_is_bounded(served: Serve) -> None:
    client, script = served(hang_up)
    client.read(NAME)
    assert len(script.requests) == 3


# -- wrong content --------------------------------------------------------------------


def encoded(body: bytes, encoding: str) -> Behaviour:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Encoding: {encoding}\r\n"
    head += "Connection: close\r\n\r\n"
    return lambda connection: connection.sendall(head.encode() + body)


@pytest.mark.parametrize(
    "wrong",
    [
        answering(b"something else"),
        answering(b""),
        answering(CONTENT[:-1]),
        encoded(zstandard.compress(b"something else"), "zstd"),
        encoded(zstandard.compress(CONTENT)[:-3], "zstd"),
        encoded(CONTENT, "gzip"),
    ],
)
def test_wrong_content_is_reported_once_and_not_requested_again(
    served: Serve, wrong: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    client, script = served(wrong, answering(CONTENT))
    for _ in range(3):
        answer = client.read(NAME)
        assert (answer.content, answer.outcome) == (None, "wrong content")
    assert client.locate(NAME)[0] == "wrong content"
    assert len(script.requests) == 1
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert NAME in warnings[0].getMessage()
    assert script.url in warnings[0].getMessage()


@pytest.mark.parametrize(
    "body", [encoded(zstandard.compress(CONTENT), "zstd"), encoded(gzip.compress(CONTENT), "gzip")]
)
def test_compressed_content_is_hashed_decompressed(served: Serve, body: Behaviour) -> None:
    client, _ = served(body)
    assert client.read(NAME).content == CONTENT


def test_a_rewritten_buffer_is_requested_again(served: Serve) -> None:
    client, _ = served(answering(b"wrong"), STORED, answering(CONTENT))
    assert client.read(NAME).content is None
    client.write(NAME, CONTENT)
    assert client.read(NAME).content == CONTENT


# -- looking --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (answering(b"[true]"), "found"),
        (answering(b"[false]"), "no"),
        (answering(b"[1, 2]"), "garbage"),
        (answering(b"<html>"), "garbage"),
        (answering(b"{}"), "garbage"),
        (answering(b"", "404 Not Found"), "HTTP 404"),
        ("silent", "timeout"),
    ],
)
def test_locate_returns_the_outcome(
    served: Serve, behaviour: Behaviour | str, outcome: str
) -> None:
    client, script = served(behaviour, timeout=SHORT)
    assert client.locate(NAME) == (outcome, f"{script.url}/{NAME}")


# -- writing --------------------------------------------------------------------------


def methods(script: Script) -> list[str]:
    return [request.split()[0].decode() for request in script.requests]


def test_a_write_is_one_request_without_a_promise(served: Serve) -> None:
    client, script = served(STORED)
    client.write(NAME, CONTENT)
    assert [request.split()[:2] for request in script.requests] == [
        [b"PUT", f"/{NAME}".encode()],
    ]


def test_an_existing_buffer_is_read_back(served: Serve) -> None:
    client, script = served(THERE_ALREADY, answering(CONTENT))
    client.write(NAME, CONTENT)
    assert methods(script) == ["PUT", "GET"]


def test_each_buffer_of_a_batch_has_its_own_outcome(served: Serve) -> None:
    client, _ = served(STORED)
    errors = client.write_together([(NAME, b"other"), (NAME, CONTENT)])
    assert isinstance(errors[0], ChecksumMismatchError)
    assert errors[1] is None


def test_a_damaged_copy_is_not_acknowledged(served: Serve) -> None:
    client, _ = served(THERE_ALREADY, answering(b"wrong"), THERE_ALREADY, answering(b"wrong"))
    with pytest.raises(BufferServerError, match="has other content"):
        client.write(NAME, CONTENT)


@pytest.mark.parametrize("page", [b"<html>Welcome!</html>", b"", b'{"status": "ok"}'])
def test_a_page_of_another_web_server_acknowledges_nothing(served: Serve, page: bytes) -> None:
    client, script = served(*[answering(page)] * 4)
    with pytest.raises(BufferServerError, match="or is not a hashserver"):
        client.write(NAME, CONTENT)
    assert methods(script) == ["PUT", "GET"] * 2


def test_no_message_shows_the_password_of_the_url(served: Serve) -> None:
    _, script = served(*[answering(b"no", "403 Forbidden")] * 2)
    client = HashServer(script.url.replace("://", "://user:s3cret@"))
    assert client.name == client.url == script.url
    with pytest.raises(BufferServerError) as failure:
        client.write(NAME, CONTENT)
    client.close()
    assert b"Authorization: Basic" in script.requests[0]
    assert "s3cret" not in f"{failure.value} {failure.value!r} {client.locate(NAME)}"
    for wrong in ("http://user:s3cret/x@host", "user:s3cret@host", "ftp://user:s3cret@host"):
        with pytest.raises(ValueError, match="is no URL of a buffer server") as refused:
            HashServer(wrong)
        assert "s3cret" not in str(refused.value)
        assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (answering(b"", "503 Busy"), "HTTP 503"),
        (hang_up, "broken connection"),
        (answering(b"", "500 Damaged"), "has other content"),
    ],
)
def test_a_copy_that_can_not_be_read_back_is_not_acknowledged(
    served: Serve, behaviour: Behaviour, reason: str
) -> None:
    client, script = served(*[THERE_ALREADY, behaviour, behaviour, behaviour] * 2)
    if reason == "has other content":
        script.behaviours = [THERE_ALREADY, behaviour] * 2
    with pytest.raises(BufferServerError, match=reason):
        client.write(NAME, CONTENT)


def test_a_write_repairs_the_failed_upload_of_another_client(served: Serve) -> None:
    client, script = served(UNDER_WAY, NOT_FOUND, STORED)
    client.write(NAME, CONTENT)
    assert methods(script) == ["PUT", "GET", "PUT"]


def test_a_large_buffer_is_not_sent_to_a_server_that_has_it(served: Serve) -> None:
    content = bytes(MIN_BYTES_TO_ASK)
    client, script = served(answering(b"[true]"), answering(content))
    client.write(hashlib.sha256(content).hexdigest(), content)
    assert methods(script) == ["GET", "GET"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("silent", "timeout"),
        (garbage, "garbage"),
        (hang_up, "broken connection"),
        (answering(b"no", "403 Forbidden"), "HTTP 403"),
        (answering(b"no", "507 Full"), "HTTP 507"),
    ],
)
def test_a_failed_write_is_not_acknowledged(
    served: Serve, behaviour: Behaviour | str, reason: str
) -> None:
    client, script = served(behaviour, timeout=SHORT)
    with pytest.raises(BufferServerError, match=reason) as failure:
        client.write(NAME, CONTENT)
    assert failure.value.url == script.url


def test_a_broken_write_is_retried(served: Serve) -> None:
    client, script = served(hang_up, STORED)
    client.write(NAME, CONTENT)
    assert methods(script) == ["PUT", "PUT"]


def test_content_is_never_sent_under_another_digest(served: Serve) -> None:
    client, script = served(STORED)
    with pytest.raises(ChecksumMismatchError):
        client.write(NAME, b"something else")
    assert script.requests == []


def test_a_closed_client_opens_again(served: Serve) -> None:
    client, _ = served(answering(CONTENT))
    for _ in range(2):
        client.close()
        assert client.read(NAME).content == CONTENT


# -- Ctrl-C ---------------------------------------------------------------------------


def test_ctrl_c_at_any_moment_leaves_the_connections_usable(served: Serve) -> None:
    _, script = served(answering(CONTENT, keep=True))
    code = """
        import os, random, signal, sys, time
        from seamless import Checksum, remote

        signal.signal(signal.SIGALRM, signal.default_int_handler)
        name, url, seconds = Checksum(sys.argv[1]), sys.argv[2], float(sys.argv[3])
        remote.configure(read_servers=url, timeout=60)
        remote.fetch_sync(name)  # imports everything: an interrupted import is not the subject
        random.seed(0)
        interrupts, end = 0, time.monotonic() + seconds
        while time.monotonic() < end or not interrupts:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 3e-3))
                tried = []
                fetched = remote.fetch_sync(name, tried)
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert fetched and fetched.content == b"what is wanted", tried
            except KeyboardInterrupt:
                interrupts += 1
        print(interrupts)
        sys.stdout.flush()
        os._exit(0)
    """
    seconds = os.environ.get("SEAMLESS_INTERRUPT_SECONDS", "2")
    assert int(run_python(code, NAME, script.url, seconds).stdout) > 0
