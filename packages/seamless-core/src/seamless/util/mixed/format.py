"""Layout and magic numbers of a mixed buffer.

A mixed buffer has one of three formats, distinguished by its first bytes:

- a `.npy` file (`MAGIC_NUMPY`) holds a single array or NumPy record,
- a mixed container (`MAGIC_SEAMLESS_MIXED`) holds dicts and lists with arrays inside,
- JSON holds every other value.

A mixed container consists of a form, JSON with a placeholder for each array, and the data of
the arrays. All integers are little-endian::

    94 "SEAMLESS-MIXED"      magic
    u8, storage              name of the storage, "mixed-plain"
    u32, form                the form as JSON
    93 "SEAMLESS"            magic of the data part
    u64, u64                 bytes of the JSON, bytes of the binary data
    JSON                     [offsets, value with the placeholder 0 for each array]
    binary data              the data of the arrays without gaps; padding is zero

The arrays are in the order in which the value is walked: the items of a list from first to
last, the entries of a dict sorted by key. `offsets` has the start of each array and the end of
the last one.
"""

from __future__ import annotations

import struct

MAGIC_NUMPY = b"\x93NUMPY"
MAGIC_SEAMLESS_MIXED = b"\x94SEAMLESS-MIXED"
MAGIC_SEAMLESS = b"\x93SEAMLESS"

FORM_SIZE = struct.Struct("<I")
DATA_SIZES = struct.Struct("<QQ")
