from __future__ import annotations

import pytest

from minutehand.scheduler.exit_codes import exit_code
from minutehand.store.drivers.postgres import PostgresDriver
from minutehand.store.errors import (
    AccessDenied,
    BadConfiguration,
    BadRequest,
    Conflict,
    EmbeddedUnavailable,
    NotFound,
    SchemaMismatch,
    StoreError,
    Unreachable,
    from_sqlstate,
)
from minutehand.store.place import where


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        *(
            (state, Unreachable)
            for state in (
                *(None, "08006", "53100", "53300", "57P01", "57P03", "57P05", "58030", "25006"),
                *("26000", "42P05"),
            )
        ),
        *((state, AccessDenied) for state in ("28P01", "28000", "42501")),
        *((state, SchemaMismatch) for state in ("42883", "42P01", "42703", "42704", "42601", "3F000")),
        *((state, Conflict) for state in ("40001", "40P01", "55P03", "57014")),
        *((state, BadRequest) for state in ("MH400", "MH409", "22P02", "23505", "XX000")),
        ("MH404", NotFound),
        ("3D000", BadConfiguration),
    ],
)
def test_each_word_of_the_database_is_one_of_ours(sqlstate, kind):
    error = from_sqlstate(sqlstate, "it went wrong", "Mend it.")
    assert type(error) is kind
    assert str(error).startswith("it went wrong. ")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        *((kind, 78) for kind in (BadConfiguration, AccessDenied, SchemaMismatch, EmbeddedUnavailable)),
        *((kind, 2) for kind in (BadRequest, NotFound)),
        *((kind, 69) for kind in (Unreachable, Conflict, StoreError)),
    ],
)
def test_the_exit_code_says_whose_turn_it_is(kind, code):
    assert exit_code(kind("x")) == code


def test_a_database_is_named_without_its_password():
    assert where("postgresql://me:hush@db.example.com:6543/app?sslmode=require") == (
        "PostgreSQL at db.example.com:6543/app"
    )
    assert where("host=db.example.com dbname=app password=hush") == "PostgreSQL at db.example.com/app"


@pytest.mark.parametrize(
    "url",
    [
        "hush",
        "postgresql://me:hu%sh@db/app",
        "postgresql://me:h@hush@db/app",
        "postgresql://me:x@[hush/app",
        "a=b hush",
    ],
)
def test_a_url_that_cannot_be_read_is_not_quoted(url):
    for read in (where, PostgresDriver):
        with pytest.raises(BadConfiguration, match="DATABASE_URL cannot be read") as caught:
            read(url)
        assert "hush" not in str(caught.value)
