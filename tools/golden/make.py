"""Write the project's own golden vectors, or check them: value → bytes → checksum.

    python -m tools.golden.make           check the committed file, exit 1 on any difference
    python -m tools.golden.make --write   write it anew

A vector names its value by a Python expression, so a person can read what it guards. The
file is written once the code agrees with the recorded vectors of the reference installation;
after that a difference means that checksums have drifted, and every user's cache is lost.
Rewrite it only to add vectors: the existing lines must stay as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from seamless import Buffer, Checksum
from tools.golden.cases import cases

FILE = Path(__file__).resolve().parents[2] / "packages/seamless-core/tests/golden/vectors.jsonl"
SHOWN = 320  # bytes of content that a vector shows in full


def outcome(celltype: str, expression: str) -> dict[str, Any]:
    """What the code makes of one vector now."""
    value = eval(expression, {"np": np, "Checksum": Checksum})
    try:
        content = Buffer(value, celltype).content
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        return {"error": kind.__name__}
    found: dict[str, Any] = {
        "length": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if len(content) <= SHOWN:
        found["content_hex"] = content.hex()
    return found | {"again": survives(content, celltype)}


def survives(content: bytes, celltype: str) -> bool:
    """Whether reading the bytes and writing the value gives the same bytes."""
    try:
        return Buffer(Buffer(content).get_value(celltype), celltype).content == content
    except (TypeError, ValueError):
        return False


def vectors() -> list[dict[str, Any]]:
    """All vectors as the code makes them now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            {"celltype": celltype, "value": expression, **outcome(celltype, expression)}
            for celltype, expression in cases()
        ]


def main() -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file anew")
    lines = [json.dumps(vector) for vector in vectors()]
    if parser.parse_args().write:
        FILE.write_text("\n".join(lines) + "\n")
        print(f"{len(lines)} vectors written to {FILE}")
        return 0
    committed = FILE.read_text().splitlines()
    changed = [line for line in committed if line not in set(lines)]
    for line in changed:
        print(f"no longer so: {line}", file=sys.stderr)
    print(f"{len(committed) - len(changed)} of {len(committed)} vectors agree")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
