"""The mixed container: a form, then JSON with holes, then the arrays that fill the holes.

Layout, all integers little-endian::

    94 "SEAMLESS-MIXED"      magic
    u8, storage              name of the storage, "mixed-plain"
    u32, form                the form as JSON
    93 "SEAMLESS"            magic of the data part
    u64, u64                 bytes of the JSON, bytes of the binary data
    JSON                     [offsets, value with 0 in place of every array]
    binary data              the arrays, one after the other; padding is zero

Arrays follow each other as the value is walked, the entries of a dict in the order of their
keys' text. `offsets` has the begin of each, and the end of the last.
"""

from __future__ import annotations

import struct

MAGIC_SEAMLESS_MIXED = b"\x94SEAMLESS-MIXED"
MAGIC_SEAMLESS = b"\x93SEAMLESS"

FORM_SIZE = struct.Struct("<I")
DATA_SIZES = struct.Struct("<QQ")
