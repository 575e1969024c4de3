"""TLS over real sockets: certificates, limits, shutdown, and files that are rejected."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from database_samples import checksum
from database_server import TIMEOUT, Server, silent_clients

from seamless_database.cli.main import main
from seamless_database.client import AsyncDatabaseClient, DatabaseClient
from seamless_database.errors import CertificateError, ClientError, OptionError
from seamless_database.server import tls

if TYPE_CHECKING:
    from collections.abc import Iterator

TF, RESULT = checksum(1), checksum(2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for this machine, its key, and its authority."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    return folder


def served(folder: Path, file: Path, *options: str, open_files: int | None = None) -> Server:
    """Start a server with the certificate."""
    files = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    return Server(file, *files, *options, open_files=open_files)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with served(folder, folder / "seamless.db") as server:
        yield server
        assert server.stop() == (0, "")


@pytest.fixture
def trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "authority.pem")


def test_the_start_prints_the_https_url(server: Server) -> None:
    assert server.lines[-1] == f"Reading and writing, on https://127.0.0.1:{server.port}"


def test_a_client_that_trusts_the_certificate_is_served(server: Server, folder: Path) -> None:
    with DatabaseClient(server.url, verify=folder / "authority.pem") as client:
        client.put_transformation(TF, RESULT)
        assert client.get_transformation(TF) == RESULT


def test_the_async_client_supports_tls(server: Server, trust: ssl.SSLContext) -> None:
    async def talk() -> bool:
        async with AsyncDatabaseClient(server.url, verify=trust) as client:
            return await client.healthcheck()

    assert asyncio.run(talk())


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without TLS."""
    with Server(tmp_path_factory.mktemp("plain") / "seamless.db") as server:
        yield server


def refusal(url: str, verify: bool | str | Path = True) -> str:
    """Make a request with both clients; returns the message, which has no second traceback."""

    async def talk() -> None:
        async with AsyncDatabaseClient(url, verify=verify) as client:
            await client.get_transformation(TF)

    with pytest.raises(ClientError) as awaited:
        asyncio.run(talk())
    with DatabaseClient(url, verify=verify) as client, pytest.raises(ClientError) as caught:
        client.get_transformation(TF)
    # the two transports word a missing response differently, in parentheses, and either may see
    # that the server has closed the connection before it has sent its request
    missing = r"no complete HTTP/1.1 response \(.+?\)|\[Errno \d+\] Connection reset by peer"
    found, other = (
        re.sub(missing, "no complete HTTP/1.1 response", str(e.value)) for e in (caught, awaited)
    )
    assert found == other
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_the_error_of_an_untrusted_certificate_names_the_argument(server: Server) -> None:
    assert re.search(
        rf"^{server.url} gave no answer: .*certificate verify failed.*; pass the certificate of "
        r"the server or of its authority, as verify='file\.pem'$",
        refusal(server.url),
    )


def test_a_client_may_skip_verification(server: Server) -> None:
    with DatabaseClient(server.url, verify=False) as client:
        assert client.healthcheck()


def test_http_to_an_https_server_names_the_https_url(server: Server) -> None:
    url = server.url.replace("https", "http")
    message = refusal(url)
    assert message.startswith(f"{url} gave no answer: ")
    assert message.endswith(f"; if the server speaks TLS, as with --tls-cert, use {server.url}")


def test_https_to_an_http_server_names_the_http_url(plain_server: Server) -> None:
    url = plain_server.url.replace("http", "https")
    message = refusal(url, verify=False)
    assert message.startswith(f"{url} gave no answer: ")
    assert message.endswith(f"; if the server speaks no TLS, use {plain_server.url}")
    assert refusal(url).endswith(f"use {plain_server.url}")


