from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seamless_database.http.access_log import AccessLog
from seamless_database.http.idle import Activity
from seamless_database.http.line_writer import LineWriter
from seamless_database.http.request_log import Client, Exchange, Tally

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_is_counted_by_method_type_and_status() -> None:
    tally = Tally(Activity(), None)
    exchange = Exchange("GET", "/", None, "protocol")
    tally.add(exchange, 200, 30)
    tally.add(exchange, 200, 30)
    ((kind, durations),) = tally.requests.items()
    assert (kind.method, kind.type, kind.status) == ("GET", "protocol", 200)
    assert durations.count == 2


@pytest.mark.parametrize(("client", "shown"), [(("::1", 5), "::1:5"), (None, "")])
def test_a_request_is_logged(tmp_path: Path, client: Client, shown: str) -> None:
    with (tmp_path / "log").open("wb") as file, LineWriter(file.fileno()) as writer:
        Tally(Activity(), AccessLog(writer)).add(Exchange("PUT", "/x", client), 499, 0)
    entry = json.loads((tmp_path / "log").read_text())
    assert (entry["client"], entry["method"], entry["path"]) == (shown, "PUT", "/x")
    assert (entry["type"], entry["status"], entry["bytes"]) == ("unknown", 499, 0)
