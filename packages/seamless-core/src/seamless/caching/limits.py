"""Memory limits of the buffer cache: from arguments, the environment, or defaults."""

from __future__ import annotations

import os

from seamless.util.number_arguments import parse_byte_size

__all__ = ["check_caps", "read_caps"]

SOFT_CAP_VARIABLE = "SEAMLESS_BUFFER_SOFT_CAP"
HARD_CAP_VARIABLE = "SEAMLESS_BUFFER_HARD_CAP"
DEFAULT_SOFT_CAP = 5 * 1024**3
DEFAULT_HARD_CAP = 50 * 1024**3


def read_caps(soft_cap: int | str | None, hard_cap: int | str | None) -> tuple[int, int]:
    """Return the soft and the hard cap in bytes; None stands for the environment or default.

    Raises
    ------
    ValueError
        When a cap is not a size, or the soft cap is above the hard one.
    """
    return check_caps(
        _cap(soft_cap, SOFT_CAP_VARIABLE, DEFAULT_SOFT_CAP),
        _cap(hard_cap, HARD_CAP_VARIABLE, DEFAULT_HARD_CAP),
    )


def check_caps(soft_cap: int | str, hard_cap: int | str) -> tuple[int, int]:
    """Return both caps in bytes.

    Raises
    ------
    ValueError
        When a cap is not a size, or the soft cap is above the hard one.
    """
    soft, hard = parse_byte_size(soft_cap), parse_byte_size(hard_cap)
    if soft > hard:
        raise ValueError(
            f"the soft cap of the buffer cache ({soft} bytes) is above its hard cap "
            f"({hard} bytes): raise the second or lower the first"
        )
    return soft, hard


def _cap(size: int | str | None, variable: str, default: int) -> int | str:
    if size is not None:
        return size
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        return parse_byte_size(text)
    except ValueError as error:
        raise ValueError(f"environment variable {variable}: {error}") from None
