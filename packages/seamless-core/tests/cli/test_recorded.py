"""The three commands against the record of the reference installation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from command_runs import files_below, run_command
from recorded_vectors import load_vectors, vector_reader

if TYPE_CHECKING:
    from pathlib import Path

#: without vectors that accept any outcome
RECORDS = [record for record in load_vectors("cli.jsonl") if record.get("accept") != "any"]


def plant(root: Path, entry: dict[str, Any]) -> None:
    """Create one entry of a recorded tree."""
    name = bytes.fromhex(entry["path_hex"]) if "path_hex" in entry else os.fsencode(entry["path"])
    path = root / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry["kind"] == "dir":
        path.mkdir(exist_ok=True)
    elif entry["kind"] == "symlink":
        path.symlink_to(entry["target"])
    else:
        path.write_bytes(vector_reader().decode(entry["content"]))


@pytest.mark.parametrize("record", RECORDS, ids=[record["id"] for record in RECORDS])
def test_a_command_does_what_is_recorded(record: dict[str, Any], tmp_path: Path) -> None:
    for entry in record["tree"]:
        plant(tmp_path, entry)
    before = files_below(tmp_path)
    result = run_command(record["script"], *record["args"], cwd=tmp_path / record["cwd"])
    after = files_below(tmp_path)
    changed = {name: content for name, content in after.items() if before.get(name) != content}
    if record.get("accept") == "error" and result.returncode == 1:
        assert changed == {}
        assert result.stderr.startswith(b"Error: ")
        return
    assert changed == {entry["path"]: bytes.fromhex(entry["hex"]) for entry in record["changed"]}
    assert result.returncode == record["exit"]
    assert (result.stderr == b"") is record["stderr_empty"]
    if record["stdout"] is None:
        assert result.stdout
    else:
        assert result.stdout.decode() == record["stdout"]