@pytest.mark.parametrize("face", [DatabaseClient, AsyncDatabaseClient])
def test_certificates_to_trust_that_cannot_be_read_are_named(
    tmp_path: Path, face: type[DatabaseClient | AsyncDatabaseClient]
) -> None:
    with pytest.raises(CertificateError) as caught:
        face("https://127.0.0.1:1", verify="nope.pem")
    assert str(caught.value) == "cannot use the TLS file nope.pem: No such file or directory"
    assert caught.value.__suppress_context__
    for content in ("", "nonsense\n"):
        (tmp_path / "empty.pem").write_text(content)
        with pytest.raises(CertificateError, match=r"empty\.pem: it holds no certificates in PEM"):
            face("https://127.0.0.1:1", verify=tmp_path / "empty.pem")


def test_old_versions_of_tls_are_rejected(server: Server, trust: ssl.SSLContext) -> None:
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    raw = socket.create_connection((server.host, server.port), timeout=TIMEOUT)
    with trust.wrap_socket(raw, server_hostname="localhost") as secure:
        assert secure.version() in ("TLSv1.2", "TLSv1.3")
    assert tls.create_context(None, None) is None


# limits of connections

#: the first bytes of a handshake
HELLO = b"\x16\x03\x01"


def is_closed(client: socket.socket) -> bool:
    """Wait until the server has closed a connection; a timeout is an error."""
    with suppress(ConnectionResetError, ssl.SSLEOFError):
        while client.recv(1000):
            pass
    return True


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("first", [b"", HELLO])
def test_incomplete_handshakes_keep_no_client_out(
    folder: Path, tmp_path: Path, workers: str, first: bytes
) -> None:
    # 64 files are kept for the database, and 36 for the connections of each worker
    with (
        served(folder, tmp_path / "x.db", "--workers", workers, open_files=100) as server,
        silent_clients(server, 150, first=first) as silent,
        DatabaseClient(server.url, verify=folder / "authority.pem") as client,
    ):
        assert client.healthcheck()
        assert all(is_closed(one) for one in silent[:30])
        client.put_transformation(TF, RESULT)
        assert server.stop() == (0, "")


