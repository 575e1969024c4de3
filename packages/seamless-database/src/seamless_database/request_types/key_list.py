"""Look up many keys with one statement, however many there are: they travel as one parameter.

A parameter for each key would be another statement for each number of keys, and old SQLite takes
999 of them. What takes the one parameter apart is called differently by each back end; this is
where.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import InstrumentedAttribute
    from sqlalchemy.sql.compiler import SQLCompiler

#: the one parameter
KEYS_PARAM = "asked"


class _JsonEach(FunctionElement[str]):
    """The strings of a JSON array, as a table of one column."""

    name = "members"
    inherit_cache = True


@compiles(_JsonEach, "sqlite")
def _for_sqlite(members: _JsonEach, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_each{compiler.process(members.clause_expr, **more)}"


@compiles(_JsonEach, "postgresql")
def _for_postgresql(members: _JsonEach, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_array_elements_text({compiler.process(members.clause_expr, **more)}::json)"


def in_key_list(column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Build the condition that a column has one of the values of `KEYS_PARAM`."""
    members = _JsonEach(bindparam(KEYS_PARAM, type_=Text)).table_valued("value", name="members")
    # of the type of the column: PostgreSQL would rather cast the column, past its index
    return column.in_(select(cast(members.c.value, column.type)))


def encode_key_list(keys: Sequence[str]) -> str:
    """Write keys down as the one parameter."""
    return json.dumps(keys)
