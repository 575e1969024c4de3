"""JSON as it is read from a request and as it is written into the file; pure.

Execution records come back exactly as they were sent: integers of any size, `3.0` apart from
`3`, lone surrogates. Python's own `json` keeps all of that; faster readers do not. What has no
JSON form (NaN, infinities) or could stop a reader (bottomless nesting, endless digits) is
refused at the door.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

#: nesting that every reader of the file can take, whatever stack it stands on
MAX_DEPTH = 200
#: digits of one integer; beyond, Python needs quadratic time and refuses by default
MAX_DIGITS = 4300


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


def same_record(stored: str, offered: str) -> bool:
    """Whether two records are equal but for the order of keys; `1`, `1.0` and `true` differ."""
    return stored == offered or _canonical(stored) == _canonical(offered)


def stored_value(text: str) -> Any:
    """Read JSON from the file, which a published server may have written with NaN in it."""
    return json.loads(text, parse_constant=_nothing)


def answerable(text: str) -> str:
    """Stored JSON as an answer: unchanged, but NaN and infinities become null."""
    if any(_mentions(text, constant) for constant in ("NaN", "Infinity")):
        return json.dumps(stored_value(text))
    return text or '""'


def _mentions(text: str, word: str) -> bool:
    """Look for a word, in parts of a text: one search keeps every other thread waiting."""
    step, overlap = 1024 * 1024, len(word)
    return any(text.find(word, i, i + step + overlap) >= 0 for i in range(0, len(text), step))


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _nothing(_constant: str) -> None:
    return None


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
