"""Whatever a workflow's conditions compare and however large a row is, matching is bounded (R8, R9, R17)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import counts, events, fired, match, move, watched_jobs, when, workflow

pytestmark = on_both_servers

#: Far above what is allowed, far below what the unbounded form takes: minutes.
PATIENCE_SECONDS = 20.0
WORDS = [f"word-{number}" for number in range(4000)]

COSTLY: dict[str, tuple[Any, str]] = {
    "many values in many tags": (
        when("tags", WORDS, "in"),
        "array(select 'tag-' || n from generate_series(1, 15000) n)",
    ),
    "no value in many tags": (
        when("tags", WORDS, "not_in"),
        "array(select 'tag-' || n from generate_series(1, 15000) n)",
    ),
    "many values and a long text": (when("search", WORDS, "in"), "null"),
    "a list of groups": (
        {
            "conditions": {
                "any": [{"not": [{"field": "tags", "operator": "in", "value": WORDS[:800]}]} for _ in range(5)]
            }
        },
        "array(select 'tag-' || n from generate_series(1, 15000) n)",
    ),
    "the old row": (when("old.tags", WORDS, "in"), "array(select 'tag-' || n from generate_series(1, 15000) n)"),
    "changed to one of many": (when("search", WORDS, "changed_to"), "null"),
}


def heavy_row(database: Database, tags: str) -> None:
    """Give J-1 so many tags, and a text of 200 kB that no compression makes small."""
    database.sql(
        f"update jobs set tags = {tags},"
        " search = (select string_agg(md5(n::text), '') from generate_series(1, 6250) n) where id = 'J-1'"
    )


@pytest.mark.parametrize("name", COSTLY)
def test_costly_conditions_are_an_error_and_never_run(database: Database, name: str) -> None:
    config, tags = COSTLY[name]
    watched_jobs(database, count=3)
    heavy_row(database, tags)
    database.sql("delete from automation_events")
    workflow(database, "costly", trigger_config=config)
    workflow(database, "plain")
    started = time.monotonic()
    database.sql("update jobs set status = 'done'")
    for _ in range(6):
        match(database)
        database.sql("update automation_events set match_after = null")
    assert time.monotonic() - started < PATIENCE_SECONDS
    assert fired(database).count("plain") == 3, "another workflow of the same row"
    (event,) = [event for event in events(database) if event["entity_id"] == "J-1"]
    assert (event["matched_at"], event["match_attempts"]) == (None, 5)
    assert "comparisons on this row; at most 50000 are made" in event["error"]


def test_what_is_too_much_for_the_trigger_is_left_to_the_tick(database: Database) -> None:
    watched_jobs(database)
    heavy_row(database, "array(select 'tag-' || n from generate_series(1, 300) n)")
    database.sql("delete from automation_events")
    workflow(database, trigger_config=when("tags", [*WORDS[:100], "TAG-300"], "in"))
    move(database, "done")
    assert counts(database) == (1, 1, 0)
    assert match(database) == {"matched": 1, "executions": 1, "set_aside": 0}


@pytest.mark.parametrize(
    ("operator", "value", "field"),
    [("in", ["Done"], "status"), ("contains", "boiler", "title"), ("in", [f"v{n}" for n in range(500)], "title")],
)
def test_ordinary_conditions_are_not_bounded(database: Database, operator: str, value: Any, field: str) -> None:
    watched_jobs(database)
    heavy_row(database, "array['a']")
    database.sql("delete from automation_events")
    workflow(database, trigger_config=when(field, value, operator))
    move(database, "done")
    assert counts(database)[1] == 0
    assert all(event["error"] is None for event in events(database))


def test_a_condition_step_and_a_page_get_the_same_error(database: Database) -> None:
    row = {"tags": [f"tag-{n}" for n in range(15_000)]}
    result = database.call("automation_evaluate", p_conditions=when("tags", WORDS, "in")["conditions"], p_new=row)
    assert (result["held"], "at most 50000" in result["problem"]) == (False, True)


def test_large_values_are_not_recorded_and_the_event_says_so(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "plain")
    workflow(database, "compares", trigger_config=when("search", "x", "contains"))
    workflow(
        database,
        "nested",
        trigger_config={"conditions": {"any": [{"not": [when("new.search", "x")["conditions"][0]]}]}},
    )
    database.sql("update jobs set search = (select string_agg(md5(n::text), '') from generate_series(1, 10000) n)")
    database.sql("delete from automation_events")
    move(database, "done")
    (event,) = events(database)
    assert event["cut_columns"] == ["search"]
    assert "search" not in event["new"]
    assert event["new"]["status"] == "done"
    assert fired(database) == ["plain"]
    assert event["error"].count("whose value was too large to be recorded with the change") == 2


def test_of_many_large_columns_what_remains_is_bounded(database: Database) -> None:
    columns = ", ".join(f"c{number} text" for number in range(12))
    database.sql(f"create table jobs (id text primary key, organization_id text, status text, {columns})")
    database.call("automation_trigger_add", p_table="jobs")
    values = ", ".join("(select string_agg(md5(n::text), '') from generate_series(1, 3500) n)" for _ in range(12))
    database.sql(f"insert into jobs values ('J-1', 'north', 'new', {values})")
    (event,) = events(database)
    assert event["cut_columns"] == sorted(f"c{number}" for number in range(12))
    assert event["new"] == {"id": "J-1", "organization_id": "north", "status": "new"}


def test_a_match_that_does_not_come_back_takes_no_others_with_it(database: Database) -> None:
    """A call that ends before it commits leaves an attempt behind, and the next are smaller."""
    watched_jobs(database, count=100)
    workflow(database)
    database.sql("set minutehand.blocked = 'matching'")
    database.sql("update jobs set status = 'done'")
    picked = []
    for _ in range(4):
        ids = database.one("select minutehand.pick_unmatched(500, now()) as ids")["ids"]
        picked.append(len(ids))
        database.sql("update automation_events set match_after = now() where match_after is not null")
    assert picked == [100, 51, 49, 6]
    for _ in range(60):
        match(database)
        database.sql("update automation_events set match_after = now() where match_after is not null")
    assert counts(database) == (100, 0, 100)


def test_tenants_take_turns_in_what_is_matched(database: Database) -> None:
    watched_jobs(database, count=50)
    database.sql("insert into jobs (id, organization_id, status) values ('S-1', 'south', 'new')")
    database.sql("set minutehand.blocked = 'matching'")
    database.sql("update jobs set status = 'done' where organization_id = 'north'")
    database.sql("update jobs set status = 'done' where organization_id = 'south'")
    database.sql("delete from automation_events where operation = 'INSERT'")
    ids = database.one("select minutehand.pick_unmatched(2, now()) as ids")["ids"]
    tenants = database.sql("select organization_id from automation_events where id = any (%s)", ids)
    assert {row["organization_id"] for row in tenants} == {"north", "south"}


def test_what_the_time_does_not_suffice_for_is_matched_later_without_an_attempt(database: Database) -> None:
    watched_jobs(database, count=3)
    workflow(database)
    database.sql("set minutehand.blocked = 'matching'")
    database.sql("update jobs set status = 'done'")
    database.sql(
        "alter function minutehand.conditions_met rename to fast_verdict;"
        "create function minutehand.conditions_met(a jsonb, b jsonb, c jsonb, d text, e bigint) returns boolean"
        " language plpgsql as $$ begin perform pg_sleep(2); return true; end $$"
    )
    assert match(database)["matched"] == 2
    left = [event for event in events(database) if event["matched_at"] is None]
    assert [(event["match_attempts"], event["match_after"], event["error"]) for event in left] == [(0, None, None)]


def test_a_step_is_shown_a_row_without_its_large_values(database: Database) -> None:
    database.sql("create table photos (id text primary key, organization_id text, data text)")
    database.sql(
        "insert into photos select 'P-1', 'north', string_agg(md5(n::text), '') from generate_series(1, 10000) n"
    )
    watched_jobs(database)
    database.sql("alter table jobs add photo_id text references photos default 'P-1'")
    database.sql("update jobs set search = (select string_agg(md5(n::text), '') from generate_series(1, 10000) n)")
    workflow(database)
    seen = database.call("automation_dry_run", p_workflow="tell", p_row="J-1")
    assert "search" not in seen["row"]
    assert seen["links"]["photo"] == {"id": "P-1", "organization_id": "north"}
    assert {name: hidden["code"] for name, hidden in seen["hidden"].items()} == {
        "job.search": "value_too_large",
        "photo.data": "value_too_large",
    }
