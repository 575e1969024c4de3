"""The table of what may be wrong in a database, how it is found, and how it is repaired.

Most of it has been left behind by published servers and is not served; the rest comes from
foreign hands. The order matters: what is mended first may leave something for the next to mend.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, not_, or_, select

from seamless_database.admin import predicates
from seamless_database.admin.access.dialects import address_of, is_no_checksum
from seamless_database.admin.row_selection import addresses
from seamless_database.models import (
    BucketProbe,
    BufferInfo,
    Expression,
    IrreproducibleTransformation,
    MetaData,
    RevTransformation,
    SyntacticToSemantic,
    Transformation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Select
    from sqlalchemy.orm import InstrumentedAttribute

    from seamless_database.models import Base


class RepairAction(Enum):
    """What is done about a row."""

    DELETE = "deleted"
    FORGET_RECORD = "kept without its record"
    NUMBERS_TO_NULL = "numbers without a JSON form set to null"
    ADD_REVERSE_ROW = "reverse row added"


@dataclass(frozen=True)
class IntegrityCheck:
    """One kind of thing that may be wrong with a row of a table."""

    name: str
    model: type[Base]
    #: the addresses of the rows, or all columns that `predicate` wants to see after the address
    rows: Select[Any]
    predicate: Callable[..., bool] | None = None
    repair: RepairAction = RepairAction.DELETE
    #: other tables that have to be there
    needs: tuple[type[Base], ...] = ()


def _with_bad_checksums(model: type[Base], *columns: InstrumentedAttribute[str]) -> IntegrityCheck:
    rows = addresses(model).where(or_(*map(is_no_checksum, columns)))
    return IntegrityCheck(f"malformed checksums in {model.__tablename__}", model, rows)


def _with_predicate(
    name: str,
    model: type[Base],
    predicate: Callable[..., bool],
    *columns: Any,
    repair: RepairAction,
) -> IntegrityCheck:
    return IntegrityCheck(name, model, addresses(model, *columns), predicate, repair)


def _with_odd_numbers(
    name: str, model: type[Base], stored: InstrumentedAttribute[str]
) -> IntegrityCheck:
    name = f"{name} with NaN or infinity"
    return _with_predicate(
        name, model, predicates.has_non_finite, stored, repair=RepairAction.NUMBERS_TO_NULL
    )


def _with_bad_texts(model: type[Base], *columns: InstrumentedAttribute[str]) -> IntegrityCheck:
    name = f"values that are no text in {model.__tablename__}"
    return _with_predicate(name, model, predicates.is_no_text, *columns, repair=RepairAction.DELETE)


def _duplicates(model: type[Base], same: tuple[Any, ...], best: tuple[Any, ...]) -> Select[Any]:
    """All but the best of rows that are the same."""
    place = func.row_number().over(partition_by=same, order_by=best).label("place")
    ranked = select(address_of(model).label("address"), place).select_from(model).subquery()
    return select(ranked.c.address).where(ranked.c.place > 1)


_Contested = IrreproducibleTransformation
_IS_RESULT_OF_RECORD = and_(
    Transformation.checksum == MetaData.checksum, Transformation.result == MetaData.result
)
_IS_RESULT_OF_REVERSE = and_(
    Transformation.checksum == RevTransformation.checksum,
    Transformation.result == RevTransformation.result,
)
# as a set: many transformations may have one and the same result, so looking up each is too slow
_WITHOUT_REVERSE = (
    select(Transformation.checksum, Transformation.result)
    .except_(select(RevTransformation.checksum, RevTransformation.result))
    .subquery()
)

PROBLEMS: tuple[IntegrityCheck, ...] = (
    _with_bad_checksums(Transformation, Transformation.checksum, Transformation.result),
    _with_bad_checksums(RevTransformation, RevTransformation.checksum, RevTransformation.result),
    _with_bad_checksums(MetaData, MetaData.checksum, MetaData.result),
    _with_bad_checksums(_Contested, _Contested.checksum, _Contested.result),
    _with_bad_checksums(BufferInfo, BufferInfo.checksum),
    _with_bad_checksums(Expression, Expression.input_checksum, Expression.result),
    _with_bad_checksums(
        SyntacticToSemantic, SyntacticToSemantic.syntactic, SyntacticToSemantic.semantic
    ),
    _with_bad_checksums(BucketProbe, BucketProbe.bucket_checksum),
    _with_predicate(
        "records that are malformed, or of something else",
        MetaData,
        predicates.is_bad_record,
        MetaData.checksum,
        MetaData.result,
        MetaData.record,
        repair=RepairAction.DELETE,
    ),
    _with_predicate(
        "contested results with a malformed record",
        _Contested,
        predicates.is_bad_contested_record,
        _Contested.record,
        repair=RepairAction.FORGET_RECORD,
    ),
    _with_predicate(
        "malformed buffer info",
        BufferInfo,
        predicates.not_an_object,
        BufferInfo.buffer_info,
        repair=RepairAction.DELETE,
    ),
    _with_predicate(
        "expressions with a malformed path",
        Expression,
        predicates.is_no_list,
        Expression.path,
        repair=RepairAction.DELETE,
    ),
    _with_predicate(
        "malformed bucket probes",
        BucketProbe,
        predicates.not_an_object,
        BucketProbe.freshness_tokens,
        repair=RepairAction.DELETE,
    ),
    _with_odd_numbers("records", MetaData, MetaData.record),
    _with_odd_numbers("contested results", _Contested, _Contested.record),
    _with_odd_numbers("buffer info", BufferInfo, BufferInfo.buffer_info),
    _with_odd_numbers("bucket probes", BucketProbe, BucketProbe.freshness_tokens),
    _with_bad_texts(Expression, Expression.celltype, Expression.target_celltype),
    _with_bad_texts(
        SyntacticToSemantic, SyntacticToSemantic.celltype, SyntacticToSemantic.subcelltype
    ),
    _with_bad_texts(
        BucketProbe, BucketProbe.bucket_kind, BucketProbe.label, BucketProbe.captured_at
    ),
    IntegrityCheck(
        "records not of the current result",
        MetaData,
        addresses(MetaData).where(
            not_(select(Transformation.checksum).where(_IS_RESULT_OF_RECORD).exists())
        ),
        needs=(Transformation,),
    ),
    IntegrityCheck(
        "orphaned reverse rows",
        RevTransformation,
        addresses(RevTransformation).where(
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
        addresses(Transformation).where(
            Transformation.checksum.in_(select(_WITHOUT_REVERSE.c.checksum))
        ),
        repair=RepairAction.ADD_REVERSE_ROW,
        needs=(RevTransformation,),
    ),
    IntegrityCheck(
        "duplicate contested results",
        _Contested,
        _duplicates(
            _Contested,
            (_Contested.checksum, _Contested.result),
            # the one that is served: the first that has a record
            (_Contested.record.in_(("", '""')), _Contested.id),
        ),
    ),
)
