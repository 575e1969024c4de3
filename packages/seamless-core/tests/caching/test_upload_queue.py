from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING

import pytest
from python_runs import run_python

from seamless import Buffer
from seamless.caching.upload_queue import MAX_BATCH_BYTES, UploadQueue

if TYPE_CHECKING:
    from collections.abc import Iterator


class Backend:
    """Stores what it is sent, as long as it is open."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.batches: list[int] = []
        self.refused: dict[bytes, Exception] = {}
        self.refusing = False
        self.error: type[BaseException] | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.left = 0

    async def send(self, batch: list[Buffer]) -> list[bool | Exception]:
        await asyncio.to_thread(self.gate.wait)
        if self.refusing:
            raise ConnectionError("refused")
        if self.error is not None:
            raise self.error
        self.stored += [buffer.content for buffer in batch]
        self.batches.append(len(batch))
        return [self.refused.get(buffer.content, True) for buffer in batch]

    def leave(self) -> None:
        self.left += 1


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture(params=[1, 4])
def queue(backend: Backend, request: pytest.FixtureRequest) -> Iterator[UploadQueue]:
    made = UploadQueue(backend.send, backend.leave, lambda: request.param)
    yield made
    backend.gate.set()
    made.purge()
    made.drain()
    made.join(30)


def add(queue: UploadQueue, content: bytes) -> Buffer:
    buffer = Buffer(content)
    queue.add(buffer.get_checksum(), buffer)
    return buffer


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "seamless-writer"]


def test_everything_queued_is_sent(queue: UploadQueue, backend: Backend) -> None:
    contents = [b"%d" % number for number in range(100)]
    for content in contents:
        add(queue, content)
    assert queue.drain() is True
    assert sorted(backend.stored) == sorted(contents)


def test_the_queue_works_again_after_draining(queue: UploadQueue, backend: Backend) -> None:
    for content in (b"one", b"two"):
        add(queue, content)
        assert queue.drain() is True
    assert backend.stored == [b"one", b"two"]


def test_the_queue_works_again_after_join(queue: UploadQueue, backend: Backend) -> None:
    others = set(writers())
    for content in (b"one", b"two"):
        add(queue, content)
        queue.drain()
        queue.join(30)
        for thread in set(writers()) - others:
            thread.join(30)  # one that was started beside the one that sends ends at once
            assert not thread.is_alive()
    assert (backend.stored, backend.left) == ([b"one", b"two"], 2)


def test_a_thread_that_begins_after_everything_is_sent_ends_at_once(
    queue: UploadQueue, backend: Backend
) -> None:
    add(queue, b"one")
    queue.drain()
    queue.join(30)
    left = backend.left
    late = threading.Thread(target=queue._work)
    late.start()
    late.join(30)
    assert (backend.left, left) == (1, 1)


def test_the_thread_calls_back_before_it_ends() -> None:
    ended: list[str] = []

    async def send(_: list[Buffer]) -> list[bool]:
        return [True]

    queue = UploadQueue(send, lambda: ended.append(threading.current_thread().name))
    buffer = Buffer(b"sent before the end")
    queue.add(buffer.get_checksum(), buffer)
    assert queue.drain(60)
    queue.join(60)
    assert ended == ["seamless-writer"]


def test_a_pending_buffer_is_not_queued_twice(queue: UploadQueue, backend: Backend) -> None:
    backend.gate.clear()
    for _ in range(3):
        add(queue, b"same")
    backend.gate.set()
    queue.drain()
    assert backend.stored == [b"same"]


def test_the_outcome_is_known_while_it_is_pending(queue: UploadQueue, backend: Backend) -> None:
    backend.gate.clear()
    checksum = add(queue, b"pending").get_checksum()
    outcome = queue.outcome(checksum)
    assert outcome is not None
    backend.gate.set()
    assert outcome.result(30) is True
    queue.drain()
    assert queue.outcome(checksum) is None


def test_a_cancelled_wait_does_not_cancel_the_upload(queue: UploadQueue, backend: Backend) -> None:
    backend.gate.clear()
    outcome = queue.outcome(add(queue, b"awaited").get_checksum())
    assert outcome is not None

    async def give_up() -> None:
        await asyncio.wait_for(asyncio.wrap_future(outcome), 0.001)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(give_up())
    backend.gate.set()
    assert queue.drain() is True
    assert backend.stored == [b"awaited"]


def test_a_failed_upload_is_kept_and_retried(queue: UploadQueue, backend: Backend) -> None:
    backend.refusing = True
    checksum = add(queue, b"kept").get_checksum()
    assert queue.drain() is False
    assert [upload.checksum for upload in queue.unsent()] == [checksum]
    assert queue.pending_bytes() == 4
    backend.refusing = False
    assert queue.drain() is True
    assert backend.stored == [b"kept"]


def test_waiting_buffers_are_shared_among_batches_of_limited_size(backend: Backend) -> None:
    queue = UploadQueue(backend.send, backend.leave, lambda: 4)
    backend.gate.clear()
    outcomes = [queue.outcome(add(queue, b"%d" % number).get_checksum()) for number in range(200)]
    backend.gate.set()
    assert all(outcome is None or outcome.result(30) for outcome in outcomes)
    assert 1 in backend.batches  # a single buffer does not wait for others
    assert max(backend.batches) == 4
    assert sum(backend.batches) == 200
    queue.join(30)


def test_large_buffers_have_no_batch_together(backend: Backend) -> None:
    queue = UploadQueue(backend.send, backend.leave, lambda: 4)
    backend.gate.clear()
    for number in range(40):
        add(queue, b"%d" % number + bytes(MAX_BATCH_BYTES))
    backend.gate.set()
    assert queue.drain(60) is True
    assert backend.batches == [1] * 40
    queue.join(30)


def test_a_refused_buffer_fails_alone_in_its_batch(queue: UploadQueue, backend: Backend) -> None:
    backend.gate.clear()
    backend.refused = {b"50": ConnectionError("refused")}
    added = [add(queue, b"%d" % number) for number in range(100)]
    outcomes = [queue.outcome(buffer.get_checksum()) for buffer in added]
    backend.gate.set()
    assert queue.drain(60) is False
    assert [upload.buffer.content for upload in queue.unsent()] == [b"50"]
    for buffer, outcome in zip(added, outcomes, strict=True):
        assert outcome is not None
        assert (outcome.exception(0) is None) == (buffer.content != b"50")
    backend.refused.clear()
    assert queue.drain(60) is True


@pytest.mark.parametrize("count", [0, 2])
def test_a_backend_that_says_too_little_or_too_much_has_failed(count: int) -> None:
    async def send(_: list[Buffer]) -> list[bool | Exception]:
        return [True] * count

    queue = UploadQueue(send, lambda: None)
    outcome = queue.outcome(add(queue, b"x").get_checksum())
    assert queue.drain(30) is False
    assert outcome is not None
    with pytest.raises(ValueError, match="argument 2 is"):
        outcome.result(0)
    assert [upload.buffer.content for upload in queue.unsent()] == [b"x"]
    queue.join(30)


@pytest.mark.parametrize("size", [0, -1, None])
def test_without_a_sensible_batch_size_buffers_are_sent_one_by_one(
    backend: Backend, size: int | None
) -> None:
    def batch_size() -> int:
        if size is None:
            raise ConnectionError("the configuration can't be read")
        return size

    queue = UploadQueue(backend.send, backend.leave, batch_size)
    for number in range(3):
        add(queue, b"%d" % number)
    assert queue.drain(30) is True
    assert backend.batches == [1, 1, 1]
    queue.join(30)


def test_the_future_has_the_error_of_the_backend(queue: UploadQueue, backend: Backend) -> None:
    backend.refusing = True
    backend.gate.clear()
    outcome = queue.outcome(add(queue, b"x").get_checksum())
    assert outcome is not None
    backend.gate.set()
    with pytest.raises(ConnectionError, match="refused"):
        outcome.result(30)


def test_drain_ends_at_its_timeout(queue: UploadQueue, backend: Backend) -> None:
    backend.gate.clear()
    add(queue, b"slow")
    assert queue.drain(timeout=0.01) is False
    backend.gate.set()
    assert queue.drain() is True


def test_a_slow_upload_does_not_delay_others() -> None:
    began, release = threading.Event(), threading.Event()
    done: list[bytes] = []

    async def send(batch: list[Buffer]) -> list[bool]:
        (buffer,) = batch
        if buffer.content == b"slow":
            began.set()
            await asyncio.to_thread(release.wait)
        done.append(buffer.content)
        return [True]

    own = UploadQueue(send, lambda: None)
    add(own, b"slow")
    assert began.wait(30)  # the thread has no other upload now
    outcomes = []
    for number in range(40):
        buffer = Buffer(b"%d" % number)
        own.add(buffer.get_checksum(), buffer)
        outcomes.append(own.outcome(buffer.get_checksum()))
    for outcome in outcomes:
        assert outcome is None or outcome.result(30)
    assert b"slow" not in done
    release.set()
    assert own.drain() is True
    own.join(30)


def test_a_purged_buffer_is_not_sent_and_its_future_is_false(
    queue: UploadQueue, backend: Backend
) -> None:
    backend.gate.clear()
    buffers = [add(queue, b"%d" % number) for number in range(40)]
    outcome = queue.outcome(buffers[-1].get_checksum())
    assert outcome is not None
    queue.purge()
    assert outcome.result(0) is False
    backend.gate.set()
    queue.drain()
    assert len(backend.stored) < len(buffers)


def test_many_threads_and_loops_lose_nothing(queue: UploadQueue, backend: Backend) -> None:
    def work(first: int) -> None:
        async def wait_for(buffer: Buffer) -> None:
            outcome = queue.outcome(buffer.get_checksum())
            if outcome is not None:
                assert await asyncio.wrap_future(outcome)

        for number in range(first, first + 50):
            asyncio.run(wait_for(add(queue, b"%d" % number)))

    threads = [threading.Thread(target=work, args=(n * 50,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.drain() is True
    assert sorted(backend.stored) == sorted(b"%d" % number for number in range(300))


# -- stores that raise what is no Exception -------------------------------------------

STOPPING = [
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    StopIteration,
    MemoryError,
]


@pytest.mark.parametrize("error", STOPPING)
def test_an_upload_that_its_store_cancels_has_failed_and_is_retried(
    queue: UploadQueue, backend: Backend, error: type[BaseException]
) -> None:
    backend.error = error
    backend.gate.clear()
    outcome = queue.outcome(add(queue, b"kept").get_checksum())
    assert outcome is not None
    backend.gate.set()
    assert queue.drain(60) is False
    assert isinstance(outcome.exception(0), Exception)
    assert [upload.buffer.content for upload in queue.unsent()] == [b"kept"]
    backend.error = None
    assert queue.drain(60) is True
    assert backend.stored == [b"kept"]


@pytest.mark.parametrize("error", [asyncio.CancelledError, concurrent.futures.CancelledError])
def test_a_store_that_cancels_does_not_cancel_the_callers_that_wait(
    queue: UploadQueue, backend: Backend, error: type[BaseException]
) -> None:
    backend.error = error
    backend.gate.clear()
    outcome = queue.outcome(add(queue, b"waited for").get_checksum())
    assert outcome is not None

    async def wait() -> None:
        backend.gate.set()
        await asyncio.wrap_future(outcome)

    with pytest.raises(RuntimeError, match="the backend cancelled the upload"):
        asyncio.run(asyncio.wait_for(wait(), 60))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_store_that_stops_the_event_loop_stops_no_upload(
    error: type[BaseException],
) -> None:
    stored: set[bytes] = set()

    async def stop() -> None:
        raise error

    async def send(batch: list[Buffer]) -> list[bool]:
        task = asyncio.get_running_loop().create_task(stop())
        await asyncio.wait({task})
        assert isinstance(task.exception(), error)
        stored.add(batch[0].content)
        return [True]

    own = UploadQueue(send, lambda: None)
    contents = {b"%d" % number for number in range(40)}  # more than `MAX_CONCURRENT`
    for content in contents:
        add(own, content)
    assert own.drain(60) is True
    assert stored == contents
    own.join(30)


def test_ctrl_c_while_the_main_thread_sends_leaves_everything_to_be_sent() -> None:
    code = """
        import asyncio, os, signal, threading
        from seamless import Buffer
        from seamless.caching.upload_queue import UploadQueue

        stored = set()
        interrupting = True

        async def send(batch):
            await asyncio.sleep(0)
            if interrupting:
                os.kill(os.getpid(), signal.SIGINT)
            stored.add(batch[0].content)
            return [True]

        def refuse(thread):
            raise RuntimeError("can't start new thread at interpreter shutdown")

        queue = UploadQueue(send, lambda: None)
        start, threading.Thread.start = threading.Thread.start, refuse
        buffers = [Buffer(b"%d" % number) for number in range(40)]
        interrupts = 0
        for buffer in buffers:
            try:
                queue.add(buffer.get_checksum(), buffer)
            except KeyboardInterrupt:
                interrupts += 1
        assert interrupts == 40 and len(queue.unsent()) == 40, (interrupts, queue.unsent())
        interrupting, threading.Thread.start = False, start
        assert queue.drain(60) is True
        assert len(stored) == 40
        queue.join(30)
    """
    run_python(code)


def test_ctrl_c_in_one_upload_keeps_the_others_that_are_pending() -> None:
    code = """
        import asyncio, os, signal, threading
        from seamless import Buffer
        from seamless.caching.upload_queue import UploadQueue

        stored = set()
        interrupting = True
        first, second = Buffer(b"first"), Buffer(b"second")

        async def send(batch):
            if not interrupting:
                stored.add(batch[0].content)
                return [True]
            if batch == [first]:
                queue.add(second.get_checksum(), second)
                await asyncio.sleep(0.05)
                os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)

        def refuse(thread):
            raise RuntimeError("can't start new thread at interpreter shutdown")

        queue = UploadQueue(send, lambda: None)
        start, threading.Thread.start = threading.Thread.start, refuse
        try:
            queue.add(first.get_checksum(), first)
        except KeyboardInterrupt:
            pass
        errors = {upload.buffer.content: str(upload.error) for upload in queue.unsent()}
        assert "stopped by KeyboardInterrupt" in errors[b"first"], errors
        assert "the thread that sends buffers was stopped" in errors[b"second"], errors
        interrupting, threading.Thread.start = False, start
        assert queue.drain(60) is True
        assert stored == {b"first", b"second"}
        queue.join(30)
    """
    run_python(code)
