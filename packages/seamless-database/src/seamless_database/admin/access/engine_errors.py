"""Tell the errors of one database from those of another one that is open around or within it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext


class EngineErrors:
    """The errors that statements of an engine have raised."""

    def __init__(self, engine: Engine) -> None:
        self._errors: list[BaseException | None] = []
        event.listen(engine, "handle_error", self._note)

    def __contains__(self, error: BaseException) -> bool:
        return any(error is one for one in self._errors)

    def _note(self, context: ExceptionContext) -> None:
        self._errors.append(context.sqlalchemy_exception)
