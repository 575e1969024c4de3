"""JSON codec: parsing requests and stored texts, and the forms in which JSON is stored.

Values are those of Python's `json`: a number with a fraction or an exponent is a double, an
integer has up to `MAX_DIGITS` digits, `3.0` differs from `3`, lone surrogates stay. Numbers beyond
the range of doubles, NaN, infinities and deep nesting are rejected.
"""

from __future__ import annotations

import json
import json.scanner
import math
import re
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

#: levels of nesting that every reader of the file can parse, however deep its own stack is
MAX_DEPTH = 200
#: digits of one integer; beyond, Python needs quadratic time and raises an error by default
MAX_DIGITS = 4300
#: characters of a stored text up to which it is parsed before each response
MAX_CHECKED = 1024 * 1024
#: items of a list that are serialized without a switch to another thread
_ITEMS_AT_ONCE = 1000


class JsonError(ValueError):
    """A text is not JSON that this service accepts; the message completes "… is …"."""


def parse(text: str) -> Any:
    """Parse JSON of a client: strictly, and with bounded cost."""
    try:
        value = _decode(text)
    except JsonError:
        raise
    except RecursionError:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise JsonError(f"not JSON ({error})") from None
    # the number of brackets is a fast bound, sufficient for nearly every body
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
    return value


def _decode(text: str) -> Any:
    try:
        value, end = _SCAN_STRICT(text, 0)
    except StopIteration:
        end = -1
    # the decoder accepts white space around a value, and describes what is wrong with other texts
    return value if end == len(text) else _STRICT.decode(text)


def minified(value: object) -> str:
    """Serialize in the stored form of execution records and freshness tokens."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def spaced(value: object) -> str:
    """Serialize in the stored form of an expression's path, which look-ups compare."""
    return json.dumps(value, allow_nan=False)


def sorted_and_indented(value: object) -> str:
    """Serialize in the stored form of buffer info."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False)


def records_equal(stored: str, offered: str) -> bool:
    """Whether two records hold the same values; the order of keys does not count.

    Numbers compare as parsed: `1`, `1.0` and `true` differ, `1.0` and `1.00` do not. Large texts
    take seconds, during which other threads run. Raises a `ValueError` for a text that is not JSON.
    """
    if stored == offered:
        return True
    try:
        return bool(_NORMAL_FORM.decode(stored) == _NORMAL_FORM.decode(offered))
    except RecursionError:
        # the offered record was parsed before, so the stored one nests deeper
        return False


def may_be_equal_records(stored: str, offered: str) -> bool:
    """Whether two records may be equal, a fast check; both texts have the form of `minified`."""
    return len(stored) == len(offered) and all(
        stored.count(character) == offered.count(character) for character in _CHARACTERS
    )


def parse_stored(text: str) -> Any:
    """Parse stored JSON; NaN and numbers beyond the range of doubles become null."""
    return json.loads(text, parse_constant=_null, parse_float=_double_or_null)


def stored_object(text: object) -> str | None:
    """Check a stored JSON object and return its text; None if it is damaged.

    The text is unchanged, but NaN and infinities, which published servers store, become null.
    Of texts above `MAX_CHECKED` characters only the first and the last character are checked.
    """
    if not isinstance(text, str):
        return None
    if len(text) > MAX_CHECKED:
        return _without_constants(text) if text[0] + text[-1] == "{}" else None
    try:
        value, end = _SCAN(text, 0)
    except (ValueError, StopIteration, RecursionError):
        return stored_json(text, dict)
    return text if type(value) is dict and end == len(text) else stored_json(text, dict)


def stored_json(text: object, kind: type = object) -> str | None:
    """Check stored JSON of any kind in the same way; slower."""
    if not isinstance(text, str):
        return None
    changed = _without_constants(text)
    try:
        value = _LENIENT.decode(changed)
    except (ValueError, RecursionError):
        return None
    return changed if isinstance(value, kind) else None


def _without_constants(text: str) -> str:
    """Replace NaN and infinities by null, except within strings."""
    if not any(_contains(text, constant) for constant in ("NaN", "Infinity")):
        return text
    parts: list[str] = []
    done = outside = 0
    while outside < len(text):
        string = text.find('"', outside)
        for found in _CONSTANT.finditer(text, outside, len(text) if string < 0 else string):
            parts += [text[done : found.start()], "null"]
            done = found.end()
        outside = len(text) if string < 0 else _string_end(text, string)
    return "".join([*parts, text[done:]])


def _string_end(text: str, start: int) -> int:
    """Return the end of the string that begins at `start`, or the end of the text."""
    end = start
    while (end := text.find('"', end + 1)) >= 0:
        before = end - 1
        while text[before] == "\\":
            before -= 1
        if (end - 1 - before) % 2 == 0:
            return end + 1
    return len(text)


def _contains(text: str, word: str) -> bool:
    """Search a text in parts, because one search blocks every other thread."""
    step, overlap = 1024 * 1024, len(word)
    return any(text.find(word, i, i + step + overlap) >= 0 for i in range(0, len(text), step))


def _digest(kind: str, items: list[Any]) -> list[str]:
    """Return the digest of a list, or of the sorted pairs of an object, as a list of one text.

    The items are scalars or such digests, so a list that is not a digest cannot equal one.
    """
    digest = sha256(kind.encode())
    for start in range(0, len(items), _ITEMS_AT_ONCE):
        digest.update(json.dumps(items[start : start + _ITEMS_AT_ONCE]).encode())
    return [digest.hexdigest()]


class _NormalForm(json.JSONDecoder):
    """Parses JSON, and keeps only a digest of each object and each list.

    It uses the parser in Python: the one in C would block every other thread for the whole text,
    and need ten times the memory.
    """

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=self._object)
        read_list: Callable[..., tuple[list[Any], int]] = json.decoder.JSONArray  # type: ignore[attr-defined]

        def parse_array(*arguments: Any) -> tuple[list[str], int]:
            items, end = read_list(*arguments)
            return _digest("list", items), end

        self.parse_array = parse_array
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined]

    @staticmethod
    def _object(pairs: list[tuple[str, Any]]) -> list[str]:
        # the last value of a repeated key counts
        return _digest("object", sorted(dict(pairs).items(), key=itemgetter(0)))


def _null(_constant: str) -> None:
    return None


def _double_or_null(digits: str) -> float | None:
    number = float(digits)
    return None if math.isinf(number) else number


def _reject_constant(constant: str) -> NoReturn:
    raise JsonError(f"not JSON (it holds {constant})")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise JsonError(f"holding an integer of more than {MAX_DIGITS} digits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise JsonError(f"holding {digits[:40]}, which is beyond the range of numbers")
    return number


def _depth(value: object) -> int:
    """Return the levels of nesting of a value; iterative, because it may exhaust a recursion."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below
    return deepest


_STRICT = json.JSONDecoder(parse_constant=_reject_constant, parse_int=_integer, parse_float=_number)
#: its scanner in C, which takes half the time for a small text
_SCAN_STRICT = _STRICT.scan_once  # type: ignore[attr-defined]
_NORMAL_FORM = _NormalForm()
#: the parser in C, without what `decode` adds to it; rejects NaN and infinities
_SCAN = json.JSONDecoder(parse_constant=_reject_constant).scan_once  # type: ignore[attr-defined]
_LENIENT = json.JSONDecoder(parse_constant=_reject_constant, parse_int=_integer)
_CONSTANT = re.compile("-?Infinity|NaN")
#: the characters of stored records, which are ASCII
_CHARACTERS = [chr(number) for number in range(32, 127)]
