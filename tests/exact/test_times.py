"""Times: one text for one instant, whatever the app's session and ours have set."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.http.response import retry_after_seconds
from minutehand.executor.templates.render import Renderer, check_template
from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.contract.acting import acted
from tests.journeys.app import webhook
from tests.journeys.world import World
from tests.servers import Database, on_both_servers
from tests.sql.jobs import when, workflow

#: What the app's role may have set.
SESSIONS = {
    "utc": "reset all",
    "toronto": "set timezone = 'America/Toronto'",
    "kolkata": "set timezone = 'Asia/Kolkata'; set datestyle = 'SQL, DMY'; set intervalstyle = 'iso_8601'",
    "german": "set timezone = 'Europe/Berlin'; set datestyle = 'German'; set intervalstyle = 'sql_standard';"
    " set bytea_output = 'escape'; set extra_float_digits = -3",
}
COLUMNS = """
alter table jobs add column at timestamptz, add column local timestamp, add column day date, add column hour time,
  add column length interval, add column file bytea, add column ratio float8, add column slots timestamptz[],
  add column during tstzrange, add column mark record_of_app;
"""
VALUES = {
    "at": "2026-03-01T15:00:00.25Z", "local": "2026-03-01T15:00:00", "day": "2026-03-01", "hour": "15:00:00",
    "length": "1 day 2 hours -3 minutes", "file": "\\x00ff27", "ratio": "0.30000000000000004",
    "slots": "{2026-03-01T15:00:00Z,2026-07-01T15:00:00+02:00}",
    "during": "[2026-03-01T15:00:00Z,2026-03-02T15:00:00Z)",
    "mark": "(2026-03-01T15:00:00Z,\\\\x27)",
}  # fmt: skip
#: The same, as a step sees them.
SEEN: dict[str, Any] = {
    "at": "2026-03-01T15:00:00.25+00:00", "local": "2026-03-01T15:00:00", "day": "2026-03-01", "hour": "15:00:00",
    "length": "1 day 01:57:00", "file": "\\x00ff27", "ratio": 0.30000000000000004,
    "slots": ["2026-03-01T15:00:00+00:00", "2026-07-01T13:00:00+00:00"],
    "during": '["2026-03-01 15:00:00+00","2026-03-02 15:00:00+00")',
    "mark": {"at": "2026-03-01T15:00:00+00:00", "file": "\\x27"},
}  # fmt: skip


def add_columns(database: Database) -> None:
    """Give the jobs a column of each type that a session prints in its own way."""
    database.sql("create type record_of_app as (at timestamptz, file bytea)")
    database.sql(COLUMNS)


def finish(world: World) -> None:
    """Run everything, also what a busy machine had put off: a condition step reads the row as it is then."""
    left = """
        select from automation_execution_logs where status = 'pending'
        union all select from automation_events where matched_at is null
    """
    world.drain()
    while world.app.database.sql(left):
        world.app.make_due()
        world.drain()


def test_nothing_moved_unless_it_moved(world: World) -> None:
    database = world.app.database
    add_columns(database)
    told = {"old": "{{ old.at }}", "at": "{{ job.at }}", "text": "{% if old.at != job.at %}moved{% endif %}"}
    for field in (*VALUES, "status"):
        guard = {"type": "condition", "config": {"field": field, "operator": "changed"}}
        world.app.workflow(
            guard,
            webhook(f"{world.shop.url}/{field}"),
            trigger_type="job_updated",
            name=field,
            settings={"rate_limit": None},
        )
    world.app.workflow(
        webhook(f"{world.shop.url}/told", body=told),
        trigger_type="job_updated",
        name="told",
        settings={"rate_limit": None},
    )
    columns, marks = ", ".join(VALUES), ", ".join(["%s"] * len(VALUES))
    database.sql(
        f"insert into jobs (id, organization_id, {columns}) values ('J-1', 'north', {marks})", *VALUES.values()
    )
    for session in SESSIONS.values():
        database.sql(session)
        database.sql("update jobs set title = title || '.'")
    finish(world)
    assert {request.path for request in world.shop.requests} == {"/told"}
    bodies = [json.loads(request.body) for request in world.shop.requests]
    assert bodies == [{"old": SEEN["at"], "at": SEEN["at"], "text": ""}] * len(SESSIONS)

    database.sql(SESSIONS["toronto"])
    database.sql("update jobs set at = at + interval '1 hour'")
    finish(world)
    moved = world.shop.requests[len(SESSIONS) :]
    assert sorted(request.path for request in moved) == ["/at", "/told"]
    (last,) = (json.loads(request.body) for request in moved if request.path == "/told")
    assert last == {"old": "2026-03-01T15:00:00.25+00:00", "at": "2026-03-01T16:00:00.25+00:00", "text": "moved"}


@on_both_servers
@pytest.mark.parametrize("ours", ["utc", "german"])
def test_the_change_and_the_row_that_is_read_are_the_same_texts(database: Database, ours: str) -> None:
    database.sql("create table jobs (id text primary key, organization_id text, status text, title text)")
    add_columns(database)
    database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    workflow(database, "w", trigger_type="job_updated")
    columns, marks = ", ".join(VALUES), ", ".join(["%s"] * len(VALUES))
    for name, session in SESSIONS.items():
        database.sql(session)
        database.sql(
            f"insert into jobs (id, organization_id, {columns}) values (%s, 'north', {marks})", name, *VALUES.values()
        )
        database.sql("update jobs set title = 'x' where id = %s", name)
    database.sql(SESSIONS[ours])
    database.sql("""
        create table zones (zone text);
        create function note_zone() returns trigger language plpgsql as
        $$ begin insert into public.zones values (current_setting('timezone')); return new; end $$;
        create trigger note_zone before insert on jobs for each row execute function note_zone();
    """)
    for name in SESSIONS:
        shown = database.call("automation_dry_run", p_workflow="w", p_row=name)
        for row in (shown["row"], shown["old"]):
            assert {key: row[key] for key in SEEN} == SEEN, name
    # What a step writes without a zone is UTC, and a second row is equal to the first.
    values = {key: value for key, value in SEEN.items() if key != "at"} | {"at": "2026-03-01 15:00:00.25"}
    written = database.one(
        "select minutehand.write_row(w.relation, w.config, 'create', null, %s::jsonb, f) as id"
        " from minutehand.watched w, automation_workflows f",
        json.dumps(values | {"id": "new"}),
    )
    shown = database.call("automation_dry_run", p_workflow="w", p_row=written["id"])
    assert {key: shown["row"][key] for key in SEEN} == SEEN
    zone = "UTC" if ours == "utc" else "Europe/Berlin"
    assert database.one("select current_setting('timezone') as zone")["zone"] == zone
    assert database.sql("select zone from zones") == [{"zone": zone}], "the app's own triggers are in the session's"


#: Field, operator, value wanted -> held, for a row with VALUES.
CONDITIONS = [
    ("at", "equals", "2026-03-01T15:00:00.25Z", True),
    ("at", "equals", "2026-03-01T10:00:00.250-05:00", True),
    ("at", "equals", "2026-03-01 20:30:00.25+0530", True),
    ("at", "equals", "2026-03-01 15:00:00.25 UTC", True),
    ("at", "equals", "2026-03-01t15:00:00.250000z", True),
    ("at", "equals", "2026-03-01T15:00:00.25", True),
    ("at", "equals", "2026-03-01T15:00:00Z", False),
    ("at", "equals", "2026-03-01T15:00:00.25-05:00", False),
    ("at", "not_equals", "2026-03-01T16:00:00.25+01:00", False),
    ("at", "in", ["2026-01-01", "2026-03-01T16:00:00.25+01:00"], True),
    ("at", "not_in", ["2026-03-01T16:00:00.25+01:00"], False),
    ("at", "greater_than", "2026-03-01T15:59:00+01:00", True),
    ("at", "less_than", "2026-03-02", True),
    ("local", "equals", "2026-03-01 15:00", True),
    ("local", "equals", "2026-03-01T16:00:00+01:00", True),
    ("day", "equals", "2026-03-01", True),
    ("day", "equals", "2026-03-01T00:00:00Z", True),
    ("day", "equals", "2026-03-02", False),
    ("slots", "contains", "2026-07-01T15:00:00+02:00", True),
    ("slots", "in", ["2026-07-01T13:00:00Z"], True),
    ("title", "equals", "2026-03-01", False),
    ("title", "equals", "2026-13-45", True),
]


@on_both_servers
def test_conditions_compare_instants_in_every_session(database: Database) -> None:
    database.sql("create table jobs (id text primary key, organization_id text, status text, title text)")
    add_columns(database)
    columns, marks = ", ".join(VALUES), ", ".join(["%s"] * len(VALUES))
    database.sql(f"insert into jobs (id, title, {columns}) values ('1', '2026-13-45', {marks})", *VALUES.values())
    row = database.one("select minutehand.row_json(j, '{}') as row from jobs j")["row"]
    wrong = []
    for session in SESSIONS.values():
        database.sql(session)
        for field, operator, value, held in CONDITIONS:
            leaf = {"field": field, "operator": operator, "value": value}
            if database.call("automation_evaluate", p_conditions=leaf, p_new=row)["held"] is not held:
                wrong.append((session, leaf))
    assert wrong == []


@pytest.mark.parametrize(
    "recorded", ["2026-03-01T10:00:00.25-05:00", "2026-03-01T15:00:00.250+00:00", "2026-03-01 15:00:00.25Z"]
)
def test_an_instant_that_was_recorded_in_another_zone_has_not_changed(database: Database, recorded: str) -> None:
    leaf = {"field": "at", "operator": "changed"}
    answer = database.call("automation_evaluate", p_conditions=leaf, p_new={"at": SEEN["at"]}, p_old={"at": recorded})
    assert answer["held"] is False


def test_a_trigger_condition_holds_for_the_z_form_in_every_session(database: Database) -> None:
    database.sql("create table jobs (id text primary key, organization_id text, status text, at timestamptz)")
    database.call("automation_trigger_add", p_table="jobs")
    workflow(database, "w", trigger_type="job_updated", trigger_config=when("at", "2026-03-01T15:00:00Z"))
    for name, session in SESSIONS.items():
        database.sql(session)
        database.sql("insert into jobs values (%s, 'north', 'new', '2026-03-01T15:00:00Z')", name)
        database.sql("update jobs set status = 'x' where id = %s", name)
    started = database.sql("select entity_id from automation_execution_logs order by 1")
    assert [row["entity_id"] for row in started] == sorted(SESSIONS)


#: What a message shows with and without `tz`.
FORMATS = {
    "{{ job.at|time(tz='UTC') }}": "15:00",
    "{{ job.at|time }}": "15:00",
    "{{ job.at|time(tz='US/Eastern') }}": "10:00",
    "{{ job.at|date('%H:%M %Z', tz='EST5EDT') }}": "10:00 EST",
    "{{ job.at|time(tz='Asia/Calcutta') }}": "20:30",
    "{{ job.at|date(tz='Pacific/Kiritimati') }}": "02 Mar 2026",
    "{{ job.local|time }}": "15:00",
    "{{ job.day|date(tz='Asia/Tokyo') }}": "01 Mar 2026",
    "{{ job.hour|time }}": "15:00",
    "{{ job.length }}": "1 day 01:57:00",
}


@pytest.mark.parametrize(("template", "written"), FORMATS.items())
def test_a_message_shows_a_time_in_the_zone_that_it_names(template: str, written: str) -> None:
    assert Renderer().render(template, {"job": SEEN}) == written


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Mars/X", "has an unknown time zone 'Mars/X'; write one such as Europe/Berlin"),
        ("US/Estern", "did you mean US/Eastern"),
        ("europe/berlin", "did you mean Europe/Berlin"),
        ("America", "has an unknown time zone 'America'"),
        ("", "has an unknown time zone ''"),
    ],
)
@pytest.mark.parametrize("use", ["date('%H', {})", "time('%H', {})", "plus('1 day', tz={})", "date(tz={})"])
def test_a_zone_that_does_not_exist_is_refused_before_any_row(zone: str, words: str, use: str) -> None:
    call = use.format(f"'{zone}'") if "tz" in use else use.format(f"tz='{zone}'")
    with pytest.raises(RenderError, match="line 1: the filter") as caught:
        check_template(f"{{% if false %}}{{{{ job.at|{call} }}}}{{% endif %}}")
    assert words in str(caught.value)


def test_lint_names_a_zone_that_does_not_exist(world: World) -> None:
    folder = world.minutehand.folder
    (folder / "w.yaml").write_text(
        "name: Tell\ntrigger_type: job_completed\nsteps:\n  - type: webhook\n    config:\n      url: https://shop.example/\n"
        "      body: {at: \"{{ job.at|time(tz='Mars/X') }}\"}\n"
    )
    done = world.minutehand("workflows", "lint", str(folder / "w.yaml"))
    assert done.returncode != 0
    assert "unknown time zone 'Mars/X'" in done.stdout + done.stderr


def test_zones_need_nothing_of_the_machine() -> None:
    names = ("US/Eastern", "Asia/Calcutta", "EST5EDT", "Europe/Kyiv", "GMT")
    code = f"import sys; from minutehand.executor.templates.filters import zone; [zone(name) for name in {names}]"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONTZPATH": "/nowhere"}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_webhook_is_stamped_with_the_databases_time(shop: HttpReceiver) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    acted("webhook", {"url": shop.url}, now=now)
    assert shop.requests[0].headers["webhook-timestamp"] == str(int(now.timestamp()))


def test_a_date_in_retry_after_is_counted_by_the_receivers_own_clock() -> None:
    headers = {"Retry-After": "Sun, 01 Mar 2026 15:00:30 GMT", "Date": "Sun, 01 Mar 2026 15:00:00 GMT"}
    assert retry_after_seconds(headers, datetime(2031, 1, 1, tzinfo=UTC)) == 30
    del headers["Date"]
    assert retry_after_seconds(headers, datetime(2026, 3, 1, 15, tzinfo=UTC)) == 30


INSTANTS = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001
    datetime(9999, 1, 1),  # noqa: DTZ001
    timezones=st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-720, 840)),
)  # fmt: skip


@given(at=INSTANTS, app=st.sampled_from(sorted(SESSIONS)), ours=st.sampled_from(sorted(SESSIONS)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_instant_goes_round(database: Database, at: datetime, app: str, ours: str) -> None:
    database.sql("reset all; drop table if exists jobs cascade; delete from automation_events")
    database.sql("create table jobs (id int primary key, at timestamptz, back timestamptz, status text)")
    database.call("automation_trigger_add", p_table="jobs", p_tenant="none", p_writable=True)
    database.sql(SESSIONS[app])
    database.sql("insert into jobs values (1, %s::timestamptz)", at.isoformat())
    database.sql(SESSIONS[ours])
    row = database.one("""
        select e.new ->> 'at' as recorded, r.found ->> 'at' as read
        from automation_events e, minutehand.watched w
        cross join lateral minutehand.read_app_rows(w.relation, w.config, array[e.entity_id]) r
    """)
    assert row["recorded"] == row["read"]
    assert datetime.fromisoformat(row["read"]) == at
    sent = Renderer().render("{{ job.at }}", {"job": {"at": row["read"]}})
    database.sql(
        "select minutehand.write_row(w.relation, w.config, 'update', '1', jsonb_build_object('back', %s::text), null)"
        " from minutehand.watched w",
        sent,
    )
    assert database.one("select at = back as is_same from jobs")["is_same"]
