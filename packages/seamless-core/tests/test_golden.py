"""The project's own golden vectors: the same value gives the same bytes and checksum for ever.

`tools/golden/make.py` describes the file, and is what would write new vectors.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamless import Buffer, Checksum, LossyValueWarning

FILE = Path(__file__).parent / "golden" / "vectors.jsonl"
VECTORS = [json.loads(line) for line in FILE.read_text().splitlines()]
ERRORS = {"TypeError": TypeError, "ValueError": ValueError}


def name(vector: dict[str, Any]) -> str:
    return f"{vector['celltype']}-{vector['value'][:40]}"


def written(vector: dict[str, Any]) -> Buffer:
    value = eval(vector["value"], {"np": np, "Checksum": Checksum})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossyValueWarning)
        return Buffer(value, vector["celltype"])


def test_there_are_at_least_five_hundred_vectors() -> None:
    assert len(VECTORS) >= 500


@pytest.mark.parametrize("vector", [v for v in VECTORS if "error" not in v], ids=name)
def test_a_value_gives_its_golden_bytes(vector: dict[str, Any]) -> None:
    buffer = written(vector)

    assert len(buffer) == vector["length"]
    if "content_hex" in vector:
        assert buffer.content.hex() == vector["content_hex"]
    assert buffer.get_checksum().hex() == vector["sha256"]
    assert hashlib.sha256(buffer.content).hexdigest() == vector["sha256"]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.get("again")], ids=name)
def test_golden_bytes_that_are_read_and_written_again_stay_the_same(vector: dict[str, Any]) -> None:
    buffer = written(vector)
    value = Buffer(buffer.content).get_value(vector["celltype"])

    assert Buffer(value, vector["celltype"]) == buffer


@pytest.mark.parametrize("vector", [v for v in VECTORS if "error" in v], ids=name)
def test_a_value_that_a_cell_type_cannot_hold_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(ERRORS[vector["error"]]):
        written(vector)
