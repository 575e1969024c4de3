from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seamless_database.http.access_log import AccessLog
from seamless_database.http.idle import IdleTracker
from seamless_database.http.line_writer import LineWriter
from seamless_database.http.request_log import Client, RequestContext, RequestRecorder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_is_counted_by_method_type_and_status() -> None:
    tally = RequestRecorder(IdleTracker(), None)
    exchange = RequestContext("GET", "/", None, "protocol")
    tally.record(exchange, 200, 30)
    tally.record(exchange, 200, 30)
    ((kind, durations),) = tally.requests.items()
    assert (kind.method, kind.type, kind.status) == ("GET", "protocol", 200)
    assert durations.count == 2


@pytest.mark.parametrize(("client", "shown"), [(("::1", 5), "::1:5"), (None, "")])
def test_a_request_is_logged(tmp_path: Path, client: Client, shown: str) -> None:
    with (tmp_path / "log").open("wb") as file, LineWriter(file.fileno()) as writer:
        RequestRecorder(IdleTracker(), AccessLog(writer)).record(
            RequestContext("PUT", "/x", client), 499, 0
        )
    entry = json.loads((tmp_path / "log").read_text())
    assert (entry["client"], entry["method"], entry["path"]) == (shown, "PUT", "/x")
    assert (entry["type"], entry["status"], entry["bytes"]) == ("unknown", 499, 0)
