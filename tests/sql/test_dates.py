"""Date triggers: before and after a date column of the app's rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.executor.upcoming import items_by_time
from tests import servers
from tests.servers import Database
from tests.sql.jobs import at, executions, watched_jobs, workflow

pytestmark = servers.on_both_servers

NOON = datetime(2030, 1, 7, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
REMIND = {"table": "jobs", "column": "starts", "offset": "24 hours before"}
CHASE = {"table": "jobs", "column": "due", "offset": ["3 days", "7 days", "14 days"], "at": "09:00"}


def dated(database: Database, count: int = 0) -> None:
    """The watched table of jobs with three date columns, each with its index."""
    at(database, (NOON - 30 * DAY).isoformat())
    watched_jobs(database, count)
    database.sql(
        "alter table jobs add starts timestamptz, add due date, add visit timestamp, add said text;"
        "create index on jobs (starts, id); create index on jobs (due, id); create index on jobs (visit, id)"
    )


def job(database: Database, key: str = "J-1", now: datetime = NOON - 20 * DAY, **columns: Any) -> None:
    """Insert a job of north at this time."""
    at(database, now.isoformat())
    row = {"id": key, "organization_id": "north", "status": "scheduled"} | columns
    marks = ", ".join(["%s"] * len(row))
    database.sql(f"insert into jobs ({', '.join(row)}) values ({marks})", *row.values())


def trigger(
    database: Database, config: Any, name: str = "remind", *, saved: datetime = NOON - 10 * DAY, **columns: Any
) -> str:
    """Save a workflow of north that this config starts."""
    at(database, saved.isoformat())
    values = {"trigger_type": "date", "trigger_config": config, "created_at": saved.isoformat()}
    return workflow(database, name, **values | columns)


def scan(database: Database, now: datetime) -> None:
    """What a processor does with dates at this time."""
    at(database, now.isoformat())
    while database.call("automation_tick", p_now=now.isoformat())["dates"]:
        if not database.call("automation_fire", p_looks=[], p_now=now.isoformat())["more"]:
            break


def tick(database: Database, now: datetime) -> list[str]:
    """One pass of a processor: the rows that it started executions for, with offsets; skipped ones with the code."""
    known = {log["id"] for log in executions(database)}
    scan(database, now)
    return sorted(
        f"{log['entity_id']} {log['trigger_data']['date']['offset']}" + (f": {log['code']}" if log["code"] else "")
        for log in executions(database)
        if log["id"] not in known
    )


def form(database: Database, config: Any, **row: Any) -> Any:
    """The normal form of a config."""
    row = {"trigger_type": "date", "trigger_config": config, **row}
    return database.one("select minutehand.date_form(%s::jsonb) as form", Jsonb(row))["form"]


BEFORE = {"months": 0, "days": 0, "seconds": -86400, "text": "24 hours before"}
OPEN = {"field": "status", "operator": "not_in", "value": ["paid", "cancelled", "void", "draft"]}
VISIT = {"field": "status", "operator": "not_in", "value": ["completed", "cancelled"]}
FORMS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("date", REMIND, {"table": "jobs", "column": "starts", "offsets": [BEFORE]}),
    (
        "date",
        {"table": "jobs", "column": "starts", "offset": "-24 hours"},
        {"table": "jobs", "column": "starts", "offsets": [BEFORE]},
    ),
    (
        "date",
        {"table": "jobs", "column": "starts", "hours_before": 24},
        {"table": "jobs", "column": "starts", "offsets": [BEFORE]},
    ),
    ("relative_time", {"relative_to": "starts", "offset_hours": -24}, {"column": "starts", "offsets": [BEFORE]}),
    (
        "appointment_reminder",
        {"hours_before": "24"},
        {"column": "schedule_start", "offsets": [BEFORE], "conditions": VISIT},
    ),
    (
        "invoice_overdue",
        {"daysOverdue": 3},
        {
            "column": "due_date",
            "offsets": [{"months": 0, "days": 3, "seconds": 0, "text": "3 days after"}],
            "conditions": OPEN,
        },
    ),
    (
        "date",
        {
            "column": "due",
            "offset": ["1 week", "1 month after"],
            "at": "9:00 am",
            "timezone": "Europe/Berlin",
            "late": "hold",
        },
        {
            "column": "due",
            "offsets": [
                {"months": 0, "days": 7, "seconds": 0, "text": "1 week after"},
                {"months": 1, "days": 0, "seconds": 0, "text": "1 month after"},
            ],
            "at": "09:00",
            "zone": "Europe/Berlin",
            "late": "hold",
        },
    ),
    (
        "date",
        {"column": "done_at", "days_after_completion": 3},
        {"column": "done_at", "offsets": [{"months": 0, "days": 3, "seconds": 0, "text": "3 days after"}]},
    ),
]
BASE = {"table": None, "at": None, "zone": None, "starting": None, "late": None, "conditions": None}


@pytest.mark.parametrize(("type_", "config", "expected"), FORMS)
def test_each_shape_has_one_normal_form(
    database: Database, type_: str, config: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = form(database, config, trigger_type=type_)
    assert found == BASE | expected


def test_a_flat_trigger_condition_names_the_days(database: Database) -> None:
    row = {"trigger_type": "invoice_overdue", "trigger_config": {}, "trigger_conditions": {"days_overdue": 7}}
    assert form(database, {}, **row)["offsets"][0]["days"] == 7
    assert database.one("select minutehand.time_kind(%s) as kind", Jsonb(row))["kind"] == "date"
    status = {"trigger_type": "invoice_overdue", "trigger_config": {}}
    assert (
        database.one("select minutehand.time_kind(%s) as kind", Jsonb(status))["kind"] is None
    )  # a status called overdue


REFUSED: list[tuple[Any, str]] = [
    ({}, "it says no time before or after the date"),
    ([], "trigger_config is a list"),
    ({"days_after_completion": 3}, "it names no date column"),
    ({"column": "due", "offset": "soon"}, 'offset is "soon": write'),
    ({"column": "due", "offset": 3}, "offset is 3: write"),
    ({"column": "due", "offset": "1000 years"}, "out of range"),
    ({"column": "due", "hours_before": 2.5}, "write a whole number"),
    ({"column": "due", "offset": ["3 days", "3 days after"]}, "stands there twice"),
    ({"column": "due", "offset": "2 hours", "at": "09:00"}, "write the offset in days"),
    ({"column": "due", "offset": "2 days", "at": "25:00"}, "write a time of day"),
    ({"column": "due", "offset": "2 days", "late": "maybe"}, 'write "run", "drop" or "hold"'),
    ({"column": "due", "offset": "2 days", "starting": "2027-02-30"}, "write a day"),
    ({"column": "due", "offset": "2 days", "cron": "0 9 * * *"}, "trigger_config.cron is not read"),
    (
        {"column": "due", "offset": "2 days", "timezone": "Mars/Olympus", "table": "jobs"},
        'there is no zone "Mars/Olympus"',
    ),
    ({"table": "jobs", "column": "said", "offset": "2 days"}, "column said of jobs is text"),
    ({"table": "jobs", "column": "never", "offset": "2 days"}, "table jobs has no column never"),
    ({"table": "nowhere", "column": "due", "offset": "2 days"}, "minutehand trigger add nowhere"),
    ({"column": "never", "offset": "2 days"}, "no watched table has a column never"),
]


@pytest.mark.parametrize(("config", "said"), REFUSED)
def test_what_cannot_be_read_is_refused_by_name(database: Database, config: Any, said: str) -> None:
    dated(database)
    job(database, due=NOON.date(), starts=NOON)
    made = trigger(database, config)
    facts = database.call("automation_workflow_list", p_filter={"names": [made]})[0]
    assert said in (facts["problem"] or facts["time"]["problem"])
    assert tick(database, NOON + 10 * DAY) == []


def test_a_reminder_comes_once_at_its_moment(database: Database) -> None:
    dated(database)
    trigger(database, REMIND)
    job(database, "J-1", starts=NOON + DAY)
    job(database, "J-2", starts=NOON + 2 * DAY)
    job(database, "S-1", starts=NOON + DAY, organization_id="south")
    found = [tick(database, NOON + n * MINUTE) for n in (-1, 0, 1, 2, 30)]
    assert found == [[], ["J-1 24 hours before"], [], [], []]
    assert tick(database, NOON + DAY) == ["J-2 24 hours before"]
    log = executions(database)[0]
    assert (log["entity_id"], log["status"], log["trigger_type"], log["organization_id"]) == (
        "J-1",
        "pending",
        "date",
        "north",
    )
    date = log["trigger_data"].pop("date")
    assert log["trigger_data"] == {"operation": "DATE", "table_name": "jobs", "record_id": "J-1"}
    assert (date["column"], date["offset"]) == ("starts", "24 hours before")
    assert datetime.fromisoformat(date["moment"]) == NOON
    explained = database.call("automation_explain", p_subject={"text": "J-1", "table": "jobs"}, p_now=NOON.isoformat())
    mine = next(one for one in explained["answers"] if one["execution_id"] == str(log["id"]))
    assert any("date trigger: 24 hours before starts of jobs J-1" in link["detail"] for link in mine["links"])


def test_a_date_that_moves_has_its_new_moment_alone(database: Database) -> None:
    dated(database)
    trigger(database, REMIND)
    job(database, starts=NOON + DAY)
    assert tick(database, NOON - HOUR) == []
    database.sql("update jobs set starts = %s", NOON + 3 * DAY)
    assert [tick(database, NOON + n * DAY) for n in range(4)] == [[], [], ["J-1 24 hours before"], []]
    database.sql("update jobs set starts = %s", NOON + 5 * DAY)  # again, after it was reminded
    assert [tick(database, NOON + n * DAY) for n in (3, 4, 5)] == [[], ["J-1 24 hours before"], []]


def test_what_is_booked_too_late_is_not_reminded_late(database: Database) -> None:
    dated(database)
    trigger(database, REMIND)
    tick(database, NOON - MINUTE)
    job(database, now=NOON, starts=NOON + 3 * HOUR)
    job(database, "J-2", now=NOON, starts=NOON + DAY - 2 * MINUTE)
    assert [tick(database, NOON + n * MINUTE) for n in range(5)] == [[]] * 5
    tick(database, NOON + 10 * MINUTE)  # and after downtime, in which it was booked
    job(database, "J-3", now=NOON + 5 * HOUR, starts=NOON + DAY + 2 * HOUR)
    assert tick(database, NOON + 8 * HOUR) == []


def test_no_backlog_goes_out_unless_asked_for(database: Database) -> None:
    dated(database)
    for days in range(1, 6):
        job(database, f"J-{days}", due=(NOON - days * DAY).date())
    after = {"table": "jobs", "column": "due", "offset": "1 day", "at": "09:00"}
    trigger(database, after, saved=NOON - HOUR)
    trigger(database, after | {"starting": "2030-01-05"}, "asked", saved=NOON - HOUR)
    assert tick(database, NOON) == [f"J-{days} 1 day after" for days in (1, 2, 3)]
    assert {log["name"] for log in executions(database)} == {"asked"}


@pytest.mark.parametrize("zone", ["UTC", "America/Toronto", "Pacific/Auckland"])
def test_chasing_at_a_local_hour_while_the_condition_holds(database: Database, zone: str) -> None:
    dated(database)
    unpaid = [{"field": "status", "operator": "not_equals", "value": "paid"}]
    trigger(database, CHASE | {"conditions": unpaid, "timezone": zone})
    job(database, "J-1", due=NOON.date())
    job(database, "J-2", due=NOON.date())
    nine = [
        database.one("select (%s::timestamp at time zone %s) as at", f"2030-01-{7 + days:02} 09:00", zone)["at"]
        for days in (3, 7, 14)
    ]
    assert [tick(database, nine[0] + n * MINUTE) for n in (-1, 0, 1)] == [
        [],
        ["J-1 3 days after", "J-2 3 days after"],
        [],
    ]
    at(database, (nine[0] + HOUR).isoformat())
    database.sql("update jobs set status = 'paid' where id = 'J-2'")
    assert [tick(database, nine[1] + n * MINUTE) for n in (-1, 0)] == [[], ["J-1 7 days after"]]
    database.sql("delete from jobs where id = 'J-1'")
    assert tick(database, nine[2]) == []


@pytest.mark.parametrize(
    ("config", "down", "expected"),
    [
        (REMIND, 3 * HOUR, ["J-1 24 hours before"]),
        (REMIND, 25 * HOUR, ["J-1 24 hours before: late"]),
        (REMIND | {"late": "run"}, 25 * HOUR, ["J-1 24 hours before"]),
        (REMIND | {"late": "drop"}, 3 * HOUR, ["J-1 24 hours before: late"]),
        (REMIND | {"late": "drop"}, 3 * MINUTE, ["J-1 24 hours before"]),
        (REMIND | {"late": "hold"}, 3 * HOUR, ["J-1 24 hours before: stale"]),
        (REMIND | {"offset": "1 hour after"}, 40 * HOUR, ["J-1 1 hour after"]),
    ],
)
def test_after_downtime_late_decides(
    database: Database, config: dict[str, Any], down: timedelta, expected: list[str]
) -> None:
    dated(database)
    trigger(database, config)
    job(database, starts=NOON + DAY)
    tick(database, NOON - HOUR)
    assert tick(database, NOON + down) == expected
    assert tick(database, NOON + down + HOUR) == []
    if "stale" in expected[0]:
        released = database.call(
            "automation_release", p_ids=[str(executions(database)[0]["id"])], p_now=(NOON + down).isoformat()
        )
        assert released
        assert executions(database)[0]["status"] == "pending"


def test_what_was_off_at_its_moment_does_not_come_later(database: Database) -> None:
    dated(database)
    made = trigger(database, REMIND)
    job(database, "J-1", starts=NOON + DAY)
    job(database, "J-2", starts=NOON + DAY + 3 * HOUR)
    tick(database, NOON - HOUR)
    database.sql("update automation_workflows set is_active = false where id = %s", made)
    assert tick(database, NOON + HOUR) == []
    database.sql("update automation_workflows set is_active = true where id = %s", made)
    assert tick(database, NOON + 2 * HOUR) == []
    assert tick(database, NOON + 3 * HOUR) == ["J-2 24 hours before"]


@pytest.mark.parametrize("column", ["starts", "visit", "due"])
def test_each_kind_of_date_column_is_read(database: Database, column: str) -> None:
    """At 09:00 the day before, in the zone, in the summer and across the change of the clocks."""
    dated(database)
    zone = "Europe/Berlin"
    config = {"table": "jobs", "column": column, "offset": "1 day before", "at": "09:00", "timezone": zone}
    trigger(database, config, saved=datetime(2030, 3, 1, tzinfo=UTC))
    # The clocks go forward on this day.
    value = {"visit": "2030-03-31 15:30", "due": "2030-03-31", "starts": "2030-03-31 15:30+02"}[column]
    job(database, now=datetime(2030, 3, 2, tzinfo=UTC), **{column: value})
    nine = datetime(2030, 3, 30, 8, 0, tzinfo=UTC)
    assert [tick(database, nine + n * MINUTE) for n in (-1, 0, 1)] == [[], ["J-1 1 day before"], []]
    database.sql("update jobs set starts = 'infinity', visit = '-infinity', due = 'infinity'")
    assert tick(database, nine + 30 * DAY) == []


@pytest.mark.parametrize(
    ("local", "zone", "expected"),
    [
        ("2030-03-31 02:30", "Europe/Berlin", "2030-03-31T01:00:00+00:00"),
        ("2030-03-31 03:00", "Europe/Berlin", "2030-03-31T01:00:00+00:00"),
        ("2030-10-27 02:30", "Europe/Berlin", "2030-10-27T00:30:00+00:00"),
        ("2030-10-27 03:30", "Europe/Berlin", "2030-10-27T02:30:00+00:00"),
        ("2030-10-27 01:30", "Europe/Berlin", "2030-10-26T23:30:00+00:00"),
        ("2030-04-07 01:45", "Australia/Lord_Howe", "2030-04-06T14:45:00+00:00"),
        ("2030-10-06 02:15", "Australia/Lord_Howe", "2030-10-05T15:30:00+00:00"),
        ("2030-07-01 12:00", "Asia/Kathmandu", "2030-07-01T06:15:00+00:00"),
    ],
)
def test_local_times_are_read_as_schedules_read_them(database: Database, local: str, zone: str, expected: str) -> None:
    found = database.one("select (minutehand.instants_of(%s::timestamp, %s)).first as at", local, zone)["at"]
    assert found == datetime.fromisoformat(expected)


def test_a_table_without_the_index_is_not_scanned_and_says_which_one(database: Database) -> None:
    dated(database)
    database.sql("drop index jobs_starts_id_idx; create index on jobs (starts)")
    made = trigger(database, REMIND)
    job(database, starts=NOON + DAY)
    assert tick(database, NOON) == []
    facts = database.call("automation_workflow_list", p_filter={"names": [made]})[0]
    assert facts["time"]["problem"] == (
        "table jobs has no index to find its dates by: create index concurrently on jobs (starts, id)"
    )
    database.sql("create index on jobs (starts, id)")
    assert tick(database, NOON + HOUR) == ["J-1 24 hours before"]


def test_many_due_at_once_come_in_pieces_and_are_held_as_a_flood(database: Database) -> None:
    dated(database)
    trigger(database, REMIND, settings={"volume": {"hold": True}})
    at(database, (NOON - 5 * DAY).isoformat())
    database.sql("alter table jobs disable trigger all")
    database.sql(
        "insert into jobs (id, organization_id, starts) select 'K-' || i, 'north', %s from generate_series(1, 1700) i",
        NOON + DAY,
    )
    database.sql("alter table jobs enable trigger all")
    for minutes in (-1, 0, 1):
        scan(database, NOON + minutes * MINUTE)
    found = database.sql(
        "select code, count(*)::int as n, count(distinct entity_id)::int as m from automation_execution_logs group by 1"
    )
    assert found == [{"code": "flood", "n": 1700, "m": 1700}]


def test_a_scan_of_a_large_table_reads_only_what_is_due(database: Database) -> None:
    dated(database)
    database.sql("alter table jobs disable trigger all")
    database.sql(
        "insert into jobs (id, organization_id, starts, due) select 'K-' || i, 'north',"
        " %s::timestamptz + i * interval '1 minute', %s::date + i / 100 from generate_series(1, 50000) i",
        NOON + DAY - HOUR,
        NOON,
    )
    database.sql("alter table jobs enable trigger all")
    database.sql("analyze jobs")
    trigger(database, REMIND)
    trigger(database, CHASE, "chase")
    tick(database, NOON - HOUR)
    database.sql("select pg_stat_reset_single_table_counters('jobs'::regclass)")
    assert len(tick(database, NOON)) == 60
    database.sql("select pg_stat_force_next_flush()")
    seen = database.one("select seq_scan, idx_tup_fetch, seq_tup_read from pg_stat_user_tables where relname = 'jobs'")
    assert (seen["seq_scan"], seen["seq_tup_read"]) == (0, 0)
    assert seen["idx_tup_fetch"] < 700  # an hour of `starts`; nothing of `due`, whose day has not come


def test_what_changed_before_it_begins_stops_it(database: Database) -> None:
    dated(database)
    unpaid = [{"field": "status", "operator": "not_equals", "value": "paid"}]
    trigger(database, REMIND | {"conditions": unpaid})
    for key in ("J-1", "J-2", "J-3"):
        job(database, key, starts=NOON + DAY)
    assert len(tick(database, NOON)) == 3
    database.sql("update jobs set starts = %s where id = 'J-1'", NOON + 9 * DAY)
    database.sql("update jobs set status = 'paid' where id = 'J-2'")
    stops = {
        row["entity_id"]: row["stop"]
        for row in database.sql(
            "select l.entity_id, minutehand.date_stop(l, w, r.found, t.config) as stop from automation_execution_logs l"
            " join automation_workflows w on w.id = l.workflow_id join minutehand.watched t on t.name = 'jobs'"
            " cross join lateral minutehand.read_app_rows(t.relation, t.config, array[l.entity_id]) r"
        )
    }
    assert stops["J-1"]["code"] == "date_moved"
    assert stops["J-2"] == {"code": "condition_false", "reason": "its conditions are not met any more"}
    assert stops["J-3"] is None


def test_upcoming_moments_are_listed_by_the_index(database: Database) -> None:
    dated(database)
    trigger(database, REMIND)
    job(database, "J-1", starts=NOON + DAY)
    job(database, "J-2", starts=NOON + 2 * DAY)
    job(database, "S-1", starts=NOON + DAY, organization_id="south")
    found = database.sql(
        "select workflow, entity_id, at, offset_text, total from minutehand.upcoming_dates(%s, %s, 100)",
        NOON - HOUR,
        NOON + HOUR,
    )
    assert found == [
        {"workflow": "remind", "entity_id": "J-1", "at": NOON, "offset_text": "24 hours before", "total": 1}
    ]


def test_what_comes_has_them_by_time_and_in_pages(database: Database) -> None:
    dated(database)
    trigger(database, REMIND)
    for number in range(5):
        job(database, f"J-{number}", starts=NOON + DAY + number * HOUR)
    job(database, "S-1", starts=NOON + DAY, organization_id="south")

    def upcoming(**arguments: Any) -> Any:
        period = {"p_now": NOON.isoformat(), "p_until": "4 hours"}
        return database.call("automation_upcoming", **period | {f"p_{name}": of for name, of in arguments.items()})

    answer = upcoming()
    assert [(one["entity_id"], one["offset"], one["tenant"]) for one in answer["dates"]] == [
        (f"J-{number}", "24 hours before", "north") for number in range(4)
    ]
    items, more = items_by_time(answer, 3)
    assert ([(one["kind"], one["entity_id"]) for one in items], more) == (
        [("date", "J-0"), ("date", "J-1"), ("date", "J-2")],
        True,
    )
    assert items_by_time(upcoming(limit=2), 2)[1] is True
    assert upcoming(tenant="south")["dates"] == []
    assert len(upcoming(workflow="remind")["dates"]) == 4


def test_a_row_can_be_tried_and_started_by_hand(database: Database) -> None:
    dated(database)
    trigger(database, REMIND)
    job(database, starts=NOON + DAY)
    tried = database.call("automation_dry_run", p_workflow="remind", p_row="J-1", p_now=NOON.isoformat())
    assert (tried["type"], tried["entity_id"], tried["stops"]) == ("job", "J-1", [])
    made = database.call("automation_enqueue", p_workflow="remind", p_row="J-1", p_now=NOON.isoformat())
    assert made["status"] == "pending"
    assert executions(database)[0]["trigger_data"]["table_name"] == "jobs"
