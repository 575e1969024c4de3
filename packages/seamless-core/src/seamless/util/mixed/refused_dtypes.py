"""Errors for arrays whose dtype can't be stored; each names a call that returns one that can.

The bytes of a cell type are a contract with other installations, which refuse these arrays too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seamless.util.mixed.npy import aligned_dtype, has_layout_of

if TYPE_CHECKING:
    import numpy as np

_MAX_DTYPE_CHARACTERS = 500  # in a message
#: `binary` stores the bytes of a `.npy` file unchanged, and can read complex numbers and dates
_OR_AS_FILE = "; the bytes that numpy.save() writes of it, stored as binary, read as the same array"


def dtype_error(dtype: np.dtype[Any], array: str = "array") -> TypeError:
    """Return the error for an array of an unstructured dtype without a form.

    Parameters
    ----------
    dtype
        The dtype.
    array
        The expression for the array in the advice: `array['field']` for a field of a structure.
    """
    native = array
    if not dtype.isnative:  # the call converts the whole array, also for a field
        native = "array.astype(array.dtype.newbyteorder('='))" + array.removeprefix("array")
    advice = f"{native} as binary or mixed"
    if dtype.kind == "c":
        advice = f"{{'real': {native}.real, 'imag': {native}.imag}} as mixed{_OR_AS_FILE}"
    elif dtype.kind in "mM":
        advice = f"{native}.view('int64') as binary or mixed{_OR_AS_FILE}"
    elif dtype.kind == "O":
        advice = f"{array}.tolist() as plain or mixed"
    elif dtype.kind == "V":
        advice = f"{array}.tobytes() as bytes{_OR_AS_FILE}"
    elif dtype.kind == "U" and dtype.isnative:
        advice = f"{array}.tolist() as plain or mixed"
    return TypeError(f"an array of dtype {dtype} can't be stored; store {advice}")


#: NumPy kind of a scalar -> how to store it
_SCALARS = {
    "b": "store bool(value)",
    "c": "store value.real and value.imag",
    "M": "store str(value)",
    "m": "store value.astype('int64')",
}


def scalar_advice(kind: str) -> str:
    """Return the advice how to store a NumPy scalar of a kind without a form."""
    return _SCALARS.get(kind, "store value.tobytes()")


def packed_error(dtype: np.dtype[Any]) -> TypeError:
    """Return the error for a structured dtype that is not aligned."""
    aligned = aligned_dtype(dtype)
    call = "view" if has_layout_of(dtype, aligned) else "astype"
    shown = repr(aligned)
    if not dtype.names or len(shown) > _MAX_DTYPE_CHARACTERS:
        return TypeError(
            f"a structured array must be aligned, which {dtype} is not; "
            "make its dtype with align=True"
        )
    return TypeError(
        f"a structured array must be aligned, which {dtype} is not; "
        f"store array.{call}(numpy.{shown}) as binary or mixed"
    )


def subarray_error(base: np.dtype[Any], array: str) -> TypeError:
    """Return the error for a field that is a subarray of an unsupported dtype."""
    return TypeError(
        f"a field of a structured array can't be a subarray of {base}; "
        f"store {array} as binary or mixed, apart from the other fields"
    )
