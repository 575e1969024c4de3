from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Response, Server
from hypothesis import given
from hypothesis import strategies as st

from seamless_database import Database
from seamless_database.cli.main import main
from seamless_database.errors import (
    ForbiddenError,
    TokenFileError,
    UnauthorizedError,
)
from seamless_database.http.auth import MIN_TOKEN_LENGTH, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ, WRITE, WRONG = "r" * MIN_TOKEN_LENGTH, "w" * 64, "x" * MIN_TOKEN_LENGTH
TEXT = f"# ours\n\nread {READ}\n  write\t{WRITE}  \n"
TOKENS = Tokens.parse(TEXT, "tokens")

Headers = list[tuple[bytes, bytes]]
Scheme = Callable[[str], str]


def bearer(token: str) -> str:
    return f"Bearer {token}"


def basic(token: str, user: str = "anyone") -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def headers(*values: str) -> Headers:
    return [(b"host", b"x"), *((b"authorization", value.encode()) for value in values)]


# the token file's text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no token"),
        ("# read nothing\n", "no token"),
        (f"{READ}\n", "line 1"),
        (f"read {READ}\nadmin {WRITE}\n", "line 2"),
        (f"read {READ} # for the lab\n", "line 1"),
        (f"READ {READ}\n", "line 1"),
        (f"read {READ[1:]}\n", f"fewer than {MIN_TOKEN_LENGTH}"),
        (f"read {READ}/+=\n", "other characters"),
        (f"read {READ}é\n", "other characters"),
        (f"read {READ}\nwrite {READ}\n", "line 2 repeats"),
    ],
)
def test_a_malformed_token_file_is_rejected_without_showing_a_token(text: str, reason: str) -> None:
    with pytest.raises(TokenFileError, match=reason) as caught:
        Tokens.parse(text, "tokens")
    assert READ[1:] not in str(caught.value)
    assert WRITE not in str(caught.value)


def test_tokens_are_not_in_the_repr() -> None:
    assert READ not in repr(TOKENS)
    assert WRITE not in repr(TOKENS)


# the decision


@pytest.mark.parametrize("scheme", [bearer, basic])
def test_a_read_token_reads_and_a_write_token_does_both(scheme: Scheme) -> None:
    TOKENS.check("GET", headers(scheme(READ)))
    TOKENS.check("GET", headers(scheme(WRITE)))
    TOKENS.check("PUT", headers(scheme(WRITE)))
    with pytest.raises(ForbiddenError):
        TOKENS.check("PUT", headers(scheme(READ)))


