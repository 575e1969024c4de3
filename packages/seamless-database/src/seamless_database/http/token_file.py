"""The token file: read once, at the start, and only if it is its owner's alone."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from seamless_database.errors import TokenFileError
from seamless_database.http.auth import Tokens

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read(path: Path) -> Tokens:
    """Read the tokens that the server accepts."""
    try:
        with path.open("rb") as file:
            # of the open file: what its name stands for may change meanwhile
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _OTHERS:
                reason = f"its mode {mode:04o} lets others than its owner in; chmod 600 it"
                raise TokenFileError(path, reason)
            text = file.read().decode()
    except UnicodeDecodeError:
        raise TokenFileError(path, "it is not UTF-8") from None
    except TokenFileError:
        raise
    except OSError as error:
        raise TokenFileError(path, str(error.strerror)) from error
    return Tokens.parse(text, path)
