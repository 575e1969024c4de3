"""The errors of seamless-core.

Each error is also a subclass of the nearest builtin, so that code which catches Python's own
exceptions catches the right ones::

    SeamlessError (Exception)
    ├── BufferServerError (ConnectionError)
    ├── CacheMissError
    ├── ChecksumMismatchError (ValueError)
    ├── CompressedDataError (OSError)
    ├── RefusedTypeError (TypeError)
    ├── RefusedValueError (ValueError)
    ├── BufferFormatError (ValueError)
    │   ├── BufferTypeError (TypeError)
    │   └── NotTextError (UnicodeDecodeError)
    └── ConversionError (ValueError)      = SeamlessConversionError

`LossyValueWarning` (UserWarning) is the only warning: a value is stored in part.

`CacheMissError` has no builtin base class on purpose: callers recompute the value, and must not
catch it together with other errors as a `KeyError`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # known to type checkers; importing typing costs more than the rest here
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BufferFormatError",
    "BufferServerError",
    "BufferTypeError",
    "CacheMissError",
    "ChecksumMismatchError",
    "CompressedDataError",
    "ConversionError",
    "LossyValueWarning",
    "NotTextError",
    "RefusedTypeError",
    "RefusedValueError",
    "SeamlessConversionError",
    "SeamlessError",
]


class SeamlessError(Exception):
    """Base class of all errors of seamless-core."""


class LossyValueWarning(UserWarning):
    """A cell type stores a value only in part, so that other values have the same bytes.

    The message names the type of the value, and a cell type or call that stores all of it.
    `warnings.simplefilter("error", LossyValueWarning)` turns it into an error.
    """


class BufferServerError(SeamlessError, ConnectionError):
    """A buffer server could not be used.

    Parameters
    ----------
    url
        The server.
    reason
        What happened, in a few words.
    status
        The HTTP status of the response, if there is one.
    """

    def __init__(self, url: str, reason: str, *, status: int | None = None) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        return f"buffer server {self.url}: {self.reason}; check that it is running and writable"


class CacheMissError(SeamlessError):
    """A buffer was not found in the cache or any store.

    The text of the error is the hex digest alone, because callers parse it. `tried` and
    `details()` list the searched sources, also as a note below the traceback (Python 3.11 and
    newer).

    Parameters
    ----------
    missed
        One argument: the `Checksum` or hex digest of the buffer, or a sentence.
    tried
        The searched sources in order, each with its outcome.
    """

    def __init__(self, *missed: object, tried: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(*missed)
        self.tried = tuple(tried)
        if self.tried and hasattr(self, "add_note"):
            self.add_note(f"tried {self.details()}")

    def details(self) -> str:
        """Return the searched sources and outcomes in one line: `cache: no; directory /x: no`."""
        return "; ".join(f"{step}: {outcome}" for step, outcome in self.tried)


class ChecksumMismatchError(SeamlessError, ValueError):
    """Bytes have another checksum than expected.

    Parameters
    ----------
    expected
        The expected checksum, a `Checksum` or its hex digest.
    actual
        The checksum of the bytes.
    """

    def __init__(self, expected: object, actual: object) -> None:
        super().__init__(expected, actual)
        self.expected = str(expected)
        self.actual = str(actual)

    def __str__(self) -> str:
        return (
            f"content has checksum {self.actual}, not {self.expected} as promised: "
            "it is damaged, or belongs to another checksum; don't use it, get it from elsewhere"
        )


class CompressedDataError(SeamlessError, OSError):
    """Compressed data are damaged, truncated, or not in the format of their suffix."""


class _RefusedError(SeamlessError):
    """A cell type can't hold a part of a nested value.

    Parameters
    ----------
    celltype
        The cell type.
    path
        The expression of the part: `value['runs'][3]`.
    reason
        Why it is refused.
    """

    def __init__(self, celltype: str, path: str, reason: str) -> None:
        super().__init__(celltype, path, reason)
        self.celltype = celltype
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class RefusedTypeError(_RefusedError, TypeError):
    """A part of a nested value has a type that the cell type can't hold."""


class RefusedValueError(_RefusedError, ValueError):
    """A part of a nested value is a value that the cell type can't hold."""


class BufferFormatError(SeamlessError, ValueError):
    """Bytes are not a valid buffer of their cell type: damaged, truncated or of another format."""


class BufferTypeError(BufferFormatError, TypeError):
    """A buffer declares a type of data that its format does not have."""


class NotTextError(BufferFormatError, UnicodeDecodeError):
    """A buffer that is read as text is not UTF-8: it holds an array, or other bytes.

    Constructed and pickled like `UnicodeDecodeError`; `reason` is the whole message.
    """

    def __str__(self) -> str:
        return self.reason


class ConversionError(SeamlessError, ValueError):
    """A buffer can't be converted from one cell type to another.

    Parameters
    ----------
    message
        The reason, in a sentence.
    source, target
        The two cell types, if the error is about a pair.
    """

    def __init__(
        self, message: str, *, source: str | None = None, target: str | None = None
    ) -> None:
        super().__init__(message)
        self.source = source
        self.target = target


#: Alias: the name under which `seamless.checksum.conversion` has always published it.
SeamlessConversionError = ConversionError
