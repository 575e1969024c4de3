"""The rounds of one workload on a server: rates, times, and who was busy with it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.bench.database.load import Result, load
from tools.bench.database.response_parser import http

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.bench.database.response_parser import Framing
    from tools.bench.database.servers import Server


@dataclass
class Measured:
    """What was measured on servers that share the load; figures are medians over the rounds."""

    servers: Sequence[Server]
    results: list[Result] = field(default_factory=list)
    #: processor seconds of the server for a request, of each round
    processor: list[float] = field(default_factory=list)
    #: part of the time that its threads wanted a core and had none, of each round
    waited: list[float] = field(default_factory=list)

    def round(
        self,
        requests: Iterator[bytes],
        connections: int,
        status: int = 200,
        framing: Framing = http,
    ) -> None:
        """Send the requests of one round; all are to be answered with that status."""
        had, waited = self._core_seconds()
        ports = [server.port for server in self.servers]
        result = load(ports, requests, connections, framing=framing)
        has, waits = self._core_seconds()
        self.results.append(result.all_answered(status))
        self.processor.append((has - had) / len(result.latencies))
        self.waited.append((waits - waited) / result.seconds)

    def per_second(self) -> float:
        """Requests a second."""
        return statistics.median(result.per_second for result in self.results)

    def milliseconds(self) -> float:
        """Time of one request, as the generator sees it."""
        return 1e3 * statistics.median(result.percentile(50) for result in self.results)

    def microseconds(self) -> float:
        """Processor time of the servers for one request."""
        return 1e6 * statistics.median(self.processor)

    def busy(self) -> float:
        """Part of the time that the generator was busy, in percent."""
        return 100 * statistics.median(result.busy for result in self.results)

    def waiting(self) -> float:
        """Part of the time that threads of the servers waited for a core, in percent, added up."""
        return 100 * statistics.median(self.waited)

    def _core_seconds(self) -> tuple[float, float]:
        spent = [server.core_seconds() for server in self.servers]
        return sum(on_core for on_core, _ in spent), sum(waiting for _, waiting in spent)
