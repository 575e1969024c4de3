"""The sub-commands, one module each: a click command, and the function that runs it."""

from __future__ import annotations
