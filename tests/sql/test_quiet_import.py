"""The switch of an import: changes of its transaction are recorded, and start nothing."""

from __future__ import annotations

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import executions, move, watched_jobs, workflow

pytestmark = servers.on_both_servers


@pytest.fixture
def app(database: Database) -> Database:
    """Three watched jobs, and a workflow that each change starts."""
    watched_jobs(database, count=3)
    workflow(database, settings={"rate_limit": None})
    return database


def errors(database: Database) -> list[str | None]:
    rows = database.sql("select error, matched_at from automation_events order by id")
    assert all(row["matched_at"] for row in rows), "no tick looks at them again"
    return [row["error"] and row["error"].split(":")[0] for row in rows]


CHANGES = [
    "insert into jobs (id, status) values ('J-9', 'done')",
    "update jobs set status = 'done'",
    "delete from jobs where id = 'J-1'",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_quiet_transaction_records_its_changes_and_starts_nothing(app: Database, change: str) -> None:
    with app.connection.transaction():
        app.sql("set local minutehand.quiet = 'on'")
        app.sql(change)
    assert set(errors(app)) == {"imported quietly"}
    assert executions(app) == []
    tick = app.call("automation_tick")
    assert (tick["to_match"], tick["due"]) == ([], 0)
    assert app.call("automation_metrics")["events"]["quiet"] == len(errors(app))
    move(app, "warm", "J-2")
    assert len(executions(app)) == 1, "the next transaction is as ever"


@pytest.mark.parametrize(
    ("value", "is_quiet"),
    [
        *((value, True) for value in ("on", "ON", "true", "yes", "1")),
        *((value, False) for value in ("off", "false", "", "0", "no", "perhaps")),
    ],
)
def test_which_values_are_quiet(app: Database, value: str, is_quiet: bool) -> None:
    with app.connection.transaction():
        app.sql("select set_config('minutehand.quiet', %s, true)", value)
        move(app, "done", "J-1")
    assert (executions(app) == []) == is_quiet


def test_a_transaction_may_be_quiet_in_part_and_a_rolled_back_setting_is_gone(app: Database) -> None:
    with app.connection.transaction():
        with app.connection.transaction(force_rollback=True):
            app.sql("set local minutehand.quiet = 'on'")
        move(app, "done", "J-1")
        app.sql("set local minutehand.quiet = 'on'")
        move(app, "done", "J-2")
        app.sql("set local minutehand.quiet = 'off'")
        move(app, "done", "J-3")
    assert [row["entity_id"] for row in executions(app)] == ["J-1", "J-3"]
    assert errors(app) == [None, "imported quietly", None]


def test_a_role_without_any_right_on_ours_silences_its_own_changes_alone(app: Database) -> None:
    app.sql("drop role if exists mh_importer; create role mh_importer login; grant all on jobs to mh_importer")
    try:
        url = app.url.replace("postgres@/", "mh_importer@/")
        with psycopg.connect(url) as theirs:
            theirs.execute("set local minutehand.quiet = 'on'")
            theirs.execute("update jobs set status = 'done' where id = 'J-1'")
            move(app, "done", "J-2")
        assert [row["entity_id"] for row in executions(app)] == ["J-2"]
    finally:
        app.sql("drop owned by mh_importer; drop role mh_importer")


def test_even_in_a_serializable_transaction_no_tick_matches_it_later(app: Database) -> None:
    with app.connection.transaction():
        app.sql("set transaction isolation level serializable")
        app.sql("set local minutehand.quiet = 'on'")
        move(app, "done", "J-1")
    assert errors(app) == ["imported quietly"]
    assert app.call("automation_tick")["to_match"] == []
