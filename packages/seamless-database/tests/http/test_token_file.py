from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seamless_database import Database
from seamless_database.cli.main import main
from seamless_database.errors import TokenFileError
from seamless_database.http import token_file
from seamless_database.http.auth import SHORTEST

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "t" * SHORTEST


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"read {TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_file_of_its_owner_alone_is_read(file: Path, mode: int) -> None:
    file.chmod(mode)
    token_file.read(file).check("GET", [(b"authorization", f"Bearer {TOKEN}".encode())])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_file_that_others_may_read_or_change_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(TokenFileError, match=f"{mode:04o}.*chmod 600"):
        token_file.read(file)


def test_the_mode_that_counts_is_that_of_a_links_target(file: Path, tmp_path: Path) -> None:
    file.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(TokenFileError, match="0644"):
        token_file.read(link)


def test_a_missing_file_a_folder_and_bytes_are_refused(file: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(TokenFileError, match=str(path)):
            token_file.read(path)
    file.write_bytes(b"read \xff\xfe\n")
    with pytest.raises(TokenFileError, match="UTF-8"):
        token_file.read(file)


@pytest.mark.parametrize(("mode", "text"), [(0o644, f"read {TOKEN}"), (0o600, ""), (0o600, "x")])
def test_a_start_without_proper_tokens_fails_in_one_line(
    file: Path, tmp_path: Path, mode: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Database(tmp_path / "seamless.db", writable=True).close()
    file.write_text(text)
    file.chmod(mode)
    status = tmp_path / "status.json"
    status.write_text("{}")
    words = [str(tmp_path / "seamless.db"), "--token-file", str(file), "--status-file", str(status)]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Error: cannot use the token file {file}: ")
    assert error.count("\n") == 1
    assert TOKEN not in error
    assert status.read_text() == '{"status": "failed"}\n'
