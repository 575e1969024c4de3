"""Functions that damage a SQLite file: truncate it, or overwrite pages of a table or index."""

from __future__ import annotations

from pathlib import Path

from admin_samples import sql

PAGE = 4096


def truncate(file: Path, size: int) -> None:
    with file.open("r+b") as opened:
        opened.truncate(size)


def root_page(file: Path, name: str) -> int:
    """Return the number of the first page of a table or index."""
    return int(sql(file, "SELECT rootpage FROM sqlite_master WHERE name = ?", name)[0][0])


def page(file: Path, number: int) -> bytes:
    return file.read_bytes()[(number - 1) * PAGE : number * PAGE]


def child_pages(file: Path, name: str) -> list[int]:
    """Return the pages below the first page of a table or index, in order."""
    content = page(file, root_page(file, name))
    count = int.from_bytes(content[3:5], "big")
    cells = [int.from_bytes(content[at : at + 2], "big") for at in range(12, 12 + 2 * count, 2)]
    # cells of an interior page start with the number of a page below it; one more is in its header
    return [int.from_bytes(content[at : at + 4], "big") for at in (*cells, 8)]


def overwrite(file: Path, number: int, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek((number - 1) * PAGE)
        opened.write(content)


def change_a_digit(file: Path, number: int) -> None:
    """Change the last byte of a page, a digit of the checksum that ends its first row."""
    content = bytearray(page(file, number))
    content[-1] = ord("0") if content[-1] != ord("0") else ord("1")
    overwrite(file, number, bytes(content))
