"""JSON as it is read from a request and as it is written into the file; pure.

Values are kept as Python's `json` reads them: a number with a fraction or an exponent is a double,
an integer has up to `MAX_DIGITS` digits, `3.0` differs from `3`, lone surrogates stay. Numbers
beyond the range of doubles, NaN and infinities, and deep nesting are refused.
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

#: nesting that every reader of the file can take, whatever stack it stands on
MAX_DEPTH = 200
#: digits of one integer; beyond, Python needs quadratic time and refuses by default
MAX_DIGITS = 4300
#: characters of a stored text that are parsed each time before it is answered
MAX_CHECKED = 1024 * 1024
#: items of a list that are written down at once, without a chance for other threads
_ITEMS_AT_ONCE = 1000


class JsonError(ValueError):
    """The text is no JSON that this service takes; the message completes "… is …"."""


def parse(text: str) -> Any:
    """Read JSON of a client: strict, and bounded in what it may cost."""
    try:
        value = _STRICT.decode(text)
    except JsonError:
        raise
    except RecursionError:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise JsonError(f"not JSON ({error})") from None
    # counting brackets is quick and settles nearly every body
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
    return value


def minified(value: object) -> str:
    """The form of execution records and freshness tokens in the file."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def spaced(value: object) -> str:
    """The form of an expression's path in the file; look-ups compare this very text."""
    return json.dumps(value, allow_nan=False)


def sorted_and_indented(value: object) -> str:
    """The form of buffer info in the file."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False)


def records_equal(stored: str, offered: str) -> bool:
    """Whether two records hold the same values; the order of keys does not count.

    Numbers are compared as they are kept: `1`, `1.0` and `true` differ, `1.0` and `1.00` do not.
    Large texts take seconds, during which other threads run. Raises `ValueError` for a text that
    is not JSON.
    """
    if stored == offered:
        return True
    try:
        return bool(_NORMAL_FORM.decode(stored) == _NORMAL_FORM.decode(offered))
    except RecursionError:
        # what is offered can be read, so what is stored nests deeper
        return False


def may_be_equal_records(stored: str, offered: str) -> bool:
    """Tell quickly of most records that they differ; both texts are in the form of `minified`."""
    return len(stored) == len(offered) and all(
        stored.count(character) == offered.count(character) for character in _CHARACTERS
    )


def parse_stored(text: str) -> Any:
    """Read JSON from the file; NaN and numbers that are no doubles become null."""
    return json.loads(text, parse_constant=_null, parse_float=_double_or_null)


def stored_object(text: object) -> str | None:
    """Check a stored JSON object and give its text unchanged; None if the text is damaged.

    Only NaN and infinities, which published servers have stored, are changed: they become null.
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
    """Check stored JSON in the same way, whatever it holds; slower."""
    if not isinstance(text, str):
        return None
    changed = _without_constants(text)
    try:
        value = _LENIENT.decode(changed)
    except (ValueError, RecursionError):
        return None
    return changed if isinstance(value, kind) else None


def _without_constants(text: str) -> str:
    """Replace NaN and infinities by null, outside of strings; all else stays as it is."""
    if not any(_mentions(text, constant) for constant in ("NaN", "Infinity")):
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
    """Find the end of the string that begins at `start`; the end of the text if it has none."""
    end = start
    while (end := text.find('"', end + 1)) >= 0:
        before = end - 1
        while text[before] == "\\":
            before -= 1
        if (end - 1 - before) % 2 == 0:
            return end + 1
    return len(text)


def _mentions(text: str, word: str) -> bool:
    """Look for a word, in parts of a text: one search keeps every other thread waiting."""
    step, overlap = 1024 * 1024, len(word)
    return any(text.find(word, i, i + step + overlap) >= 0 for i in range(0, len(text), step))


def _digest(kind: str, items: list[Any]) -> list[str]:
    """Give the digest of a list, or of the sorted pairs of an object, as a list of one text.

    The items are scalars or such digests, so no list that is not a digest can be mistaken for one.
    """
    digest = sha256(kind.encode())
    for start in range(0, len(items), _ITEMS_AT_ONCE):
        digest.update(json.dumps(items[start : start + _ITEMS_AT_ONCE]).encode())
    return [digest.hexdigest()]


class _NormalForm(json.JSONDecoder):
    """Reads JSON, and keeps only a digest of each object and each list.

    It is written in Python: the reader in C would hold up every other thread for the whole text,
    and take ten times the memory.
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
        # of a repeated key, the last value counts
        return _digest("object", sorted(dict(pairs).items(), key=itemgetter(0)))


def _null(_constant: str) -> None:
    return None


def _double_or_null(digits: str) -> float | None:
    number = float(digits)
    return None if math.isinf(number) else number


def _refuse_constant(constant: str) -> NoReturn:
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
    """How deep a value nests; a loop, because the value may exhaust a recursion."""
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


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_integer, parse_float=_number)
_NORMAL_FORM = _NormalForm()
#: the reader in C, without what `decode` adds to it; refuses NaN and infinities
_SCAN = json.JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]
_LENIENT = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_integer)
_CONSTANT = re.compile("-?Infinity|NaN")
#: what a text consists of that is written without other characters, as records are
_CHARACTERS = [chr(number) for number in range(32, 127)]
