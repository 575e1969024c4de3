"""Writes the form of a mixed container as text; equal forms of arrays are written once.

Ten thousand arrays usually have the same form. While the value is walked, a short form id
replaces the form of each array; in the final text each id is replaced by the text of its form.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seamless.errors import BufferFormatError
from seamless.util.mixed.array_data import padding_mask
from seamless.util.mixed.form_dtype import form_dtype
from seamless.util.mixed.get_form import PURE_BINARY, binary_form

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ArrayKind:
    """Properties of all arrays of the same dtype, shape and strides."""

    form_id: str
    size: int  # bytes
    #: whether the memory of such an array is stored unchanged
    direct: bool


class ArrayForms:
    """The forms of the arrays in one value.

    Parameters
    ----------
    attempt
        A number that is part of each form id. If ids of one attempt occur as keys of the value,
        the next attempt has another number.
    """

    def __init__(self, attempt: int = 0) -> None:
        self._attempt = attempt
        #: by dtype and its alignment, then by shape and strides
        self._kinds: dict[Any, dict[Any, ArrayKind]] = {}
        #: the dtype of the last array, which is usually that of the next, and the kinds of it
        self._dtype: np.dtype[Any] | None = None
        self._kinds_of_dtype: dict[Any, ArrayKind] = {}
        self._forms: dict[str, Any] = {}  # by form id
        self._ids: dict[str, str] = {}  # by text of the form

    def kind(self, array: np.ndarray[Any, Any]) -> ArrayKind:
        """Return the kind of an array.

        Raises
        ------
        TypeError
            For an array that has no form, or whose form describes another dtype.
        """
        dtype = array.dtype
        if dtype is not self._dtype:
            self._dtype = dtype
            aligned = None if dtype.names is None else _aligned_at_each_depth(dtype)
            self._kinds_of_dtype = self._kinds.setdefault((dtype, aligned), {})
        key = array.shape, array.strides
        found = self._kinds_of_dtype.get(key)
        if found is None:
            found = self._kinds_of_dtype[key] = self._new_kind(array)
        return found

    def _new_kind(self, array: np.ndarray[Any, Any]) -> ArrayKind:
        form = binary_form(array)
        check_array(array, form)
        direct = array.flags.c_contiguous and array.size > 0 and padding_mask(array.dtype) is None
        return ArrayKind(self.id_of(form), array.nbytes, direct)

    def id_of(self, form: dict[str, Any]) -> str:
        """Return the id of the form of an array or record; equal forms have the same id."""
        form["storage"] = PURE_BINARY
        new = f"\0{self._attempt}.{len(self._ids)}"
        form_id = self._ids.setdefault(json.dumps(form), new)
        self._forms[form_id] = form
        return form_id

    def form_of(self, form: Any) -> Any:
        """Return the form that has an id; return a form unchanged."""
        return self._forms.get(form, form) if isinstance(form, str) else form

    def text(self, form: Any) -> bytes | None:
        """Return the text of a form that contains form ids; None if a key looks like an id.

        The form of 10,000 arrays takes 4 ms; writing the form of each array would take 15 ms.
        """
        text = json.dumps(form).encode()
        if not self._ids:
            return text
        start = rf'"\u0000{self._attempt}.'
        forms = self._ids
        id_pattern = re.escape(start).encode() + rb'\d+"'
        if re.search(id_pattern + b":", text) or any(start in form for form in forms):
            return None
        texts = {
            rf'"\u0000{form_id[1:]}"'.encode(): form.encode() for form, form_id in forms.items()
        }
        first = next(iter(texts))
        text = text.replace(first, texts[first])  # usually all of them, in half the time
        if len(texts) == 1:
            return text
        return re.sub(id_pattern, lambda found: texts[found[0]], text)


def _aligned_at_each_depth(dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Return which structures of a dtype are aligned: equal dtypes may differ in that."""
    fields = (dtype.fields or {}).values()
    inner = [_aligned_at_each_depth(field[0]) for field in fields if field[0].names is not None]
    return dtype.isalignedstruct, *inner


def check_array(array: np.ndarray[Any, Any], form: Any) -> None:
    """Refuse an array or record that would be read with another dtype.

    Raises
    ------
    TypeError
        If the form describes another dtype: forms have no unicode arrays, and describe the
        unsigned items of a subarray as signed. Also for items without bytes.
    """
    items = form["items"] if form["type"] == "array" else form
    try:
        is_same = form_dtype(items) == array.dtype
    except BufferFormatError:
        is_same = False
    if not is_same:
        advice = "array.tolist()" if array.dtype.names is None else "it apart, as binary"
        raise TypeError(
            f"an array of dtype {array.dtype} can't be inside a mixed container; store {advice}"
        )
    if array.itemsize == 0 and array.size > 0:
        raise TypeError(
            f"an array of dtype {array.dtype}, whose items have no bytes, can't be inside a "
            "mixed container"
        )
