"""List requests: one request for many keys returns what single requests return."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum
from database_targets import DatabaseUnderTest

from seamless_database import Database
from seamless_database.errors import RequestError
from seamless_database.protocol.request import MAX_CHECKSUMS
from seamless_database.request_types import buffer_info
from seamless_database.request_types.transformation import GetRevTransformations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seamless_database.request_types.statements import StatementConnection
    from seamless_database.storage.backend import Backend


KINDS = ["transformations", "buffer_infos"]


def ask(database: Backend, kind: str, checksums: object) -> Any:
    answer = database.get({"type": kind, "checksums": checksums})
    assert answer is not None
    return json.loads(answer)


def put_results(database: Backend, numbers: Sequence[int]) -> dict[str, str]:
    for number in numbers:
        key = checksum(number)
        database.put({"type": "transformation", "checksum": key, "value": checksum(-number)})
    return {checksum(number): checksum(-number) for number in numbers}


def put_info(database: Backend, number: int, **info: object) -> None:
    database.put({"type": "buffer_info", "checksum": checksum(number), "value": info})


def test_results_are_found_and_misses_are_absent(database: Backend) -> None:
    stored = put_results(database, range(1, 30))
    asked = [checksum(number) for number in range(10, 60)]
    found = ask(database, "transformations", asked)
    assert found == {key: stored[key] for key in asked if key in stored}


def test_infos_are_found_and_misses_are_absent(database: Backend) -> None:
    put_info(database, 1, length=3)
    put_info(database, 2, dtype="int64", shape=[2, 3])
    found = ask(database, "buffer_infos", [checksum(3), checksum(2), checksum(1)])
    assert found == {checksum(1): {"length": 3}, checksum(2): {"dtype": "int64", "shape": [2, 3]}}


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_list_finds_nothing(database: Backend, kind: str) -> None:
    assert ask(database, kind, []) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checksum_may_be_repeated_and_in_upper_case(database: Backend, kind: str) -> None:
    put_results(database, [1])
    put_info(database, 1, length=3)
    asked = [checksum(1), checksum(1).upper(), checksum(1)]
    answer = database.get({"type": kind, "checksums": asked})
    assert answer is not None
    assert answer.count(checksum(1)) == 1
    assert list(json.loads(answer)) == [checksum(1)]


def test_the_largest_list_is_accepted(database: Backend) -> None:
    stored = put_results(database, [1, MAX_CHECKSUMS])
    asked = [checksum(number) for number in range(1, MAX_CHECKSUMS + 1)]
    assert ask(database, "transformations", asked) == stored


def test_a_longer_list_is_rejected(database: Backend) -> None:
    with pytest.raises(RequestError, match=r"'checksums'.*at most 10000"):
        ask(database, "transformations", [checksum(1)] * (MAX_CHECKSUMS + 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [None, checksum(1), {checksum(1): 1}, 5])
def test_a_value_that_is_not_a_list_is_rejected(
    database: Backend, kind: str, wrong: object
) -> None:
    with pytest.raises(RequestError, match=f"'checksums' of a {kind} request must be a list"):
        ask(database, kind, wrong)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [None, 5, "", checksum(1)[1:], checksum(1)[1:] + "g"])
def test_an_invalid_checksum_is_named_by_its_index(
    database: Backend, kind: str, wrong: object
) -> None:
    with pytest.raises(RequestError, match=r"'checksums\[1\]'"):
        ask(database, kind, [checksum(1), wrong, checksum(2)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_list_is_rejected(database: Backend, kind: str) -> None:
    with pytest.raises(RequestError, match="needs the field 'checksums'"):
        database.get({"type": kind})


def test_large_infos_are_found_beside_small_ones(database: Backend) -> None:
    put_info(database, 1, length=1)
    put_info(database, 2, note="x" * 2 * buffer_info.SMALL)
    found = ask(database, "buffer_infos", [checksum(1), checksum(2)])
    assert found == {checksum(1): {"length": 1}, checksum(2): {"note": "x" * 8192}}


@pytest.mark.parametrize("size", [500, 6000])
def test_infos_beyond_the_size_of_a_response_are_rejected(
    database: Backend, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(buffer_info, "MAX_RESPONSE", 10_000)
    for number in range(20):
        put_info(database, number, note="x" * size)
    with pytest.raises(RequestError, match=r"'checksums'.*ask for fewer"):
        ask(database, "buffer_infos", [checksum(number) for number in range(20)])
    assert list(ask(database, "buffer_infos", [checksum(1)])) == [checksum(1)]


def test_published_infos_are_returned_as_in_single_requests(
    database: Backend, place: DatabaseUnderTest
) -> None:
    texts = ['{"scale": NaN, "length": 2}', '{"x": 3.0}']
    rows = [(checksum(number), text) for number, text in enumerate(texts)]
    for row in rows:
        place.insert("buffer_info", *row)
    alone = {
        key: json.loads(database.get({"type": "buffer_info", "checksum": key}) or "")
        for key, _ in rows
    }
    assert ask(database, "buffer_infos", list(alone)) == alone


class Broken(GetRevTransformations):
    """A list whose iteration raises an error."""

    def run(self, connection: StatementConnection) -> str | None:
        raise RuntimeError("not about closing")


def test_a_programming_error_is_not_a_miss(database: Backend) -> None:
    with pytest.raises(RuntimeError, match="not about closing"):
        asyncio.run(database.execute_read(Broken(checksum(1))))


def test_in_a_file_without_tables_everything_is_a_miss(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with Database(path) as database:
        request = {"type": "transformations", "checksums": [checksum(1)]}
        assert database.get(request) is None
