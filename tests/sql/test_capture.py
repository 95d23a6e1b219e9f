"""automation_capture: what a change leaves in automation_events."""

from __future__ import annotations

from typing import Any

import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import at, events, executions, move, session, watched_jobs, workflow

pytestmark = servers.on_both_servers


def test_an_insert_is_created_and_holds_the_whole_row(database: Database) -> None:
    watched_jobs(database)
    database.sql("insert into jobs (id, organization_id, title) values ('J-2', 'north', 'Roof')")
    (event,) = events(database)
    assert (event["types"], event["operation"], event["table_name"]) == (["job_created"], "INSERT", "jobs")
    assert (event["entity_id"], event["old"], event["new"]["title"]) == ("J-2", None, "Roof")


def test_a_delete_is_deleted_and_holds_the_old_row(database: Database) -> None:
    watched_jobs(database)
    workflow(database, trigger_type="job_deleted")
    database.sql("delete from jobs")
    (event,) = events(database)
    assert (event["types"], event["entity_id"], event["new"]) == (["job_deleted"], "J-1", None)
    assert event["old"]["title"] == "Boiler repair"
    assert [row["entity_id"] for row in executions(database)] == ["J-1"]


def test_a_change_of_status_carries_all_its_types(database: Database) -> None:
    watched_jobs(database)
    move(database, "In Progress")
    move(database, "Completed")
    assert [event["types"] for event in events(database)] == [
        ["job_updated", "job_status_changed", "job_in_progress"],
        ["job_updated", "job_status_changed", "job_completed"],
    ]


def test_an_update_stores_once_what_did_not_change(database: Database) -> None:
    watched_jobs(database)
    database.sql("update jobs set title = 'Roof', tags = '{vip}'")
    (event,) = events(database)
    assert event["types"] == ["job_updated"]
    assert event["old"] == {"title": "Boiler repair", "tags": None}
    assert event["new"]["title"] == "Roof"
    assert event["new"]["status"] == "scheduled"


def test_an_update_that_changes_nothing_leaves_no_event(database: Database) -> None:
    watched_jobs(database)
    database.sql("update jobs set title = title, notes = notes, status = 'scheduled'")
    assert events(database) == []


def test_a_number_written_otherwise_is_no_change(database: Database) -> None:
    watched_jobs(database)
    database.sql("update jobs set revenue = 1.5")
    database.sql("update jobs set revenue = 1.50")
    assert len(events(database)) == 1


@pytest.mark.parametrize("spelling", ["in_progress", "IN-PROGRESS", "in  progress", "InProgress"])
def test_a_change_of_spelling_is_no_change_of_status(database: Database, spelling: str) -> None:
    watched_jobs(database)
    move(database, "In Progress")
    move(database, spelling)
    assert events(database)[1]["types"] == ["job_updated"]


def test_a_status_that_goes_names_no_status(database: Database) -> None:
    watched_jobs(database)
    move(database, None)
    assert events(database)[0]["types"] == ["job_updated", "job_status_changed"]


def test_a_status_in_another_script_has_a_type(database: Database) -> None:
    watched_jobs(database)
    move(database, "Terminé à 17h")
    move(database, "завершено")
    assert [event["types"][2] for event in events(database)] == ["job_terminé_à_17h", "job_завершено"]


def test_excluded_columns_are_neither_stored_nor_a_change(database: Database) -> None:
    watched_jobs(database, p_exclude=["search", "organization_id"])
    database.sql("update jobs set search = 'boiler'")
    assert events(database) == []
    database.sql("update jobs set search = 'roof', title = 'Roof'")
    (event,) = events(database)
    assert event["old"] == {"title": "Boiler repair"}
    assert not {"search", "organization_id"} & set(event["new"])
    assert event["organization_id"] == "north"  # whose it is, is known all the same


def test_columns_without_equality_are_compared(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table jobs add place point, add xml xml")
    database.sql("""update jobs set notes = '{"a": 1}', place = '(1,2)'""")
    database.sql("update jobs set title = 'Roof'")
    database.sql("""update jobs set notes = '{"a" : 1}'""")
    assert [event["old"] for event in events(database)] == [{"notes": None, "place": None}, {"title": "Boiler repair"}]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("text", "J/1 ü"), ("uuid", "6a2f41a3-c54c-4a2b-9d1f-0123456789ab"), ("bigint", "9007199254740993")],
)
def test_ids_of_any_type_are_text(database: Database, kind: str, value: str) -> None:
    database.sql(f"create table visits (id {kind} primary key, organization_id uuid, state int)")
    database.call("automation_trigger_add", p_table="visits")
    database.sql(f"insert into visits values ('{value}', gen_random_uuid(), 1)")
    database.sql("update visits set state = 2")
    assert [event["entity_id"] for event in events(database)] == [value, value]
    assert [event["types"] for event in events(database)] == [["visit_created"], ["visit_updated"]]


