"""The tables of the buffer cache as others see them: mappings by `Checksum`.

Inside, they go by the digest, whose hash Python has computed in C, and only once.
"""

from __future__ import annotations

from collections.abc import ItemsView, Mapping, ValuesView
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless.checksum_class import Checksum

__all__ = ["ChecksumView"]

Value = TypeVar("Value")
Value_co = TypeVar("Value_co", covariant=True)


class _Table(Protocol[Value_co]):
    """What a table has to be able to do: as a dict without values that are None."""

    def get(self, digest: bytes, /) -> Value_co | None: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def __len__(self) -> int: ...


class ChecksumView(Mapping["Checksum", Value]):
    """A read-only view of a table by digest, as it is at any moment.

    It may be iterated while other threads use the cache: `items` and `values` leave out what
    is removed meanwhile.

    Parameters
    ----------
    table
        The table.
    """

    def __init__(self, table: _Table[Value]) -> None:
        self._table = table

    def __getitem__(self, checksum: object) -> Value:
        from seamless.checksum_class import Checksum

        found = self._table.get(checksum.bytes()) if isinstance(checksum, Checksum) else None
        if found is None:
            raise KeyError(checksum)
        return found

    def __iter__(self) -> Iterator[Checksum]:
        from seamless.checksum_class import checksum_of_digest

        return map(checksum_of_digest, list(self._table))

    def __len__(self) -> int:
        return len(self._table)

    def items(self) -> ItemsView[Checksum, Value]:
        """Return the items."""
        return _Items(self)

    def values(self) -> ValuesView[Value]:
        """Return the values."""
        return _Values(self)


class _Items(ItemsView["Checksum", Value]):
    _mapping: ChecksumView[Value]

    def __iter__(self) -> Iterator[tuple[Checksum, Value]]:
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
