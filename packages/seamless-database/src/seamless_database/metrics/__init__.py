"""Metrics: count in each process, merge over the workers, render for Prometheus."""

from __future__ import annotations
