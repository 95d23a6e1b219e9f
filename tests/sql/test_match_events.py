"""Which workflows a change starts, at once in the trigger or later by the tick."""

from __future__ import annotations

from typing import Any

import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import (
    LONG_AGO,
    TABLE,
    at,
    events,
    executions,
    fired,
    match,
    move,
    session,
    watched_jobs,
    when,
    workflow,
)

pytestmark = servers.on_both_servers


def test_a_match_is_one_pending_execution(database: Database) -> None:
    watched_jobs(database)
    at(database, "2030-01-01T00:00:00Z")
    made = workflow(database, trigger_type="job_done", trigger_config=when("status", "done"))
    move(database, "done")
    (event,) = events(database)
    (log,) = executions(database)
    expected = {
        "status": "pending",
        "event_id": event["id"],
        "entity_id": "J-1",
        "organization_id": "north",
        "trigger_type": "job_done",
        "code": None,
    }
    assert {name: log[name] for name in expected} == expected
    assert (str(log["workflow_id"]), log["workflow_version"]) == (made, 1)
    assert log["trigger_data"] == {
        "table_name": "jobs",
        "operation": "UPDATE",
        "record_id": "J-1",
        "old_status": "scheduled",
        "new_status": "done",
    }
    assert log["created_at"] == event["occurred_at"] == event["matched_at"]
    assert (log["attempt"], log["chain_depth"], log["caused_by"], log["scheduled_at"]) == (0, 0, None, None)


@pytest.mark.parametrize("spelling", ["in_progress", "in-progress", "IN PROGRESS"])
@pytest.mark.parametrize("trigger_type", ["job_status_changed", "job_in_progress"])
def test_each_spelling_of_a_status_fires_exactly_once(database: Database, spelling: str, trigger_type: str) -> None:
    watched_jobs(database)
    workflow(database, trigger_type=trigger_type, trigger_config=when("status", "In Progress"))
    move(database, spelling)
    move(database, "In Progress")
    assert fired(database) == ["tell"]


def test_no_conditions_are_every_change_of_the_type(database: Database) -> None:
    watched_jobs(database)
    for name, config in (("none", {}), ("null", {"conditions": None}), ("empty", {"conditions": []})):
        workflow(database, name, trigger_type="job_updated", trigger_config=config)
    database.sql("update jobs set title = 'Roof'")
    assert fired(database) == ["empty", "none", "null"]


def test_all_conditions_count(database: Database) -> None:
    watched_jobs(database, count=2)
    conditions = [{"field": "status", "value": "completed"}, {"field": "job_type", "value": "HVAC"}]
    workflow(database, trigger_config={"conditions": conditions})
    database.sql("update jobs set status = 'completed', job_type = case id when 'J-1' then 'plumbing' else 'hvac' end")
    assert [row["entity_id"] for row in executions(database)] == ["J-2"]


def test_the_old_row_is_known_though_stored_once(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "from", trigger_config=when("status", ["scheduled"], "changed_from"))
    workflow(database, "title", trigger_config=when("title", None, "changed"))
    workflow(database, "old", trigger_config=when("old.title", "Boiler repair"))
    move(database, "done")
    assert fired(database) == ["from", "old"]


def test_an_event_matches_each_of_its_types(database: Database) -> None:
    watched_jobs(database)
    for kind in ("job_created", "job_updated", "job_status_changed", "job_done", "job_deleted", "task_done"):
        workflow(database, kind, trigger_type=kind)
    move(database, "done")
    assert fired(database) == ["job_done", "job_status_changed", "job_updated"]


TENANTS: list[tuple[tuple[str | None, str | None], tuple[str | None, str | None], bool]] = [
    (("north", None), ("north", None), True),
    (("north", "u-1"), ("north", "u-2"), True),  # a team-mate's workflow
    (("north", "u-1"), ("south", "u-1"), False),  # the same person's other organisation
    (("north", "u-1"), (None, "u-1"), False),
    ((None, "u-1"), (None, "u-1"), True),
    ((None, "u-1"), ("north", "u-1"), True),  # the row has none: it is its owner's
    ((None, "u-1"), (None, "u-2"), False),
    ((None, "north"), ("north", None), False),  # an organisation is no user
    (("u-1", None), (None, "u-1"), False),
    (("north", "u-1"), (None, None), False),
]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize(("row", "rule", "expected"), TENANTS)
def test_a_change_starts_its_own_tenants_workflows_alone(
    database: Database, row: Any, rule: Any, expected: bool, late: bool
) -> None:
    watched_jobs(database)
    database.sql("insert into jobs (id, organization_id, user_id) values ('J-2', %s, %s)", *row)
    workflow(database, organization_id=rule[0], user_id=rule[1])
    if late:
        database.sql("set minutehand.blocked = 'matching'")
    move(database, "done", "J-2")
    assert match(database)["matched"] == late
    assert fired(database) == (["tell"] if expected else [])


