"""What doctor says of a test's database, check by check."""

from __future__ import annotations

from typing import Any

from minutehand.scheduler.doctor.checks import examine
from minutehand.scheduler.doctor.facts import Subject
from minutehand.scheduler.doctor.finding import Finding
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


def subject(database: Database, *, now: str | None = None, **settings: Any) -> Subject:
    """What the checks look at, with the facts of this database."""
    values = {
        "backend": "postgres",
        "kind": "direct",
        "facts": database.call("automation_doctor", p_now=now),
        "migrations": {path.stem: schema.checksum(path) for path in schema.migrations()},
    }
    return Subject(**values | settings)


def told(database: Database, check: str, **settings: Any) -> list[Finding]:
    """What one check says of a database."""
    return [finding for found, finding in examine(subject(database, **settings)) if found.name == check]


def levels(database: Database, check: str, **settings: Any) -> list[str]:
    """How grave it is."""
    return [finding.level for finding in told(database, check, **settings)]


def mended(database: Database, check: str, level: str, *words: str, **settings: Any) -> None:
    """A check says one thing, at this level and in these words; when its SQL has run it says ok."""
    (finding,) = told(database, check, **settings)
    assert (finding.level, [word for word in words if word not in finding.fact]) == (level, []), finding
    assert finding.mend is not None
    database.sql(finding.mend.replace("%", "%%"))
    assert levels(database, check, **settings) == ["ok"]
