"""The methods of both clients for single requests, made from the functions in `calls.py`."""

from __future__ import annotations

import inspect
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    TypeVar,
    get_args,
    get_type_hints,
)

from seamless_database.client.checksum_argument import ChecksumLike, checksum_text
from seamless_database.client.coalescing import ALONE, Alone

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from seamless_database.client.calls import Call
    from seamless_database.client.clients import AsyncDatabaseClient, DatabaseClient

P = ParamSpec("P")
T = TypeVar("T")


def blocking(call: Callable[P, Call[T]]) -> Callable[Concatenate[DatabaseClient, P], T]:
    """Make a method of the blocking client from a call."""

    def method(self: DatabaseClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(call(*args, **kwargs))

    return _described(method, call)


def awaited(
    call: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncDatabaseClient, P], Coroutine[Any, Any, T]]:
    """Make a method of the client for event loops from the same call."""

    async def method(self: AsyncDatabaseClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(call(*args, **kwargs))

    return _described(method, call)


def coalesced_lookup(
    call: Callable[[ChecksumLike], Call[T | None]],
) -> Callable[[AsyncDatabaseClient, ChecksumLike], Coroutine[Any, Any, T | None]]:
    """Make a method of the client for event loops, whose look-ups share list requests."""

    async def method(self: AsyncDatabaseClient, checksum: ChecksumLike) -> T | None:
        text = checksum_text(checksum)
        found: T | Alone | None = ALONE
        if coalescer := self._coalescer(call):
            found = await coalescer.call(text, None)
        return await self.send(call(text)) if found is ALONE else found

    return _described(method, call)


def coalesced_write(
    call: Callable[P, Call[None]],
) -> Callable[Concatenate[AsyncDatabaseClient, P], Coroutine[Any, Any, None]]:
    """Make a method of the client for event loops, whose writes share bulk writes."""

    async def method(self: AsyncDatabaseClient, /, *args: P.args, **kwargs: P.kwargs) -> None:
        single = call(*args, **kwargs)
        outcome = ALONE
        if coalescer := self._coalescer(call):
            outcome = await coalescer.call(str(single.fields["checksum"]), single.entry)
        if outcome is ALONE:
            await self.send(single)

    return _described(method, call)


def _described(method: Callable[P, T], call: Callable[..., Call[Any]]) -> Callable[P, T]:
    """Copy the name, docstring, parameters and result type of a call to its method."""
    hints = get_type_hints(call)
    signature = inspect.signature(call)
    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *(each.replace(annotation=hints[name]) for name, each in signature.parameters.items()),
    ]
    (result,) = get_args(hints["return"])
    method.__name__, method.__qualname__ = call.__name__, call.__name__
    method.__doc__ = call.__doc__
    result = None if result is type(None) else result
    described = signature.replace(parameters=parameters, return_annotation=result)
    method.__signature__ = described  # type: ignore[attr-defined]  # inspect reads it
    return method
