"""Random conversations with real servers, restarts included, compared with a simple model."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from database_samples import checksum, record
from database_server import Server
from database_targets import DatabaseUnderTest, fresh_place
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Response = tuple[int, object]

OK: Response = (200, "OK")
MISS: Response = (404, "ERROR: Unknown key")
FEW = st.integers(0, 2)
CELLTYPES = ("python", "text")


@dataclass
class Model:
    """What a server should know, in the plainest terms; every name is a small number."""

    results: dict[int, int] = field(default_factory=dict)
    #: transformation -> number of its record
    records: dict[int, int] = field(default_factory=dict)
    #: transformation -> irreproducible result -> number of its record, or None
    irreproducible: dict[int, dict[int, int | None]] = field(default_factory=dict)
    infos: dict[int, dict[str, int | None]] = field(default_factory=dict)
    #: syntactic, cell type, semantic
    meanings: set[tuple[int, str, int]] = field(default_factory=set)
    expressions: dict[tuple[int, str], int] = field(default_factory=dict)
    probes: dict[int, int] = field(default_factory=dict)

    def put_result(self, tf: int, result: int) -> Response:
        if self.results.get(tf) != result:
            self.records.pop(tf, None)
        self.results[tf] = result
        return OK

    def put_record(self, tf: int, result: int, number: int) -> Response:
        if self.irreproducible.get(tf):
            return 409, "ERROR: Transformation already has irreproducible records"
        if self.results.setdefault(tf, result) != result:
            return 409, "ERROR: Transformation result does not match execution record result"
        if self.records.setdefault(tf, number) != number:
            return 409, "ERROR: Execution record already exists with different metadata"
        return OK

    def put_irreproducible(self, tf: int, result: int) -> Response:
        if self.results.get(tf, result) != result:
            return 404, "ERROR: Transformation does not have the irreproducible result"
        number = self.records.pop(tf, None)
        self.results.pop(tf, None)
        rows = self.irreproducible.setdefault(tf, {})
        if rows.get(result) is None:
            rows[result] = number
        return OK


class CallFlow(RuleBasedStateMachine):
    """One conversation; each uses names of its own, so that all can share a server."""

    servers: ClassVar[list[Server]]
    requests: ClassVar[Iterator[int]] = itertools.count()
    place: ClassVar[DatabaseUnderTest]
    names: ClassVar[Iterator[int]] = itertools.count()
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.name = next(self.names)

    @property
    def server(self) -> Server:
        """Any of the servers: all of them know the same."""
        return self.servers[next(self.requests) % len(self.servers)]

    def key(self, kind: str, number: int) -> str:
        return checksum((self.name, kind, number))

    def record(self, tf: int, result: int, number: int) -> dict[str, Any]:
        return record(self.key("tf", tf), self.key("result", result), number=number, big=2**70)

    def put(self, kind: str, wanted: Response, **fields: object) -> None:
        answer = self.server.put(kind, **fields)
        assert (answer.status, answer.text) == wanted
        CallFlow.steps += 1

    def get(self, kind: str, wanted: object, **fields: object) -> None:
        """Ask for something; a list is compared without its order, None is a miss."""
        answer = self.server.get(kind, **fields)
        if wanted is None:
            assert (answer.status, answer.text) == MISS
        elif isinstance(wanted, str):
            assert (answer.status, answer.text) == (200, wanted)
        else:
            assert answer.status == 200
            assert _plain(answer.json()) == _plain(wanted)

    # what is done

    @rule(tf=FEW, result=FEW)
    def put_result(self, tf: int, result: int) -> None:
        wanted = self.model.put_result(tf, result)
        value = self.key("result", result)
        self.put("transformation", wanted, checksum=self.key("tf", tf), value=value)

    @rule(tf=FEW, result=FEW, number=st.integers(0, 1), as_text=st.booleans())
    def put_record(self, tf: int, result: int, number: int, as_text: bool) -> None:
        body = self.record(tf, result, number)
        self.put(
            "metadata",
            self.model.put_record(tf, result, number),
            checksum=self.key("tf", tf),
            result=self.key("result", result),
            value=json.dumps(body) if as_text else body,
        )

    @rule(tf=FEW, result=FEW)
    def put_irreproducible(self, tf: int, result: int) -> None:
        wanted = self.model.put_irreproducible(tf, result)
        names = {"checksum": self.key("tf", tf), "result": self.key("result", result)}
        self.put("irreproducible", wanted, **names)

    @rule(buffer=FEW, name=st.sampled_from(["length", "x"]), value=st.none() | FEW)
    def put_info(self, buffer: int, name: str, value: int | None) -> None:
        self.model.infos.setdefault(buffer, {})[name] = value
        self.put("buffer_info", OK, checksum=self.key("buffer", buffer), value={name: value})

    @rule(semantic=FEW, celltype=st.sampled_from(CELLTYPES), syntactic=st.lists(FEW, max_size=3))
    def put_meaning(self, semantic: int, celltype: str, syntactic: list[int]) -> None:
        self.model.meanings |= {(one, celltype, semantic) for one in syntactic}
        self.put(
            "semantic_to_syntactic",
            OK,
            checksum=self.key("semantic", semantic),
            celltype=celltype,
            subcelltype="",
            value=[self.key("syntactic", one) for one in syntactic],
        )

    @rule(input_=FEW, path=st.sampled_from(["[]", '["a"]', "[0]"]), result=FEW)
    def put_expression(self, input_: int, path: str, result: int) -> None:
        self.model.expressions[input_, path] = result
        value = self.key("result", result)
        self.put("expression", OK, **self.expression(input_, path), value=value)

    @rule(label=FEW, number=FEW)
    def put_probe(self, label: int, number: int) -> None:
        self.model.probes[label] = number
        probe = self.probe(label, number)
        self.put("bucket_probe", OK, **probe)

    @rule(tf=FEW, field_=st.sampled_from(["checksum", "value"]), wrong=st.sampled_from([5, "x"]))
    def put_nonsense(self, tf: int, field_: str, wrong: object) -> None:
        right = {"checksum": self.key("tf", tf), "value": self.key("result", 0)}
        assert self.server.put("transformation", **{**right, field_: wrong}).status == 400

    # many writes in one request

    @rule(entries=st.dictionaries(FEW, FEW))
    def put_results_in_bulk(self, entries: dict[int, int]) -> None:
        self.put_bulk(
            "transformations",
            {tf: partial(self.model.put_result, tf, result) for tf, result in entries.items()},
            {tf: self.key("result", result) for tf, result in entries.items()},
        )

    @rule(entries=st.dictionaries(FEW, st.tuples(FEW, st.integers(0, 1))))
    def put_records_in_bulk(self, entries: dict[int, tuple[int, int]]) -> None:
        self.put_bulk(
            "metadatas",
            {tf: partial(self.model.put_record, tf, *entry) for tf, entry in entries.items()},
            {
                tf: {
                    "result": self.key("result", result),
                    "value": self.record(tf, result, number),
                }
                for tf, (result, number) in entries.items()
            },
        )

    def put_bulk(
        self, kind: str, steps: dict[int, Callable[[], Response]], entries: Mapping[int, object]
    ) -> None:
        """Send entries, and compare each outcome with what its step does to the model."""
        wanted: dict[str, object] = {}
        for tf, step in steps.items():
            before = (self.model.results.get(tf), self.model.records.get(tf))
            status, text = step()
            after = (self.model.results.get(tf), self.model.records.get(tf))
            wanted[self.key("tf", tf)] = "unchanged" if before == after else "stored"
            if status != 200:
                error = str(text).removeprefix("ERROR: ")
                wanted[self.key("tf", tf)] = {"status": status, "error": error}
        answer = self.server.put(kind, value={self.key("tf", tf): entries[tf] for tf in entries})
        assert (answer.status, answer.json()) == (200, wanted)
        CallFlow.steps += 1

    # contests between writers

    @rule(tf=FEW, results=st.lists(FEW, min_size=2, max_size=4))
    def put_results_at_once(self, tf: int, results: list[int]) -> None:
        key = self.key("tf", tf)

        def put(result: int) -> int:
            value = self.key("result", result)
            return self.server.put("transformation", checksum=key, value=value).status

        with ThreadPoolExecutor(len(results)) as pool:
            assert set(pool.map(put, results)) == {200}
        reported = self.server.get("transformation", checksum=key).text
        (last,) = [result for result in set(results) if self.key("result", result) == reported]
        if set(results) != {self.model.results.get(tf)}:
            # the first writer has removed the record of the former result
            self.model.records.pop(tf, None)
        self.model.results[tf] = last

    @precondition(lambda self: any(self.is_new(tf) for tf in range(3)))
    @rule(data=st.data(), offers=st.lists(st.tuples(FEW, FEW), min_size=2, max_size=5))
    def put_records_at_once(self, data: st.DataObject, offers: list[tuple[int, int]]) -> None:
        tf = data.draw(st.sampled_from([tf for tf in range(3) if self.is_new(tf)]))

        def put(offer: tuple[int, int]) -> tuple[tuple[int, int], int]:
            result, number = offer
            answer = self.server.put(
                "metadata",
                checksum=self.key("tf", tf),
                result=self.key("result", result),
                value=self.record(tf, result, number),
            )
            return offer, answer.status

        with ThreadPoolExecutor(len(offers)) as pool:
            answers = list(pool.map(put, offers))
        winners = {offer for offer, status in answers if status == 200}
        assert len(winners) == 1
        assert {status for offer, status in answers if offer not in winners} <= {409}
        ((self.model.results[tf], self.model.records[tf]),) = winners

    def is_new(self, tf: int) -> bool:
        return tf not in self.model.results and not self.model.irreproducible.get(tf)

    @rule(kill=st.booleans(), one=st.integers(0, 1))
    def restart(self, kill: bool, one: int) -> None:
        server = self.servers[one % len(self.servers)]
        if kill:
            server.process.kill()
            server.end()
        else:
            assert server.stop() == (0, "")
        self.servers[one % len(self.servers)] = Server(self.place.target)

    # what is asked after each of these

    @invariant()
    def transformations_agree(self) -> None:
        model = self.model
        for tf in range(3):
            key = self.key("tf", tf)
            result, number = model.results.get(tf), model.records.get(tf)
            self.get("transformation", self.maybe("result", result), checksum=key)
            known = None
            if result is not None and number is not None:
                known = self.record(tf, result, number)
            self.get("metadata", known, checksum=key)
            rows = [
                {
                    "checksum": key,
                    "result": self.key("result", old),
                    "metadata": "" if of is None else self.record(tf, old, of),
                }
                for old, of in model.irreproducible.get(tf, {}).items()
            ]
            self.get("irreproducible", rows or None, checksum=key)
        for result in range(3):
            with_it = [self.key("tf", tf) for tf, of in model.results.items() if of == result]
            key = self.key("result", result)
            self.get("rev_transformations", with_it or None, checksum=key)

    @invariant()
    def the_rest_agrees(self) -> None:
        model = self.model
        for number in range(3):
            self.get("buffer_info", model.infos.get(number), checksum=self.key("buffer", number))
            probe = model.probes.get(number)
            known = None if probe is None else self.probe(number, probe)
            self.get("bucket_probe", known, **self.label(number))
        for celltype in CELLTYPES:
            self.meanings_agree(celltype)
        for (input_, path), result in model.expressions.items():
            known_result = self.key("result", result)
            self.get("expression", known_result, **self.expression(input_, path))

    def meanings_agree(self, celltype: str) -> None:
        for number in range(3):
            syntactic = [
                self.key("syntactic", one)
                for one, kind, of in self.model.meanings
                if (kind, of) == (celltype, number)
            ]
            semantic = [
                self.key("semantic", of)
                for one, kind, of in self.model.meanings
                if (kind, one) == (celltype, number)
            ]
            under = {"celltype": celltype, "subcelltype": ""}
            key = self.key("semantic", number)
            self.get("semantic_to_syntactic", syntactic or None, checksum=key, **under)
            key = self.key("syntactic", number)
            self.get("syntactic_to_semantic", semantic or None, checksum=key, **under)

    # the requests in full

    def maybe(self, kind: str, number: int | None) -> str | None:
        return None if number is None else self.key(kind, number)

    def expression(self, input_: int, path: str) -> dict[str, object]:
        key = self.key("input", input_)
        celltypes = {"celltype": "mixed", "target_celltype": "plain"}
        return {"checksum": key, "path": json.loads(path), **celltypes}

    def label(self, label: int) -> dict[str, object]:
        return {"bucket_kind": "node", "label": f"{self.name} {label}"}

    def probe(self, label: int, number: int) -> dict[str, object]:
        tokens = {"freshness_tokens": {"number": number}, "captured_at": str(number)}
        return {**self.label(label), "bucket_checksum": self.key("probe", number), **tokens}


def _plain(value: object) -> object:
    """A value as text; lists without their order, 1 and 1.0 and true apart."""
    if isinstance(value, list):
        return sorted(json.dumps(item, sort_keys=True) for item in value)
    return json.dumps(value, sort_keys=True)


@pytest.mark.stress
@pytest.mark.parametrize(("back_end", "servers"), [("sqlite", 1), ("postgresql", 2)])
def test_every_answer_is_that_of_the_model(
    request: pytest.FixtureRequest,
    note: Callable[[str], None],
    tmp_path: Path,
    back_end: str,
    servers: int,
) -> None:
    runs = request.config.getoption("--truth-runs")
    before = CallFlow.steps
    with fresh_place(back_end, tmp_path) as place:
        CallFlow.place = place
        CallFlow.servers = [Server(place.target) for _ in range(servers)]
        try:
            run_state_machine_as_test(
                CallFlow,
                settings=settings(
                    max_examples=runs,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            for server in CallFlow.servers:
                assert server.stop() == (0, "")
        finally:
            for server in CallFlow.servers:
                server.stop()
    steps = CallFlow.steps - before
    note(f"{runs} conversations, {steps} writes, all answers compared after each")
