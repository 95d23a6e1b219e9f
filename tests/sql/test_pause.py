"""automation_pause and automation_resume: hold everything, a tenant, a workflow; and let go."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claimed, pending, workflow

pytestmark = on_both_servers
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def two(database: Database) -> tuple[str, str]:
    """Two workflows, of two tenants, with two pending executions each."""
    mine = workflow(database, name="Mine", organization="north")
    other = workflow(database, name="Other", organization="south")
    pending(database, mine, 2, organization_id="north")
    pending(database, other, 2, organization_id="south")
    return mine, other


def pause(database: Database, scope: Any, target: str | None = None, reason: str | None = None) -> Any:
    return database.call("automation_pause", p_scope=scope, p_target=target, p_reason=reason, p_now=NOW)


def resume(database: Database, scope: Any, target: str | None = None) -> Any:
    return database.call("automation_resume", p_scope=scope, p_target=target)


@pytest.mark.parametrize(
    ("scope", "target", "name", "held"),
    [
        ("all", None, "everything", 4),
        ("tenant", "north", "tenant north", 2),
        ("tenant", "nobody", "tenant nobody", 0),
        ("workflow", "Mine", 'workflow "Mine"', 2),
    ],
)
def test_what_is_paused_is_held_and_goes_on_after(
    database: Database, two: Any, scope: str, target: str | None, name: str, held: int
) -> None:
    told = pause(database, scope, target, "wrong prices")
    assert (told["name"], told["held"], told["existed"], told["reason"]) == (name, held, False, "wrong prices")
    again = pause(database, scope, target)
    assert (again["existed"], again["reason"]) == (True, "wrong prices")
    assert pause(database, scope, target, "and another")["reason"] == "and another"
    assert len(claimed(database)) == 4 - held
    ended = resume(database, scope, target)
    assert (ended["existed"], ended["held"], ended["reason"], ended["still_paused"]) == (True, held, "and another", [])
    assert len(claimed(database)) == held
    assert resume(database, scope, target)["existed"] is False


def test_a_workflow_is_named_by_id_too(database: Database, two: Any) -> None:
    assert pause(database, "workflow", two[0].upper())["target"] == two[0]
    assert resume(database, "workflow", "Mine")["existed"] is True


def test_a_pause_of_a_deleted_workflow_can_be_ended(database: Database, two: Any) -> None:
    pause(database, "workflow", "Mine")
    database.sql("delete from automation_workflows where name = 'Mine'")
    ended = resume(database, "workflow", two[0])
    assert (ended["existed"], ended["name"]) == (True, 'the deleted workflow "Mine"')


def test_wider_and_narrower_pauses_are_told_when_one_ends(database: Database, two: Any) -> None:
    pause(database, "all")
    pause(database, "workflow", "Mine")
    assert resume(database, "workflow", "Mine")["still_paused"] == ["all"]
    pause(database, "tenant", "north")
    assert resume(database, "all")["still_paused"] == ["tenant"]
    assert resume(database, "workflow", "Mine")["still_paused"] == ["tenant"]
    assert resume(database, "workflow", "Other")["still_paused"] == [], "another tenant's is no affair of its"
    pause(database, "workflow", "Mine")
    assert resume(database, "tenant", "south")["still_paused"] == []


@pytest.mark.parametrize(
    ("scope", "target", "state", "words"),
    [
        ("none", None, "MH400", "unknown scope none"),
        (None, None, "MH400", "unknown scope"),
        ("tenant", None, "MH400", "names no tenant"),
        ("workflow", "", "MH400", "names no workflow"),
        ("workflow", "Nothing", "MH404", 'there is no workflow "Nothing"'),
        ("workflow", "Twin", "MH409", 'there are 2 workflows named "Twin"'),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    database: Database, scope: Any, target: str | None, state: str, words: str
) -> None:
    for _ in range(2):
        workflow(database, name="Twin")
    for verb in (pause, resume):
        with pytest.raises(psycopg.Error, match=words) as caught:
            verb(database, scope, target)
        assert caught.value.sqlstate == state
    assert database.sql("select * from automation_control") == []


def at(database: Database, when: Any, limit: int = 10) -> int:
    """How many a claim at this time takes."""
    answer = database.call("automation_claim", p_token=str(uuid.uuid4()), p_limit=limit, p_worker="w", p_now=when)
    return len(answer["executions"])


def plan(database: Database, scope: str, target: str | None = None, **period: Any) -> Any:
    moments = {f"p_{name}": value for name, value in period.items()}
    return database.call("automation_pause", p_scope=scope, p_target=target, p_now=NOW, **moments)


@pytest.mark.parametrize("by_a_tick", [False, True])
def test_a_pause_with_an_end_ends_by_itself(database: Database, two: Any, by_a_tick: bool) -> None:
    told = plan(database, "all", until="2 hours", reason="stock-taking")
    assert (told["starts_at"], told["ends_at"]) == (None, (NOW + 2 * HOUR).isoformat())
    assert at(database, NOW + 2 * HOUR - MINUTE) == 0
    reason = database.one("select minutehand.pause_reason('north', null) as reason")["reason"]
    assert reason == "everything is paused until 2030-05-17 14:00:00 UTC: stock-taking"
    if by_a_tick:
        assert database.call("automation_tick", p_now=NOW + 2 * HOUR)["due"] == 4
    assert at(database, NOW + 2 * HOUR) == 4
    assert database.sql("select * from automation_control") == []


def test_a_planned_pause_begins_and_ends_by_itself(database: Database, two: Any) -> None:
    told = plan(database, "tenant", "north", **{"from": "1 hour", "until": "1 day"})
    assert (told["starts_at"], told["held"]) == ((NOW + HOUR).isoformat(), 2)
    assert at(database, NOW, 1) == 1
    claimed_before = at(database, NOW + HOUR - MINUTE, 1)
    assert claimed_before == 1
    paused = at(database, NOW + HOUR)
    assert (
        paused
        == database.one(
            "select count(*)::int as n from automation_execution_logs where organization_id = 'south' and worker = 'w'"
            " and claimed_at = %s",
            NOW + HOUR,
        )["n"]
    )
    assert at(database, NOW + 23 * HOUR) == 0
    assert at(database, NOW + 24 * HOUR) == 4 - 1 - claimed_before - paused
    assert database.sql("select * from automation_control") == []


def test_what_is_planned_is_shown_and_can_be_given_up(database: Database, two: Any) -> None:
    for count in (1, 2):
        plan(database, "workflow", "Mine", **{"from": f"{count} days", "until": f"{count + 1} days"})
    shown = database.call("automation_metrics", p_now=NOW)["planned_pauses"]
    assert [(one["name"], one["starts_at"]) for one in shown] == [
        ('workflow "Mine"', (NOW + count * 24 * HOUR).isoformat()) for count in (1, 2)
    ]
    assert database.call("automation_overview", p_tenant="north", p_now=NOW)["figures"]["planned_pauses"] == shown
    assert database.call("automation_overview", p_tenant="south", p_now=NOW)["figures"]["planned_pauses"] == []
    told = resume(database, "workflow", "Mine")
    assert (told["existed"], told["planned"]) == (False, 2)
    told = database.call("automation_resume", p_scope="workflow", p_target="Mine", p_planned=True, p_now=NOW)
    assert told["planned"] == 2
    assert database.call("automation_metrics", p_now=NOW)["planned_pauses"] == []
    assert at(database, NOW + 25 * HOUR) == 4


def test_a_planned_end_does_not_end_what_a_person_began(database: Database, two: Any) -> None:
    plan(database, "all", **{"from": "1 hour", "until": "2 hours"})
    pause(database, "all", reason="wrong prices")
    for hours in (1, 2, 3):
        assert at(database, NOW + hours * HOUR) == 0
    assert database.one("select reason, ends_at from automation_control") == {"reason": "wrong prices", "ends_at": None}


def test_overlapping_plans_end_with_the_last(database: Database, two: Any) -> None:
    plan(database, "all", **{"from": "1 hour", "until": "3 hours"})
    plan(database, "all", **{"from": "2 hours", "until": "4 hours"})
    assert [at(database, NOW + hours * HOUR) for hours in (1, 2, 3, 4)] == [0, 0, 0, 4]


def test_a_plan_that_was_slept_through_leaves_nothing(database: Database, two: Any) -> None:
    plan(database, "all", **{"from": "1 hour", "until": "2 hours"})
    assert at(database, NOW + 5 * HOUR) == 4
    assert database.sql("select * from automation_control") == []
    assert database.sql("select * from minutehand.planned_pauses") == []


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2030-12-24 18:00", "Europe/Berlin", "2030-12-24T17:00:00+00:00"),
        ("2030-12-24", "America/Toronto", "2030-12-24T05:00:00+00:00"),
        ("2030-12-24T18:00:00+01:00", "America/Toronto", "2030-12-24T17:00:00+00:00"),
        ("2030-12-24T18:00Z", "America/Toronto", "2030-12-24T18:00:00+00:00"),
        ("3 days", "Asia/Tokyo", "2030-05-20T12:00:00+00:00"),
    ],
)
def test_a_moment_is_meant_in_the_zone_of_the_tenant(
    database: Database, two: Any, text: str, zone: str, moment: str
) -> None:
    database.sql("insert into automation_tenants (tenant, timezone) values ('north', %s)", zone)
    for scope, target in (("tenant", "north"), ("workflow", "Mine")):
        told = plan(database, scope, target, until=text)
        assert datetime.fromisoformat(told["ends_at"]) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("period", "match"),
    [
        ({"until": "tomorrow"}, "tomorrow is not a moment"),
        ({"until": "infinity"}, "infinity is not a moment"),
        ({"until": "2030-02-30"}, "2030-02-30 is not a moment"),
        ({"from": "-1 hour"}, "-1 hour is not a moment"),
        ({"until": "2030-05-17 11:00"}, "would end at 2030-05-17 11:00:00 UTC, before it begins"),
        ({"from": "2 days", "until": "1 day"}, "before it begins"),
        ({"from": "1 day", "until": "1 day"}, "before it begins"),
    ],
)
def test_a_period_that_cannot_be_is_refused_by_name(
    database: Database, two: Any, period: dict[str, str], match: str
) -> None:
    with pytest.raises(psycopg.Error, match=match):
        plan(database, "all", **period)
    assert database.sql("select * from minutehand.planned_pauses") == []
