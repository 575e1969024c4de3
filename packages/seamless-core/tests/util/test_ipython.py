from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import pytest
from python_runs import run_python

from seamless import Buffer, Checksum
from seamless.util.ipython import execute

needs_ipython = pytest.mark.skipif(
    importlib.util.find_spec("IPython") is None, reason="IPython is not installed"
)


def test_importing_the_module_does_not_import_ipython() -> None:
    run_python("import sys, seamless.util.ipython; assert 'IPython' not in sys.modules")


def test_without_ipython_the_error_says_what_to_install() -> None:
    run_python(
        "import sys\n"
        "sys.modules['IPython'] = None  # as if it were not installed\n"
        "from seamless.util.ipython import execute\n"
        "try:\n"
        "    execute('x = 1', {})\n"
        "except ImportError as error:\n"
        "    assert 'pip install ipython' in str(error)\n"
        "else:\n"
        "    sys.exit('it ran all the same')\n"
    )


@needs_ipython
def test_the_namespace_is_read_and_written() -> None:
    namespace: dict[str, Any] = {"y": 4}
    result = execute("x = y + 1\nprint_it = False", namespace)
    assert namespace == {"y": 4, "x": 5, "print_it": False}
    assert result["x"] == 5


@needs_ipython
def test_magics_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {}
    execute("%timeit -n1 -r1 pass\nz = 3", namespace)
    assert namespace["z"] == 3
    assert "loop" in capsys.readouterr().out


@needs_ipython
def test_functions_see_the_namespace() -> None:
    namespace: dict[str, Any] = {"y": 9}
    execute("def f():\n    return y\nresult = f()", namespace)
    assert namespace["result"] == 9


@needs_ipython
def test_exceptions_of_the_code_are_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        execute("1 / 0", {})


@needs_ipython
def test_the_main_module_stays_unchanged() -> None:
    before = sys.modules["__main__"]
    execute("x = 1", {})
    assert sys.modules["__main__"] is before


@needs_ipython
def test_ipython_shows_a_checksum_and_not_a_text() -> None:
    from IPython.lib import pretty

    show: Callable[[object], str] = pretty.pretty  # which has no annotations
    checksum = Checksum("ab" * 32)
    shown = f"Checksum({'ab' * 32!r})"
    assert show(checksum) == shown
    assert show({"result": [checksum]}) == f"{{'result': [{shown}]}}"
    assert Buffer([checksum], "text").content == f"['{'ab' * 32}']\n".encode()