def test_idle_tls_connections_are_closed_in_favour_of_new_ones(
    folder: Path, tmp_path: Path, trust: ssl.SSLContext
) -> None:
    with (
        served(folder, tmp_path / "x.db", "--max-connections", "6", open_files=80) as server,
        ExitStack() as stack,
    ):
        idle = []
        for _ in range(40):
            raw = socket.create_connection((server.host, server.port), timeout=TIMEOUT)
            secure = trust.wrap_socket(raw, server_hostname="localhost")
            idle.append(stack.enter_context(secure))
            secure.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n")
            assert secure.recv(4096).startswith(b"HTTP/1.1 200")
        for secure in idle[:34]:
            assert is_closed(secure)
        for secure in idle[34:]:
            secure.sendall(b"GET /missing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"HTTP/1.1 400" in secure.makefile("rb").read()


def test_a_tls_connection_beyond_the_limit_is_answered_503(
    folder: Path, tmp_path: Path, trust: ssl.SSLContext
) -> None:
    with (
        served(folder, tmp_path / "x.db", "--max-connections", "3") as server,
        ExitStack() as stack,
    ):
        for busy in (True, True, True, False):
            raw = socket.create_connection((server.host, server.port), timeout=TIMEOUT)
            secure = stack.enter_context(trust.wrap_socket(raw, server_hostname="localhost"))
            if busy:
                secure.sendall(b"GET / HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
                time.sleep(0.2)
        assert secure.recv(4096).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("first", [b"", HELLO])
def test_an_incomplete_handshake_times_out(folder: Path, tmp_path: Path, first: bytes) -> None:
    with (
        served(folder, tmp_path / "x.db", "--receive-timeout", "0.5") as server,
        silent_clients(server, 3, first=first) as silent,
    ):
        assert all(is_closed(one) for one in silent)
        assert server.stop() == (0, "")


# the end


def test_an_idle_tls_connection_does_not_delay_the_shutdown(
    folder: Path, tmp_path: Path, trust: ssl.SSLContext
) -> None:
    with served(folder, tmp_path / "seamless.db") as server:
        raw = socket.create_connection((server.host, server.port), timeout=TIMEOUT)
        with trust.wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n")
            assert secure.recv(4096).startswith(b"HTTP/1.1 200")
            assert server.stop() == (0, "")


def test_an_incomplete_handshake_does_not_delay_the_shutdown(folder: Path, tmp_path: Path) -> None:
    with (
        served(folder, tmp_path / "seamless.db") as server,
        closing(socket.create_connection((server.host, server.port))) as silent,
    ):
        silent.sendall(b"\x16\x03\x01")
        assert server.stop() == (0, "")


# files that are none


#: serves TLS connections one after the other, and prints how many finished tasks are still known
MANY_CONNECTIONS = """
import asyncio, gc, os, signal, socket, ssl, sys, threading
from pathlib import Path
from seamless_database import Database
from seamless_database.server import tls
from seamless_database.server.server import Settings, serve

folder, file = map(Path, sys.argv[1:])
listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)
request = b"GET /healthcheck HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"

def talk():
    try:
        ask()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)

def ask():
    trust = ssl.create_default_context(cafile=folder / "authority.pem")
    for _ in range(20):
        with socket.create_connection(listener.getsockname()) as plain:
            with trust.wrap_socket(plain, server_hostname="127.0.0.1") as client:
                client.sendall(request)
                while client.recv(1000):
                    pass
    gc.collect()
    tasks = [each for each in gc.get_objects() if isinstance(each, asyncio.Task)]
    print(sum(task.done() for task in tasks))

with Database(file, writable=True) as database:
    settings = Settings(tls=tls.create_context(folder / "cert.pem", folder / "key.pem"))
    serve(database, [listener], settings, threading.Thread(target=talk).start)
"""


def test_a_finished_handshake_leaves_no_task(folder: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", MANY_CONNECTIONS, str(folder), str(tmp_path / "seamless.db")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    assert done.stderr == ""
    # those of the last request may not be gone yet
    assert int(done.stdout) < 10


def test_a_certificate_without_a_key_is_rejected(folder: Path) -> None:
    for pair in ((folder / "cert.pem", None), (None, folder / "key.pem")):
        with pytest.raises(OptionError, match="--tls-cert and --tls-key go together"):
            tls.create_context(*pair)


def test_a_missing_file_is_named(folder: Path) -> None:
    for pair in ((folder / "cert.pem", folder / "no"), (folder / "no", folder / "key.pem")):
        with pytest.raises(CertificateError, match="no: No such file"):
            tls.create_context(*pair)


def test_the_key_of_another_certificate_is_rejected(folder: Path, tmp_path: Path) -> None:
    other = trustme.CA().issue_cert("localhost")
    other.private_key_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(CertificateError, match=r"other\.pem: KEY_VALUES_MISMATCH"):
        tls.create_context(folder / "cert.pem", tmp_path / "other.pem")


def test_a_key_with_a_passphrase_is_rejected_without_a_prompt(folder: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    locked = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"secret")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    with pytest.raises(CertificateError, match="passphrase"):
        tls.create_context(folder / "cert.pem", tmp_path / "locked.pem")


def test_a_start_without_a_valid_certificate_fails_with_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cert.pem").write_text("nonsense\n")
    status = tmp_path / "status.json"
    status.write_text("{}")
    words = [str(tmp_path / "new.db"), "--writable", "--status-file", str(status)]
    words += ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(folder / "key.pem")]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Error: cannot use the TLS file {tmp_path / 'cert.pem'}")
    assert error.count("\n") == 1
    assert status.read_text() == '{"status": "failed"}\n'
    assert not (tmp_path / "new.db").exists()


def test_several_workers_serve_https(folder: Path, tmp_path: Path) -> None:
    files = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    with Server(tmp_path / "seamless.db", "--workers", "2", *files) as server:
        for _ in range(2):
            # a client that speaks no TLS delays no other one
            with (
                socket.create_connection((server.host, server.port)) as plain,
                DatabaseClient(server.url, verify=folder / "authority.pem") as client,
            ):
                plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert client.get_protocol()[0] == "seamless"
        assert server.stop() == (0, "")
