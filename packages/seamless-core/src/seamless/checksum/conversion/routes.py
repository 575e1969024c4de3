"""The way from one cell type to another: the single steps that a conversion is made of.

A step is a pair that stands for itself. The published equivalents and chains
give most ways; a few are put right here, because the published replacement
skips what the target asks for, or takes a detour that ends nowhere.
"""

from __future__ import annotations

from seamless.checksum.conversion.upstream_sets import (
    Pair,
    conversion_chain,
    conversion_equivalent,
)

#: `str` buffers are JSON, so they are mixed buffers as they stand; and text is
#: no Python or YAML before somebody has looked.
_PUT_RIGHT: dict[Pair, str] = {
    ("str", "mixed"): "plain",
    ("str", "python"): "text",
    ("str", "ipython"): "text",
    ("str", "yaml"): "text",
}


def route(source: str, target: str) -> tuple[Pair, ...]:
    """List the steps from one cell type to another, in the order they are taken.

    Nothing is said here about whether the steps are allowed: `matrix` does that.
    """
    pair = (source, target)
    if source == target:
        return ()
    middle = _PUT_RIGHT.get(pair) or conversion_chain.get(pair)
    if middle is not None:
        return (*route(source, middle), *route(middle, target))
    instead = conversion_equivalent.get(pair)
    if instead is not None and instead != pair:
        return route(*instead)
    return (pair,)
