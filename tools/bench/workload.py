"""A workload: what is timed, the limit beside it, and how near to that it ought to be."""

from __future__ import annotations

import ast
import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Workload:
    """Makers of the work and of its limit; each makes a function whose calls are timed."""

    work: Callable[[], Callable[..., Any]]
    limit: Callable[[], Callable[..., Any]]
    #: how many times the limit is wanted at most; None where the limit is no yardstick
    at_most: float | None = None
    #: how many times faster than the published package is wanted at least
    at_least: float = 1.0
    #: whether no implementation can speed it up: it is one SHA-256, or one copy
    bound: bool = False

    def side(self, *, limit: bool) -> Callable[..., Any]:
        """Make what is timed."""
        return self.limit() if limit else self.work()

    def limit_text(self) -> str:
        """Say what the limit is: the first line of its docstring, and the code that is timed."""
        maker = self.limit.func if isinstance(self.limit, functools.partial) else self.limit
        words = str(inspect.getdoc(maker)).partition("\n")[0]
        body = ast.parse(inspect.getsource(maker)).body[0]
        assert isinstance(body, ast.FunctionDef)
        (timed,) = (step.value for step in body.body if isinstance(step, ast.Return))
        if isinstance(timed, ast.Call):  # of `Prepared`, whose second argument is timed
            timed = timed.args[-1]
        if isinstance(timed, ast.Lambda):
            return f"{words} `{ast.unparse(timed.body)}`"
        assert timed is not None
        if not isinstance(timed, ast.Name):  # a method of a value
            return f"{words} `{ast.unparse(timed)}()`"
        steps = next(
            step.body
            for step in body.body
            if isinstance(step, ast.FunctionDef) and step.name == timed.id
        )
        code = "\n".join(map(ast.unparse, steps))
        return f"{words}\n\n```python\n{code}\n```"


class Prepared:
    """Work on something that is made anew before each call, outside the timing."""

    def __init__(self, prepare: Callable[[], Any], work: Callable[[Any], Any]) -> None:
        self.prepare, self._work = prepare, work

    def __call__(self, argument: Any) -> Any:
        """Do what is timed."""
        return self._work(argument)
