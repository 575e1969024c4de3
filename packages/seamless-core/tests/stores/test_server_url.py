from __future__ import annotations

import base64

import pytest

from seamless.stores.hashserver import HashServer
from seamless.stores.server_url import parse_server_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://host:5577", "http://host:5577"),
        ("https://host/", "https://host"),
        ("http://my_host/folder/", "http://my_host/folder"),
        ("http://host/some%20folder", "http://host/some%20folder"),
        ("http://[::1]:5577", "http://[::1]:5577"),
        ("http://127.0.0.1:1/a/b", "http://127.0.0.1:1/a/b"),
        ("HTTP://Host", "http://host"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
    ],
)
def test_a_url_is_converted_to_ascii(url: str, address: str) -> None:
    assert parse_server_url(url) == (address, [])


@pytest.mark.parametrize(
    "url",
    [
        "host:1",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:70000",
        "http://[::1",
        "http://host/a b",
    ],
)
def test_an_invalid_url_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of a buffer server"):
        parse_server_url(url)


def test_user_and_password_become_a_header_and_are_redacted() -> None:
    address, headers = parse_server_url("https://me:se%2Fcret@host:1/x")
    login = base64.b64encode(b"me:se/cret").decode()
    assert (address, headers) == ("https://host:1/x", [("Authorization", f"Basic {login}")])
    assert "cret" not in HashServer("https://me:se%2Fcret@host:1").name
