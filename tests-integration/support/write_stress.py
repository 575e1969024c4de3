"""Clients that write without pause, and remember what was acknowledged."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from database_samples import checksum, record
from database_server import TIMEOUT, Server
from database_targets import DatabaseUnderTest

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = 24
#: entries of each bulk write
BULK = 40


@dataclass
class Acknowledged:
    """What has been answered 200: what the file has to hold."""

    records: dict[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    irreproducible: dict[str, str] = field(default_factory=dict)
    #: the keys of each bulk write that was sent, whether it was acknowledged or not
    bulks: list[list[str]] = field(default_factory=list)
    refused: int = 0

    @property
    def count(self) -> int:
        return len(self.records) + len(self.results) + len(self.irreproducible)

    def add(self, other: Acknowledged) -> None:
        """Take in what another part was acknowledged."""
        self.records |= other.records
        self.results |= other.results
        self.irreproducible |= other.irreproducible
        self.bulks += other.bulks
        self.refused += other.refused


class WriteStress:
    """As many threads, each with its own connection, until the server is gone or `stop`."""

    def __init__(self, server: Server, name: object, clients: int = CLIENTS) -> None:
        self._server = server
        self._stop = threading.Event()
        self._parts = [Acknowledged() for _ in range(clients)]
        self._threads = [
            threading.Thread(target=self._write, args=((name, i), self._parts[i]))
            for i in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Acknowledged:
        """Wait for the clients; returns everything that was acknowledged."""
        self._stop.set()
        whole = Acknowledged()
        for thread, part in zip(self._threads, self._parts, strict=True):
            thread.join()
            whole.add(part)
        return whole

    @property
    def count(self) -> int:
        return sum(part.count for part in self._parts)

    @property
    def refused(self) -> int:
        return sum(part.refused for part in self._parts)

    def _write(self, name: object, part: Acknowledged) -> None:
        connection = http.client.HTTPConnection(
            self._server.host, self._server.port, timeout=TIMEOUT
        )
        try:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                self._step(connection, part, checksum((name, number)), number)
        except (OSError, http.client.HTTPException):
            # the server has ended, as requested
            return
        finally:
            connection.close()

    def _step(
        self, connection: http.client.HTTPConnection, part: Acknowledged, key: str, number: int
    ) -> None:
        if number % 5 == 4:
            self._put_bulk(connection, part, [checksum((key, entry)) for entry in range(BULK)])
            return
        result = checksum(key)
        put: dict[str, Any] = {"type": "transformation", "checksum": key, "value": result}
        target = part.results
        if number % 3:
            body = record(key, result, number=number)
            put = {"type": "metadata", "checksum": key, "result": result, "value": body}
            target = part.records
        if not _put(connection, put):
            part.refused += 1
            return
        target[key] = result
        if number % 7 == 0:
            # until this is answered, it may be in either of the two
            del target[key]
            if _put(connection, {"type": "irreproducible", "checksum": key, "result": result}):
                part.irreproducible[key] = result
            else:
                part.refused += 1

    def _put_bulk(
        self, connection: http.client.HTTPConnection, part: Acknowledged, keys: list[str]
    ) -> None:
        results = {key: checksum(key) for key in keys}
        part.bulks.append(keys)
        put: dict[str, Any] = {"type": "transformations", "value": results}
        target = part.results
        if len(part.bulks) % 2:
            entries = {
                key: {"result": result, "value": record(key, result)}
                for key, result in results.items()
            }
            put = {"type": "metadatas", "value": entries}
            target = part.records
        if _put(connection, put, json.dumps(dict.fromkeys(keys, "stored"))):
            target |= results
        else:
            part.refused += 1


def _put(connection: http.client.HTTPConnection, body: dict[str, Any], wanted: str = "OK") -> bool:
    connection.request("PUT", "/", json.dumps(body))
    answer = connection.getresponse()
    text = answer.read().decode()
    assert (answer.status, text) == (200, wanted) or (
        answer.status == 503 and text.startswith("ERROR: ")
    ), (answer.status, text)
    return answer.status == 200


def missing(where: Path | DatabaseUnderTest, acknowledged: Acknowledged) -> list[str]:
    """Name what was acknowledged and is not in the database, and what is there by halves."""
    place = where if isinstance(where, DatabaseUnderTest) else DatabaseUnderTest(str(where))
    # in one statement: what a killed server had begun, PostgreSQL may complete in between
    tables = ("transformation", "rev_transformation", "meta_data", "irreproducible_transformation")
    sql = " UNION ALL ".join(f"SELECT '{name}', checksum, result FROM {name}" for name in tables)
    rows: dict[str, set[tuple[str, str]]] = {name: set() for name in tables}
    for name, key, result in place.rows(sql):
        rows[name].add((key, result))
    results, reverse, records, irreproducible = (rows[name] for name in tables)
    wrong = []
    if place.is_file:
        ((sound,),) = place.rows("PRAGMA integrity_check")
        wrong += [] if sound == "ok" else [f"integrity_check: {sound}"]
    present = {
        "result": (acknowledged.results.items(), results),
        "result of a record": (acknowledged.records.items(), results),
        "record": (acknowledged.records.items(), records),
        "irreproducible": (acknowledged.irreproducible.items(), irreproducible),
        # no half entries, acknowledged or not
        "reverse row": (results, reverse),
        "transformation of a reverse row": (reverse, results),
        "transformation of a record": (records, results),
    }
    for what, (wanted, found) in present.items():
        wrong += [f"no {what}: {key}" for key, _ in set(wanted) - set(found)]
    stored = {key for key, _ in results}
    for keys in acknowledged.bulks:
        found_keys = stored.intersection(keys)
        if 0 < len(found_keys) < len(keys):
            wrong.append(f"{len(found_keys)} of the {len(keys)} entries of a bulk write: {keys[0]}")
    left = results & irreproducible
    return wrong + [f"irreproducible and still there: {key}" for key, _ in left]
