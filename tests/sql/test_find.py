"""Which executions a search means: one table of searches on one database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.dashboard.presentation.search import as_filter, narrowed, parse_search, split_terms
from tests import servers
from tests.servers import Database
from tests.sql.jobs import watched_jobs, workflow

NOW = datetime(2030, 1, 2, 12, tzinfo=UTC)
pytestmark = servers.on_both_servers

#: Search -> the executions of `world`, newest first.
FOUND: list[tuple[str, str]] = [
    ("", "hgfedcba"),
    # A text: id, beginning of an id, row, recipient, client, workflow; in either case.
    ("aaaaaaaa-0000-7000-8000-000000000000", "a"),
    ("AAAAAAAA", "a"),
    ("aaaaaa", "a"),
    ("aaaaa", ""),
    ("J-1", "hba"),
    ("j-1", "hba"),
    ("ada@example.com", "a"),
    ("Ada <ADA@Example.com>", "a"),
    ("+12025550123", "b"),
    ('"+1 (202) 555-0123"', "b"),
    ("https://hooks.example/in", "c"),
    ("bo@example.com", "d"),
    ("C-7", "b"),
    ("c-7", "b"),
    ("thank", "hba"),
    ("Thank the CLIENT", "hba"),
    ('"thank the client"', "hba"),
    ("remind", "dc"),
    ("old campaign", "e"),
    ("Bö", "f"),
    ("J-1 status:failed", "b"),
    ("status:failed J-1", "b"),
    ("thank today", "ba"),
    ('text:"j-1"', "hba"),
    ("nobody", ""),
    ("%", ""),
    ("_-_", ""),
    ("J-%", ""),
    ("'; drop table jobs; --", ""),
    ("\u202e1-J", ""),
    ("x" * 2000, ""),
    # Each field.
    ("status:FAILED", "db"),
    ("status:uncertain", "d"),
    ("workflow:'Thank", ""),
    ('workflow:"thank the client"', "hba"),
    ("workflow:thank", ""),
    ('workflow:"Old campaign"', "e"),
    ("entity:j-2", "c"),
    ("table:jobs", "edcba"),
    ("table:public.JOBS", "edcba"),
    ("table:invoices", "f"),
    ("table:nothing", ""),
    ("tenant:north", "hfedcba"),
    ("tenant:south", "g"),
    ("recipient:ada@example.com", "a"),
    ("recipient:Ada@EXAMPLE.com status:failed", ""),
    ("recipient:%@example.com", ""),
    ("channel:email", "da"),
    ("channel:SMS", "b"),
    ("step:greet", "a"),
    ('step:"say hello"', "a"),
    ("step:send_email", "a"),
    ("step:2", "c"),
    ("code:partial", "b"),
    ('error:"NO ROUTE"', "b"),
    ("payload.client.id:C-9", "a"),
    ("payload.client_id:C-7", "b"),
    ("payload.table_name:jobs payload.client.id:c-9", "a"),
    ("payload.client.id:C-7", ""),
    ("attempt:2", "b"),
    ("attempt:>2", "d"),
    ("attempt:>=2", "db"),
    ("attempt:<2", "hgfeca"),
    ("took:>5s", "b"),
    ("took:5s", "b"),
    ("took:<5s", "a"),
    ("took:>1m", ""),
    ("due:now", "c"),
    ("due:<1h", "fc"),
    ("due:>1h", "h"),
    ("due:today", "fc"),
    ("due:tomorrow", "h"),
    ("today", "fedcba"),
    ("yesterday", "g"),
    ("since:today until:1h", "a"),
    ("until:yesterday", "h"),
    ("since:yesterday status:completed", "gea"),
]
#: What the login of tenant south finds: its own, and for others' the same as for nobody's.
SOUTH = [("", "g"), ("J-1", ""), ("aaaaaaaa", ""), ("ada@example.com", ""), ("C-7", ""), ("thank", ""), ("J-9", "g"),
         ("tenant:north", ""), ("tenant:south", "g"), ("tenant:nobody", ""), ("table:jobs", "")]  # fmt: skip
#: What a login finds that may not see payloads.
HIDDEN = [("ada@example.com", ""), ("C-7", ""), ("J-1", "hba")]


@pytest.fixture
def world(database: Database) -> Database:
    """Executions a to h: a to f of today, f the newest; g of yesterday, h of a year ago."""
    watched_jobs(database, 3)
    thank, remind = workflow(database, "Thank the client"), workflow(database, "Remind them")
    gone, umlaut = workflow(database, "Old campaign"), workflow(database, "BÖ-Rechnung")
    jobs = {"table_name": "jobs"}
    event = database.one(
        "insert into automation_events (occurred_at, table_name, operation, types, entity_id, organization_id,"
        " new, matched_at) values (%s, 'jobs', 'UPDATE', '{x}', 'J-1', 'north', '{\"client_id\": \"C-7\"}', %s)"
        " returning id",
        NOW, NOW,
    )["id"]  # fmt: skip

    def hours(count: float) -> datetime:
        return NOW + timedelta(hours=count)

    logs: dict[str, dict[str, Any]] = {
        "a": {"workflow_id": thank, "status": "completed", "entity_id": "J-1", "created_at": hours(-2), "attempt": 1,
              "trigger_data": Jsonb(jobs | {"client": {"id": "C-9"}}), "claimed_at": hours(-2),
              "completed_at": hours(-2) + timedelta(seconds=2),
              "actions_executed": Jsonb([{"stepId": "greet", "name": "Say hello", "type": "send_email"}])},
        "b": {"workflow_id": thank, "status": "failed", "entity_id": "J-1", "created_at": hours(-0.9), "attempt": 2,
              "code": "partial", "reason": "no route", "trigger_data": Jsonb(jobs), "event_id": event,
              "claimed_at": hours(-0.9), "completed_at": hours(-0.9) + timedelta(seconds=9)},
        "c": {"workflow_id": remind, "status": "pending", "entity_id": "J-2", "created_at": hours(-0.8),
              "trigger_data": Jsonb(jobs), "resume_step": "2"},
        "d": {"workflow_id": remind, "status": "failed", "entity_id": "J-3", "created_at": hours(-0.7), "attempt": 3,
              "code": "uncertain_send", "trigger_data": Jsonb(jobs)},
        "e": {"workflow_id": gone, "status": "completed", "entity_id": "J-4", "created_at": hours(-0.6),
              "trigger_data": Jsonb(jobs)},
        "f": {"workflow_id": umlaut, "status": "pending", "entity_id": "9", "created_at": hours(-0.5),
              "scheduled_at": hours(0.5), "trigger_data": Jsonb({"table_name": "invoices"})},
        "g": {"status": "completed", "entity_id": "J-9", "created_at": hours(-20), "organization_id": "south"},
        "h": {"workflow_id": thank, "status": "pending", "entity_id": "J-1", "created_at": hours(-9000),
              "scheduled_at": hours(13)},
    }  # fmt: skip
    for name, columns in logs.items():
        values = {"id": _id(name), "organization_id": "north"} | columns
        marks = ", ".join(["%s"] * len(values))
        database.sql(f"insert into automation_execution_logs ({', '.join(values)}) values ({marks})", *values.values())
    for name, channel, recipient in (
        ("a", "email", "Ada@example.com"), ("b", "sms", "+12025550123"), ("c", "webhook", "https://hooks.example/in"),
        ("d", "email", "cy@example.com, bo@example.com"),
    ):  # fmt: skip
        database.sql(
            "insert into communication_logs (status, execution_id, channel, recipient, organization_id, reserved_at)"
            " values ('sent', %s, %s, %s, 'north', %s)", _id(name), channel, recipient, NOW,
        )  # fmt: skip
    database.call("automation_workflow_delete", p_workflow=gone)
    return database


def _id(name: str) -> str:
    return (
        f"{name * 8}-0000-7000-8000-000000000000" if name in "abcdef" else f"{ord(name):08}-0000-7000-8000-000000000000"
    )


def found(database: Database, text: str, tenant: str | None = None, *, may_payloads: bool = True) -> str:
    """The names of what the search finds, which the three functions agree on."""
    asked = narrowed(as_filter(parse_search(split_terms(text)), NOW), tenant, may_payloads=may_payloads)
    page = database.call("automation_search", p_filter=asked, p_now=NOW)
    rows = [row["id"] for row in page["rows"]]
    assert rows == [row["id"] for row in database.call("automation_executions", p_filter=asked)], text
    assert database.call("automation_count", p_filter=asked)["count"] == len(rows), text
    paged: list[str] = []
    before = None
    while (part := database.call("automation_search", p_filter=asked, p_limit=1, p_before=before))["rows"]:
        paged += [row["id"] for row in part["rows"]]
        before = part["next"]
    assert paged == rows, text
    names = {_id(name): name for name in "abcdefgh"}
    return "".join(names[id_] for id_ in rows)


def test_each_search_finds_what_it_means(world: Database) -> None:
    order = "fedcbagh"
    wrong = [
        (text, expected, got)
        for text, expected in FOUND
        if (got := found(world, text)) != "".join(sorted(expected, key=order.index))
    ]
    assert wrong == []


def test_a_tenant_finds_its_own_alone(world: Database) -> None:
    assert [(text, found(world, text, "south")) for text, _ in SOUTH] == SOUTH


def test_without_payloads_a_text_finds_no_recipients(world: Database) -> None:
    got = [(text, "".join(sorted(found(world, text, may_payloads=False)))) for text, _ in HIDDEN]
    assert got == [(text, "".join(sorted(expected))) for text, expected in HIDDEN]


def test_what_no_index_serves_reads_the_newest_and_says_so(world: Database) -> None:
    def page(text: str, before: Any = None) -> Any:
        asked = as_filter(parse_search(split_terms(text)), NOW)
        return world.call("automation_search", p_filter=asked, p_rows=3, p_before=before)

    for text in (
        "channel:email",
        "step:greet",
        "table:jobs",
        "took:>1s",
        "attempt:1",
        "payload.client.id:C-9",
        "thank",
    ):
        first = page(text)
        assert first["looked_back_to"] is not None, text
        asked = as_filter(parse_search(split_terms(text)), NOW)
        counted = world.call("automation_count", p_filter=asked, p_rows=3)
        assert counted["looked_back_to"] == first["looked_back_to"], text
    first = page("step:greet")
    assert first["rows"] == []
    assert [row["id"] for row in page("step:greet", first["next"])["rows"]] == [_id("a")]
    for text in ("ada@example.com", "recipient:ada@example.com", "aaaaaaaa", "entity:J-1", "due:now", "nobody"):
        assert page(text)["looked_back_to"] is None, text
    assert page("step:greet status:failed")["looked_back_to"] is None  # there are three such
