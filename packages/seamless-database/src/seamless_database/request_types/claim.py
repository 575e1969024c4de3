"""Claims: which worker computes a transformation, so that others wait for its result.

A claim is a hint. No write depends on it, and it ends by itself a number of seconds after it was
last renewed, because its holder may have been killed. A result ends it as well.

An addition to the seven tables of the published protocol, which do not depend on it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from sqlalchemy import bindparam, delete, literal_column, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from seamless_database.json_codec import spaced
from seamless_database.protocol.field_types import (
    CHECKSUM,
    NONEMPTY_TEXT,
    OPTIONAL_TEXT,
    FieldSpecs,
    duration,
    extract,
)
from seamless_database.request_types.base import ReadRequest, WriteRequest
from seamless_database.request_types.damage import valid_checksum, valid_seconds, valid_text
from seamless_database.request_types.statements import (
    Statement,
    StatementConnection,
    insert_statement,
)
from seamless_database.tables import CLAIM, TRANSFORMATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.sql.compiler import SQLCompiler

    from seamless_database.protocol.request import RequestFields

#: seconds for which a worker may claim a transformation without renewing the claim
MAX_SECONDS = 86_400.0
#: seconds that a read may wait for the end of a claim
MAX_WAIT = 60.0
#: characters of the name of a holder
MAX_HOLDER = 200
#: seconds by which the clock of the database may deviate between two claims without a step
MAX_DEVIATION = 2.0


class _Now(FunctionElement[float]):
    """The time by the clock of the database, in seconds since 1970."""

    inherit_cache = True


@compiles(_Now, "sqlite")
def _julian_day(_now: _Now, _compiler: SQLCompiler, **_more: Any) -> str:
    return "(julianday('now') - 2440587.5) * 86400.0"


@compiles(_Now, "postgresql")
def _clock_timestamp(_now: _Now, _compiler: SQLCompiler, **_more: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


_IS_KEY = CLAIM.c.checksum == bindparam("checksum")
_ONE_ROW = select(literal_column("1").label("one")).subquery("one_row")
# One statement reads both tables in one state: a holder stores its result and then ends its claim,
# so that another one must not read the claims after the end and the results before.
_STATE = Statement(
    select(
        _Now(),
        TRANSFORMATION.c.result,
        CLAIM.c.checksum,
        CLAIM.c.holder,
        CLAIM.c.claimed_at,
        CLAIM.c.renewed_at,
        CLAIM.c.seconds,
    ).select_from(
        _ONE_ROW.outerjoin(CLAIM, _IS_KEY).outerjoin(
            TRANSFORMATION, TRANSFORMATION.c.checksum == bindparam("checksum")
        )
    )
)
_INSERT = insert_statement(CLAIM, "checksum", "holder", "claimed_at", "renewed_at", "seconds")
_RENEW_ALL = Statement(update(CLAIM).values(renewed_at=bindparam("now")))
#: ends the claim of a transformation, of any holder
END_CLAIM = Statement(delete(CLAIM).where(_IS_KEY))


class _Claim(NamedTuple):
    """A stored claim, which may have ended."""

    holder: str
    claimed_at: float
    renewed_at: float
    seconds: float

    def remaining(self, now: float) -> float:
        """Seconds until it ends; the time of the last renewal is not in the future."""
        return min(self.renewed_at, now) + self.seconds - now


class _State(NamedTuple):
    """What is stored about a transformation at a time."""

    now: float
    result: str | None
    has_row: bool
    #: None if the row is damaged
    claim: _Claim | None


@dataclass(frozen=True, slots=True)
class GetClaim(ReadRequest):
    """Read which worker computes a transformation, or its result."""

    checksum: str
    wait: float
    holder: str | None
    field_types: ClassVar[FieldSpecs] = {
        "checksum": CHECKSUM,
        "wait": duration(MAX_WAIT, default=0.0),
        "holder": OPTIONAL_TEXT,
    }
    is_point_lookup: ClassVar[bool] = True

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON object: `result`; or `holder`, `since`, and the `remaining` seconds.

        While another than `holder` has the claim, the response comes after `wait` seconds.
        """
        state = _read(connection, self.checksum)
        if state is None:
            return None
        if state.result is not None:
            return spaced({"result": state.result})
        claim = state.claim
        if claim is None or (remaining := claim.remaining(state.now)) <= 0:
            return None
        since = datetime.fromtimestamp(claim.claimed_at, timezone.utc)
        return spaced(
            {
                "holder": claim.holder,
                "since": since.isoformat(timespec="milliseconds"),
                "remaining": round(remaining, 3),
            }
        )

    def wait_seconds(self, text: str | None) -> float:
        """Return `wait` while another worker computes the transformation."""
        if not self.wait or text is None:
            return 0.0
        return self.wait if json.loads(text).get("holder", self.holder) != self.holder else 0.0


