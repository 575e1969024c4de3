"""Render the metrics in the exposition format of Prometheus; the only importer of its client.

The counters are kept elsewhere, because counting with that library costs more than a look-up, and
loading it would slow down every start.
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
    from collections.abc import Iterator, Mapping

    from seamless_database.metrics.counters import MetricsSnapshot, RequestLabels
    from seamless_database.storage.histograms import CommitMetrics, Histogram

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that one scrape shows."""

    version: str
    writable: bool
    metrics: MetricsSnapshot
    rows: Mapping[str, int]
    file_bytes: Mapping[str, int]
    #: process ids by worker; empty for a single process
    processes: Mapping[str, int]


def render(page: Page) -> str:
    """Render a page, together with the metrics that the system has of the processes."""
    registry = CollectorRegistry()
    registry.register(_PageCollector(page))
    if page.processes:
        registry.register(_WorkerProcessCollector(page.processes))
    else:
        ProcessCollector(registry=registry)
    return generate(registry).decode()


class _PageCollector(Collector):
    def __init__(self, page: Page) -> None:
        self._page = page

    def collect(self) -> Iterator[Metric]:
        page = self._page
        labels = {"version": page.version, "writable": str(page.writable).lower()}
        yield InfoMetricFamily("seamless_database", "What this server is", value=labels)
        yield from _requests(page.metrics.requests)
        if page.metrics.commits is not None:
            yield from _writes(page.metrics.commits, page.metrics.queued_writes)
        yield _gauges("rows", "Rows, by table; large tables are estimated", "table", page.rows)
        yield _gauges("file_bytes", "Size of the files on the disk", "file", page.file_bytes)


class _WorkerProcessCollector(Collector):
    """The metrics of `ProcessCollector`, with the worker as a label."""

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


def _requests(requests: Mapping[RequestLabels, Histogram]) -> Iterator[Metric]:
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
    # the durations of all statuses together
    merged: dict[tuple[str, str], Histogram] = {}
    for labels, histogram in sorted(requests.items(), key=repr):
        counter.add_metric((labels.method, labels.type, str(labels.status)), histogram.count)
        key = (labels.method, labels.type)
        merged[key] = merged[key].merge(histogram) if key in merged else histogram
    for key, histogram in merged.items():
        seconds.add_metric(key, *_buckets(histogram))
    yield counter
    yield seconds


def _writes(commits: CommitMetrics, queued: int) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "seamless_database_writes_waiting", "Writes that wait for the next transaction", queued
    )
    for name, text, histogram in (
        ("commit_seconds", "Time that a commit takes, the sync included", commits.seconds),
        ("commit_writes", "Writes that are committed together", commits.writes),
    ):
        family = HistogramMetricFamily(f"seamless_database_{name}", text, labels=())
        family.add_metric((), *_buckets(histogram))
        yield family


def _gauges(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"seamless_database_{name}", text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    names = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(names, accumulate(histogram.counts), strict=True)), histogram.total
