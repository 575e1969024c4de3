"""The byte formats, by their golden vectors: which bytes each value comes to.

The tests hold the code to the vectors, so the vectors say what the code does. Each is noted by
itself, so that a new vector is distinguished from a changed byte.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.api.packages import Package

#: digits of a checksum that are written down: enough to see a change
_DIGITS = 12


def collect(package: Package) -> dict[str, str]:
    """Return the outcome of every vector; nothing for a package without vectors."""
    file = package.folder / "tests" / "golden" / "vectors.jsonl"
    if not file.is_file():
        return {}
    found = {}
    for line in file.read_text().splitlines():
        vector = json.loads(line)
        outcome = vector["sha256"][:_DIGITS] if "sha256" in vector else vector["error"]
        found[f"{vector['celltype']}: {vector['value']}"] = outcome
    return dict(sorted(found.items()))


def fingerprint(outcomes: Mapping[str, str]) -> str:
    """Return one checksum over all outcomes."""
    return hashlib.sha256(json.dumps(dict(sorted(outcomes.items()))).encode()).hexdigest()
