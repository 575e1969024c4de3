"""Calls recursive functions so that their result does not depend on the caller's stack.

Python limits the depth of a thread's stack. A recursive function that is called at a greater depth
has less stack left, and could fail or take another branch. A new thread has an empty stack, so
the function always has the same depth available there.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

#: a function that fails with fewer frames left may have failed because of the limit
_MARGIN_FRAMES = 100


class NestingError(ValueError):
    """A recursion is deeper than the whole stack of a thread."""


def deep_call(
    function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Call a function; if it exceeds the stack, call it again in a new thread.

    Parameters
    ----------
    function
        Must have no side effects, because it may run twice.

    Raises
    ------
    NestingError
        When the function needs more stack than an empty thread has.
    """
    try:
        return function(*args, **kwargs)
    except RecursionError:
        pass
    except Exception:
        if not _stack_is_short():  # C libraries convert a RecursionError to other errors
            raise
    return call_in_thread(function, *args, **kwargs)


def _stack_is_short() -> bool:
    try:
        sys._getframe(max(0, sys.getrecursionlimit() - _MARGIN_FRAMES))
    except ValueError:
        return False
    return True


def call_in_thread(
    function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Call a function in a new thread and wait for its result.

    Raises
    ------
    NestingError
        When the function needs more stack than an empty thread has.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            errors.append(error)

    thread = threading.Thread(target=run, name="seamless-deep-call", daemon=True)
    thread.start()
    thread.join()
    if not errors:
        return results[0]
    if isinstance(errors[0], RecursionError):
        raise NestingError("nested too deeply") from None
    raise errors[0]
