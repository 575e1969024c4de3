"""The trivial buffers: empty bytes, an empty dict, an empty list.

Their contents are constants, so their checksums resolve everywhere without being stored.
"""

from __future__ import annotations

import functools

__all__ = ["trivial_content"]

#: Empty containers are known with and without the final newline.
_CONTENTS = (b"", b"{}", b"{}\n", b"[]", b"[]\n")


def trivial_content(digest: bytes) -> bytes | None:
    """Return the content of this SHA-256, if that is one of the trivial buffers."""
    return _by_digest().get(digest)


@functools.cache
def _by_digest() -> dict[bytes, bytes]:
    import hashlib

    return {hashlib.sha256(content).digest(): content for content in _CONTENTS}
