"""Predicts the outcome of a conversion from the known properties of a buffer.

A pair of cell types has rules, which are tried in order. If none applies, the upstream set that
contains the pair determines the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from seamless.checksum.buffer_info_rules import (
    JSON,
    NUMBERS,
    Condition,
    Properties,
    is_fulfilled,
    make_condition,
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
    """The predicted outcome of a conversion."""

    SAME = "the buffer is a valid buffer of the target"
    FAILS = "the buffer can't be converted"
    COMPUTE = "the conversion works, and the result has to be computed"
    UNKNOWN = "the conversion may fail"
    STEPWISE = "the conversion consists of several steps, each of which has its own outcome"


@dataclass(frozen=True)
class KnownResult:
    """The checksum of the result is known: it is the property of this name."""

    field: str


Prediction: TypeAlias = Outcome | KnownResult


@dataclass(frozen=True)
class Rule:
    """An outcome, and the condition under which it is certain."""

    outcome: Prediction
    condition: Condition

    def applies(self, properties: Properties) -> bool:
        """Return whether the condition is fulfilled; a known result must also be stored."""
        if isinstance(self.outcome, KnownResult) and properties.get(self.outcome.field) is None:
            return False
        return is_fulfilled(self.condition, properties)


def _if(outcome: Prediction, **properties: object) -> Rule:
    return Rule(outcome, make_condition(**properties))


_SAME, _FAILS = Outcome.SAME, Outcome.FAILS

_TO_PLAIN = (
    _if(_FAILS, is_seamless_mixed=True),
    _if(_FAILS, is_numpy=True),
    _if(_FAILS, is_utf8=False),
    _if(_SAME, is_json=True),
)
_TO_NUMBER = (_if(_FAILS, too_long=True), _if(_SAME, is_json_numeric_scalar=True))
_TO_BYTES = (_if(_SAME, is_byte_string=False), _if(KnownResult("binary2bytes")))

#: The rules of each pair. `is_byte_string` is derived from `dtype` and `shape`: `bytes` unwraps
#: such an array.
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
        *(Rule(Outcome.UNKNOWN, condition) for condition in JSON.contradicts),
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

#: A `str` buffer is JSON, and therefore a `plain` and a `mixed` buffer.
_ALIASES = {("str", "mixed"): ("str", "plain")}


def _default(pair: Pair) -> Outcome:
    if pair in conversion_trivial:
        return Outcome.SAME
    if pair in conversion_forbidden:
        return Outcome.FAILS
    if pair in conversion_reformat:
        return Outcome.COMPUTE
    return Outcome.STEPWISE if pair in conversion_chain else Outcome.UNKNOWN


def predict(properties: Properties, source: str, target: str) -> Prediction:
    """Predict the outcome of converting a buffer of the source that has these properties."""
    if source == target:
        return Outcome.SAME
    pair = (source, target)
    pair = _ALIASES.get(pair) or conversion_equivalent.get(pair, pair)
    for rule in RULES.get(pair, ()):
        if rule.applies(properties):
            return rule.outcome
    return _default(pair)
