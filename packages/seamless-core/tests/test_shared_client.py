from __future__ import annotations

import httpx
from stand_in_hashserver import Script, answering, running

from seamless.backends.shared_client import SharedClient


def test_users_share_one_client() -> None:
    shared = SharedClient(httpx.Timeout(1))
    with shared.use() as first, shared.use() as second:
        assert first is second
    with shared.use() as third:
        assert third is first
    shared.close()
    assert first.is_closed


def test_a_client_in_use_is_closed_by_its_last_user() -> None:
    shared = SharedClient(httpx.Timeout(60))
    closed: list[tuple[bool, bool]] = []
    with running(Script(answering(b"answer"))) as script, shared.use() as first:
        with shared.use():
            shared.close()
            with shared.use() as new:
                assert new is not first
        closed.append((first.is_closed, new.is_closed))
        assert first.get(script.url).content == b"answer"
    closed.append((first.is_closed, new.is_closed))
    shared.close()
    closed.append((first.is_closed, new.is_closed))
    assert closed == [(False, False), (True, False), (True, True)]


def test_a_child_leaves_the_client_of_its_parent_alone() -> None:
    shared = SharedClient(httpx.Timeout(1))
    with shared.use() as parents:
        pass
    shared.renew_after_fork()
    with shared.use() as own:
        assert own is not parents
    shared.close()
    assert own.is_closed
    assert not parents.is_closed
    parents.close()
