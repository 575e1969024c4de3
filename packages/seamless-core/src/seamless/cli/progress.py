"""A progress bar on a terminal, for work that takes long; nothing otherwise."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Protocol

    class _Bar(Protocol):
        def update(self, n: float, /) -> object: ...
        def close(self) -> None: ...


__all__ = ["Progress", "file_progress", "on_terminal"]

#: Seconds of work before a bar appears: less is over before anybody has read it.
PATIENCE = 1.0


def on_terminal() -> bool:
    """Tell whether somebody looks at standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


class Progress:
    """Counts work done, from any thread; shows a bar once it has taken long on a terminal.

    Parameters
    ----------
    total
        Units of work, or None if that is unknown.
    unit
        `B` for bytes (shown as KiB, MiB), or the name of another unit.
    shown
        Whether a bar may appear at all.
    clock
        Seconds that pass.
    """

    def __init__(
        self,
        total: int | None,
        unit: str,
        *,
        shown: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._unit, self._clock = total, unit, clock
        self._shown = on_terminal() if shown is None else shown
        self._due = clock() + PATIENCE if self._shown else 0.0
        self._done = 0
        self._bar: _Bar | None = None
        if self._shown:
            from seamless.util.locks import new_lock

            #: Guards `_done` and `_bar`.
            self._lock = new_lock()

    def advance(self, count: int) -> None:
        """Report `count` more units as done."""
        if not self._shown:
            return
        with self._lock:
            self._done += count
            if self._bar is not None:
                self._bar.update(count)
            elif self._clock() >= self._due:
                self._bar = self._open()

    def _open(self) -> _Bar:
        from tqdm import tqdm

        in_bytes = self._unit == "B"
        bar: _Bar = tqdm(
            total=self._total,
            initial=self._done,
            unit=self._unit,
            unit_scale=in_bytes,
            unit_divisor=1024 if in_bytes else 1000,
            leave=False,
            file=sys.stderr,
        )
        return bar

    def __enter__(self) -> Callable[[int], None] | None:
        return self.advance if self._shown else None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def file_progress(path: str) -> Progress:
    """Progress of reading one file; one of unknown size, such as a pipe, has no end to show."""
    total = None
    if on_terminal() and os.path.isfile(path):  # noqa: PTH113 - pathlib would slow every start
        total = os.path.getsize(path)  # noqa: PTH202 - as above
    return Progress(total, "B")
