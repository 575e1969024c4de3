"""`execute`: runs code that is written for IPython, including magics; imports IPython on use."""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["execute"]

_MODULE_NAME = "seamless_ipython_cell"


def execute(code: str, namespace: MutableMapping[str, Any]) -> dict[str, Any]:
    """Run `code` as an IPython cell; the names that it assigns are added to `namespace`.

    Returns
    -------
    dict
        A copy of the namespace after the run, including IPython's own names.

    Raises
    ------
    ImportError
        When IPython is not installed.
    Exception
        Any exception of the code.
    """
    module = types.ModuleType(_MODULE_NAME)
    module.__dict__.update(namespace)
    shell = _make_shell(module)
    own_names = set(module.__dict__) - set(namespace)
    try:
        source = shell.transform_cell(code)
        with shell.builtin_trap:
            exec(compile(source, f"<{_MODULE_NAME}>", "exec"), module.__dict__)  # noqa: S102 - asked to
    finally:
        sys.modules.pop(_MODULE_NAME, None)
        namespace.update({k: v for k, v in module.__dict__.items() if k not in own_names})
    return dict(module.__dict__)


def _make_shell(module: types.ModuleType) -> Any:
    """Create a separate shell without a history, also inside an IPython session."""
    try:
        interactive = importlib.import_module("IPython.core.interactiveshell")
        config = importlib.import_module("traitlets.config")
    except ModuleNotFoundError as error:
        raise ImportError("code for IPython needs IPython: pip install ipython") from error
    no_history = {"HistoryManager": {"enabled": False}, "HistoryAccessor": {"enabled": False}}
    return interactive.InteractiveShell(config=config.Config(no_history), user_module=module)
