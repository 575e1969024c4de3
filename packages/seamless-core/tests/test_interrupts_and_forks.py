"""The cache survives interrupts and forks at random moments, while several threads use it.

Run the two scripts with more `--rounds` and another `--seed` to look for rarer faults.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from threads_at_once import run_at_once

from seamless.caching import buffer_writer

TESTS = Path(__file__).with_name("support")


def run_script(name: str, rounds: int, seed: int) -> str:
    outcome = subprocess.run(
        [sys.executable, str(TESTS / name), "--rounds", str(rounds), "--seed", str(seed)],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_after_interrupts_every_thread_goes_on_and_sizes_add_up() -> None:
    assert run_script("interrupted_cache.py", rounds=150, seed=1).endswith("no error\n")


def test_children_of_a_busy_parent_can_use_everything() -> None:
    assert run_script("forking_parent.py", rounds=10, seed=1) == "10 children, all fine\n"


def test_threads_that_queue_first_share_one_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(50):
        monkeypatch.setattr(buffer_writer, "_instance", None)
        found: list[object] = []
        run_at_once(lambda found=found: found.append(buffer_writer._queue()), 4)  # type: ignore[misc]  # a default binds the list of this turn
        assert len(set(map(id, found))) == 1
