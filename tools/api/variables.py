"""The environment variables that a package reads: every `SEAMLESS_…` text in its source."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.api.packages import Package

_NAME = re.compile(r"SEAMLESS_[A-Z0-9_]+")


def collect(package: Package) -> dict[str, str]:
    """Return the names of the variables."""
    found = set()
    for file in (package.folder / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if _NAME.fullmatch(node.value) else set()
    return dict.fromkeys(sorted(found), "read")
