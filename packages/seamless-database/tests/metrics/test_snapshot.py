from __future__ import annotations

import json

from seamless_database.metrics.counters import Commits, Kind, Requests
from seamless_database.metrics.snapshot import Figures, total

GET, PUT = Kind("GET", "transformation", 200), Kind("PUT", "transformation", 200)


def counted(*kinds: Kind, writes: int = 0) -> Figures:
    """What has been counted: one request of each kind that took half a second."""
    requests, commits = Requests(["GET", "PUT"], ["transformation"]), Commits()
    for kind in kinds:
        requests.add(kind.method, kind.type, kind.status, 0.5)
    for _ in range(writes):
        commits.add(3, 0.25)
    return Figures(dict(requests.items()), commits if writes else None, len(kinds))


def test_figures_come_back_from_the_board_as_they_were() -> None:
    for figures in (Figures(), counted(GET, PUT, GET, writes=2)):
        assert Figures.unpacked(json.loads(json.dumps(figures.packed()))) == figures


def test_the_figures_of_several_are_added_up() -> None:
    whole = total([counted(GET), counted(GET, PUT, writes=1), counted(PUT, writes=2)])
    assert whole == counted(GET, PUT, GET, PUT, writes=3)


def test_adding_up_leaves_the_parts_alone() -> None:
    part = counted(GET, writes=1)
    total([part, part])
    assert part == counted(GET, writes=1)


def test_nobody_has_counted_nothing() -> None:
    assert total([]) == Figures()
    assert total([Figures()]).commits is None
