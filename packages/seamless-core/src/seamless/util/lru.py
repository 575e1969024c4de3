"""`LRU`: a mapping of limited length that removes the least recently used items."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

from seamless.util.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LRU"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LRU(MutableMapping[Key, Value]):
    """A dictionary of limited length that removes the least recently used items.

    Reading and writing an item count as use; `in` and iteration do not. Safe in any thread, signal
    handler and finalizer, also if it runs in the middle of another method: items may disappear
    between two steps of each method.

    Parameters
    ----------
    size
        Maximum number of items, at least one.
    callback
        Called with key and value of each item that is removed to limit the length.

    Raises
    ------
    ValueError
        When `size` is below one.
    """

    def __init__(self, size: int, callback: Callable[[Key, Value], Any] | None = None) -> None:
        if size < 1:
            raise ValueError(f"the size of an LRU is at least 1, not {size}")
        self.size = size
        self._callback = callback
        #: guards the items
        self._lock = new_lock()
        self._items: OrderedDict[Key, Value] = OrderedDict()

    def __getitem__(self, key: Key) -> Value:
        with self._lock:
            value = self._items[key]
            try:  # noqa: SIM105 - `contextlib.suppress` takes longer than the lookup
                self._items.move_to_end(key)
            except KeyError:  # a finalizer has removed it
                pass
        return value

    def __setitem__(self, key: Key, value: Value) -> None:
        removed: list[tuple[Key, Value]] = []
        items = self._items
        with self._lock:
            items.pop(key, None)
            items[key] = value
            # there may be several if an interrupt occurred before this line in an earlier call
            while len(items) > self.size:
                try:
                    removed.append(items.popitem(last=False))
                except KeyError:  # a finalizer has removed all items
                    break
        if self._callback is not None:
            for item in removed:
                self._callback(*item)

    def __delitem__(self, key: Key) -> None:
        with self._lock:
            del self._items[key]

    def pop(self, key: Key, *default: Any) -> Any:
        """Remove an item and return its value, or the default if it is missing.

        Raises
        ------
        KeyError
            When it is missing and no default is given.
        """
        with self._lock:
            return self._items.pop(key, *default)

    def popitem(self) -> tuple[Key, Value]:
        """Remove and return the least recently used item.

        Raises
        ------
        KeyError
            When the mapping is empty.
        """
        with self._lock:
            return self._items.popitem(last=False)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[Key]:
        with self._lock:
            keys = list(self._items)
        return iter(keys)

    def __len__(self) -> int:
        return len(self._items)
