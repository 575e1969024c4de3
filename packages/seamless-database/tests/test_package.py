from __future__ import annotations

import subprocess
import sys

import pytest

import seamless_database

HEAVY = ("typing", "sqlalchemy", "uvicorn", "httptools", "sqlite3", "asyncio")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, seamless_database; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_importing_the_client_imports_no_part_of_the_server() -> None:
    names = ("sqlalchemy", "uvicorn", "uvloop", "sqlite3", "starlette", "httptools")
    code = f"import sys, seamless_database.client; print([m for m in {names} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    for name in seamless_database.__all__:
        assert getattr(seamless_database, name) is not None
    assert set(seamless_database.__all__) <= set(dir(seamless_database))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        seamless_database.nonsense  # noqa: B018


def test_the_version_is_new_enough_for_the_umbrella_package() -> None:
    major, minor, *_ = seamless_database.__version__.split(".")
    assert (int(major), int(minor)) >= (2, 2)
