"""automation_upcoming: what will run in a period, by time, from the index alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, pending, workflow

pytestmark = on_both_servers
HOUR = timedelta(hours=1)


def upcoming(database: Database, **arguments: Any) -> Any:
    return database.call("automation_upcoming", p_now=NOW, **{f"p_{name}": value for name, value in arguments.items()})


@pytest.fixture
def waiting(database: Database) -> dict[str, str]:
    """Executions due in so many hours, by their names."""
    mine = workflow(database, name="Mine", organization="north")
    other = workflow(database, name="Other", organization="south")
    found = {}
    for name, of, tenant, hours in (
        ("past", mine, "north", -1),
        ("now", mine, "north", 0),
        ("later", mine, "north", 5),
        ("south", other, "south", 3),
        ("tomorrow", mine, "north", 24),
        ("next week", mine, "north", 24 * 7),
    ):
        (found[name],) = pending(
            database,
            of,
            organization_id=tenant,
            entity_id=name,
            scheduled_at=NOW + hours * HOUR,
            code="waiting",
            reason="until then",
        )
    return found


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({}, ["now", "south", "later"]),
        ({"until": None}, ["now", "south", "later"]),
        ({"until": "4 hours"}, ["now", "south"]),
        ({"from": "1 hour"}, ["south", "later"]),
        ({"from": "1 hour", "until": "30 days"}, ["south", "later", "tomorrow", "next week"]),
        ({"until": "30 days", "tenant": "south"}, ["south"]),
        ({"until": "2030-05-18 08:30", "tenant": "north"}, ["now", "later", "tomorrow"]),
        ({"tenant": "nobody"}, []),
        ({"workflow": "Other", "until": "30 days"}, ["south"]),
        ({"workflow": "Mine", "until": "2 days"}, ["now", "later", "tomorrow"]),
        ({"workflow": "Mine", "tenant": "south"}, []),
    ],
)
def test_it_lists_what_waits_by_time(
    database: Database, waiting: dict[str, str], arguments: dict[str, str], names: list[str]
) -> None:
    database.sql("insert into automation_tenants (tenant, timezone) values ('north', 'America/Toronto')")
    answer = upcoming(database, **arguments)
    assert [item["execution_id"] for item in answer["items"]] == [waiting[name] for name in names]
    assert (answer["total"], answer["more"]) == (len(names), False)


def test_it_says_what_each_waits_for_and_what_a_pause_would_hold(database: Database, waiting: dict[str, str]) -> None:
    database.call("automation_pause", p_scope="tenant", p_target="south", p_reason="moving", p_now=NOW)
    now, south, later = upcoming(database)["items"]
    assert south == {
        "kind": "execution",
        "at": (NOW + 3 * HOUR).isoformat(),
        "workflow_id": south["workflow_id"],
        "workflow": "Other",
        "entity_id": "south",
        "execution_id": waiting["south"],
        "tenant": "south",
        "code": "waiting",
        "reason": "until then",
        "paused": "tenant south is paused: moving",
    }
    assert (now["paused"], later["paused"]) == (None, None)


def test_a_page_is_bounded_and_says_that_there_is_more(database: Database, waiting: dict[str, str]) -> None:
    answer = upcoming(database, limit=2)
    assert ([item["entity_id"] for item in answer["items"]], answer["more"], answer["total"]) == (
        ["now", "south"],
        True,
        3,
    )


@pytest.mark.parametrize("period", [{"until": "soon"}, {"from": "2 days", "until": "1 day"}, {"from": "1 day"}])
def test_a_period_that_cannot_be_is_refused_by_name(database: Database, period: dict[str, str]) -> None:
    with pytest.raises(psycopg.Error, match=r"soon is not a moment|is not after the beginning"):
        upcoming(database, **period)


@pytest.mark.parametrize("tenant", [None, "north"])
def test_a_long_queue_costs_what_is_shown(database: Database, tenant: str | None) -> None:
    mine = workflow(database, organization="north")
    database.sql(
        """
        insert into automation_execution_logs (
          workflow_id, workflow_version, event_id, organization_id, entity_id, created_at, scheduled_at)
        select %s, 1, n, 'north', 'job-' || n, %s, %s + n * interval '1 minute' from generate_series(1, 20000) n
        """,
        mine,
        NOW,
        NOW,
    )
    database.sql("analyze automation_execution_logs")
    query = "select * from minutehand.waiting_between(%s, %s, %s, null, 11)"
    database.sql(query, NOW, NOW + 300 * 24 * HOUR, tenant)  # reads the catalog
    (plan,) = database.sql("explain (analyze, buffers, format json) " + query, NOW, NOW + 300 * 24 * HOUR, tenant)
    top = plan["QUERY PLAN"][0]["Plan"]
    assert top["Actual Rows"] == 11
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 300
