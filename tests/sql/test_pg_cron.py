"""`minutehand units pg_cron`: the SQL that it prints, and each job that this schedules, run on a database."""

from __future__ import annotations

import re
from typing import Any

import pytest

from minutehand.scheduler.units import units
from tests import servers
from tests.servers import Database
from tests.sql import direct
from tests.sql.jobs import executions, move

pytestmark = servers.on_both_servers


@pytest.fixture
def jobs(database: Database) -> dict[str, str]:
    """The commands that were scheduled, by name; direct mode is on."""
    direct.install(database)
    direct.on(database)
    database.sql(text())
    return {row["jobname"]: row["command"] for row in database.sql("select jobname, command from cron.job")}


def text() -> str:
    return units("pg_cron", "minutehand")["pg_cron.sql"]


def test_the_minute_rings_for_what_no_ring_reached(database: Database, jobs: dict[str, str]) -> None:
    move(database, "done")
    database.sql("delete from net.http_request_queue")  # lost
    database.sql(jobs["minutehand"])
    (execution,) = executions(database)
    assert [call["body"]["executionId"] for call in direct.calls(database)] == [str(execution["id"])]
    assert database.one("select mode from automation_workers where id = 'pg_cron'")["mode"] == "sweep"


def test_the_prune_keeps_90_days(database: Database, jobs: dict[str, str]) -> None:
    move(database, "done")
    age = "update automation_execution_logs set status = 'completed', created_at = now() - %s * interval '1 day'"
    for days, left in ((89, 1), (91, 0)):
        database.sql(age, days)
        database.sql(jobs["minutehand-prune"])
        assert len(executions(database)) == left


def test_what_pg_cron_notes_is_kept_a_week(database: Database, jobs: dict[str, str]) -> None:
    note = "insert into cron.job_run_details (status, end_time) values ('succeeded', now() - %s * interval '1 day')"
    for days in (6, 8):
        database.sql(note, days)
    database.sql(jobs["minutehand-history"])
    assert len(database.sql("select 1 from cron.job_run_details")) == 1


def test_twice_is_once_and_what_looks_and_undoes_runs_too(database: Database, jobs: dict[str, str]) -> None:
    database.sql(text())
    assert count(database) == len(jobs) == 3
    *looks, undo = re.findall(r"^--   (select .*;)$", text(), flags=re.MULTILINE)
    for look in looks:
        assert database.sql(look) is not None
    assert len(looks) == 2
    database.sql(undo)
    assert count(database) == 0


def count(database: Database) -> Any:
    return database.one("select count(*) as n from cron.job")["n"]
