"""Reads the recorded vectors of the reference installation, if they are available."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

#: a folder beside the checkout; a clone alone does not have it
SHARED = Path(os.environ.get("SEAMLESS_SHARED") or Path(__file__).resolve().parents[5] / "shared")


def load_vectors(name: str) -> list[dict[str, Any]]:
    """Read one file of vectors; skip the test module if it is missing."""
    path = SHARED / "golden" / name
    if not path.is_file():
        pytest.skip(f"recorded vectors not found: no {path}", allow_module_level=True)
    return list(vector_reader().load(path))


def vector_reader() -> Any:
    """Import the module that decodes the notation of the vectors."""
    spec = importlib.util.spec_from_file_location("golden_reader", SHARED / "golden" / "golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
