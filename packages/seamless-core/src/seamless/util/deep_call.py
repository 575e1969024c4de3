"""Calls recursive functions so that their outcome does not depend on the caller's stack.

Python limits the depth of a thread's stack. A recursive function that is called from deep inside
a program has less room than one that is called from its top level, and would fail there, or take
another branch. A new thread has an empty stack, so there every call has the same room.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

#: frames; a function that fails with fewer left may have failed for lack of them
_MARGIN = 100


class NestingError(ValueError):
    """A recursion is deeper than the stack of a thread of its own."""


def deep_call(
    function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Call a function; if it runs out of stack, call it again on a thread of its own.

    Parameters
    ----------
    function
        Has no side effects, since it may run twice.

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
        if not _stack_is_short():  # libraries in C turn a RecursionError into errors of theirs
            raise
    return call_in_thread(function, *args, **kwargs)


def _stack_is_short() -> bool:
    try:
        sys._getframe(max(0, sys.getrecursionlimit() - _MARGIN))
    except ValueError:
        return False
    return True


def call_in_thread(
    function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Call a function on a thread of its own.

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
