"""Part `redis`: what a user would pick instead, by the same generator and on the same disk.

It keeps everything in memory and knows nothing of results, records or conflicts; with its file
synced for every write it promises as much as ours does.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from tools.bench.database import response_parser
from tools.bench.database.load import HOST, load, repeated
from tools.bench.database.requests import checksum, get, put_result, redis_command
from tools.bench.database.servers import free_port, listening, running, running_ours, scratch
from tools.bench.database.workloads import CONNECTIONS, QUICK, Amount
from tools.bench.free_table import Cell, Figure, FreeTable
from tools.bench.rounds import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tools.bench.database.response_parser import Framing
    from tools.bench.database.servers import Server
    from tools.bench.settings import Plan

COMMAND = "redis-server"
OURS = "ours"
MEMORY = "Redis, in memory"
#: side -> options of Redis
SIDES = {
    MEMORY: ("--appendonly", "no"),
    "Redis, synced each second": ("--appendonly", "yes", "--appendfsync", "everysec"),
    "Redis, synced each write": ("--appendonly", "yes", "--appendfsync", "always"),
}
NOTE = """\
Near 100 %, the generator is what keeps Redis from more; the processor time for a request, here of
Redis in memory, says how much more there would be."""
#: workload -> whether it writes, and over how many connections
WORKLOADS = {
    "look-up": (False, CONNECTIONS),
    "look-up, one connection": (False, 1),
    "write": (True, CONNECTIONS),
    "write, one connection": (True, 1),
}


def running_redis(
    folder: Path, options: tuple[str, ...]
) -> contextlib.AbstractContextManager[Server]:
    """Run a Redis that keeps its file in this folder."""
    port = free_port()
    words = f"--port {port} --bind {HOST} --dir".split()
    return running([COMMAND, *words, folder, "--save", "", *options], port, listening)


def run(plan: Plan) -> list[FreeTable]:
    """Measure ours and Redis alternately."""
    amount = QUICK if plan.quick else Amount(writes=1_000)
    heads = [OURS, *SIDES, "processor, ours", "processor, Redis", "generator, busy with Redis"]
    sheet = FreeTable("Requests a second beside Redis", ["workload", *heads], notes=[NOTE])
    with contextlib.ExitStack() as stack:
        servers = _servers(stack)
        if MEMORY not in servers:
            sheet.notes = [f"`{COMMAND}` is not installed, so it was not measured."]
        for side, server in servers.items():
            keys = iter([_write(side, number) for number in range(amount.keys)])
            load(server.port, keys, CONNECTIONS, framing=_framing(side)).all_answered(200)
        for turn, (name, (writes, connections)) in enumerate(WORKLOADS.items(), 1):
            sides = {side: Measured([server]) for side, server in servers.items()}
            for round_ in range(plan.rounds):
                first = turn * 10**8 + round_ * amount.writes
                for side, measured in sides.items():
                    requests = _requests(side, amount, first if writes else None)
                    measured.round(requests, connections, framing=_framing(side))
            sheet.add(name, *_cells(sides))
    return [sheet]


def _servers(stack: contextlib.ExitStack) -> dict[str, Server]:
    """Start ours, and Redis in each way if it is there."""
    servers = {OURS: stack.enter_context(running_ours(stack.enter_context(scratch()) / "db"))}
    if shutil.which(COMMAND) is not None:
        for side, options in SIDES.items():
            folder = stack.enter_context(scratch())
            servers[side] = stack.enter_context(running_redis(folder, options))
    return servers


def _cells(sides: Mapping[str, Measured]) -> list[Cell]:
    rates: list[Cell] = [
        Figure(sides[side].per_second(), "/s") if side in sides else "not installed"
        for side in (OURS, *SIDES)
    ]
    own = Figure(sides[OURS].microseconds(), "µs")
    if (redis := sides.get(MEMORY)) is None:
        return [*rates, own, None, None]
    return [*rates, own, Figure(redis.microseconds(), "µs"), Figure(redis.busy(), "%")]


def _framing(side: str) -> Framing:
    return response_parser.http if side == OURS else response_parser.redis


def _requests(side: str, amount: Amount, first: int | None) -> Iterator[bytes]:
    """Give new writes from a number on, or look-ups."""
    if first is not None:
        return iter([_write(side, number) for number in range(first, first + amount.writes)])
    return repeated([_look_up(side, number) for number in range(amount.keys)], amount.reads)


def _write(side: str, number: int) -> bytes:
    if side == OURS:
        return put_result(number)
    return redis_command("SET", checksum(number), checksum(number, "result"))


def _look_up(side: str, number: int) -> bytes:
    if side == OURS:
        return get("transformation", number)
    return redis_command("GET", checksum(number))
