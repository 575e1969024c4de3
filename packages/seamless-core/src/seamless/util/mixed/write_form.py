"""The form of a mixed container → text; what it says of an array is made once for each kind.

Ten thousand arrays mostly have one and the same form. While the value is walked a mark stands
for it, and its text takes the place of the marks when the rest has been written.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seamless.errors import BufferFormatError
from seamless.util.mixed.form_dtype import form_dtype
from seamless.util.mixed.get_form import PURE_BINARY, binary_form
from seamless.util.mixed.padding import padding_mask

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ArrayKind:
    """What arrays of one type, shape and strides have in common."""

    mark: str
    size: int  # bytes
    #: whether the memory of such an array is what is stored
    direct: bool


class ArrayForms:
    """The forms of the arrays in one value.

    Parameters
    ----------
    attempt
        Part of the marks, for a value that has keys like those of an earlier attempt.
    """

    def __init__(self, attempt: int = 0) -> None:
        self._attempt = attempt
        self._kinds: dict[Any, ArrayKind] = {}
        self._forms: dict[str, Any] = {}  # by mark
        self._marks: dict[str, str] = {}  # by text of the form

    def kind(self, array: np.ndarray[Any, Any]) -> ArrayKind:
        """Return the kind of an array.

        Raises
        ------
        TypeError
            For an array that has no form, or that the form will not give back as it is.
        """
        dtype = array.dtype
        aligned = None if dtype.names is None else _aligned_at_each_depth(dtype)
        key = dtype, aligned, array.shape, array.strides
        found = self._kinds.get(key)
        if found is None:
            found = self._kinds[key] = self._new_kind(array)
        return found

    def _new_kind(self, array: np.ndarray[Any, Any]) -> ArrayKind:
        form = binary_form(array)
        check_leaf(array, form)
        direct = array.flags.c_contiguous and array.size > 0 and padding_mask(array.dtype) is None
        return ArrayKind(self.mark(form), array.nbytes, direct)

    def mark(self, form: dict[str, Any]) -> str:
        """Return the mark that stands for the form of an array or record: equal ones share it."""
        form["storage"] = PURE_BINARY
        mark = self._marks.setdefault(json.dumps(form), f"\0{self._attempt}.{len(self._marks)}")
        self._forms[mark] = form
        return mark

    def marked(self, form: Any) -> Any:
        """Return the form that a mark stands for, or the form itself if it is none."""
        return self._forms.get(form, form) if isinstance(form, str) else form

    def text(self, form: Any) -> str | None:
        """Write a form with marks; None if a key or field of the value looks like a mark.

        The form of 10,000 arrays: 4 ms, where writing them all takes 15.
        """
        text = json.dumps(form)
        if not self._marks:
            return text
        start = rf'"\u0000{self._attempt}.'
        if _has_keys_like_marks(text, start) or any(start in form for form in self._marks):
            return None
        texts = {rf'"\u0000{mark[1:]}"': form for form, mark in self._marks.items()}
        most = next(iter(texts))
        text = text.replace(most, texts[most])  # mostly all, in half the time
        if len(texts) == 1:
            return text
        return re.sub(rf'{re.escape(start)}\d+"', lambda found: texts[found[0]], text)


def _aligned_at_each_depth(dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Tell which structures of a type are aligned: equal types may differ in that."""
    fields = (dtype.fields or {}).values()
    inner = [_aligned_at_each_depth(field[0]) for field in fields if field[0].names is not None]
    return dtype.isalignedstruct, *inner


def _has_keys_like_marks(text: str, start: str) -> bool:
    return re.search(rf'{re.escape(start)}\d+":', text) is not None


def check_leaf(array: np.ndarray[Any, Any], form: Any) -> None:
    """Refuse an array or record that the form will not give back as it is.

    Raises
    ------
    TypeError
        Where it would come back as another type: forms don't know unicode arrays, and call
        the unsigned items of a subarray signed. Also for items without bytes.
    """
    items = form["items"] if form["type"] == "array" else form
    try:
        comes_back = form_dtype(items) == array.dtype
    except BufferFormatError:
        comes_back = False
    if not comes_back:
        way = "array.tolist()" if array.dtype.names is None else "it apart, as binary"
        raise TypeError(
            f"an array of dtype {array.dtype} can't stand inside a mixed container; store {way}"
        )
    if array.itemsize == 0 and array.size > 0:
        raise TypeError(
            f"an array of dtype {array.dtype}, whose items have no bytes, can't stand inside a "
            "mixed container"
        )
