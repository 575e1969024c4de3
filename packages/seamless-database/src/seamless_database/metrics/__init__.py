"""Metrics: count in each process, merge over the workers, render for Prometheus.

`counters` counts and merges, `worker_status` publishes to the other workers, `collect` gathers what
one scrape shows, and `prometheus` renders it.
"""

from __future__ import annotations
