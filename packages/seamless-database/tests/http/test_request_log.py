from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seamless_database.http.line_writer import LineWriter
from seamless_database.http.request_log import AccessLog, Client, RequestContext, RequestRecorder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_is_counted_by_method_type_and_status() -> None:
    recorder = RequestRecorder(None)
    context = RequestContext("GET", "/", None, "protocol")
    recorder.record(context, 200, 30)
    recorder.record(context, 200, 30)
    ((labels, durations),) = recorder.requests.items()
    assert (labels.method, labels.type, labels.status) == ("GET", "protocol", 200)
    assert durations.count == 2


@pytest.mark.parametrize(("client", "shown"), [(("::1", 5), "::1:5"), (None, "")])
def test_a_request_is_logged(tmp_path: Path, client: Client, shown: str) -> None:
    with (tmp_path / "log").open("wb") as file, LineWriter(file.fileno()) as writer:
        RequestRecorder(AccessLog(writer)).record(RequestContext("PUT", "/x", client), 499, 0)
    entry = json.loads((tmp_path / "log").read_text())
    assert (entry["client"], entry["method"], entry["path"]) == (shown, "PUT", "/x")
    assert (entry["type"], entry["status"], entry["bytes"]) == ("unknown", 499, 0)
