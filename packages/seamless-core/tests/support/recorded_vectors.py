"""Where the recorded vectors of the reference installation are, if they are here."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

#: The folder of recorded facts lies beside the checkout; a clone alone doesn't have it.
SHARED = Path(os.environ.get("SEAMLESS_SHARED") or Path(__file__).resolve().parents[5] / "shared")


def load_vectors(name: str) -> list[dict[str, Any]]:
    """Read one file of vectors, or skip the asking test module and say so."""
    path = SHARED / "golden" / name
    if not path.is_file():
        pytest.skip(f"recorded vectors not found: no {path}", allow_module_level=True)
    return list(vector_reader().load(path))


def vector_reader() -> Any:
    """Import the reader that comes with the vectors: it turns their notation into values."""
    spec = importlib.util.spec_from_file_location("golden_reader", SHARED / "golden" / "golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
