"""What the commands share: exit statuses and the walk through a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seamless.cli.command import run
from seamless.cli.tree import list_tree

if TYPE_CHECKING:
    from pathlib import Path


def test_too_little_memory_is_one_line_of_error(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise MemoryError

    assert run(body) == 1
    assert capsys.readouterr().err == "Error: there is not enough memory\n"


def test_a_folder_that_can_not_be_listed_is_a_failure(tmp_path: Path) -> None:
    folder = str(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="gone"):
        list_tree(folder)
    failures: list[Exception] = []
    assert list_tree(folder, failed=failures.append) == {}
    assert [type(failure) for failure in failures] == [FileNotFoundError]