def test_a_table_without_organizations_belongs_to_its_users(database: Database) -> None:
    database.sql("create table notes (id int primary key, user_id text, status text)")
    database.call("automation_trigger_add", p_table="notes")
    for name, user in (("mine", "u-1"), ("yours", "u-2")):
        workflow(database, name, trigger_type="note_created", user_id=user, organization_id="north")
    database.sql("insert into notes values (1, 'u-1', 'new'), (2, null, 'new')")
    assert fired(database) == ["mine"]
    assert [event["error"] for event in events(database)] == [None, "no tenant: user_id is null"]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_an_app_of_one_tenant_has_no_walls(database: Database, late: bool) -> None:
    database.sql(TABLE)
    database.call("automation_trigger_add", p_table="jobs", p_tenant="none")
    workflow(database, organization_id=None, user_id="anyone", trigger_type="job_created")
    if late:
        database.sql("set minutehand.blocked = 'matching'")
    database.sql("insert into jobs (id) values ('J-1')")
    match(database)
    assert fired(database) == ["tell"]
    assert events(database)[0]["error"] is None


@pytest.mark.parametrize(
    "columns",
    [{"is_active": False}, {"status": "paused"}, {"status": "draft"}, {"status": "archived"}, {"status": "inactive"}],
)
def test_a_workflow_that_is_off_does_not_fire(database: Database, columns: dict[str, Any]) -> None:
    watched_jobs(database)
    workflow(database, "off", **columns)
    workflow(database, "on", status="Active")
    move(database, "done")
    assert fired(database) == ["on"]


def test_every_switch_must_say_on(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table automation_workflows add enabled boolean")
    for name, enabled in (("off", False), ("on", True), ("unsaid", None)):
        workflow(database, name, enabled=enabled)
    move(database, "done")
    assert fired(database) == ["on", "unsaid"]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_only_workflows_that_existed_at_the_change_fire(database: Database, late: bool) -> None:
    watched_jobs(database)
    at(database, "2030-01-01T12:00:00Z")
    if late:
        database.sql("set minutehand.blocked = 'matching'")
        move(database, "done")
    workflow(database, "before", created_at="2030-01-01T12:00:00Z")
    workflow(database, "after", created_at="2030-01-01T12:00:01Z")
    if not late:
        move(database, "done")
    match(database)
    assert fired(database) == ["before"]


def test_a_workflow_without_a_date_existed_always(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table automation_workflows alter created_at drop not null")
    workflow(database, created_at=None)
    move(database, "done")
    assert fired(database) == ["tell"]


def test_one_event_starts_a_workflow_once_however_often_it_is_matched(database: Database) -> None:
    watched_jobs(database)
    workflow(database, settings={"rate_limit": None})
    move(database, "done")
    for _ in range(3):
        database.sql("update automation_events set matched_at = null")
        assert match(database) == {"matched": 1, "executions": 1, "set_aside": 0}
    assert fired(database) == ["tell"]


def test_two_triggers_of_the_app_on_one_change_are_two_changes_but_one_execution(database: Database) -> None:
    watched_jobs(database)
    database.sql(
        "create function again() returns trigger language plpgsql as $$ begin"
        " update jobs set status = new.status, search = 'x' where id = new.id and search is null; return null; end $$;"
        "create trigger again after update on jobs for each row execute function again()"
    )
    workflow(database)
    move(database, "done")
    assert fired(database) == ["tell"]


def test_two_ticks_at_once_share_the_events(database: Database) -> None:
    watched_jobs(database, count=10)
    workflow(database)
    database.sql("set minutehand.blocked = 'matching'")
    move(database, "done", "J-1")
    move(database, "done", "J-2")
    with session(database, autocommit=False) as one, session(database) as two:
        assert match(one, limit=1)["matched"] == 1
        assert match(two, limit=5)["matched"] == 1
        one.connection.commit()
    assert fired(database) == ["tell", "tell"]


def test_a_late_match_takes_a_bounded_number_of_locks(database: Database) -> None:
    watched_jobs(database, count=500)
    for number in range(2):
        workflow(database, f"w{number}")
    database.sql("set minutehand.blocked = 'matching'")
    database.sql("update jobs set status = 'done'")
    with session(database, autocommit=False) as tick:
        started = 0
        while (count := match(tick)["executions"]) > 0:  # a call has a limit of time
            started += count
        assert started == 1000
        assert tick.one("select count(*) as n from pg_locks where locktype = 'advisory'")["n"] <= 256


def test_a_table_that_is_watched_no_more_still_has_its_events_matched(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    database.sql("set minutehand.blocked = 'matching'")
    move(database, "done")
    database.call("automation_trigger_remove", p_table="jobs")
    assert match(database)["matched"] == 1
    assert fired(database) == ["tell"]


def test_another_tenants_workflows_are_not_even_read(database: Database) -> None:
    watched_jobs(database)
    database.sql(
        "insert into automation_workflows (name, organization_id, trigger_type, created_at)"
        " select 'other ' || i, 'org ' || i, 'job_status_changed', %s from generate_series(1, 2000) i",
        LONG_AGO,
    )
    workflow(database)
    database.sql("analyze automation_workflows")
    plan = "\n".join(
        row["QUERY PLAN"]
        for row in database.sql(
            "explain select * from automation_workflows"
            " where organization_id::text = 'north' and trigger_type = any ('{job_updated,job_status_changed}')"
        )
    )
    assert "automation_workflows_organization" in plan
    move(database, "done")
    assert fired(database) == ["tell"]
