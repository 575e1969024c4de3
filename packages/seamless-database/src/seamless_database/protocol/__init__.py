"""The protocol: fields of requests, their types and how they are parsed."""

from __future__ import annotations
