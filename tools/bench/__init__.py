"""Benchmarks beside the published packages and the physical limit."""
