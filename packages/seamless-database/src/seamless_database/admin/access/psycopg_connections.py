"""Connections of psycopg that the administration can interrupt, with the service's adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.storage.postgresql.text_escaping import register_adapters

if TYPE_CHECKING:
    from seamless_database.storage.postgresql.url import PostgresUrl


def connect(address: PostgresUrl) -> psycopg.Connection[Any]:
    """Connect; raises `psycopg.Error`."""
    with INTERRUPTION.deferred(defer=False):
        raw = psycopg.connect(
            prepare_threshold=address.prepare_threshold,
            **address.parameters,  # type: ignore[arg-type]  # names from the URL
        )
    INTERRUPTION.cancel_with_it(raw)
    register_adapters(raw)
    return raw
