"""Network file systems: SQLite's WAL mode needs shared memory, which they do not have."""

from __future__ import annotations

import os
import re
from pathlib import Path

#: file systems whose files other machines may have open
NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"}
    | {"nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf"}
    | {"virtiofs", "wekafs"}
)
MOUNTS = Path("/proc/self/mountinfo")
#: the escape of blanks and similar characters in that file
_OCTAL = re.compile(rb"\\([0-7]{3})")


def kind_of(path: Path, mounts: str) -> str:
    """Return the file system type of a path from the text of a `mountinfo` file, or ""."""
    name, longest = "", -1
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields, types = before.split(), after.split()
        if not separator or len(fields) < 5 or not types:
            continue
        mount = _OCTAL.sub(lambda escape: bytes([int(escape[1], 8)]), os.fsencode(fields[4]))
        if len(mount) >= longest and _is_below(os.fsencode(path), mount):
            name, longest = types[0], len(mount)
    return name


def is_network(path: Path) -> bool:
    """Whether other machines may have the file open; False where that is unknown."""
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return False
    kind = kind_of(path, mounts)
    # most network file systems in user space have a type fuse.*
    return kind in NETWORK or kind.startswith("fuse.")


def _is_below(path: bytes, mount: bytes) -> bool:
    return path == mount or path.startswith(mount.rstrip(b"/") + b"/")
