"""What the facts known of a buffer tell about a conversion that nobody has done yet.

Each pair has rules, tried in order; where none applies, the published set that
the pair is in gives the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from seamless.checksum.buffer_info_rules import (
    CONTRADICTS,
    NUMBERS,
    Condition,
    Facts,
    holds,
    when,
)
from seamless.checksum.conversion.upstream_sets import (
    Pair,
    conversion_chain,
    conversion_equivalent,
    conversion_forbidden,
    conversion_reformat,
    conversion_trivial,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome(Enum):
    """What can be said of a conversion without doing it."""

    SAME = "the buffer belongs to the target as it stands"
    FAILS = "the buffer can't be converted"
    COMPUTE = "it works, and the result has to be computed"
    UNKNOWN = "it may work; nothing more is known"
    STEPWISE = "it is made of several conversions, and each has to be asked for"


@dataclass(frozen=True)
class KnownResult:
    """The checksum of the result is known: it is the fact of this name."""

    field: str


Answer: TypeAlias = Outcome | KnownResult


@dataclass(frozen=True)
class Rule:
    """An answer, and the facts that it takes."""

    answer: Answer
    condition: Condition

    def applies(self, facts: Facts) -> bool:
        """Say whether the facts are so, and the stored checksum is there if there has to be one."""
        if isinstance(self.answer, KnownResult) and facts.get(self.answer.field) is None:
            return False
        return holds(self.condition, facts)


def _if(answer: Answer, **facts: object) -> Rule:
    return Rule(answer, when(**facts))


_SAME, _FAILS = Outcome.SAME, Outcome.FAILS

_TO_PLAIN = (
    _if(_FAILS, is_seamless_mixed=True),
    _if(_FAILS, is_numpy=True),
    _if(_FAILS, is_utf8=False),
    _if(_SAME, is_json=True),
)
_TO_NUMBER = (_if(_FAILS, too_long=True), _if(_SAME, is_json_numeric_scalar=True))
_TO_BYTES = (_if(_SAME, stands_for_bytes=False), _if(KnownResult("binary2bytes")))

#: What is particular to a pair. `dtype` and `shape` of an array tell whether it is
#: one byte string, which `bytes` unwraps.
RULES: Mapping[Pair, tuple[Rule, ...]] = {
    ("text", "plain"): (_if(_SAME, is_json=True),),
    ("text", "str"): (_if(KnownResult("text2str")),),
    ("str", "text"): (_if(KnownResult("str2text")),),
    ("plain", "text"): (_if(_SAME, json_type=("dict", "list", *NUMBERS)),),
    ("plain", "binary"): (
        _if(KnownResult("json2binary")),
        _if(Outcome.COMPUTE, json_type=NUMBERS),
        _if(_FAILS, json_type="dict"),
    ),
    ("binary", "plain"): (_if(KnownResult("binary2json")), _if(_FAILS, is_json=False)),
    ("binary", "bytes"): _TO_BYTES,
    ("mixed", "bytes"): (_if(_SAME, is_numpy=False), *_TO_BYTES),
    ("mixed", "plain"): _TO_PLAIN,
    ("mixed", "binary"): (
        _if(_FAILS, is_seamless_mixed=True),
        _if(_FAILS, is_json=True),
        _if(_SAME, is_numpy=True),
    ),
    ("bytes", "plain"): _TO_PLAIN,
    ("bytes", "text"): (_if(_SAME, is_utf8=True), _if(_FAILS, is_utf8=False)),
    ("bytes", "binary"): (_if(_SAME, is_numpy=True), _if(KnownResult("bytes2binary"))),
    ("bytes", "mixed"): (
        _if(_SAME, is_numpy=True),
        _if(_SAME, is_seamless_mixed=True),
        _if(KnownResult("bytes2binary")),
    ),
    ("checksum", "plain"): (
        *(Rule(Outcome.UNKNOWN, condition) for condition in CONTRADICTS["plain"]),
        _if(_SAME, is_json=True, json_type=("dict", "list")),
    ),
    **{
        (source, number): _TO_NUMBER
        for source in ("binary", "mixed", "plain", "str")
        for number in NUMBERS
    },
    **{
        (number, other): (_if(_SAME, is_json_numeric_scalar=True),)
        for number in NUMBERS
        for other in NUMBERS
        if number != other
    },
}

#: The facts of `str -> mixed` are those of `str -> plain`: both are JSON as they stand.
_ALIASES = {("str", "mixed"): ("str", "plain")}


def _default(pair: Pair) -> Outcome:
    if pair in conversion_trivial:
        return Outcome.SAME
    if pair in conversion_forbidden:
        return Outcome.FAILS
    if pair in conversion_reformat:
        return Outcome.COMPUTE
    return Outcome.STEPWISE if pair in conversion_chain else Outcome.UNKNOWN


def predict(facts: Facts, source: str, target: str) -> Answer:
    """Answer a conversion of a buffer of the source from facts alone."""
    if source == target:
        return Outcome.SAME
    pair = (source, target)
    pair = _ALIASES.get(pair) or conversion_equivalent.get(pair, pair)
    for rule in RULES.get(pair, ()):
        if rule.applies(facts):
            return rule.answer
    return _default(pair)
