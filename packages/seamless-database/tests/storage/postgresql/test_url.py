from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seamless_database.errors import OptionError
from seamless_database.storage.postgresql.url import (
    PREPARE_THRESHOLD,
    PostgresUrl,
    is_url,
)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_the_parts_of_a_url_become_parameters(scheme: str) -> None:
    address = PostgresUrl.of(f"{scheme}://me:secret@host:5433/seamless?sslmode=require")
    missing = {
        "user": "me",
        "password": "secret",
        "host": "host",
        "port": "5433",
        "dbname": "seamless",
        "sslmode": "require",
    }
    assert missing.items() <= address.parameters.items()


def test_other_parameters_are_left_to_psycopg() -> None:
    parameters = PostgresUrl.of("postgresql:///seamless").parameters
    assert not {"user", "password", "host", "port"} & set(parameters)


def test_a_socket_folder_and_settings_are_in_the_query() -> None:
    address = PostgresUrl.of("postgresql://me@/db?host=/run/pg&connect_timeout=2")
    assert address.parameters["host"] == "/run/pg"
    assert address.parameters["connect_timeout"] == "2"
    assert address.redacted == "postgresql+psycopg://me@/run/pg/db"


def test_several_hosts_are_a_list() -> None:
    address = PostgresUrl.of("postgresql://me@/db?host=a&host=b&target_session_attrs=read-write")
    assert address.parameters["host"] == "a,b"


@pytest.mark.parametrize(
    ("query", "threshold"),
    [("", PREPARE_THRESHOLD), ("?prepare_threshold=0", 0), ("?prepare_threshold=none", None)],
)
def test_the_prepare_threshold_is_in_the_query(query: str, threshold: int | None) -> None:
    address = PostgresUrl.of(f"postgresql://host/db{query}")
    assert address.prepare_threshold == threshold
    assert "prepare_threshold" not in address.parameters


#: none that is a part of what is shown anyway
SECRET = st.text(st.characters(codec="ascii", categories=["L", "N"])).map("S3cr".__add__)


@given(SECRET, st.sampled_from(["postgresql://u:{}@h/db", "postgresql://u@h/db?password={}"]))
def test_the_password_is_never_shown(secret: str, url: str) -> None:
    address = PostgresUrl.of(url.format(secret))
    assert address.parameters["password"] == secret
    assert secret not in address.redacted
    assert secret not in repr(address)
    assert secret not in address.redact(f"a text with {secret} in it")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:secretsecret@h/db",
        "postgresql+psycopg2://u:secretsecret@h/db",
        "postgresql://u:secret@secret@h/db",
        "postgresql://u:secretsecret@h:port/db",
        "postgresql://u:secretsecret@h/db?prepare_threshold=secretsecret",
    ],
)
def test_an_invalid_url_is_rejected_without_repeating_it(url: str) -> None:
    with pytest.raises(OptionError) as caught:
        PostgresUrl.of(url)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("seamless.db", False),
        ("/a/b://c", False),
        ("a?b#c%20d", False),
        ("sqlite:///seamless.db", False),
        ("postgresql://h/db", True),
        ("mysql://h/db", True),
    ],
)
def test_a_url_is_not_a_file(target: str, url: bool) -> None:
    assert is_url(target) is url
