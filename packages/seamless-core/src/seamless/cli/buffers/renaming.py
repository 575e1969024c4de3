"""`rename_back` and `has_digest`: undo the rename of a buffer, without harm to a newer file."""

from __future__ import annotations

import io
import os
import stat

from seamless.checksum.calculate_checksum import calculate_chunks_checksum
from seamless.cli.buffers.folder import DAMAGED_SUFFIX
from seamless.compression_utils import open_chunks, strip_compression_suffix
from seamless.errors import CompressedDataError
from seamless.util.atomic_file import sync_path

# paths are text, as those of the scan
# ruff: noqa: PTH104, PTH108, PTH120

__all__ = ["has_digest", "rename_back"]


def rename_back(renamed: str, original: str) -> bool:
    """Rename a file unless there is one of the other name; return whether it was renamed.

    Raises
    ------
    OSError
        When the folder can't be changed, or the file is gone.
    """
    try:
        # unlike a rename, a link replaces nothing
        os.link(renamed, original, follow_symlinks=False)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise
    except OSError:  # no hard links here, or none of the file of another user
        if os.path.lexists(original):
            return False
        os.rename(renamed, original)
    else:
        os.unlink(renamed)
    sync_path(os.path.dirname(original))  # a buffer that was on disk stays there
    return True


def has_digest(path: str, digest: str) -> bool:
    """Return whether a regular file, which may be set aside, has the right content.

    Raises
    ------
    OSError
        When it can't be read.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return False
    suffix = strip_compression_suffix(path.removesuffix(DAMAGED_SUFFIX))[1]
    with io.FileIO(path) as stream:
        try:
            return calculate_chunks_checksum(open_chunks(stream, suffix)) == digest
        except CompressedDataError:
            return False
