"""Buffer directories of the tests: buffers of any age, in either layout and any form."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from typing import TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

DAY = 86_400
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".zst": zstandard.compress,
    ".gz": gzip.compress,
}


def named(content: bytes) -> str:
    """Return the checksum of a content."""
    return hashlib.sha256(content).hexdigest()


def put(
    folder: Path,
    content: bytes,
    *,
    days: float = 10,
    suffix: str = "",
    flat: bool = False,
    name: str = "",
) -> Path:
    """Write a buffer of that age as a file, under another name if one is given."""
    digest = name or named(content)
    path = folder / f"{digest}{suffix}" if flat else folder / digest[:2] / f"{digest}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(_COMPRESS[suffix](content))
    path.chmod(0o444)
    set_age(path, days)
    return path


def set_age(path: Path, days: float) -> None:
    """Set the time of modification."""
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def make_directory(folder: Path, contents: Iterable[bytes] = ()) -> Path:
    """Make a buffer directory with the prefix layout."""
    folder.mkdir()
    (folder / ".HASHSERVER_PREFIX").write_text("1\n")
    for content in contents:
        put(folder, content)
    return folder


def add_foreign_entries(folder: Path) -> list[Path]:
    """Add entries that are not buffers, whatever their names; return them."""
    digest = named(b"foreign")
    (folder / digest[:2]).mkdir(exist_ok=True)
    elsewhere = "00" if digest[:2] != "00" else "11"
    (folder / elsewhere).mkdir(exist_ok=True)
    pipe, link, dangling = (folder / digest[:2] / named(text) for text in (b"p", b"l", b"d"))
    pipe, link, dangling = (
        path.with_name(digest[:2] + path.name[2:]) for path in (pipe, link, dangling)
    )
    os.mkfifo(pipe)
    target = folder / "README"
    target.write_text("what this folder is for")
    link.symlink_to(target)
    dangling.symlink_to("nowhere")
    wrong_prefix = folder / elsewhere / digest
    wrong_prefix.write_bytes(b"foreign")
    short, upper = folder / digest[:63], folder / digest.upper()
    short.write_bytes(b"foreign")
    upper.write_bytes(b"foreign")
    server_part = folder / digest[:2] / f"{digest}0-tt4phqgq"
    server_part.write_bytes(b"for")
    nested = folder / "more"
    nested.mkdir()
    (nested / digest).write_bytes(b"foreign")
    entries = [pipe, link, dangling, target, wrong_prefix, short, upper, server_part, nested]
    for path in entries:
        if path.is_file() and not path.is_symlink():
            set_age(path, 100)
    return entries