def test_another_column_may_be_the_status(database: Database) -> None:
    watched_jobs(database, p_status="job_type", p_type="work")
    database.sql("update jobs set job_type = 'HVAC', status = 'done'")
    assert events(database)[0]["types"] == ["work_updated", "work_status_changed", "work_hvac"]


@pytest.mark.parametrize(
    ("organization", "user", "expected"),
    [
        ("north", "u-1", ("north", "u-1", None)),
        (None, "u-1", (None, "u-1", None)),
        ("north", None, ("north", None, None)),
    ],
)
def test_a_row_names_its_organization_and_its_user(
    database: Database, organization: str | None, user: str | None, expected: Any
) -> None:
    watched_jobs(database)
    database.sql("insert into jobs (id, organization_id, user_id) values ('J-2', %s, %s)", organization, user)
    (event,) = events(database)
    assert (event["organization_id"], event["user_id"], event["error"]) == expected


def test_a_row_of_nobody_is_told_and_starts_nothing(database: Database) -> None:
    watched_jobs(database)
    workflow(database, organization_id=None, user_id=None)
    database.sql("update jobs set organization_id = null, status = 'done'")
    (event,) = events(database)
    assert event["error"] == "no tenant: organization_id is null"
    assert event["matched_at"] is not None  # decided: nobody tries again
    assert executions(database) == []


def test_an_event_has_the_time_of_its_transaction(database: Database) -> None:
    watched_jobs(database)
    at(database, "2030-01-01T00:00:00Z")
    move(database, "done")
    assert events(database)[0]["occurred_at"].isoformat() == "2030-01-01T00:00:00+00:00"


def test_a_table_of_another_schema_is_named_with_it(database: Database) -> None:
    database.sql(
        'create schema "Field"; create table "Field"."Visits" (id int primary key, user_id uuid, "Status" text)'
    )
    database.call("automation_trigger_add", p_table="Field.Visits", p_status="Status")
    database.sql("""insert into "Field"."Visits" values (1, gen_random_uuid(), 'a')""")
    database.sql("""update "Field"."Visits" set "Status" = 'b'""")
    assert [(event["table_name"], event["types"][-1]) for event in events(database)] == [
        ("Field.Visits", "visit_created"),
        ("Field.Visits", "visit_b"),
    ]


def test_a_partitioned_table_is_one_table(database: Database) -> None:
    database.sql(
        "create table visits (id int, organization_id text, status text, day date, primary key (id, day))"
        " partition by range (day);"
        "create table visits_2029 partition of visits for values from ('2029-01-01') to ('2030-01-01');"
    )
    database.call("automation_trigger_add", p_table="visits")
    database.sql("create table visits_2030 partition of visits for values from ('2030-01-01') to ('2031-01-01')")
    workflow(database, trigger_type="visit_done")
    database.sql("insert into visits values (1, 'north', 'new', '2029-05-05'), (2, 'north', 'new', '2030-05-05')")
    database.sql("update visits set status = 'done'")
    assert {event["table_name"] for event in events(database)} == {"visits"}
    assert [row["trigger_data"]["table_name"] for row in executions(database)] == ["visits", "visits"]
    assert [entry["table"] for entry in database.call("automation_triggers")] == ["visits"]


def test_what_the_app_takes_back_leaves_no_event(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    with session(database, autocommit=False) as app:
        move(app, "done")
        app.connection.rollback()
        app.sql("savepoint before")
        move(app, "done")
        app.sql("rollback to savepoint before")
        move(app, "lost")
        app.connection.commit()
    assert [event["new"]["status"] for event in events(database)] == ["lost"]
    assert [row["trigger_data"]["new_status"] for row in executions(database)] == ["lost"]


def test_bulk_copies_upserts_and_blocks_are_recorded_row_by_row(database: Database) -> None:
    watched_jobs(database, count=2)
    with database.connection.cursor() as cursor, cursor.copy("copy jobs (id, organization_id) from stdin") as copy:
        for number in range(3, 6):
            copy.write_row((f"J-{number}", "north"))
    database.sql(
        "insert into jobs (id, organization_id, title) values ('J-1', 'north', 'Roof'), ('J-9', 'north', 'Roof')"
        " on conflict (id) do update set title = excluded.title"
    )
    database.sql("do $$ begin update jobs set status = 'done' where id = 'J-2'; end $$")
    assert [(event["operation"], event["entity_id"]) for event in events(database)] == [
        *[("INSERT", f"J-{number}") for number in range(3, 6)],
        ("UPDATE", "J-1"),
        ("INSERT", "J-9"),
        ("UPDATE", "J-2"),
    ]
