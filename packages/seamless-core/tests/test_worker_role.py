from __future__ import annotations

from typing import TYPE_CHECKING

from seamless import is_worker, set_is_worker, worker_role

if TYPE_CHECKING:
    import pytest


def test_a_process_is_not_a_worker_by_default() -> None:
    assert is_worker() is False


def test_a_process_is_marked_and_unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_role, "_is_worker", False)
    set_is_worker()
    assert is_worker() is True
    set_is_worker(False)
    assert is_worker() is False
