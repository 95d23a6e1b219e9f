"""What doctor says of a test's database, check by check."""

from __future__ import annotations

from typing import Any

from minutehand.scheduler.doctor.checks import run_checks
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result
from minutehand.store import schema
from tests.servers import Database

SENDER = """
create function app_sends() returns trigger language plpgsql as $$
begin insert into public.automation_execution_logs (status, trigger_type) values ('pending', 'x'); return null; end $$;
create function app_calls() returns trigger language plpgsql as $$
begin perform net.http_post('https://example.com', '{"key": "hush"}'); return null; end $$;
create function app_asks_another() returns trigger language plpgsql as $$
begin perform app_helper(new.id); return null; end $$;
create function app_helper(p_id text) returns void language sql as
$$ insert into automation_execution_logs (status, trigger_type) values ('pending', 'x') $$;
create function app_harmless() returns trigger language plpgsql as $$ begin return null; end $$;
"""


def facts(database: Database, *, now: str | None = None, **settings: Any) -> Facts:
    """What the checks look at, with the facts of this database."""
    values = {
        "backend": "postgres",
        "database_name": "localhost/app",
        "kind": "direct",
        "listens": True,
        "database": database.call("automation_doctor", p_now=now),
        "migrations": {path.stem: schema.checksum(path) for path in schema.migrations()},
    }
    return Facts(**values | settings)


def results_of(database: Database, check: str, **settings: Any) -> list[Result]:
    """What one check says of a database."""
    return [result for found, result in run_checks(facts(database, **settings)) if found.name == check]


def levels(database: Database, check: str, **settings: Any) -> list[str]:
    """How grave it is."""
    return [result.level for result in results_of(database, check, **settings)]


def assert_fixed_by_sql(database: Database, check: str, level: str, *words: str, **settings: Any) -> None:
    """A check says one thing, at this level and in these words; when its SQL has run it says ok."""
    (result,) = results_of(database, check, **settings)
    assert (result.level, [word for word in words if word not in result.fact]) == (level, []), result
    assert result.fix is not None
    database.sql(result.fix.replace("%", "%%"))
    assert levels(database, check, **settings) == ["ok"]
