"""The kinds of request that are measured, and what is wanted of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.bench.database.load import repeated
from tools.bench.database.requests import checksum, get, put_record, put_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.bench.database.baselines.sqlite import RawSQLite

BOTH = 10**10  # where the numbers of results with reverse rows begin
CONNECTIONS = 30  # as many as the published client opens


@dataclass(frozen=True)
class Amount:
    """How much of everything in a round."""

    keys: int = 1_000
    reads: int = 8_000
    writes: int = 3_000


QUICK = Amount(reads=2_000, writes=400)


@dataclass(frozen=True)
class Workload:
    """One kind of request; what is wanted of it in terms of the others."""

    request: Callable[[int], bytes]
    #: number of the first key; of writes, each round takes new ones from there on
    first: int
    writes: bool = False
    connections: int = CONNECTIONS
    status: int = 200
    #: times the rate of the published server
    of_published: float | None = None
    #: percent of the rate of the bare application, and of SQLite alone
    of_bare: float | None = None
    of_raw: float | None = None

    def requests(self, round_: int, amount: Amount) -> Iterator[bytes]:
        """Return those of one round; reads are the same in each."""
        made = [self.request(number) for number in self.numbers(round_, amount)]
        return repeated(made, amount.writes if self.writes else amount.reads)

    def raw(self, raw: RawSQLite, round_: int, amount: Amount) -> float:
        """Return the rows a second of SQLite alone, which syncs as many as can come at once."""
        if self.writes:
            return raw.writes(self.numbers(round_, amount), self.connections)
        return raw.look_ups([checksum(n % amount.keys) for n in range(amount.reads)])

    def raw_both(self, raw: RawSQLite, round_: int, amount: Amount) -> float | None:
        """Return the same of results with their reverse rows, which a server stores too."""
        if self.request is not put_result:
            return None
        numbers = self.numbers(round_, amount)
        others = range(numbers.start + BOTH, numbers.stop + BOTH)
        return raw.results(others, self.connections)

    def numbers(self, round_: int, amount: Amount) -> range:
        """Return the numbers of the keys of one round."""
        count = amount.writes if self.writes else amount.keys
        first = self.first + (round_ * count if self.writes else 0)
        return range(first, first + count)


def _result(number: int) -> bytes:
    return get("transformation", number)


def _record(number: int) -> bytes:
    return get("metadata", number)


WORKLOADS = {
    "GET result, hit": Workload(_result, 0, of_published=4, of_bare=50),
    "GET result, miss": Workload(_result, 5_000_000, status=404, of_published=4, of_bare=50),
    "GET record": Workload(_record, 0, of_published=4, of_bare=50),
    "GET result, one connection": Workload(_result, 0, connections=1, of_published=2),
    "PUT result": Workload(put_result, 10**7, writes=True, of_published=2.5),
    "PUT record": Workload(put_record, 10**9, writes=True, of_published=5),
    "PUT result, one connection": Workload(
        put_result, 2 * 10**9, writes=True, connections=1, of_raw=50
    ),
}
