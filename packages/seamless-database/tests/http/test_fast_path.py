"""The short way of small requests: which heads are known, and what an answer looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fast_path_wire import HEAD, HEADERS, Echo

from seamless_database.http.fast_path import MAX_HEADS, MAX_SIZE, HeadCache

if TYPE_CHECKING:
    pass


def learnt(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request with these headers is known after it was learnt."""
    way = HeadCache(Echo())
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    data = b"GET / HTTP/1.1\r\n" + lines + b"\r\nabc"
    way.remember(data, "GET", b"/", headers)
    return way.body(data) == b"abc"


def test_a_head_that_came_before_is_known_with_any_body() -> None:
    way = HeadCache(Echo())
    assert way.body(HEAD + b"abc") is None
    way.remember(HEAD + b"abc", "GET", b"/", HEADERS)
    assert way.body(HEAD + b"xyz") == b"xyz"


@pytest.mark.parametrize("body", [b"", b"ab", b"abcd", b"abc" + HEAD + b"abc"])
def test_a_request_of_another_length_is_not_known(body: bytes) -> None:
    way = HeadCache(Echo())
    way.remember(HEAD + b"abc", "GET", b"/", HEADERS)
    assert way.body(HEAD + body) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"\r\n" + HEAD + b"abc", HEAD[:-4], HEAD.replace(b"x", b"y") + b"abc", HEAD.lower()],
)
def test_other_words_are_not_known(data: bytes) -> None:
    way = HeadCache(Echo())
    way.remember(HEAD + b"abc", "GET", b"/", HEADERS)
    assert way.body(data) is None


@pytest.mark.parametrize("data", [b"\r\n" + HEAD + b"abc", HEAD + b"abc\r\n", HEAD + b"ab"])
def test_what_is_not_one_request_is_not_learnt(data: bytes) -> None:
    way = HeadCache(Echo())
    way.remember(data, "GET", b"/", HEADERS)
    assert way.body(data) is None
    assert way.body(HEAD + b"abc") is None


def test_plain_headers_are_learnt() -> None:
    assert learnt([*HEADERS, (b"accept", b"*/*"), (b"connection", b"Keep-Alive")])


@pytest.mark.parametrize(
    "header",
    [
        (b"connection", b"close"),
        (b"connection", b"upgrade"),
        (b"content-length", b"3"),
        (b"expect", b"100-continue"),
        (b"proxy-connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"x", b"no"),
    ],
)
def test_unusual_headers_are_not_learnt(header: tuple[bytes, bytes]) -> None:
    assert not learnt([*HEADERS, header])


def test_a_request_without_a_length_is_not_learnt() -> None:
    assert not learnt([(b"host", b"x")])


def test_large_requests_are_not_known() -> None:
    way = HeadCache(Echo())
    length = b"%d" % MAX_SIZE
    data = HEAD.replace(b"3", length) + b"x" * MAX_SIZE
    way.remember(data, "GET", b"/", [(b"host", b"x"), (b"content-length", length)])
    assert way.body(data) is None


def test_known_heads_are_bounded() -> None:
    way = HeadCache(Echo())
    for number in range(MAX_HEADS + 1):
        head = HEAD.replace(b"x", b"%d" % number)
        way.remember(head + b"abc", "GET", b"/", HEADERS)
    assert way.body(HEAD.replace(b"x", b"0") + b"abc") is None
    assert way.body(head + b"abc") == b"abc"


def test_an_answer_has_the_headers_of_the_server() -> None:
    way = HeadCache(Echo())
    rest = b"content-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\r\nOK"
    for day in (b"today", b"tomorrow"):
        own = [(b"date", day)]
        for _ in range(2):
            answer = way.answer(200, b"OK", own, last=False)
            assert answer == b"HTTP/1.1 200 OK\r\ndate: " + day + b"\r\n" + rest


def test_the_last_answer_says_so() -> None:
    answer = HeadCache(Echo()).answer(200, b"OK", [], last=True)
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nOK")
