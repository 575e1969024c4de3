"""What a merge has to tell: how often things contradicted each other, and the first of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: contradictions that are told one by one; contested results can be looked up in the new file
SHOWN = 100


@dataclass
class MergeReport:
    """Counts by kind, and examples; memory stays bounded."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            (
                "conflicting_results",
                "contested_elsewhere",
                "conflicting_records",
                "conflicting_expressions",
                "conflicting_buffer_info",
            ),
            0,
        )
    )
    conflicts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, key: str, *values: str) -> None:
        """Note a contradiction about a key."""
        self.counts[kind] += 1
        if len(self.conflicts) < SHOWN:
            self.conflicts.append({"kind": kind, "checksum": key, "values": list(values)})

    def findings(self) -> dict[str, Any]:
        """Give it as it is shown."""
        return {**self.counts, "conflicts": self.conflicts}
