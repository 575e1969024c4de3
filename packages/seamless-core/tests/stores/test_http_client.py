from __future__ import annotations

import gc
import itertools
import socket
import threading
import time
import warnings
from typing import TYPE_CHECKING

import httpcore
import pytest
from fake_hashserver import Script, answering, running
from forked_children import run_in_child

from seamless.stores.deadline import Deadline
from seamless.stores.http_client import MAX_CONNECTIONS, SharedClient

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def script() -> Iterator[Script]:
    with running(Script(answering(b"answer", keep=True))) as made:
        yield made


def get(shared: SharedClient, url: str) -> bytes:
    with shared.request(Deadline(60), "GET", url) as response:
        return response.read()


def test_requests_share_connections(script: Script) -> None:
    shared = SharedClient()
    assert [get(shared, script.url) for _ in range(3)] == [b"answer"] * 3
    assert (script.connections, len(script.requests)) == (1, 3)
    shared.close()


def test_close_closes_idle_connections_and_the_next_request_opens_new_ones(
    script: Script,
) -> None:
    shared = SharedClient()
    get(shared, script.url)
    shared.close()
    assert script.all_closed()
    get(shared, script.url)
    assert script.connections == 2
    shared.close()
    assert script.all_closed()


def test_a_connection_in_use_is_closed_by_its_last_user(script: Script) -> None:
    shared = SharedClient()
    with shared.request(Deadline(60), "GET", script.url) as response:
        shared.close()
        assert response.read() == b"answer"
    assert script.all_closed()


def test_requests_that_wait_for_a_connection_are_not_in_the_pool() -> None:
    everything_waits = threading.Event()

    def answer_late(connection: socket.socket) -> None:
        everything_waits.wait(60)
        answering(b"answer")(connection)

    shared = SharedClient()
    with running(Script(answer_late)) as script:
        threads = [
            threading.Thread(target=get, args=(shared, script.url))
            for _ in range(MAX_CONNECTIONS + 8)
        ]
        for thread in threads:
            thread.start()
        session = shared._session
        assert session is not None
        while session.users < len(threads) or script.connections < MAX_CONNECTIONS:
            time.sleep(0.001)
        assert f"{MAX_CONNECTIONS} active, 0 queued" in repr(session.pool)
        everything_waits.set()
        for thread in threads:
            thread.join(60)
        assert len(script.requests) == len(threads)
    shared.close()


def test_a_request_that_gets_no_connection_ends_at_its_deadline(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless.stores.http_client.MAX_CONNECTIONS", 1)
    shared = SharedClient()
    with shared.request(Deadline(60), "GET", script.url) as response:
        with pytest.raises(httpcore.PoolTimeout):
            shared.request(Deadline(0.05), "GET", script.url).__enter__()
        assert response.read() == b"answer"
    assert get(shared, script.url) == b"answer"  # the connection is free again
    shared.close()


def test_the_last_of_several_users_closes_the_pool(script: Script) -> None:
    shared = SharedClient()
    with shared.request(Deadline(60), "GET", script.url) as first:
        with shared.request(Deadline(60), "GET", script.url) as second:
            shared.close()
            assert second.read() == b"answer"
        assert not script.all_closed(0.2)
        assert first.read() == b"answer"
    assert script.all_closed()


def test_progress_of_an_upload_extends_its_deadline(script: Script) -> None:
    times = itertools.count(0, 1.0)  # a clock that advances at each call
    shared = SharedClient()
    deadline = Deadline(5.0, lambda: next(times))
    with shared.request(deadline, "PUT", script.url, content=bytes(1 << 26)) as response:
        assert response.status == 200
    shared.close()


def test_a_child_leaves_the_connections_of_its_parent_alone(script: Script) -> None:
    parents = SharedClient()
    get(parents, script.url)
    child = SharedClient()
    child.__dict__.update(parents.__dict__)
    child.reset_after_fork()
    get(child, script.url)
    assert script.connections == 2
    child.close()
    get(parents, script.url)
    assert script.connections == 2
    parents.close()
    assert script.all_closed()


def test_a_grandchild_keeps_the_connections_of_the_first_parent(script: Script) -> None:
    shared = SharedClient()
    get(shared, script.url)

    def fork_twice() -> list[str]:
        shared.reset_after_fork()  # as in a child, and then in a child of that
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            shared.reset_after_fork()
            gc.collect()
        return [str(each.message) for each in caught]

    assert run_in_child(fork_twice) == "[]"
    shared.close()


def test_a_request_to_a_server_that_reads_nothing_times_out() -> None:
    """Its receive buffer is full; the system then lets a sender wait for ever."""
    shared = SharedClient()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        request = shared.request(Deadline(0.3), "PUT", url, content=bytes(1 << 25))
        with pytest.raises(httpcore.WriteTimeout), request:
            pass
    shared.close()


def test_a_request_after_its_deadline_is_not_sent(script: Script) -> None:
    shared = SharedClient()
    with pytest.raises(httpcore.TimeoutException), shared.request(Deadline(0), "GET", script.url):
        pass
    assert script.requests == []
    shared.close()
