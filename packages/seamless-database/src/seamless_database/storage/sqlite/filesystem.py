"""On what kind of file system a file lies: WAL mode needs shared memory, which networks lack."""

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
#: how blanks and the like are written there
_OCTAL = re.compile(rb"\\([0-7]{3})")


def kind_of(path: Path, mounts: str) -> str:
    """Name the file system of a path, by the text of a `mountinfo` file; "" if it tells none."""
    name, longest = "", -1
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields, types = before.split(), after.split()
        if not separator or len(fields) < 5 or not types:
            continue
        point = _OCTAL.sub(lambda escape: bytes([int(escape[1], 8)]), os.fsencode(fields[4]))
        if len(point) >= longest and _is_below(os.fsencode(path), point):
            name, longest = types[0], len(point)
    return name


def is_network(path: Path) -> bool:
    """Whether other machines may have the file open; "no" where the system does not tell."""
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return False
    kind = kind_of(path, mounts)
    # most network file systems of user space are called fuse.something
    return kind in NETWORK or kind.startswith("fuse.")


def _is_below(path: bytes, point: bytes) -> bool:
    return path == point or path.startswith(point.rstrip(b"/") + b"/")
