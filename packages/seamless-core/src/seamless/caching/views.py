"""`ChecksumView`: a table of the buffer cache as a read-only mapping by `Checksum`.

The tables themselves use digests (bytes) as keys, which Python hashes in C and only once.
"""

from __future__ import annotations

from collections.abc import ItemsView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar

from seamless.util.hex_digest import HexDigest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ChecksumView"]

Value = TypeVar("Value")


class ChecksumView(Mapping[Any, Value]):
    """A live view of a table.

    Other threads may use the cache during an iteration: `items` and `values` omit entries that
    are removed meanwhile.

    Parameters
    ----------
    find
        Returns the value of a digest, or None.
    keys
        Returns the checksums that are in the table at this moment.
    """

    def __init__(
        self, find: Callable[[bytes], Value | None], keys: Callable[[], list[HexDigest]]
    ) -> None:
        self._find = find
        self._keys = keys

    def __getitem__(self, checksum: object) -> Value:
        found = self._find(checksum.bytes()) if isinstance(checksum, HexDigest) else None
        if found is None:
            raise KeyError(checksum)
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def items(self) -> ItemsView[Any, Value]:
        """Return the items."""
        return _Items(self)

    def values(self) -> ValuesView[Value]:
        """Return the values."""
        return _Values(self)


class _Items(ItemsView[Any, Value]):
    _mapping: ChecksumView[Value]

    def __iter__(self) -> Iterator[tuple[Any, Value]]:
        for checksum in self._mapping:
            value = self._mapping.get(checksum)
            if value is not None:
                yield checksum, value


class _Values(ValuesView[Value]):
    _mapping: ChecksumView[Value]

    def __iter__(self) -> Iterator[Value]:
        return (value for _, value in self._mapping.items())

    def __contains__(self, value: object) -> bool:
        return any(each is value or each == value for each in self)
