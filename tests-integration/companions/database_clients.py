"""The two database clients, each at work on a server in a process of its own.

Run in the environment: `database_clients.py published|ours URL [TITLE…]`. Makes every call of the
client, or those with the titles alone, and writes what came back, as one JSON object, so that
servers can be compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


TRANSFORMATION, UNKNOWN = name("transformation"), name("unknown")
IRREPRODUCIBLE = name("irreproducible")
RESULT, OTHER = name("result"), name("other")
TOKENS = {"boot_id": "b", "hostname": "h", "nested": {"mtime": 17}}


def record(transformation: str, result: str, **changes: object) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "tf_checksum": transformation,
        "result_checksum": result,
        "seamless_version": "0",
        "execution_mode": "process",
        "remote_target": None,
        "wall_time_seconds": 0.5,
        "cpu_time_user_seconds": 0.25,
        "cpu_time_system_seconds": 0.125,
        "memory_peak_bytes": 2**40,
        "gpu_memory_peak_bytes": None,
        **changes,
    }


async def published(url: str, titles: list[str]) -> dict[str, Any]:
    """Call all of the published client."""
    import seamless_config
    from seamless_remote import database_remote as client

    from seamless import Checksum

    seamless_config.set_remote_clients({"database": [{"readonly": False, "url": url}]})

    def text(answer: Any) -> Any:
        """Spell checksums as text, at any depth that they come in."""
        if isinstance(answer, list):
            return [text(item) for item in answer]
        return answer.hex() if isinstance(answer, Checksum) else answer

    tf, irreproducible, unknown = map(Checksum, (TRANSFORMATION, IRREPRODUCIBLE, UNKNOWN))
    result, other = Checksum(RESULT), Checksum(OTHER)
    full = record(IRREPRODUCIBLE, RESULT, freshness={"tokens": TOKENS}, node=name("bucket"))
    again = record(TRANSFORMATION, RESULT, wall_time_seconds=9.0)
    bucket = Checksum(name("bucket"))
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "no result": lambda: client.get_transformation_result(unknown),
        "no source": lambda: client.get_rev_transformations(Checksum(UNKNOWN)),
        "no record": lambda: client.get_execution_record(unknown),
        "no probe": lambda: client.get_bucket_probe("node", "unknown"),
        "not irreproducible": lambda: client.get_irreproducible_records(unknown),
        "set": lambda: client.set_transformation_result(tf, result),
        "result": lambda: client.get_transformation_result(tf),
        "source": lambda: client.get_rev_transformations(result),
        "set record": lambda: client.set_execution_record(
            tf, result, record(TRANSFORMATION, RESULT)
        ),
        "same record": lambda: client.set_execution_record(
            tf, result, record(TRANSFORMATION, RESULT)
        ),
        "another record": lambda: client.set_execution_record(tf, result, again),
        "record": lambda: client.get_execution_record(tf),
        "set probe": lambda: client.set_bucket_probe("node", "näme", bucket, TOKENS, "noon"),
        "probe": lambda: client.get_bucket_probe("node", "näme"),
        "set irreproducible": lambda: client.set_transformation_result(irreproducible, result),
        "record irreproducible": lambda: client.set_execution_record(irreproducible, result, full),
        "undo": lambda: client.undo_transformation_result(irreproducible, result),
        "undone": lambda: client.get_transformation_result(irreproducible),
        "irreproducible": lambda: client.get_irreproducible_records(irreproducible),
        "one irreproducible": lambda: client.get_irreproducible_records(irreproducible, result),
        "other": lambda: client.get_irreproducible_records(irreproducible, other),
        "sources left": lambda: client.get_rev_transformations(result),
    }
    return {title: text(await calls[title]()) for title in titles or calls}


async def ours(url: str, titles: list[str]) -> dict[str, Any]:
    """Call all of our client."""
    from seamless_database.client import AsyncDatabaseClient

    info = {"length": 3, "dtype": "float64", "shape": [3]}
    probe = ("node", "näme", name("bucket"), "noon", TOKENS)
    meaning = (name("semantic"), "python", "")
    path: list[str | int] = ["a", 0, "é"]
    expression = (RESULT, path, "mixed", "plain")
    async with AsyncDatabaseClient(url) as client:
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "health": client.healthcheck,
            "no result": lambda: client.get_transformation(UNKNOWN),
            "put": lambda: client.put_transformation(TRANSFORMATION, RESULT),
            "result": lambda: client.get_transformation(TRANSFORMATION),
            "sources": lambda: client.get_rev_transformations(RESULT),
            "put record": lambda: client.put_metadata(
                TRANSFORMATION, RESULT, record(TRANSFORMATION, RESULT)
            ),
            "record": lambda: client.get_metadata(TRANSFORMATION),
            "put result": lambda: client.put_transformation(IRREPRODUCIBLE, RESULT),
            "put irreproducible": lambda: client.put_irreproducible(IRREPRODUCIBLE, RESULT),
            "irreproducible": lambda: client.get_irreproducible(IRREPRODUCIBLE),
            "one irreproducible": lambda: client.get_irreproducible(IRREPRODUCIBLE, RESULT),
            "put info": lambda: client.put_buffer_info(RESULT, info),
            "info": lambda: client.get_buffer_info(RESULT),
            "put meaning": lambda: client.put_semantic_to_syntactic(*meaning, [OTHER]),
            "syntactic": lambda: client.get_semantic_to_syntactic(*meaning),
            "semantic": lambda: client.get_syntactic_to_semantic(OTHER, *meaning[1:]),
            "put expression": lambda: client.put_expression(*expression, OTHER),
            "expression": lambda: client.get_expression(*expression),
            "expressions": lambda: client.get_rev_expression(OTHER),
            "put probe": lambda: client.put_bucket_probe(*probe),
            "probe": lambda: client.get_bucket_probe("node", "näme"),
        }
        return {title: await calls[title]() for title in titles or calls}


if __name__ == "__main__":
    client = {"published": published, "ours": ours}[sys.argv[1]]
    json.dump(asyncio.run(client(sys.argv[2], sys.argv[3:])), sys.stdout)
