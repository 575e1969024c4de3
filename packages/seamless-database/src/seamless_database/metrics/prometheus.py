"""The figures of a server in the text format of Prometheus; the one module that imports its client.

That client keeps no figures of ours: it would have to be loaded at every start, and counting with
it costs more than a look-up. It is loaded when somebody asks for the first time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector
from prometheus_client import generate_latest as generate
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seamless_database.metrics.counters import RequestLabels
    from seamless_database.storage.commit_metrics import CommitMetrics, Histogram

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is told."""

    version: str
    writable: bool
    requests: Sequence[tuple[RequestLabels, Histogram]]
    #: None for a server that does not write
    commits: CommitMetrics | None
    waiting: int
    rows: Mapping[str, int]
    file_bytes: Mapping[str, int]
    #: the numbers of the processes, by the names of the workers; empty where there is only this
    processes: Mapping[str, int]


def text(snapshot: Snapshot) -> str:
    """Write it down, together with what the system tells of the processes."""
    registry = CollectorRegistry()
    registry.register(_Figures(snapshot))
    if snapshot.processes:
        registry.register(_Processes(snapshot.processes))
    else:
        ProcessCollector(registry=registry)
    return generate(registry).decode()


class _Figures(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        told = self._snapshot
        about = {"version": told.version, "writable": str(told.writable).lower()}
        yield InfoMetricFamily("seamless_database", "What this server is", value=about)
        yield from _requests(told.requests)
        if told.commits is not None:
            yield from _writes(told.commits, told.waiting)
        yield _gauges("rows", "Rows, by table, as of the last count", "table", told.rows)
        yield _gauges("file_bytes", "Size of the files on the disk", "file", told.file_bytes)


class _Processes(Collector):
    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for worker, pid in self._processes.items():
            for found in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                family = families.setdefault(
                    found.name, Metric(found.name, found.documentation, found.type)
                )
                for sample in found.samples:
                    family.add_sample(sample.name, {"worker": worker}, sample.value)
        yield from families.values()


def _requests(requests: Sequence[tuple[RequestLabels, Histogram]]) -> Iterator[Metric]:
    counter = CounterMetricFamily(
        "seamless_database_requests",
        "Requests, by method, type, and status of the answer",
        labels=("method", "type", "status"),
    )
    seconds = HistogramMetricFamily(
        "seamless_database_request_seconds",
        "From the headers of a request to the end of its answer",
        labels=("method", "type"),
    )
    whole: dict[tuple[str, str], Histogram] = {}
    for kind, distribution in requests:
        counter.add_metric((kind.method, kind.type, str(kind.status)), distribution.count)
        labels = (kind.method, kind.type)
        whole[labels] = whole[labels].merge(distribution) if labels in whole else distribution
    for labels, distribution in whole.items():
        seconds.add_metric(labels, *_histogram(distribution))
    yield counter
    yield seconds


def _writes(commits: CommitMetrics, waiting: int) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "seamless_database_writes_waiting", "Writes that wait for the next transaction", waiting
    )
    for name, what, distribution in (
        ("commit_seconds", "Time that a commit takes, the sync included", commits.seconds),
        ("commit_writes", "Writes that are committed together", commits.writes),
    ):
        family = HistogramMetricFamily(f"seamless_database_{name}", what, labels=())
        family.add_metric((), *_histogram(distribution))
        yield family


def _gauges(name: str, what: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"seamless_database_{name}", what, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _histogram(distribution: Histogram) -> tuple[list[tuple[str, float]], float]:
    names = [*map(str, distribution.bounds), "+Inf"]
    return list(zip(names, accumulate(distribution.counts), strict=True)), distribution.total