@pytest.mark.parametrize(
    "shown",
    [
        [],
        [""],
        [WRITE],
        [f"Bearer{WRITE}"],
        [f"Digest {WRITE}"],
        ["Basic ???"],
        ["Basic é"],
        [basic(WRITE).replace(" ", " !")],
        ["Basic " + base64.b64encode(WRITE.encode()).decode()],
        [basic("", WRITE)],
        [basic(WRITE + ":")],
        [bearer(WRITE), bearer(WRITE)],
        [bearer(WRITE + "w")],
        [bearer(WRITE[:-1])],
        [bearer(f"write {WRITE}")],
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_anything_else_is_unauthorized(shown: list[str], method: str) -> None:
    with pytest.raises(UnauthorizedError):
        TOKENS.check(method, headers(*shown))


@pytest.mark.parametrize("word", ["bearer", "BEARER"])
def test_the_name_of_a_scheme_is_case_insensitive(word: str) -> None:
    TOKENS.check("GET", headers(f"{word} {READ}"))


def test_every_token_of_many_is_found() -> None:
    tokens = [f"{number:064d}" for number in range(20)]
    many = Tokens.parse("".join(f"write {token}\n" for token in tokens), "tokens")
    for token in tokens:
        many.check("PUT", headers(bearer(token)))


@given(st.binary(max_size=200))
def test_any_malformed_header_is_unauthorized(value: bytes) -> None:
    for scheme in (b"", b"Basic ", b"Bearer "):
        with pytest.raises(UnauthorizedError):
            TOKENS.check("GET", [(b"authorization", scheme + value)])


# over the wire


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the database and the token file of the server lie."""
    return tmp_path_factory.mktemp("auth")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    tokens = folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(TEXT)
    with Server(folder / "seamless.db", "--token-file", str(tokens)) as server:
        yield server
        assert server.stop() == (0, "")
        assert not any(token in line for token in (READ, WRITE) for line in server.lines)


def ask(server: Server, method: str, *shown: str, path: str = "/") -> Response:
    body = {"type": "transformation", "checksum": checksum(1), "value": checksum(2)}
    authorization = [("Authorization", value) for value in shown]
    return server.ask(method, body, path=path, headers=dict(authorization))


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/x"), ("PUT", "/")])
@pytest.mark.parametrize("shown", [(), (bearer(WRONG),), (basic(WRONG),)])
def test_without_a_known_token_the_answer_is_401(
    server: Server, method: str, path: str, shown: tuple[str, ...]
) -> None:
    response = ask(server, method, *shown, path=path)
    assert response.status == 401
    assert response.text.startswith("ERROR: ")
    assert response.headers["www-authenticate"].startswith(("Bearer", "Basic"))
    assert ask(server, "GET", bearer(READ)).status in (200, 404)


def test_a_token_in_a_trailer_is_ignored(server: Server) -> None:
    request = b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT) as client:
        client.sendall(request + f"Authorization: {bearer(READ)}\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("method", ["DELETE", "POST", "OPTIONS"])
def test_other_methods_are_unauthorized_too(server: Server, method: str) -> None:
    assert ask(server, method).status == 401


@pytest.mark.parametrize("scheme", [bearer, basic])
def test_a_read_token_cannot_write(server: Server, scheme: Scheme) -> None:
    response = ask(server, "PUT", scheme(READ))
    assert response.status == 403
    assert response.text.startswith("ERROR: this token may only read")


@pytest.mark.parametrize("scheme", [bearer, basic])
def test_what_a_write_token_stores_a_read_token_reads(server: Server, scheme: Scheme) -> None:
    assert ask(server, "PUT", scheme(WRITE)).text == "OK"
    for token in (READ, WRITE):
        assert ask(server, "GET", scheme(token)).text == checksum(2)


def test_the_healthcheck_is_open_but_a_put_there_is_not(server: Server) -> None:
    for method in ("GET", "HEAD"):
        assert server.ask(method, path="/healthcheck").status == 200
    assert ask(server, "PUT", path="/healthcheck").status == 401


def test_a_large_body_without_a_token_is_rejected_and_the_connection_stays_open(
    server: Server,
) -> None:
    assert server.ask("PUT", b"x" * 3_000_000).status == 401
    assert server.ask("GET", path="/healthcheck").status == 200


def test_a_read_only_server_with_tokens_can_be_read(server: Server, folder: Path) -> None:
    ask(server, "PUT", bearer(WRITE))
    options = ("--token-file", str(folder / "tokens"))
    with Server(folder / "seamless.db", *options, writable=False) as reader:
        assert ask(reader, "GET", bearer(READ)).text == checksum(2)
        assert ask(reader, "GET").status == 401
        assert ask(reader, "PUT", bearer(WRITE)).status == 405


# the token file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"read {READ}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_token_file_with_a_private_mode_is_read(file: Path, mode: int) -> None:
    file.chmod(mode)
    Tokens.read(file).check("GET", [(b"authorization", f"Bearer {READ}".encode())])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_token_file_that_others_may_access_is_rejected(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(TokenFileError, match=f"{mode:04o}.*chmod 600"):
        Tokens.read(file)


def test_the_mode_of_a_link_is_that_of_its_target(file: Path, tmp_path: Path) -> None:
    file.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(TokenFileError, match="0644"):
        Tokens.read(link)


def test_a_missing_file_a_folder_and_bytes_are_rejected(file: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(TokenFileError, match=str(path)):
            Tokens.read(path)
    file.write_bytes(b"read \xff\xfe\n")
    with pytest.raises(TokenFileError, match="UTF-8"):
        Tokens.read(file)


@pytest.mark.parametrize(("mode", "text"), [(0o644, f"read {READ}"), (0o600, ""), (0o600, "x")])
def test_a_start_without_valid_tokens_fails_with_one_line(
    file: Path, tmp_path: Path, mode: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Database(tmp_path / "seamless.db", writable=True).close()
    file.write_text(text)
    file.chmod(mode)
    status = tmp_path / "status.json"
    status.write_text("{}")
    words = [str(tmp_path / "seamless.db"), "--token-file", str(file), "--status-file", str(status)]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Error: cannot use the token file {file}: ")
    assert error.count("\n") == 1
    assert READ not in error
    assert status.read_text() == '{"status": "failed"}\n'
