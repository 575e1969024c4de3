from __future__ import annotations

import base64

import pytest

from seamless_database.client.address import ServerAddress


@pytest.mark.parametrize(
    "url",
    ["http://host:5522", "https://[::1]:5522", "http://host:5522/prefix", "http://host/a@b", "x"],
)
def test_a_url_without_a_password_is_unchanged(url: str) -> None:
    assert ServerAddress.of(url) == ServerAddress(url)
    assert ServerAddress.of(url + "/") == ServerAddress(url)


def test_a_password_in_the_url_becomes_basic_authentication() -> None:
    address = ServerAddress.of("http://user:a%40b:c@host:5522/")
    assert address.url == "http://host:5522"
    assert address.authorization == "Basic " + base64.b64encode(b"user:a@b:c").decode()
    assert "a%40b" not in repr(address)


def test_a_token_takes_precedence_over_the_password_of_the_url() -> None:
    address = ServerAddress.of("http://user:password@host", "token")
    assert address.url == "http://host"
    assert address.authorization == "Bearer token"
