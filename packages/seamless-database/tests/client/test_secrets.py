"""No message, log or traceback of the clients shows a token."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import Server
from other_servers import other_server

import seamless_database
from seamless_database.client import AsyncDatabaseClient, DatabaseClient
from seamless_database.errors import (
    CertificateError,
    ClientError,
    DatabaseError,
    RequestError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TF, RESULT = checksum(1), checksum(2)
SECRET = "s3cr3t-t0ken-0123456789"
OURS = str(Path(seamless_database.__file__).parent)


def shown(error: DatabaseError) -> str:
    """What a report of an error shows, with the local variables of this package's functions."""
    locals_of_ours = [
        repr(frame.f_locals)
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename.startswith(OURS)
    ]
    assert locals_of_ours
    # the source lines of this file are part of the report; they spell no token
    return "\n".join([*locals_of_ours, *traceback.format_exception(error), repr(error)])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a token."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"write {SECRET}\n")
    with Server(folder / "seamless.db", "--token-file", str(tokens)) as server:
        yield server


def test_a_token_with_the_newline_of_its_file_is_accepted(guarded: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    token = (tmp_path / "token").read_text()
    with DatabaseClient(guarded.url, token=token) as client:
        client.put_transformation(TF, RESULT)
    with DatabaseClient(guarded.url.replace("://", f"://user:{token}@")) as client:
        assert client.get_transformation(TF) == RESULT

    async def talk() -> str | None:
        async with AsyncDatabaseClient(guarded.url, token=token) as client:
            return await client.get_transformation(TF)

    assert asyncio.run(talk()) == RESULT


@pytest.mark.parametrize("client_class", [DatabaseClient, AsyncDatabaseClient])
@pytest.mark.parametrize(
    "token",
    [
        "",
        "\n",
        f"write {SECRET}",
        f"{SECRET}\nsecond",
        f"{SECRET}\0",
        f"{SECRET}é",
        f"{SECRET}\x7f",
    ],
)
def test_a_token_that_fits_in_no_header_is_rejected_without_showing_it(
    client_class: type[DatabaseClient | AsyncDatabaseClient], token: str
) -> None:
    with pytest.raises(RequestError, match="the token is empty, or holds white space") as caught:
        client_class("http://127.0.0.1:1", token=token)
    assert caught.value.field == "token"
    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize("client_class", [DatabaseClient, AsyncDatabaseClient])
@pytest.mark.parametrize(
    "url", [f"user:{SECRET}@host:5522", f"http://user:{SECRET}/x@host", f"http:/user:{SECRET}@host"]
)
def test_a_malformed_url_is_rejected_without_showing_it(
    client_class: type[DatabaseClient | AsyncDatabaseClient], url: str
) -> None:
    with pytest.raises(RequestError, match="must be like http://user:TOKEN@host:port") as caught:
        client_class(url)
    assert caught.value.field == "url"
    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(("user", "token"), [("", SECRET), (f"user:{SECRET}@", None)])
def test_no_error_of_a_request_shows_the_token(user: str, token: str | None) -> None:
    echo = json.dumps({"headers": {"Authorization": f"Bearer {SECRET}"}})
    location = {"Location": f"http://user:{SECRET}@127.0.0.1:1/"}

    async def awaited(url: str) -> list[DatabaseError]:
        async with AsyncDatabaseClient(url, token=token) as client:
            assert SECRET not in repr(client) + client.url
            found = await asyncio.gather(
                client.get_transformation(TF),
                client.get_transformation(RESULT),
                client.get_metadata(TF),
                return_exceptions=True,
            )
        errors = [error for error in found if isinstance(error, ClientError)]
        assert len(errors) == len(found)
        return [*errors]

    def errors_at(url: str) -> list[DatabaseError]:
        url = url.replace("://", f"://{user}")
        with DatabaseClient(url, token=token) as client:
            assert SECRET not in repr(client) + client.url
            with pytest.raises(ClientError) as caught:
                client.put_transformation(TF, RESULT)
        return [caught.value, *asyncio.run(awaited(url))]

    errors = errors_at("http://127.0.0.1:1") + errors_at("http://127.0.0.1:99999")
    for body, status, headers in ((echo, 200, {}), (echo, 502, {}), ("", 302, location)):
        with other_server(body, status=status, headers=headers) as url:
            errors += errors_at(url)
    for error in errors:
        assert SECRET not in shown(error)


def test_a_wrong_token_and_missing_certificates_show_no_token(
    guarded: Server, tmp_path: Path
) -> None:
    wrong = SECRET + "x"
    with (
        DatabaseClient(guarded.url, token=wrong) as client,
        pytest.raises(UnauthorizedError) as caught,
    ):
        client.get_transformation(TF)
    assert SECRET not in shown(caught.value)
    with pytest.raises(CertificateError) as unread:
        DatabaseClient(guarded.url, token=wrong, verify=tmp_path / "nope.pem")
    assert SECRET not in shown(unread.value)


def test_no_log_shows_the_token(guarded: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    urls = (guarded.url, guarded.url.replace("://", f"://user:{SECRET}@"))
    for url, token in zip(urls, (SECRET, None), strict=True):
        with DatabaseClient(url, token=token) as client:
            client.get_transformation(TF)
    assert SECRET not in caplog.text


def test_an_error_has_no_cause_from_the_libraries_below() -> None:
    with DatabaseClient("http://127.0.0.1:1") as client, pytest.raises(ClientError) as caught:
        client.get_transformation(TF)
    report = "".join(traceback.format_exception(caught.value))
    assert report.count("Traceback") == 1
    assert str(caught.value).startswith("http://127.0.0.1:1 gave no answer: [Errno ")
