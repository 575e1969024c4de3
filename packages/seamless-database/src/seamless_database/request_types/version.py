"""Protocol version: the request that returns it, which needs neither fields nor the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seamless_database.json_codec import spaced
from seamless_database.protocol.request import PROTOCOL_VERSION
from seamless_database.request_types.base import ReadRequest

if TYPE_CHECKING:
    from seamless_database.protocol.field_types import FieldSpecs
    from seamless_database.request_types.statements import StatementConnection

RESPONSE = spaced(["seamless", "database", PROTOCOL_VERSION])


@dataclass(frozen=True, slots=True)
class GetProtocol(ReadRequest):
    """Read the name and version of the protocol."""

    field_types: ClassVar[FieldSpecs] = {}
    is_point_lookup: ClassVar[bool] = True

    def run(self, connection: StatementConnection) -> str:
        """Return a JSON list of names and the version."""
        return RESPONSE
