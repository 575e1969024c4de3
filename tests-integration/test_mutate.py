"""The mutation run: which faults it makes, which tests see them, and what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tools.mutation import tree
from tools.mutation.marks import names_of
from tools.mutation.mutants import mutants

ROOT = Path(__file__).resolve().parents[1]
MODULE = "packages/seamless-core/src/seamless/limits.py"
LIMITS = """from __future__ import annotations

import sys


def is_full(size: int) -> bool:
    return size > 3


def is_empty(size: int) -> bool:
    return size == 0


if __name__ == "__main__":
    sys.exit(is_empty(int(sys.argv[1])))
"""
TESTS = """import subprocess, sys
from seamless import limits

def test_more_than_three_is_full():
    assert limits.is_full(5) is True
    assert limits.is_full(0) is False

def test_the_command():
    command = [sys.executable, "-m", "seamless.limits"]
    assert subprocess.run([*command, "0"]).returncode == 1
    assert subprocess.run([*command, "1"]).returncode == 0
"""


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("a < b", ["a <= b", "pass"]),
        ("x = a == b", ["x = a != b"]),
        ("x = a in b", ["x = a not in b"]),
        ("x = a and b", ["x = (a or b)"]),
        ("x = not a", ["x = (a)"]),
        ("x = 5", ["x = (4)", "x = 6"]),
        ("x = True", ["x = False"]),
        ("x = 1e300", []),
        ("x = zip(a, b, strict=True)", []),
        ("x = 'é'; y.z = 'é'", ["x = 'é'; pass"]),
        ("a.b()", ["pass"]),
        ("def f(): return a", ["def f(): return None"]),
        ("def f(): return", ["def f(): pass"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if (not (a))]"]),
        ("try: f = a\nfinally: f = b", ["try: f = a\nfinally: pass"]),
        (
            "try: f = a\nexcept E: f = b",
            ["try: f = a\nexcept E: pass", "try: f = a\nexcept E: raise"],
        ),
        ("'''A docstring.'''\n__all__ = ['a' * 3]", []),
        ("def f(a: Literal[3]) -> Literal[4]: '''It.'''", []),
        ("x = f'{3}'", []),
        ("if TYPE_CHECKING: a.b()", []),
        ("TYPE_CHECKING = False", []),
        (
            "def f(): return None\ndef g(): return False",
            [
                "def f(): return None\ndef g(): return True",
            ],
        ),
    ],
)
def test_each_fault_changes_one_span(source: str, faults: list[str]) -> None:
    assert sorted(mutant.mutated for mutant in mutants("m.py", source)) == sorted(faults)


def test_a_fault_knows_the_names_whose_number_it_changes() -> None:
    found = mutants(
        "m.py", "A, B = 1, \\\n    2\nclass C:\n    d: int = 3\ndef f(): return 4\nprint(5)"
    )
    names = {names_of(mutant) for mutant in found if mutant.kind == "constant"}
    assert names == {("A", "B"), ("d",), ("f",), ()}


def test_a_fault_knows_its_function() -> None:
    source = "class A:\n    x = 1\n    def f(self):\n        def g(): return 2\n        return g\n"
    assert [mutant.function for mutant in mutants("m.py", source)] == [
        *["", ""],
        *["A.f.g"] * 3,
        "A.f",
    ]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout with the tool, one module and two tests of it."""
    shutil.copytree(ROOT / "tools/mutation", tmp_path / "tools/mutation")
    shutil.copy(ROOT / "tools/__init__.py", tmp_path / "tools")
    (tmp_path / "tools/mutation/marked.toml").write_text("")
    (tmp_path / MODULE).parent.mkdir(parents=True)
    (tmp_path / MODULE).write_text(LIMITS)
    (tmp_path / MODULE).with_name("__init__.py").touch()
    tests = tmp_path / "packages/seamless-core/tests"
    tests.mkdir()
    (tests / "test_limits.py").write_text(TESTS)
    (tmp_path / ".pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    return tmp_path


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.mutation", *words]
    return subprocess.run(
        command, cwd=checkout, text=True, capture_output=True, check=False, timeout=300
    )


def test_a_fault_that_no_test_notices_is_shown_until_it_is_marked(checkout: Path) -> None:
    first = run(checkout, MODULE, "--sample", "3", "--seed", "7", "--processes", "1")
    assert first.stderr == ""
    assert first.returncode == 1
    survivor = "- return size > 3 + return size >= 3"
    assert f" survived {MODULE} {survivor}" in first.stdout
    assert "\n-    return size > 3\n+    return size >= 3\n" in first.stdout
    # this one only the subprocess can see
    by_command = "- return size == 0 + return size != 0 packages/seamless-core/tests/test_limits.py"
    assert f"{by_command}::test_the_command" in first.stdout
    assert (checkout / MODULE).read_text() == LIMITS

    again = run(checkout, MODULE, "--sample", "3", "--seed", "7", "--processes", "1")
    assert again.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]
    assert "Measuring" in first.stdout
    assert "Measuring" not in again.stdout

    (checkout / "tools/mutation/marked.toml").write_text(
        f'[[mutant]]\npath = "{MODULE}"\nchange = "{survivor}"\nreason = "for this test"\n'
    )
    marked = run(checkout, MODULE, "--sample", "3", "--seed", "7", "--processes", "1")
    assert f" marked {MODULE} {survivor} for this test" in marked.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_test_that_becomes_another_user_is_measured_with_all_that_follow(checkout: Path) -> None:
    first = "import os\n\ndef test_as_another_user(request):\n"
    first += "    request.addfinalizer(lambda: os.seteuid(0))\n    os.seteuid(12345)\n"
    tests = checkout / "packages/seamless-core/tests"
    (tests / "test_first.py").write_text(first)
    found = run(checkout, MODULE, "--sample", "3", "--seed", "7", "--processes", "1")
    assert found.stderr == ""
    assert "test_limits.py::test_the_command" in found.stdout


def test_a_measurement_that_ends_early_is_an_error(checkout: Path) -> None:
    tests = checkout / "packages/seamless-core/tests"
    (tests / "test_first.py").write_text("import pytest\n\npytest.exit('early')\n")
    found = run(checkout, MODULE, "--sample", "3", "--seed", "7", "--processes", "1")
    assert found.returncode == 1
    assert "not every test has run (status 2)" in found.stderr


def test_a_path_outside_of_the_checkout_is_refused(checkout: Path) -> None:
    refused = run(checkout, "../elsewhere.py", "--processes", "1")
    assert refused.returncode == 1
    assert "no module or folder of this checkout: ../elsewhere.py" in refused.stderr


def test_a_run_ends_at_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "HOME", tmp_path)
    monkeypatch.setattr(tree, "TREE", tmp_path)
    status, _ = tree.run_pytest(["--version"], timeout=0)
    assert status is None


def test_a_run_is_ended_with_all_it_started() -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "print(subprocess.Popen(child, start_new_session=True).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    env = os.environ | {"MUTATION_RUN": "of this test"}
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        tree.end_processes("of this test")
        assert parent.wait(60) == -signal.SIGKILL
    for _ in range(300):
        try:
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child runs on")
