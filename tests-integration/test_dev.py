"""The developer's command: where the temporary files of the tests are."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import dev


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the file system in memory, with room."""
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(dev, "MEMORY", tmp_path)
    monkeypatch.setattr(dev, "MEMORY_NEEDED", 1)
    return tmp_path


def test_the_temporary_files_of_tests_are_in_memory_until_the_end(memory: Path) -> None:
    with dev.temporary_files("test") as variables:
        folder = Path(variables["TMPDIR"])
        assert folder.parent == memory
        (folder / "file").touch()
    assert not folder.exists()


@pytest.mark.parametrize("command", ["bench", "build"])
def test_other_commands_keep_their_temporary_files_on_disk(memory: Path, command: str) -> None:
    with dev.temporary_files(command) as variables:
        assert variables == {}
    assert not list(memory.iterdir())


def test_a_folder_that_the_caller_names_is_kept(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(memory))
    with dev.temporary_files("test") as variables:
        assert variables == {}


def test_a_small_or_missing_memory_is_not_used(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "MEMORY_NEEDED", 2**62)
    with dev.temporary_files("test") as variables:
        assert variables == {}
    monkeypatch.setattr(dev, "MEMORY", memory / "none")
    with dev.temporary_files("test") as variables:
        assert variables == {}
