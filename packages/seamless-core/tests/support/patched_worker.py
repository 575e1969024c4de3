"""Patches a process as seamless-transformer patches its workers, and uses the patched classes.

The functions are in a module because a spawned process imports them.
"""

from __future__ import annotations

import pickle
from typing import Any

import seamless.buffer_class
import seamless.caching.buffer_cache
from seamless import Buffer, Checksum, is_worker, set_is_worker

#: the requests of the worker to its parent, in order
asked: list[tuple[str, str]] = []


class DummyCache:
    """A fake cache: its five methods accept any arguments and return None."""

    def _nothing(self, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing."""

    register = incref = decref = tempref = get = _nothing


def become_worker(parent: dict[str, bytes]) -> None:
    """Replace what a worker replaces, in the same order."""

    def ask(name: str) -> Any:
        def method(self: Any, *_args: Any, **_kwargs: Any) -> None:
            checksum = self if isinstance(self, Checksum) else self.get_checksum()
            asked.append((name, checksum.hex()))

        return method

    def resolve(self: Checksum, celltype: str | None = None) -> Any:
        buffer = Buffer(parent[self.hex()], checksum=self)
        return buffer if celltype is None else buffer.get_value(celltype)

    async def resolution(self: Checksum, celltype: str | None = None) -> Any:
        return resolve(self, celltype)

    set_is_worker(True)
    dummy = DummyCache()
    vars(seamless.caching.buffer_cache)["get_buffer_cache"] = lambda: dummy
    vars(seamless.buffer_class)["get_buffer_cache"] = lambda: dummy
    replaced = {name: ask(name) for name in ("incref", "decref", "tempref")}
    for name, method in {**replaced, "resolve": resolve, "resolution": resolution}.items():
        setattr(Checksum, name, method)
    for name, method in replaced.items():
        setattr(Buffer, name, method)


def use_everything(parent: dict[str, bytes], given: Checksum, sent: Buffer) -> dict[str, Any]:
    """Do in a worker what transformations do; return the results through pickle."""
    import asyncio

    become_worker(parent)
    asked.clear()
    result = Buffer({"seen": given.resolve("plain")}, "plain")
    checksum = result.get_checksum()
    checksum.tempref(scratch=True)
    result.incref()
    result.decref()
    outcome = {
        "is_worker": is_worker(),
        "checksum": checksum,
        "buffer": result,
        "value": result.get_value("plain"),
        "length": len(result),
        "text": sent.decode(),
        "sent": sent.get_checksum(),
        "resolution": asyncio.run(given.resolution("plain")),
        "fingertip": asyncio.run(given.fingertip("plain")),
        "fingertip_sync": given.fingertip_sync("plain"),
        "asked": asked,
    }
    seamless.close()  # does nothing in a worker
    outcome["open"] = not seamless._closed
    return pickle.loads(pickle.dumps(outcome, 4))  # type: ignore[no-any-return]  # the dict above
