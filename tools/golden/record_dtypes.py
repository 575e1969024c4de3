"""Record what the published package makes of arrays of every NumPy dtype.

    python -m venv /tmp/published
    /tmp/published/bin/pip install seamless-core==0.1.4 numpy orjson
    /tmp/published/bin/python -m tools.golden.record_dtypes

A line of the file is an array of `dtype_cases`, then its outcome in each of the `PLACES`: `-`
where the package refuses it; `=` for the outcome before; else 12 digits of the SHA-256 of the
bytes and, behind a slash, 8 digits of that of the description of what the package reads from
them, or `!` where it can't read them. Bytes that the package leaves to chance count as zero.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2] / "packages/seamless-core/tests/support"
sys.path.insert(0, str(TESTS))

import dtype_cases  # noqa: E402 - beside the tests, which replay the record
import numpy as np  # noqa: E402

import seamless  # noqa: E402

MAGIC = b"\x93NUMPY"
X87_BYTES = 10  # of the 16 that an extended precision number takes


def main() -> None:
    """Write the record."""
    if "site-packages" not in str(seamless.__file__):
        sys.exit(f"{seamless.__file__} is not the published package")
    warnings.simplefilter("ignore")
    lines = [f"{name}\t{' '.join(row(array))}\n" for name, array in dtype_cases.cases()]
    dtype_cases.RECORD.write_text("".join(lines), encoding="utf8")
    print(f"{len(lines)} arrays")


def row(array: np.ndarray[Any, Any]) -> list[str]:
    """Return the outcomes of one array."""
    found = [outcome(celltype, put(array)) for (celltype, _), put in dtype_cases.PLACES.items()]
    return ["=" if i and found[i - 1] == text else text for i, text in enumerate(found)]


def outcome(celltype: str, value: Any) -> str:
    """Write and read one value."""
    try:
        content = bytes(seamless.Buffer(value, celltype).content)
    except Exception:  # noqa: BLE001 - whatever it is, the value is refused
        return "-"
    digest = dtype_cases.digest(without_chance(content))
    try:
        read = seamless.Buffer(content).get_value(celltype)
    except Exception:  # noqa: BLE001
        return f"{digest[:12]}/!"
    return f"{digest[:12]}/{dtype_cases.digest(dtype_cases.describe(read).encode())[:8]}"


def without_chance(content: bytes) -> bytes:
    """Set the bytes to zero that mean nothing in the items of a `.npy` file."""
    if not content.startswith(MAGIC):
        return content
    size = 4 if content[6] > 1 else 2
    start = 8 + size + int.from_bytes(content[8 : 8 + size], "little")
    text = content[8 + size : start].decode("utf8" if content[6] > 2 else "latin1")
    dtype = np.lib.format.descr_to_dtype(eval(text)["descr"])
    used = np.zeros(dtype.itemsize, bool)
    mark_used(dtype, used)
    items = np.frombuffer(bytearray(content[start:]), "u1")
    if dtype.itemsize:
        items.reshape(-1, dtype.itemsize)[:, ~used] = 0
    return content[:start] + items.tobytes()


def mark_used(dtype: np.dtype[Any], used: np.ndarray[Any, Any]) -> None:
    """Mark the bytes of an item that mean something."""
    if dtype.subdtype is not None:
        base = dtype.base
        for start in range(0, dtype.itemsize, base.itemsize or 1):
            mark_used(base, used[start : start + base.itemsize])
    elif dtype.names is not None:
        for field, offset, *_ in (dtype.fields or {}).values():
            mark_used(field, used[offset : offset + field.itemsize])
    else:
        used[: X87_BYTES if dtype.char == "g" else None] = True


if __name__ == "__main__":
    main()
