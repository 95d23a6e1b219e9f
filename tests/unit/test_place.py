"""What each address is called in messages, logs and summaries."""

from __future__ import annotations

from pathlib import Path

import pytest

from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import where
from minutehand.store.errors import BadConfiguration

REFERENCE = "abcdefghijklmnopqrst"
POOLER = "aws-0-eu-central-1.pooler.supabase.com"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGUSER", "anna")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://app:hush@db.example.com:5432/shop", "db.example.com:5432/shop"),
        ("postgresql://app:hush@db.example.com/shop", "db.example.com/shop"),
        ("postgres://app:hu%40sh@db.example.com/shop?sslmode=require", "db.example.com/shop"),
        ("postgresql+asyncpg://app:hush@db.example.com:6543/shop", "db.example.com:6543/shop"),
        ("host=db.example.com dbname=shop user=app password=hush", "db.example.com/shop"),
        ("host=db.example.com user=app password='hu sh'", "db.example.com/app"),  # libpq: the user's name
        ("postgresql://db.example.com", "db.example.com/anna"),
        ("postgresql:///shop", "localhost/shop"),
        ("postgresql://app:hush@a.example.com:5432,b.example.com:5433/shop",
         "a.example.com:5432,b.example.com:5433/shop"),
        ("host=a,b port=6432 dbname=shop password=hush", "a:6432,b:6432/shop"),
        ("host=a,b dbname=shop target_session_attrs=read-write", "a,b/shop"),
        ("postgresql://[2001:db8::1]:5433/shop", "[2001:db8::1]:5433/shop"),
        ("hostaddr=192.0.2.7 dbname=shop", "192.0.2.7/shop"),
        ("host=db.example.com hostaddr=192.0.2.7 dbname=shop", "db.example.com/shop"),
        ("host=/run/postgresql dbname=shop", "/run/postgresql/shop"),
        ("postgresql:///shop?host=/var/run/postgresql&port=5433", "/var/run/postgresql:5433/shop"),
        ("postgresql://%2Frun%2Fpostgresql/shop", "/run/postgresql/shop"),
        ("service=shop", "service shop"),
        ("service=shop dbname=staging", "service shop, dbname staging"),
        (f"postgresql://postgres:hush@db.{REFERENCE}.supabase.co:5432/postgres",
         f"db.{REFERENCE}.supabase.co:5432/postgres"),
        (f"postgresql://postgres.{REFERENCE}:hush@{POOLER}:6543/postgres",
         f"{POOLER}:6543/postgres (project {REFERENCE})"),
        (f"postgresql://reader.{REFERENCE}:hush@{POOLER}:5432/postgres",
         f"{POOLER}:5432/postgres (project {REFERENCE})"),
        (f"postgresql://reader.{REFERENCE}:hush@db.example.com/postgres", "db.example.com/postgres"),
        ("psql 'postgresql://app:hush@db.example.com/shop'", "db.example.com/shop"),
    ],
)  # fmt: skip
def test_the_place_of_a_url_has_no_credentials(url, place):
    said = where(BackendSettings(database_url=url))
    assert said == f"postgres {place}"
    assert "hu" not in said


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"https://{REFERENCE}.supabase.co", f"{REFERENCE}.supabase.co"),
        (f"https://{REFERENCE}.supabase.co/rest/v1/", f"{REFERENCE}.supabase.co"),
        (REFERENCE, f"{REFERENCE}.supabase.co"),
        (f"https://supabase.com/dashboard/project/{REFERENCE}/settings/api", f"{REFERENCE}.supabase.co"),
        ("http://127.0.0.1:54321", "127.0.0.1:54321"),
        ("https://api.example.com", "api.example.com"),
    ],
)
def test_the_place_of_a_project_is_its_host(url, place):
    assert where(BackendSettings(supabase_url=url, supabase_key="sb_secret_x")) == f"supabase {place}"


def test_the_place_of_the_embedded_server_is_its_folder():
    assert where(BackendSettings(home=Path("/srv/minutehand"))) == "embedded /srv/minutehand"


def test_what_a_url_leaves_out_is_what_libpq_takes(monkeypatch):
    for name, value in (("PGHOST", "db.example.com"), ("PGPORT", "6543"), ("PGDATABASE", "shop")):
        monkeypatch.setenv(name, value)
    assert where(BackendSettings(database_url="postgresql://")) == "postgres db.example.com:6543/shop"
    assert where(BackendSettings(database_url="postgresql://a/b")) == "postgres a:6543/b"


def test_a_url_that_cannot_be_read_has_no_place():
    with pytest.raises(BadConfiguration):
        where(BackendSettings(database_url="mysql://app:hush@db.example.com/shop"))
