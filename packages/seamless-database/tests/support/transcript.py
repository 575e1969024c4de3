"""The recorded conversations with the published server, and when an answer agrees with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from database_server import Response, Server, shared

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = shared("protocol", "transcript.jsonl")
#: the recorded version is the published server's; the specification says otherwise
RECORDED_PROTOCOL = ["seamless", "database", "2.2"]
PROTOCOL = ["seamless", "database", "2.1"]

Exchange = dict[str, Any]


def scenarios() -> dict[str, list[Exchange]]:
    """All scenarios by name; none where the recording is absent."""
    found: dict[str, list[Exchange]] = {}
    if FILE.is_file():
        for line in FILE.read_text().splitlines():
            exchange = json.loads(line)
            found.setdefault(exchange["scenario"], []).append(exchange)
    return found


def send(server: Server, exchange: Exchange) -> Response:
    """Send the request of an exchange."""
    body: object = None
    if "body" in exchange:
        body = json.dumps(exchange["body"]).encode()
    elif "body_text" in exchange:
        body = exchange["body_text"].encode()
    elif "body_hex" in exchange:
        body = bytes.fromhex(exchange["body_hex"])
    headers = dict(exchange.get("headers", {}))
    if headers.get("Transfer-Encoding") == "chunked" and isinstance(body, bytes):
        body = b"".join(_chunks(body))
    return server.ask(exchange["method"], body, path=exchange["path"], headers=headers)


def disagreement(exchange: Exchange, answer: Response) -> str | None:
    """Describe how a response differs from the recording; None if it does not."""
    expected = exchange["sane"] if exchange.get("peer_bug") else _recorded(exchange)
    wanted = expected["status"]
    if answer.status not in (wanted if isinstance(wanted, list) else [wanted]):
        return f"status {answer.status}, not {wanted}"
    if exchange.get("compare") == "status":
        return None
    if answer.headers["content-type"] != "text/plain; charset=utf-8":
        return f"content type {answer.headers['content-type']}"
    if answer.status == 400:
        # the wording is ours
        return None if answer.text.startswith("ERROR: ") else f"the text {answer.text!r}"
    if "json" in expected:
        same = _same(json.loads(answer.text), _present(expected["json"]), "order" in exchange)
        return None if same else f"{answer.text}, not {expected['json']}"
    if "text" in expected and answer.text != expected["text"]:
        return f"{answer.text!r}, not {expected['text']!r}"
    return None


def _recorded(exchange: Exchange) -> dict[str, Any]:
    names = {"status": "status", "response_json": "json", "response_text": "text"}
    return {names[key]: exchange[key] for key in names if key in exchange}


def _present(value: object) -> object:
    return PROTOCOL if value == RECORDED_PROTOCOL else value


def _same(one: object, other: object, unordered: bool) -> bool:
    if unordered and isinstance(one, list) and isinstance(other, list):
        return sorted(map(_canonical, one)) == sorted(map(_canonical, other))
    return _canonical(one) == _canonical(other)


def _canonical(value: object) -> str:
    # keeps 1, 1.0 and true apart, and forgets the order of keys
    return json.dumps(value, sort_keys=True)


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 50):
        piece = body[start : start + 50]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
