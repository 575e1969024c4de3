"""The route of a conversion: the single steps that it consists of.

A step is a pair that has a function of its own. The upstream sets of equivalent pairs and chains
determine most routes. Four routes are corrected here, because the upstream replacement skips the
validation of the target, or ends in a step that always fails.
"""

from __future__ import annotations

from seamless.checksum.conversion.upstream_sets import (
    Pair,
    conversion_chain,
    conversion_equivalent,
)

#: Pairs whose route goes through another cell type than upstream has it: a `str` buffer is JSON,
#: and therefore a mixed buffer; text must be validated before it is Python, IPython or YAML.
_CORRECTED: dict[Pair, str] = {
    ("str", "mixed"): "plain",
    ("str", "python"): "text",
    ("str", "ipython"): "text",
    ("str", "yaml"): "text",
}


def route(source: str, target: str) -> tuple[Pair, ...]:
    """Return the steps from one cell type to another, in the order in which they are done.

    The steps of a forbidden conversion may be forbidden too; `classify` returns their class.
    """
    pair = (source, target)
    if source == target:
        return ()
    middle = _CORRECTED.get(pair) or conversion_chain.get(pair)
    if middle is not None:
        return (*route(source, middle), *route(middle, target))
    replacement = conversion_equivalent.get(pair)
    if replacement is not None and replacement != pair:
        return route(*replacement)
    return (pair,)
