from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record
from hypothesis import given
from hypothesis import strategies as st
from json_values import VALUES

from seamless_database import request_types
from seamless_database.errors import RequestError
from seamless_database.protocol.request import RequestFields, decode, from_python
from seamless_database.request_types.metadata import PutMetadata
from seamless_database.request_types.transformation import GetTransformation

if TYPE_CHECKING:
    from collections.abc import Callable

#: the fields of all request types
NAMES = {
    *("type", "checksum", "checksums", "value", "result", "celltype", "subcelltype", "path"),
    *("target_celltype", "bucket_kind", "label", "bucket_checksum", "captured_at"),
    "freshness_tokens",
}
#: requests that are nearly right, and anything at all
REQUESTS = st.fixed_dictionaries(
    {"type": st.sampled_from([*request_types.READS, "?"]) | VALUES},
    optional={
        name: st.sampled_from([checksum(1), checksum(1).upper(), [], [checksum(2)], "mixed", {}])
        | VALUES
        for name in sorted(NAMES - {"type"})
    },
)


@given(st.binary() | st.text().map(str.encode) | VALUES.map(lambda v: json.dumps(v).encode()))
def test_any_body_is_a_request_or_a_request_error(body: bytes) -> None:
    try:
        fields = decode(body)
    except RequestError:
        return
    assert isinstance(fields.request_type, str)


@pytest.mark.parametrize("check", [request_types.parse_read, request_types.parse_write])
@given(request=REQUESTS)
def test_any_request_is_parsed_or_a_request_error(
    check: Callable[[RequestFields], object], request: dict[str, object]
) -> None:
    try:
        fields = decode(json.dumps(request).encode())
        check(fields)
    except RequestError as error:
        # the message is a sentence that can be sent
        str(error).encode()


@given(VALUES)
def test_any_value_in_a_record_is_kept(value: object) -> None:
    body = record(checksum(1), checksum(2), extra=value)
    request = {"type": "metadata", "checksum": checksum(1), "result": checksum(2), "value": body}
    put = request_types.parse_write(decode(json.dumps(request).encode()))
    assert isinstance(put, PutMetadata)
    assert repr(json.loads(put.record)) == repr(body)


@pytest.mark.parametrize(
    ("kind", "verb"),
    [(kind, "GET") for kind in request_types.READS if kind != "protocol"]
    + [(kind, "PUT") for kind in request_types.WRITES],
)
def test_an_empty_request_names_a_field_that_is_missing(kind: str, verb: str) -> None:
    check = request_types.parse_read if verb == "GET" else request_types.parse_write
    with pytest.raises(RequestError, match=f"a {kind} request needs the field '") as caught:
        check(RequestFields(kind, {}))
    assert caught.value.field in NAMES


@pytest.mark.parametrize(
    "wrong", ["", "zz", "ab" * 31, "ab" * 33, "ab" * 32 + "\n", "0x" + "ab" * 31, 5, None, [], {}]
)
def test_an_invalid_checksum_is_named(wrong: object) -> None:
    with pytest.raises(RequestError, match="'checksum' of a transformation request must be a"):
        request_types.parse_read(RequestFields("transformation", {"checksum": wrong}))


def test_upper_case_is_the_same_checksum() -> None:
    upper = RequestFields("transformation", {"checksum": checksum(1).upper()})
    lower = RequestFields("transformation", {"checksum": checksum(1)})
    assert request_types.parse_read(upper) == request_types.parse_read(lower)


def test_an_invalid_item_of_a_list_is_named() -> None:
    body = {"checksum": checksum(1), "celltype": "python", "subcelltype": ""}
    with pytest.raises(RequestError, match=r"value\[1\]"):
        request_types.parse_write(
            RequestFields("semantic_to_syntactic", {**body, "value": [checksum(2), "zz"]})
        )


def test_an_unpaired_surrogate_cannot_be_a_key() -> None:
    with pytest.raises(RequestError, match=r"'label'.*surrogates"):
        request_types.parse_read(
            RequestFields("bucket_probe", {"bucket_kind": "node", "label": "\ud800"})
        )


def test_a_long_value_is_not_repeated_in_the_message() -> None:
    with pytest.raises(RequestError) as caught:
        request_types.parse_read(RequestFields("transformation", {"checksum": "x" * 10_000}))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        (5, "5"),
        (None, "None"),
        ("é", r"'\xe9'"),
        ([1], "list"),
        ({"a": 1}, "dict"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("x" * 59, f"'{'x' * 59}…"),
    ],
)
def test_an_invalid_value_is_shown(wrong: object, shown: str) -> None:
    with pytest.raises(RequestError) as caught:
        request_types.parse_read(RequestFields("transformation", {"checksum": wrong}))
    assert str(caught.value).endswith(f", not {shown}")


@pytest.mark.parametrize("body", [[], "x", 5, None, {}, {"type": 5}])
def test_a_request_without_a_type_is_rejected(body: object) -> None:
    with pytest.raises(RequestError, match="'type'"):
        RequestFields.of(body)


def test_an_optional_checksum_may_be_absent_or_null_but_not_invalid() -> None:
    body = {"checksum": checksum(1)}
    absent = request_types.parse_read(RequestFields("irreproducible", body))
    assert absent == request_types.parse_read(
        RequestFields("irreproducible", {**body, "result": None})
    )
    with pytest.raises(RequestError, match="'result'"):
        request_types.parse_read(RequestFields("irreproducible", {**body, "result": ""}))


PROBE = {
    "bucket_kind": "node",
    "label": "n",
    "bucket_checksum": checksum(1),
    "captured_at": "noon",
    "freshness_tokens": {"boot": 1},
}


def test_tokens_may_be_an_object_or_its_text() -> None:
    as_text = {**PROBE, "freshness_tokens": '{"boot": 1}'}
    assert request_types.parse_write(
        RequestFields("bucket_probe", as_text)
    ) == request_types.parse_write(RequestFields("bucket_probe", PROBE))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("bucket_kind", "nodes"),
        ("label", ""),
        ("label", 5),
        ("captured_at", ""),
        ("freshness_tokens", "{"),
        ("freshness_tokens", "[1]"),
        ("freshness_tokens", [1]),
        ("freshness_tokens", 5),
    ],
)
def test_an_invalid_field_of_a_probe_is_named(name: str, wrong: object) -> None:
    with pytest.raises(RequestError, match=f"'{name}' of a bucket_probe request") as caught:
        request_types.parse_write(RequestFields("bucket_probe", {**PROBE, name: wrong}))
    assert caught.value.field == name


@pytest.mark.parametrize("wrong", [float("nan"), {1, 2}, b"x"])
def test_a_python_request_without_json_form_is_rejected(wrong: object) -> None:
    with pytest.raises(RequestError):
        from_python({"type": "transformation", "checksum": wrong})


def test_a_python_request_that_contains_itself_is_rejected() -> None:
    request: dict[str, object] = {"type": "transformation"}
    request["checksum"] = request
    with pytest.raises(RequestError, match="no JSON form"):
        from_python(request)


def test_an_unknown_type_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(
        RequestError, match="no type of request to write; the types are buffer_info,"
    ):
        request_types.parse_write(RequestFields("protocol", {}))


def test_unknown_fields_are_ignored() -> None:
    fields = RequestFields("transformation", {"checksum": checksum(1), "surprise": 5})
    assert request_types.parse_read(fields) == GetTransformation(checksum(1))
