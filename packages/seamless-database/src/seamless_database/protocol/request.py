"""Request parser: from the bytes of a body to checked fields, and the protocol version.

A body is a JSON object with a `type`. Unknown fields are ignored, because clients rely on that.
`RequestFields` parses a field, or raises a `RequestError` that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seamless_database.errors import RequestError
from seamless_database.json_codec import JsonError, parse

#: the version that a server reports; published clients do not check it
PROTOCOL_VERSION = "2.1"

_CHECKSUM = re.compile("[0-9a-fA-F]{64}")
#: checksums in one list, which bounds how long one request delays others
MAX_CHECKSUMS = 10_000
#: entries in one bulk write. 1,000 share a sync well; the writer is busy with them for about 50 ms,
#: and on PostgreSQL each holds an advisory lock, of which a server has about 6,400 by default.
MAX_ENTRIES = 1_000
#: characters of an invalid value that an error message repeats
_MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class RequestFields:
    """The fields of one request."""

    request_type: str
    body: Mapping[str, Any]

    @classmethod
    def of(cls, request: object) -> RequestFields:
        """Take any JSON value as a request, or raise a `RequestError`."""
        if not isinstance(request, Mapping):
            raise RequestError("the request must be a JSON object with a 'type'")
        request_type = request.get("type")
        if not isinstance(request_type, str):
            raise RequestError("the field 'type' must be the name of a request type", "type")
        return cls(request_type, request)

    def required(self, name: str) -> Any:
        """Return any JSON value of a field that must be present."""
        if name not in self.body:
            raise RequestError(f"a {self.request_type} request needs the field {name!r}", name)
        return self.body[name]

    def checksum(self, name: str) -> str:
        """Parse a SHA-256 checksum: 64 hexadecimal digits, returned in lower case."""
        return self._checksum(self.required(name), name)

    def optional_checksum(self, name: str) -> str | None:
        """Parse a checksum; None if the field is absent or null."""
        value = self.body.get(name)
        return None if value is None else self._checksum(value, name)

    def checksums(self, name: str) -> tuple[str, ...]:
        """Parse a list of checksums, which may be empty."""
        items = self.array(name)
        if len(items) > MAX_CHECKSUMS:
            expected = f"a list of at most {MAX_CHECKSUMS} checksums"
            raise self.invalid(name, expected, items)
        return tuple(self._checksum(item, f"{name}[{i}]") for i, item in enumerate(items))

    def text(self, name: str) -> str:
        """Parse a string that can be stored as UTF-8."""
        value = self.required(name)
        if not isinstance(value, str):
            raise self.invalid(name, "a string", value)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.invalid(name, "a string without unpaired surrogates", value) from None
        return value

    def nonempty_text(self, name: str) -> str:
        """Parse a string that is not empty and can be stored as UTF-8."""
        value = self.text(name)
        if not value:
            raise self.invalid(name, "a string that is not empty", value)
        return value

    def optional_text(self, name: str) -> str | None:
        """Parse a string that can be stored as UTF-8; None if the field is absent or null."""
        return None if self.body.get(name) is None else self.text(name)

    def seconds(self, name: str, most: float) -> float:
        """Parse a number of seconds, from 0 to `most`."""
        value = self.required(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= most:
            raise self.invalid(name, f"a number of seconds from 0 to {most:g}", value)
        return float(value)

    def array(self, name: str) -> list[Any]:
        """Parse a JSON array."""
        value = self.required(name)
        if not isinstance(value, list):
            raise self.invalid(name, "a list", value)
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """Parse a JSON object."""
        value = self.required(name)
        if not isinstance(value, dict):
            raise self.invalid(name, "an object", value)
        return value

    def entries(self, name: str) -> dict[str, Any]:
        """Parse the entries of a bulk write, a JSON object, which may be empty."""
        value = self.mapping(name)
        if len(value) > MAX_ENTRIES:
            raise self.invalid(name, f"an object of at most {MAX_ENTRIES} entries", value)
        return value

    def mapping_or_text(self, name: str) -> dict[str, Any]:
        """Parse a JSON object, or a string that holds one."""
        value = self.required(name)
        if not isinstance(value, str):
            return self.mapping(name)
        try:
            held = parse(value)
        except JsonError as error:
            message = f"the field {name!r} of a {self.request_type} request is {error}"
            raise RequestError(message, name) from None
        if not isinstance(held, dict):
            raise self.invalid(name, "an object, or a string that holds one", value)
        return held

    def invalid(self, name: str, expected: str, value: object) -> RequestError:
        """Return the error for a field with an invalid value."""
        shown = ascii(value) if not isinstance(value, list | dict) else type(value).__name__
        if len(shown) > _MAX_SHOWN:
            shown = shown[:_MAX_SHOWN] + "…"
        return RequestError(
            f"the field {name!r} of a {self.request_type} request must be {expected}, not {shown}",
            name,
        )

    def _checksum(self, value: object, name: str) -> str:
        if isinstance(value, str) and _CHECKSUM.fullmatch(value):
            return value.lower()
        raise self.invalid(name, "a checksum (64 hexadecimal digits)", value)


def from_python(request: Mapping[str, Any]) -> RequestFields:
    """Parse a request that was built in Python, whose values must have a JSON form."""
    try:
        return decode(json.dumps(request).encode())
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"the request has no JSON form ({error})") from error


def decode(body: bytes) -> RequestFields:
    """Parse a request body; its request type parses the fields."""
    try:
        request = parse(body.decode())
    except UnicodeDecodeError:
        raise RequestError("the body is not UTF-8; send a JSON object") from None
    except JsonError as error:
        raise RequestError(f"the body is {error}; send a JSON object with a 'type'") from None
    return RequestFields.of(request)
