"""The public surface of one package: collected from the code, written to a file, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.api import byte_forms, commands, names, protocol, tables, variables

if TYPE_CHECKING:
    from tools.api.packages import Package

#: section -> what collects it
COLLECTORS = {
    "names": names.collect,
    "commands": commands.collect,
    "variables": variables.collect,
    "protocol": protocol.collect,
    "tables": tables.collect,
    "bytes": byte_forms.collect,
}

#: an entry and what it is like; None where only the name is known
Section = Mapping[str, str | None]


@dataclass(frozen=True)
class Surface:
    """What users of one version can rely on, by section."""

    distribution: str
    version: str
    sections: Mapping[str, Section]

    def text(self) -> str:
        """The surface as a file: one entry a line, sorted."""
        outcomes = {name: str(text) for name, text in self.sections.get("bytes", {}).items()}
        document: dict[str, object] = {"distribution": self.distribution, "version": self.version}
        if outcomes:
            document["byte_fingerprint"] = byte_forms.fingerprint(outcomes)
        document |= {name: dict(section) for name, section in self.sections.items() if section}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def collect(package: Package) -> Surface:
    """Return the surface of the code as it is now."""
    sections = {name: collector(package) for name, collector in COLLECTORS.items()}
    return Surface(package.distribution, package.version(), sections)


def read(text: str) -> Surface:
    """Read what `Surface.text` has written."""
    document = json.loads(text)
    sections = {name: document.get(name, {}) for name in COLLECTORS}
    return Surface(document["distribution"], document["version"], sections)
