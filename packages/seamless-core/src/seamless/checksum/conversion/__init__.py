"""Conversions between cell types: `classify` returns the class of one, `convert` does it.

`classify` reads a table and no buffer. The `conversion_*` sets describe the same pairs under the
names that published packages import.
"""

from __future__ import annotations

from seamless.checksum.celltypes import celltypes
from seamless.checksum.conversion.convert import convert, convert_async
from seamless.checksum.conversion.convert_bytes import convert_bytes
from seamless.checksum.conversion.matrix import MATRIX, Conversion, classify
from seamless.checksum.conversion.routes import route
from seamless.checksum.conversion.upstream_sets import (
    check_conversions,
    conversion_chain,
    conversion_equivalent,
    conversion_forbidden,
    conversion_possible,
    conversion_reformat,
    conversion_reinterpret,
    conversion_trivial,
    conversion_values,
)
from seamless.errors import ConversionError, SeamlessConversionError

__all__ = [
    "MATRIX",
    "Conversion",
    "ConversionError",
    "SeamlessConversionError",
    "celltypes",
    "check_conversions",
    "classify",
    "conversion_chain",
    "conversion_equivalent",
    "conversion_forbidden",
    "conversion_possible",
    "conversion_reformat",
    "conversion_reinterpret",
    "conversion_trivial",
    "conversion_values",
    "convert",
    "convert_async",
    "convert_bytes",
    "route",
]
