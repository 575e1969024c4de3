"""Checksums, and the canonical bytes that they are taken of."""
