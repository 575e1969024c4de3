"""Every error of seamless-core, in one tree.

Each is also a subclass of the nearest builtin, so that code which only knows
Python's own exceptions catches the right ones::

    SeamlessError (Exception)
    ├── CacheMissError
    ├── ChecksumMismatchError (ValueError)
    ├── CompressedDataError (OSError)
    ├── BufferFormatError (ValueError)
    │   └── BufferTypeError (TypeError)
    └── ConversionError (ValueError)      = SeamlessConversionError

`CacheMissError` has no builtin beside it on purpose: callers take it to mean
"compute this again", and must not meet it by catching `KeyError`.
"""

from __future__ import annotations

__all__ = [
    "BufferFormatError",
    "BufferTypeError",
    "CacheMissError",
    "ChecksumMismatchError",
    "CompressedDataError",
    "ConversionError",
    "SeamlessConversionError",
    "SeamlessError",
]


class SeamlessError(Exception):
    """Root of all errors that seamless-core raises by name."""


class CacheMissError(SeamlessError):
    """A buffer is in none of the places that were asked for it.

    Takes one argument: the `Checksum` or hex digest that was missed, or a
    sentence. The text of a missed checksum is its bare hex digest.
    """


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


class BufferFormatError(SeamlessError, ValueError):
    """Bytes aren't a well-formed buffer of their cell type: damaged, cut short or foreign."""


class BufferTypeError(BufferFormatError, TypeError):
    """A buffer announces a kind of data that its format doesn't have."""


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
