"""Schedules: what starts one, how often, and what becomes of what was missed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.executor.schedules import look_at
from tests import servers
from tests.servers import Database
from tests.sql.jobs import STEPS, at, events, executions, session, watched_jobs, workflow

pytestmark = servers.on_both_servers

#: A Monday, at nine.
MONDAY = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEKLY = {"cron": "0 9 * * 1"}


def schedule(
    database: Database, config: Any, name: str = "weekly", *, saved: datetime = MONDAY - DAY, **columns: Any
) -> str:
    """Save a workflow of organisation north that this config starts."""
    at(database, saved.isoformat())
    return workflow(
        database,
        name,
        **{"trigger_type": "schedule", "trigger_config": config, "created_at": saved.isoformat()} | columns,
    )


def looks(database: Database, now: datetime) -> list[dict[str, Any]]:
    """What a processor computes at the tick of this time."""
    tick = database.call("automation_tick", p_now=now.isoformat())
    assert tick["schedules"] == [] or not tick["identity"] or tick["now"]
    return [look_at(one, datetime.fromisoformat(tick["now"])) for one in tick["schedules"]]


def tick(database: Database, now: datetime) -> int:
    """One pass of a processor: how many executions it started."""
    at(database, now.isoformat())
    started = 0
    found = looks(database, now)
    while True:
        answer = database.call("automation_fire", p_looks=found, p_now=now.isoformat())
        started += answer["started"]
        if not answer["more"]:
            return started
        found = []


def times(database: Database) -> list[str]:
    """For when the executions were scheduled; of skipped ones with the code."""
    return [
        log["trigger_data"]["scheduled_for"] + (f" {log['code']}" if log["code"] else "")
        for log in executions(database)
    ]


def form(database: Database, config: Any, **row: Any) -> Any:
    """The normal form of a config."""
    row = {"trigger_type": "schedule", "trigger_config": config, **row}
    return database.one("select minutehand.schedule_form(%s::jsonb) as form", Jsonb(row))["form"]


BASE = {"step": None, "zone": None, "starting": None, "catch_up": "last", "for_each": None}
#: Config, and what of the normal form differs from BASE.
FORMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"cron": " 0  9 * * 1 ", "timezone": "Europe/Berlin"}, {"crons": ["0 9 * * 1"], "zone": "Europe/Berlin"}),
    ({"cron_expression": "@daily"}, {"crons": ["0 0 * * *"]}),
    ({"every": "15 minutes"}, {"seconds": 900}),
    ({"every": "2h"}, {"seconds": 7200}),
    ({"interval": "every 90 min"}, {"seconds": 5400}),
    ({"at": "09:00", "days": ["mon", "Thursday"]}, {"crons": ["0 9 * * 1,4"]}),
    ({"at": ["17:30", "9:00 am"], "days": "weekdays"}, {"crons": ["0 9 * * 1,2,3,4,5", "30 17 * * 1,2,3,4,5"]}),
    ({"every": "weekday", "at": "12:00 pm"}, {"crons": ["0 12 * * 1,2,3,4,5"]}),
    ({"every": "day"}, {"crons": ["0 9 * * *"]}),
    (
        {"every": "2 weeks", "days": ["fri"], "starting": "2030-01-04"},
        {"crons": ["0 9 * * 5"], "step": {"unit": "week", "n": 2}, "starting": "2030-01-04"},
    ),
    ({"at": "08:15", "day": "last"}, {"crons": ["15 8 L * *"]}),
    ({"day": 24, "month": 12}, {"crons": ["0 9 24 12 *"]}),
    (
        {"scheduleType": "recurring", "frequency": "quarterly"},
        {"crons": ["0 9 1 * *"], "step": {"unit": "month", "n": 3}},
    ),
    ({"recurring": True, "recurringType": "6months"}, {"crons": ["0 9 1 * *"], "step": {"unit": "month", "n": 6}}),
    ({"recurringType": "2years"}, {"crons": ["0 9 1 1 *"], "step": {"unit": "year", "n": 2}}),
    ({"frequency": "yearly", "time": "10:00"}, {"crons": ["0 10 1 1 *"]}),
    ({"cron": "0 9 * * *", "catch_up": "all", "label": "Daily"}, {"crons": ["0 9 * * *"], "catch_up": "all"}),
    (
        {"every": "1 day", "for_each": {"table": "jobs", "conditions": []}},
        {"crons": ["0 9 * * *"], "for_each": {"table": "jobs", "conditions": []}},
    ),
]


@pytest.mark.parametrize(("config", "expected"), FORMS)
def test_each_shape_has_one_normal_form(database: Database, config: dict[str, Any], expected: dict[str, Any]) -> None:
    assert form(database, config) == BASE | expected


@pytest.mark.parametrize("type_", ["schedule", "scheduled_time", "schedule_time"])
def test_a_builders_trigger_step_says_the_time_too(database: Database, type_: str) -> None:
    step = {
        "type": "trigger",
        "id": "t",
        "config": {"triggerType": type_, "scheduleType": "recurring", "frequency": "weekly"},
    }
    found = form(database, {"conditions": []}, trigger_type=type_, steps=[step, *STEPS])
    assert found == BASE | {"crons": ["0 9 * * 1"]}


REFUSED: list[tuple[Any, str]] = [
    ({}, "it says no time"),
    ([], "trigger_config is a list"),
    ({"cron": "0 0 9 * * 1"}, "with six fields: seconds are not scheduled"),
    ({"cron": "every monday"}, "write five fields"),
    ({"cron": 5}, "cron is 5: write five fields"),
    ({"cron": "0 9 * * *", "every": "1 day"}, "keep one"),
    ({"every": "30 seconds"}, 'the shortest is "1 minute"'),
    ({"every": "0 days"}, "out of range"),
    ({"every": 15}, "write a number and a unit"),
    ({"every": "bimonthly"}, "two meanings"),
    ({"every": "15 minutes", "at": "09:00"}, "write it as a cron"),
    ({"recurringType": "none"}, "it would never start"),
    ({"recurring": False, "at": "09:00"}, "minutehand enqueue --at"),
    ({"scheduleType": "once", "at": "09:00"}, "minutehand enqueue --at"),
    ({"at": "25:00"}, "write a time of day"),
    ({"at": 9}, "write a time of day"),
    ({"at": "09:00", "days": ["someday"]}, "write days of the week"),
    ({"at": "09:00", "days": 30}, "write days of the week"),
    ({"day": 30, "month": 2}, "day 30 of month 2 never comes"),
    ({"day": 32}, "day of the month"),
    ({"every": "week", "day": 3}, "keep one"),
    ({"every": "1 day", "frequency": "weekly"}, "says twice"),
    ({"every": "1 day", "hours_before": 24}, "trigger_config.hours_before is not read"),
    ({"every": "1 day", "starting": "2027-02-30"}, "write a day"),
    ({"every": "1 day", "catch_up": "some"}, 'write "none", "last" or "all"'),
    ({"every": "1 day", "timezone": 2}, "timezone is not a name"),
    (
        {"every": "1 day", "conditions": [{"field": "status", "operator": "equals", "value": "x"}]},
        "a schedule has no row",
    ),
    ({"every": "1 day", "for_each": "jobs"}, "for_each: write"),
    ({"every": "1 day", "for_each": {"table": "jobs", "limit": 3}}, "for_each.limit is not read"),
    (
        {"every": "1 day", "for_each": {"table": "jobs", "conditions": [{"field": "a", "operator": "starts_withh"}]}},
        "for_each: unknown operator",
    ),
]


@pytest.mark.parametrize(("config", "said"), REFUSED)
def test_what_cannot_be_read_is_refused_by_name(database: Database, config: Any, said: str) -> None:
    assert said in form(database, config)["problem"]
    made = schedule(database, config)
    assert tick(database, MONDAY) == 0
    facts = database.call("automation_workflow_list", p_filter={"names": [made]})[0]
    assert said in facts["problem"]


def test_a_firing_starts_one_execution_and_the_next_one_a_week_later(database: Database) -> None:
    made = schedule(database, WEEKLY)
    assert tick(database, MONDAY - MINUTE) == 0
    (state,) = database.sql("select next_at, look_at from minutehand.schedules")
    assert state["next_at"] == MONDAY
    assert [tick(database, MONDAY + n * MINUTE) for n in range(3)] == [1, 0, 0]
    (log,) = executions(database)
    assert (str(log["workflow_id"]), log["status"], log["trigger_type"]) == (made, "pending", "schedule")
    assert log["trigger_data"] == {"operation": "SCHEDULE", "scheduled_for": "2030-01-07T09:00:00Z"}
    assert (log["organization_id"], log["entity_id"], log["workflow_version"]) == ("north", None, 1)
    assert [tick(database, MONDAY + 7 * DAY + n * MINUTE) for n in (-1, 0, 1)] == [0, 1, 0]
    assert times(database) == ["2030-01-07T09:00:00Z", "2030-01-14T09:00:00Z"]


def test_two_processors_with_the_same_looks_start_it_once(database: Database) -> None:
    schedule(database, WEEKLY)
    found = looks(database, MONDAY)
    assert len(found) == 1

    def fire(_: int) -> int:
        with session(database) as other:
            answer = other.call("automation_fire", p_looks=found, p_now=MONDAY.isoformat())
            return int(answer["started"])

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(fire, range(16))) == 1
    database.sql("delete from minutehand.schedules")  # even without what was noted
    assert tick(database, MONDAY + MINUTE) == 0
    assert len(executions(database)) == 1


def test_a_processor_whose_clock_is_ahead_fires_nothing_early(database: Database) -> None:
    schedule(database, WEEKLY)
    ahead = [
        look_at(one, MONDAY + HOUR) for one in database.call("automation_tick", p_now=MONDAY.isoformat())["schedules"]
    ]
    assert database.call("automation_fire", p_looks=ahead, p_now=(MONDAY - HOUR).isoformat())["started"] == 0
    assert tick(database, MONDAY - MINUTE) == 0
    assert tick(database, MONDAY) == 1


@pytest.mark.parametrize(
    ("catch_up", "down", "expected"),
    [
        ("last", 3 * HOUR, ["2030-01-07T09:00:00Z"]),
        ("last", 11 * HOUR, ["2030-01-07T09:00:00Z"]),
        ("last", 13 * HOUR, ["2030-01-07T09:00:00Z late"]),
        ("last", 3 * DAY + HOUR, ["2030-01-10T09:00:00Z"]),
        ("last", 3 * DAY + 13 * HOUR, ["2030-01-10T09:00:00Z late"]),
        ("none", 2 * MINUTE, ["2030-01-07T09:00:00Z"]),
        ("none", HOUR, ["2030-01-07T09:00:00Z late"]),
        ("all", 2 * DAY + 20 * HOUR, ["2030-01-07T09:00:00Z", "2030-01-08T09:00:00Z", "2030-01-09T09:00:00Z"]),
    ],
)
def test_after_downtime_catch_up_decides(
    database: Database, catch_up: str, down: timedelta, expected: list[str]
) -> None:
    schedule(database, {"cron": "0 9 * * *", "catch_up": catch_up}, saved=MONDAY - HOUR)
    tick(database, MONDAY - MINUTE)
    tick(database, MONDAY + down)
    tick(database, MONDAY + down + MINUTE)
    assert times(database) == expected
    if "late" in expected[0]:
        (log,) = executions(database)
        assert log["status"] == "skipped"
        assert log["reason"].startswith(f"it was due at {expected[0][:10]} 09:00:00 UTC")
    database.sql("truncate automation_execution_logs, automation_events")
    following = (MONDAY + down).replace(hour=9, minute=0) + (DAY if (MONDAY + down).hour >= 9 else timedelta(0))
    assert tick(database, following) == 1  # from the clock, whatever became of the last one


def test_an_instant_before_it_was_saved_is_not_caught_up(database: Database) -> None:
    schedule(database, {"cron": "0 9 * * *"}, saved=MONDAY + HOUR)
    assert [tick(database, MONDAY + n * HOUR) for n in (1, 2, 23, 24)] == [0, 0, 0, 1]


def test_what_was_off_then_does_not_fire_when_it_is_switched_on(database: Database) -> None:
    made = schedule(database, {"cron": "0 9 * * *"})
    tick(database, MONDAY - HOUR)
    at(database, (MONDAY - MINUTE).isoformat())
    database.sql("update automation_workflows set is_active = false where id = %s", made)
    assert tick(database, MONDAY + MINUTE) == 0
    at(database, (MONDAY + HOUR).isoformat())
    database.sql("update automation_workflows set is_active = true where id = %s", made)
    assert [tick(database, MONDAY + n * HOUR) for n in (1, 2, 24)] == [0, 0, 1]
    assert times(database) == ["2030-01-08T09:00:00Z"]


def test_an_edit_between_an_instant_and_the_tick_loses_and_doubles_nothing(database: Database) -> None:
    made = schedule(database, {"cron": "0 9 * * *"})
    tick(database, MONDAY - MINUTE)
    at(database, (MONDAY + timedelta(seconds=20)).isoformat())
    database.sql("""update automation_workflows set trigger_config = '{"cron": "30 8 * * *"}' where id = %s""", made)
    assert [tick(database, MONDAY + n * MINUTE) for n in (1, 2)] == [1, 0]
    assert times(database) == ["2030-01-07T09:00:00Z"]  # of the old form; 08:30 was not meant when it passed
    database.sql("update automation_workflows set name = 'renamed' where id = %s", made)
    assert [tick(database, MONDAY + DAY - 30 * MINUTE + n * MINUTE) for n in (-1, 0, 1)] == [0, 1, 0]
    assert len(times(database)) == 2


def test_a_pause_is_to_a_schedule_as_if_no_processor_ran(database: Database) -> None:
    schedule(database, {"cron": "0 * * * *"}, saved=MONDAY - 10 * MINUTE)
    tick(database, MONDAY - MINUTE)
    database.call("automation_pause", p_scope="workflow", p_target="weekly")
    assert [tick(database, MONDAY + n * HOUR) for n in range(5)] == [0] * 5
    database.call("automation_resume", p_scope="workflow", p_target="weekly")
    assert tick(database, MONDAY + 5 * HOUR + 10 * MINUTE) == 1
    assert times(database) == ["2030-01-07T14:00:00Z"]


def test_a_cron_that_python_refuses_is_noted_and_starts_nothing(database: Database) -> None:
    made = schedule(database, {"cron": "0 9 30 2 *"})
    assert tick(database, MONDAY) == 0
    assert "never fires" in database.one("select problem from minutehand.schedules")["problem"]
    assert database.call("automation_workflow_list", p_filter={"names": [made]})[0]["time"]["next_at"] is None
    assert tick(database, MONDAY + MINUTE) == 0
    database.sql("""update automation_workflows set trigger_config = '{"cron": "0 9 * * 1"}' where id = %s""", made)
    assert tick(database, MONDAY + 7 * DAY) == 1


def test_a_tick_names_only_what_is_due_or_new(database: Database) -> None:
    for number in range(60):
        schedule(database, {"cron": f"{number} 9 * * *"}, f"s{number:02}")
    assert [len(looks(database, MONDAY - HOUR)) for _ in range(2)] == [50, 50]
    tick(database, MONDAY - HOUR)
    assert len(looks(database, MONDAY - HOUR)) == 10
    tick(database, MONDAY - HOUR)
    assert looks(database, MONDAY - 59 * MINUTE) == []
    assert tick(database, MONDAY) == 1


def rows(database: Database) -> None:
    """Five jobs of north, J-3 done; two of south; one of nobody."""
    watched_jobs(database, 5)
    database.sql("update jobs set status = 'completed' where id = 'J-3'")
    database.sql(
        "insert into jobs (id, organization_id, user_id, status) values ('S-1', 'south', null, 'scheduled'),"
        " ('S-2', 'south', null, 'scheduled'), ('N-1', null, null, 'scheduled')"
    )
    database.sql("truncate automation_execution_logs, automation_events")


def more(database: Database, tenant: str, count: int) -> None:
    """So many open jobs of a tenant."""
    database.sql(
        "insert into jobs (id, organization_id, status) select 'K-' || i, %s, 'open' from generate_series(1, %s) i",
        tenant,
        count,
    )


OPEN = {"table": "jobs", "conditions": [{"field": "status", "operator": "not_equals", "value": "completed"}]}


def test_for_each_starts_one_execution_for_each_row_of_the_tenant(database: Database) -> None:
    rows(database)
    schedule(database, WEEKLY | {"for_each": OPEN})
    assert [tick(database, MONDAY + n * MINUTE) for n in range(2)] == [4, 0]
    assert sorted(log["entity_id"] for log in executions(database)) == ["J-1", "J-2", "J-4", "J-5"]
    log = executions(database)[0]
    assert log["trigger_data"] == {
        "operation": "SCHEDULE",
        "table_name": "jobs",
        "record_id": log["entity_id"],
        "scheduled_for": "2030-01-07T09:00:00Z",
    }
    found = database.call("automation_explain", p_subject={"text": "J-1", "table": "jobs"}, p_now=MONDAY.isoformat())
    mine = next(one for one in found["answers"] if one["execution_id"] == str(log["id"]))
    assert (mine["workflow"], mine["fired"]) == ("weekly", True)
    assert any("a firing of its schedule" in link["detail"] for link in mine["links"])
    assert database.sql("select * from minutehand.schedule_walks") == []


def test_for_each_goes_on_where_it_stopped_and_repeats_no_row(database: Database) -> None:
    rows(database)
    more(database, "north", 4500)
    database.sql("truncate automation_execution_logs, automation_events")
    schedule(database, WEEKLY | {"for_each": OPEN}, settings={"volume": None})
    found = looks(database, MONDAY)
    database.call("automation_fire", p_looks=found, p_now=MONDAY.isoformat())
    database.sql("update minutehand.schedule_walks set after_key = null")  # as if a piece had not been noted
    tick(database, MONDAY + MINUTE)
    assert len(executions(database)) == 4504
    assert len({log["entity_id"] for log in executions(database)}) == 4504


def test_for_each_of_a_table_that_is_not_watched_says_so(database: Database) -> None:
    made = schedule(database, WEEKLY | {"for_each": {"table": "nowhere"}})
    assert tick(database, MONDAY) == 0
    (log,) = executions(database)
    assert (log["status"], log["code"]) == ("skipped", "table_missing")
    facts = database.call("automation_workflow_list", p_filter={"names": [made]})[0]
    assert facts["time"]["problem"] == "table nowhere is not watched; watch it with: minutehand trigger add nowhere"


def test_a_piece_reads_its_rows_by_the_key(database: Database) -> None:
    rows(database)
    more(database, "south", 20000)
    database.sql("analyze jobs")
    schedule(database, WEEKLY | {"for_each": OPEN})
    database.sql("select pg_stat_reset_single_table_counters('jobs'::regclass)")
    tick(database, MONDAY)
    database.sql("select pg_stat_force_next_flush()")
    assert database.one("select seq_scan from pg_stat_user_tables where relname = 'jobs'")["seq_scan"] == 0


def test_the_next_firings_are_listed(database: Database) -> None:
    schedule(database, WEEKLY)
    schedule(database, {"every": "15 minutes"}, "often")
    tick(database, MONDAY - HOUR)
    found = database.sql("select workflow, at from minutehand.next_firings(%s, %s, 10)", MONDAY - HOUR, MONDAY + DAY)
    assert [(row["workflow"], row["at"]) for row in found] == [("often", MONDAY - 45 * MINUTE), ("weekly", MONDAY)]


def test_events_of_firings_are_matched_with_nothing(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "any job", trigger_type="job_updated")
    schedule(database, WEEKLY)
    tick(database, MONDAY)
    assert [(event["operation"], event["types"], event["dedupe_key"] is not None) for event in events(database)] == [
        ("SCHEDULE", ["schedule"], True)
    ]
    assert [log["name"] for log in executions(database)] == ["weekly"]