@dataclass(frozen=True, slots=True)
class PutClaim(WriteRequest):
    """Claim a transformation for some seconds, renew the claim, or end it with 0 seconds."""

    checksum: str
    holder: str
    seconds: float
    field_types: ClassVar[FieldSpecs] = {
        "checksum": CHECKSUM,
        "holder": NONEMPTY_TEXT.with_schema(maxLength=MAX_HOLDER),
        "seconds": duration(MAX_SECONDS),
    }

    @classmethod
    def from_fields(cls, fields: RequestFields) -> PutClaim:
        """Parse all fields; the holder has a limited length."""
        checksum, holder, given = extract(cls.field_types, fields)
        if len(holder) > MAX_HOLDER:
            raise fields.invalid("holder", f"a text of at most {MAX_HOLDER} characters", holder)
        return cls(checksum, holder, given)

    def lock_keys(self) -> tuple[str, ...]:
        """Name the claim."""
        return (f"claim {self.checksum}",)

    def run(self, connection: StatementConnection) -> None:
        """Change nothing if another worker has the claim, or if there is a result."""
        state = _read(connection, self.checksum)
        if state is None:
            return
        now, claim = state.now, state.claim
        is_stepped = _CLOCK.is_stepped(now)
        if claim is not None and claim.renewed_at > now + MAX_DEVIATION:
            is_stepped = True
        if is_stepped:
            connection.run(_RENEW_ALL, now=_text(now))
        claimed_at = now
        if claim is not None and claim.holder == self.holder:
            claimed_at = claim.claimed_at
        elif claim is not None and (is_stepped or claim.remaining(now) > 0):
            return
        if state.has_row:
            connection.run(END_CLAIM, checksum=self.checksum)
        if self.seconds and state.result is None:
            connection.run(
                _INSERT,
                checksum=self.checksum,
                holder=self.holder,
                claimed_at=_text(claimed_at),
                renewed_at=_text(now),
                seconds=_text(self.seconds),
            )


class ClockSteps:
    """Detects that the clock of the database was set, by comparing it with the monotonic clock.

    Claims would end too early or too late, so all of them are renewed then.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset: float | None = None

    def is_stepped(self, now: float) -> bool:
        """Return whether the clock, which shows `now`, was set since the last call."""
        before, self._offset = self._offset, now - self._monotonic()
        return before is not None and abs(self._offset - before) > MAX_DEVIATION


_CLOCK = ClockSteps()


def _read(connection: StatementConnection, checksum: str) -> _State | None:
    """Read the state; None if the rows are not known yet (see `batched_reads`)."""
    row = connection.one(_STATE, checksum=checksum)
    if row is None:
        return None
    now, result, key, holder, claimed_at, renewed_at, lasts = row
    if result is not None:
        result = valid_checksum(result, TRANSFORMATION.c.result, checksum)
    if key is None:
        return _State(now, result, has_row=False, claim=None)
    values = (
        valid_text(holder, CLAIM.c.holder, checksum),
        valid_seconds(claimed_at, CLAIM.c.claimed_at, checksum),
        valid_seconds(renewed_at, CLAIM.c.renewed_at, checksum),
        valid_seconds(lasts, CLAIM.c.seconds, checksum),
    )
    claim = None if None in values else _Claim(*cast("tuple[str, float, float, float]", values))
    return _State(now, result, has_row=True, claim=claim)


def _text(number: float) -> str:
    return f"{number:.3f}"
