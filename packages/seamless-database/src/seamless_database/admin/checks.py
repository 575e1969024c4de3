"""Integrity checks: which rows of one database are wrong, and which repair each needs.

The checks are a table of queries and predicates. `repairs.py` executes them, and
`commands/check.py` is the sub-command.

Most of the problems were left by upstream servers and are not served; others come from other
programs. The order of the checks matters: one repair can leave something for a later check.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import and_, func, not_, or_, select

from seamless_database.admin.access.dialects import (
    address_of,
    is_malformed_checksum,
    select_addresses,
)
from seamless_database.admin.access.rows import as_json, as_object
from seamless_database.models import (
    BucketProbe,
    BufferInfo,
    Claim,
    Expression,
    IrreproducibleTransformation,
    MetaData,
    RevTransformation,
    SyntacticToSemantic,
    Transformation,
)
from seamless_database.request_types.damage import is_seconds
from seamless_database.request_types.irreproducible import NO_RECORD
from seamless_database.request_types.metadata import IS_CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Select
    from sqlalchemy.orm import InstrumentedAttribute

    from seamless_database.models import Base

#: matches every JSON text with a non-finite number, and few others
_MAYBE_NON_FINITE = re.compile(r"NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{309}")


class RepairAction(Enum):
    """What a repair does with a row."""

    DELETE = "deleted"
    REMOVE_RECORD = "kept without its record"
    NUMBERS_TO_NULL = "numbers without a JSON form set to null"
    ADD_REVERSE_ROW = "reverse row added"


@dataclass(frozen=True)
class IntegrityCheck:
    """A kind of problem that rows of a table can have."""

    name: str
    model: type[Base]
    #: selects the addresses of the rows, or the address and the parameters of `predicate`
    rows: Select[Any]
    #: whether a selected row has the problem; None if all have it
    predicate: Callable[..., bool] | None = None
    repair: RepairAction = RepairAction.DELETE
    #: other tables that the query needs
    needs: tuple[type[Base], ...] = ()


# predicates


def is_malformed_record(checksum: object, result: object, text: object) -> bool:
    """Whether an execution record cannot be parsed, or belongs to another result."""
    record = as_object(text)
    return (
        record is None or record.get("tf_checksum") != checksum
        or record.get("result_checksum") != result
    )  # fmt: skip


def is_malformed_irreproducible_record(text: object) -> bool:
    """Whether the record of an irreproducible result cannot be parsed; it can be missing."""
    return text not in ("", NO_RECORD) and as_object(text) is None


def not_an_object(text: object) -> bool:
    """Whether a stored text is not a JSON object."""
    return as_object(text) is None


def not_a_list(text: object) -> bool:
    """Whether a stored text is not a JSON list."""
    return text != "[]" and not isinstance(as_json(text), list)


def not_text(*values: object) -> bool:
    """Whether one of the values is not text in UTF-8."""
    return not all(isinstance(value, str) for value in values)


def not_seconds(*values: object) -> bool:
    """Whether one of the values is no decimal number of seconds."""
    return not all(map(is_seconds, values))


def has_non_finite(text: object) -> bool:
    """Whether valid JSON holds NaN, an infinity, or a number beyond the range of doubles."""
    if not isinstance(text, str) or not _MAYBE_NON_FINITE.search(text):
        return False
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_float=_refuse_infinite)
    except _NonFiniteError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


class _NonFiniteError(Exception):
    """The text holds a non-finite number."""


def _refuse_constant(_constant: str) -> NoReturn:
    raise _NonFiniteError


def _refuse_infinite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NonFiniteError
    return number


# the table of checks


def _malformed_checksums(model: type[Base], *columns: InstrumentedAttribute[str]) -> IntegrityCheck:
    rows = select_addresses(model).where(or_(*map(is_malformed_checksum, columns)))
    return IntegrityCheck(f"malformed checksums in {model.__tablename__}", model, rows)


def _with_predicate(
    name: str,
    model: type[Base],
    predicate: Callable[..., bool],
    *columns: Any,
    repair: RepairAction = RepairAction.DELETE,
) -> IntegrityCheck:
    return IntegrityCheck(name, model, select_addresses(model, *columns), predicate, repair)


def _non_finite_numbers(
    name: str, model: type[Base], column: InstrumentedAttribute[str]
) -> IntegrityCheck:
    name = f"{name} with NaN or infinity"
    action = RepairAction.NUMBERS_TO_NULL
    return _with_predicate(name, model, has_non_finite, column, repair=action)


def _not_text(model: type[Base], *columns: InstrumentedAttribute[str]) -> IntegrityCheck:
    name = f"values that are not text in {model.__tablename__}"
    return _with_predicate(name, model, not_text, *columns)


def _duplicates(model: type[Base], same: tuple[Any, ...], best: tuple[Any, ...]) -> Select[Any]:
    """Select all rows with equal values but the first one in the order of `best`."""
    rank = func.row_number().over(partition_by=same, order_by=best).label("rank")
    ranked = select(address_of(model).label("address"), rank).select_from(model).subquery()
    return select(ranked.c.address).where(ranked.c.rank > 1)


_Irreproducible = IrreproducibleTransformation
#: the columns of each table that hold a checksum
CHECKSUM_COLUMNS: dict[type[Base], tuple[InstrumentedAttribute[str], ...]] = {
    Transformation: (Transformation.checksum, Transformation.result),
    RevTransformation: (RevTransformation.checksum, RevTransformation.result),
    MetaData: (MetaData.checksum, MetaData.result),
    _Irreproducible: (_Irreproducible.checksum, _Irreproducible.result),
    BufferInfo: (BufferInfo.checksum,),
    Expression: (Expression.input_checksum, Expression.result),
    SyntacticToSemantic: (SyntacticToSemantic.syntactic, SyntacticToSemantic.semantic),
    BucketProbe: (BucketProbe.bucket_checksum,),
    Claim: (Claim.checksum,),
}
_IS_RESULT_OF_REVERSE = and_(
    Transformation.checksum == RevTransformation.checksum,
    Transformation.result == RevTransformation.result,
)
# as sets: many transformations can have the same result, so a look-up of each is too slow
_WITHOUT_REVERSE = (
    select(Transformation.checksum, Transformation.result)
    .except_(select(RevTransformation.checksum, RevTransformation.result))
    .subquery()
)

CHECKS: tuple[IntegrityCheck, ...] = (
    *(_malformed_checksums(model, *columns) for model, columns in CHECKSUM_COLUMNS.items()),
    _with_predicate(
        "malformed records, or records of another result",
        MetaData,
        is_malformed_record,
        MetaData.checksum,
        MetaData.result,
        MetaData.record,
    ),
    _with_predicate(
        "irreproducible results with a malformed record",
        _Irreproducible,
        is_malformed_irreproducible_record,
        _Irreproducible.record,
        repair=RepairAction.REMOVE_RECORD,
    ),
    _with_predicate("malformed buffer info", BufferInfo, not_an_object, BufferInfo.buffer_info),
    _with_predicate("expressions with a malformed path", Expression, not_a_list, Expression.path),
    _with_predicate(
        "malformed bucket probes", BucketProbe, not_an_object, BucketProbe.freshness_tokens
    ),
    _with_predicate(
        "malformed claims", Claim, not_seconds, Claim.claimed_at, Claim.renewed_at, Claim.seconds
    ),
    _non_finite_numbers("records", MetaData, MetaData.record),
    _non_finite_numbers("irreproducible results", _Irreproducible, _Irreproducible.record),
    _non_finite_numbers("buffer info", BufferInfo, BufferInfo.buffer_info),
    _non_finite_numbers("bucket probes", BucketProbe, BucketProbe.freshness_tokens),
    _not_text(Expression, Expression.celltype, Expression.target_celltype),
    _not_text(SyntacticToSemantic, SyntacticToSemantic.celltype, SyntacticToSemantic.subcelltype),
    _not_text(BucketProbe, BucketProbe.bucket_kind, BucketProbe.label, BucketProbe.captured_at),
    _not_text(Claim, Claim.holder),
    IntegrityCheck(
        "records not of the current result",
        MetaData,
        select_addresses(MetaData).where(
            not_(select(Transformation.checksum).where(IS_CURRENT).exists())
        ),
        needs=(Transformation,),
    ),
    IntegrityCheck(
        "orphaned reverse rows",
        RevTransformation,
        select_addresses(RevTransformation).where(
            not_(select(Transformation.checksum).where(_IS_RESULT_OF_REVERSE).exists())
        ),
        needs=(Transformation,),
    ),
    IntegrityCheck(
        "duplicate reverse rows",
        RevTransformation,
        _duplicates(
            RevTransformation,
            (RevTransformation.result, RevTransformation.checksum),
            (RevTransformation.id,),
        ),
    ),
    IntegrityCheck(
        "transformations without a reverse row",
        Transformation,
        select_addresses(Transformation).where(
            Transformation.checksum.in_(select(_WITHOUT_REVERSE.c.checksum))
        ),
        repair=RepairAction.ADD_REVERSE_ROW,
        needs=(RevTransformation,),
    ),
    IntegrityCheck(
        "duplicate irreproducible results",
        _Irreproducible,
        _duplicates(
            _Irreproducible,
            (_Irreproducible.checksum, _Irreproducible.result),
            # the row that a server returns: the first one with a record
            (_Irreproducible.record.in_(("", '""')), _Irreproducible.id),
        ),
    ),
)
