"""The computation cache of Seamless, served over HTTP.

The names below are imported at their first use, so that importing the package costs nothing.
"""

from __future__ import annotations

__version__ = "2.2.0"
__all__ = ["PROTOCOL_VERSION", "Database", "__version__", "create_app"]

# spelt out, because importing `typing` would cost more than the rest of this module
TYPE_CHECKING = False
if TYPE_CHECKING:
    from seamless_database.http.app import create_app
    from seamless_database.protocol.request import PROTOCOL_VERSION
    from seamless_database.storage.sqlite.database import Database

#: public name -> the module that has it
_HOMES = {
    "Database": "storage.sqlite.database",
    "PROTOCOL_VERSION": "protocol.request",
    "create_app": "http.app",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
