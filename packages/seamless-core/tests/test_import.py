"""What `import seamless` costs: no threads, no loops, nothing heavy."""

from __future__ import annotations

import pytest
from python_runs import run_python

HEAVY = [
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "hashlib",
    "httpcore",
    "httpx",
    "logging",
    "multiprocessing",
    "numpy",
    "orjson",
    "ruamel",
    "seamless_config",
    "seamless_remote",
    "seamless_transformer",
    "tqdm",
    "typing",
    "yaml",
    "zstandard",
]


def test_nothing_heavy_is_imported() -> None:
    code = """
        import sys
        before = set(sys.modules)
        import seamless
        print(sorted((set(sys.modules) - before) & set(sys.argv[1:])))
    """
    assert run_python(code, *HEAVY).stdout == "[]\n"


def test_no_thread_is_started() -> None:
    code = "import threading, seamless; print(threading.active_count())"
    assert run_python(code).stdout == "1\n"


def test_no_environment_is_read() -> None:
    code = """
        import os
        os.environ["SEAMLESS_BUFFER_SOFT_CAP"] = "nonsense"
        import seamless
    """
    run_python(code)


@pytest.mark.parametrize("module", ["seamless.config", "seamless.transformer"])
def test_a_bridge_without_its_package_is_empty(module: str) -> None:
    code = f"""
        import importlib, importlib.util, sys
        for name in ("seamless_config", "seamless_transformer"):
            sys.modules[name] = None
        module = importlib.import_module("{module}")
        print([name for name in vars(module) if not name.startswith("_")])
    """
    assert run_python(code).stdout in {"['annotations']\n", "[]\n"}


@pytest.mark.parametrize("name", ["config", "transformer"])
def test_a_bridge_to_a_broken_package_shows_what_is_broken(name: str) -> None:
    code = f"""
        import pathlib, sys, tempfile
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "seamless_{name}.py"
            path.write_text("import surely_not_installed_anywhere")
            sys.path.insert(0, folder)
            try:
                import seamless.{name}
            except ImportError as error:
                print(error.name)
    """
    assert run_python(code).stdout == "surely_not_installed_anywhere\n"


@pytest.mark.parametrize("name", ["config", "transformer"])
def test_a_bridge_has_the_very_objects_of_the_other_side(name: str) -> None:
    code = f"""
        import pathlib, sys, tempfile
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "seamless_{name}.py"
            path.write_text("thing = object()\\ndef function(): pass")
            sys.path.insert(0, folder)
            import seamless.{name} as bridge, seamless_{name} as other
            print(bridge.thing is other.thing, bridge.function is other.function)
            bridge.function = 5
    """
    assert run_python(code).stdout == "True True\n"
