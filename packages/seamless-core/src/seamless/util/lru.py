"""A mapping that keeps what was used last."""

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
    """A dictionary of limited length: what has not been used for longest leaves first.

    Reading and writing an item use it; `in` and iteration don't. Safe from any thread, signal
    handler and finalizer, also from one that runs in the middle of another method: each method
    allows for items that disappear between two of its steps.

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
        self._lock = new_lock()
        self._items: OrderedDict[Key, Value] = OrderedDict()

    def __getitem__(self, key: Key) -> Value:
        with self._lock:
            value = self._items[key]
            try:  # noqa: SIM105 - `contextlib.suppress` takes longer than the rest
                self._items.move_to_end(key)
            except KeyError:  # a finalizer has just removed it
                pass
        return value

    def __setitem__(self, key: Key, value: Value) -> None:
        left: list[tuple[Key, Value]] = []
        items = self._items
        with self._lock:
            items.pop(key, None)
            items[key] = value
            # more than one, where an interrupt came before this line
            while len(items) > self.size:
                try:
                    left.append(items.popitem(last=False))
                except KeyError:  # a finalizer has just emptied it
                    break
        if self._callback is not None:
            for item in left:
                self._callback(*item)

    def __delitem__(self, key: Key) -> None:
        with self._lock:
            del self._items[key]

    def pop(self, key: Key, *default: Any) -> Any:
        """Remove an item and return its value, or the default if it is not there.

        Raises
        ------
        KeyError
            When it is not there and no default is given.
        """
        with self._lock:
            return self._items.pop(key, *default)

    def popitem(self) -> tuple[Key, Value]:
        """Remove and return the item that was not used for longest.

        Raises
        ------
        KeyError
            When there is none.
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
