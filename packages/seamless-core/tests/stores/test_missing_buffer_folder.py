"""A missing buffer folder: creating it is logged, or it is rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from python_runs import run_python

if TYPE_CHECKING:
    from pathlib import Path

WRITE = """
    from seamless import Buffer
    for number in range(3):
        assert Buffer(number, "plain").write_sync()
"""
CREATED = "buffer folder {} did not exist and is created"


def test_the_first_write_creates_it_with_one_line_on_stderr(tmp_path: Path) -> None:
    folder = tmp_path / "mistyped"
    first = run_python(WRITE, directory=folder)
    assert first.stderr.startswith(CREATED.format(folder))
    assert first.stderr.count("\n") == 1
    assert run_python(WRITE, directory=folder).stderr == ""


def test_a_configured_folder_is_created_with_the_same_line(tmp_path: Path) -> None:
    folder = tmp_path / "mistyped"
    code = f"import seamless.remote; seamless.remote.configure(directory={str(folder)!r})\n"
    code += "from seamless import Buffer; assert Buffer(1, 'plain').write_sync()"
    assert run_python(code).stderr.startswith(CREATED.format(folder))


@pytest.mark.parametrize(
    "action",
    [
        "Buffer(1, 'plain').write_sync()",
        "buffer = Buffer(1, 'plain'); buffer.incref()",
        "Checksum('11' * 32).resolve()",
    ],
)
def test_a_missing_folder_is_rejected_if_creating_is_disabled(action: str, tmp_path: Path) -> None:
    folder = tmp_path / "mistyped"
    code = "import os; os.environ['SEAMLESS_BUFFER_DIR_CREATE'] = '0'\n"
    code += f"from seamless import Buffer, Checksum; {action}"
    ended = run_python(code, directory=folder, check=False)
    assert ended.returncode == 1
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("FileNotFoundError: ")
    assert "SEAMLESS_BUFFER_DIR_CREATE=0" in message
    assert str(folder) in message
    assert not folder.exists()


def test_configure_rejects_a_missing_folder_and_changes_nothing(tmp_path: Path) -> None:
    code = """
        import os, sys
        import seamless.remote
        from seamless.stores import configured

        os.environ["SEAMLESS_BUFFER_DIR_CREATE"] = "0"
        seamless.remote.configure(directory=sys.argv[1])
        try:
            seamless.remote.configure(directory=sys.argv[1] + "/mistyped")
        except FileNotFoundError as error:
            assert error.filename == sys.argv[1] + "/mistyped"
        else:
            raise AssertionError("it was accepted")
        assert [place.name for place in configured.writers()] == ["directory " + sys.argv[1]]
    """
    run_python(code, str(tmp_path))


def test_the_variable_is_0_or_1(tmp_path: Path) -> None:
    code = "import os; os.environ['SEAMLESS_BUFFER_DIR_CREATE'] = 'no'\n"
    code += "from seamless import Buffer; Buffer(1, 'plain').write_sync()"
    ended = run_python(code, directory=tmp_path, check=False)
    assert "SEAMLESS_BUFFER_DIR_CREATE is 'no'; it must be 0 or 1" in ended.stderr
