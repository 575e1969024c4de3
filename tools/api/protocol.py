"""The protocol of the database: which requests there are, and which fields each takes.

Found by asking: every request type is given samples until it takes each of its fields, and what
it looked at on the way is noted. So the answer is what a client would experience.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from seamless_database import request_types
from seamless_database.errors import RequestError
from seamless_database.protocol.request import RequestFields

if TYPE_CHECKING:
    from seamless_database.request_types.base import Request
    from tools.api.packages import Package

#: what a field may hold, in the order in which it is tried; "node" is a kind of bucket
_SAMPLES: tuple[tuple[str, object], ...] = (
    ("text", "node"),
    ("checksum", "ab" * 32),
    ("list", []),
    ("object", {}),
)
_MOST_ROUNDS = 100


class _Watched(Mapping[str, Any]):
    """A request body that has every field, and notes which ones are looked at, and how."""

    def __init__(self) -> None:
        self.tried: dict[str, int] = {}
        self.required: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        return _SAMPLES[self.tried.setdefault(name, 0)][1]

    def __contains__(self, name: object) -> bool:
        # only a field that has to be there is asked for in this way
        self.required.add(str(name))
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self.tried)

    def __len__(self) -> int:
        return len(self.tried)


def collect(package: Package) -> dict[str, str]:
    """Return every request and every field of it; nothing for a package without a protocol."""
    if package.short != "database":
        return {}
    found = {}
    for verb, table in (("GET", request_types.READS), ("PUT", request_types.WRITES)):
        for kind, request in table.items():
            found[f"{verb} {kind}"] = "request"
            for field, text in _fields(kind, request).items():
                found[f"{verb} {kind} {field}"] = text
    return dict(sorted(found.items()))


def _fields(kind: str, request: type[Request]) -> dict[str, str]:
    body = _Watched()
    for _ in range(_MOST_ROUNDS):
        try:
            request.from_fields(RequestFields(kind, body))
        except RequestError as error:
            field = error.field
            if field not in body.tried or body.tried[field] + 1 == len(_SAMPLES):
                break  # something inside a field: all fields have been looked at by then
            body.tried[field] += 1
        else:
            break
    return {
        name: f"{'required' if name in body.required else 'optional'} {_SAMPLES[tried][0]}"
        for name, tried in sorted(body.tried.items())
    }
