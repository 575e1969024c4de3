"""A mapping that keeps what was used last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LRU"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LRU(MutableMapping[Key, Value]):
    """A dictionary of limited length: what has not been used for longest leaves first.

    Reading and writing an item use it; `in` and iteration don't. Safe from any thread.

    Parameters
    ----------
    size
        How many items are kept, at least one.
    callback
        Called with key and value of each item that leaves for want of room.

    Raises
    ------
    ValueError
        When `size` is below one.
    """

    def __init__(self, size: int, callback: Callable[[Key, Value], Any] | None = None) -> None:
        if size < 1:
            raise ValueError(f"an LRU keeps at least one item, not {size}")
        self.size = size
        self._callback = callback
        #: guards the items
        self._lock = threading.Lock()
        self._items: OrderedDict[Key, Value] = OrderedDict()

    def __getitem__(self, key: Key) -> Value:
        with self._lock:
            value = self._items[key]
            self._items.move_to_end(key)
        return value

    def __setitem__(self, key: Key, value: Value) -> None:
        left = None
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            if len(self._items) > self.size:
                left = self._items.popitem(last=False)
        if left is not None and self._callback is not None:
            self._callback(*left)

    def __delitem__(self, key: Key) -> None:
        with self._lock:
            del self._items[key]

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[Key]:
        with self._lock:
            keys = list(self._items)
        return iter(keys)

    def __len__(self) -> int:
        return len(self._items)
