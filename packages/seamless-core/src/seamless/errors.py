"""Every error of seamless-core, in one tree.

Each is also a subclass of the nearest builtin, so that code which only knows
Python's own exceptions catches the right ones::

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

`LossyValueWarning` (UserWarning) is the one warning: a value is stored, but not all of it.

`CacheMissError` has no builtin beside it on purpose: callers take it to mean
"compute this again", and must not meet it by catching `KeyError`.
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
    """Root of all errors that seamless-core raises by name."""


class LossyValueWarning(UserWarning):
    """The bytes of a cell type hold only a part of a value, so that other values give them too.

    The message names the type of the value, and a cell type or a call that keeps everything.
    `warnings.simplefilter("error", LossyValueWarning)` makes it an error.
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
        The HTTP status, if it answered with one.
    """

    def __init__(self, url: str, reason: str, *, status: int | None = None) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        return f"buffer server {self.url}: {self.reason}; check that it is running and writable"


class CacheMissError(SeamlessError):
    """A buffer is in none of the places that were asked for it.

    The text of a missed checksum is its bare hex digest, because callers read it; what was
    tried stands in `tried` and `details()`, and as a note below the traceback (Python 3.11
    and newer).

    Parameters
    ----------
    missed
        One argument: the `Checksum` or hex digest that was missed, or a sentence.
    tried
        The steps in their order: what was asked, and how that ended.
    """

    def __init__(self, *missed: object, tried: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(*missed)
        self.tried = tuple(tried)
        if self.tried and hasattr(self, "add_note"):
            self.add_note(f"tried {self.details()}")

    def details(self) -> str:
        """Return in one line what was tried: `cache: no; directory /x: no`."""
        return "; ".join(f"{step}: {outcome}" for step, outcome in self.tried)


class ChecksumMismatchError(SeamlessError, ValueError):
    """Bytes don't have the checksum they came with.

    Parameters
    ----------
    expected
        The checksum that was promised, a `Checksum` or its hex digest.
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
    """Compressed data are damaged, cut short, or not of the kind that their suffix says."""


class _RefusedError(SeamlessError):
    """A cell type can't hold a part of a nested value.

    Parameters
    ----------
    celltype
        The cell type.
    path
        Where the part stands: `value['runs'][3]`.
    reason
        What is wrong with it.
    """

    def __init__(self, celltype: str, path: str, reason: str) -> None:
        super().__init__(celltype, path, reason)
        self.celltype = celltype
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class RefusedTypeError(_RefusedError, TypeError):
    """A part of a nested value is of a type that its cell type can't hold."""


class RefusedValueError(_RefusedError, ValueError):
    """A part of a nested value is one that its cell type can't hold."""


class BufferFormatError(SeamlessError, ValueError):
    """Bytes aren't a well-formed buffer of their cell type: damaged, cut short or foreign."""


class BufferTypeError(BufferFormatError, TypeError):
    """A buffer announces a kind of data that its format doesn't have."""


class NotTextError(BufferFormatError, UnicodeDecodeError):
    """A buffer that is read as text is no UTF-8: it holds an array, or other bytes.

    Made and pickled as `UnicodeDecodeError`, whose `reason` is the whole message here.
    """

    def __str__(self) -> str:
        return self.reason


class ConversionError(SeamlessError, ValueError):
    """A buffer can't be converted from one cell type to another.

    Parameters
    ----------
    message
        What was wrong, in a sentence.
    source, target
        The two cell types, where the failure is about a pair.
    """

    def __init__(
        self, message: str, *, source: str | None = None, target: str | None = None
    ) -> None:
        super().__init__(message)
        self.source = source
        self.target = target


#: Alias: the name under which `seamless.checksum.conversion` has always published it.
SeamlessConversionError = ConversionError
