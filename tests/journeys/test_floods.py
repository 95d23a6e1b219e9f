"""An import that starts a message for each of its rows, and a merge after which all go to one person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.journeys.app import App, webhook

ROWS = 1000


@pytest.fixture
def shop_app(app) -> App:
    """The app, which also watches its clients."""
    app.database.call("automation_trigger_add", p_table="clients")
    return app


def welcome(app: App, url: str, **settings: Any) -> str:
    return app.workflow(webhook(url), name="Welcome", trigger_type="client_created", settings=settings)


def copy_clients(app: App, count: int, *, first: int = 100, quiet: bool = False) -> None:
    """Import so many clients by one COPY, as the page of operations says."""
    connection = app.database.connection
    with connection.transaction():
        if quiet:
            connection.execute("set local minutehand.quiet = 'on'")
        with connection.cursor().copy("copy clients (id, organization_id, name, email) from stdin") as copy:
            for number in range(first, first + count):
                copy.write_row((f"C-{number}", "north", f"Client {number}", f"client-{number}@example.com"))


def statuses(app: App) -> dict[str, int]:
    query = "select concat_ws(': ', status, code) as s, count(*) as n from automation_execution_logs group by 1"
    return {row["s"]: row["n"] for row in app.database.sql(query)}


def test_a_flood_is_told_and_with_hold_nothing_leaves_until_a_person_says_so(shop_app, minutehand, shop):
    app = shop_app
    welcome(app, shop.url, volume={"hold": True})
    app.workflow(webhook(shop.url), name="Thanks", settings={"rate_limit": None})
    copy_clients(app, ROWS)
    app.complete()
    first = minutehand("run-once", "--drain")
    assert "held as a flood: their workflow started far more often than usual" in first.stdout
    assert "run them: minutehand executions release ID… (or --flood for all)" in first.stdout
    for _ in range(3):  # what the trigger had no time to match
        minutehand("run-once", "--drain")
    assert statuses(app) == {"pending: flood": ROWS, "completed": 1}
    assert len(shop.requests) == 1
    said = minutehand("status").stdout
    assert (
        f'! more messages than usual: "Welcome" started {ROWS} times in an hour, usually 0; what has not begun' in said
    )
    assert "held as a flood" in minutehand("doctor").stdout
    listed = json.loads(minutehand("executions", "ls", "code:flood", "--limit", "3", "-o", "json").stdout)
    assert {row["reason"].split(" times")[0] for row in listed} <= {
        f"its workflow started {number}" for number in range(101, ROWS + 1)
    }
    shown = minutehand("executions", "show", listed[0]["id"]).stdout
    assert "waits      it is held: its workflow started" in shown

    assert minutehand("executions", "release", *(row["id"] for row in listed[:2])).returncode == 0
    assert minutehand("run-once", "--drain").stdout.startswith("2 claimed: 2 completed")
    cancelled = minutehand("executions", "cancel", listed[2]["id"])
    assert ("cancelled" in cancelled.stdout, cancelled.returncode) == (True, 0)
    assert minutehand("executions", "release", "--flood").stdout == f"{ROWS - 3} released: they are due now\n"
    assert minutehand("run-once", "--drain").stdout.startswith(f"{ROWS - 3} claimed: {ROWS - 3} completed")
    assert statuses(app) == {"completed": ROWS, "cancelled: cancelled": 1}


def test_what_is_held_can_be_dropped_at_once(shop_app, minutehand, shop):
    welcome(shop_app, shop.url, volume={"hold": True, "per_hour": 20})
    copy_clients(shop_app, 50)
    minutehand("run-once", "--drain")
    assert minutehand("executions", "cancel", "--flood", "--reason", "a mistake").stdout == "50 cancelled\n"
    assert statuses(shop_app) == {"cancelled: cancelled": 50}
    assert minutehand("executions", "cancel").returncode == 2
    assert minutehand("executions", "release", "--flood", "--stale").returncode == 2
    copy_clients(shop_app, 5, first=9000)
    assert minutehand("run-once").stdout.startswith("5 claimed: 5 completed")


def test_without_hold_there_is_one_alert_and_all_leave(shop_app, minutehand, shop):
    welcome(shop_app, shop.url)
    copy_clients(shop_app, 150)
    assert minutehand("run-once", "--drain").stdout.startswith("150 claimed: 150 completed")
    assert (
        'more messages than usual: "Welcome" started 150 times in an hour, usually 0\n' in minutehand("status").stdout
    )
    checked = minutehand("alerts", "check")
    assert checked.returncode == 3
    assert checked.stdout.count('"Welcome" started 150 times in an hour') == 1


def test_a_quiet_import_starts_nothing_and_the_next_change_does(shop_app, minutehand, shop):
    welcome(shop_app, shop.url)
    copy_clients(shop_app, ROWS, quiet=True)
    assert minutehand("run-once", "--drain").stdout.startswith("nothing due")
    assert statuses(shop_app) == {}
    said = minutehand("status").stdout
    assert f"quiet       {ROWS} changes imported quietly, among the newest 10,000: they start nothing\n" in said
    copy_clients(shop_app, 1, first=5000)
    assert minutehand("run-once").stdout.startswith("1 claimed: 1 completed")


def test_jobs_that_are_merged_into_one_client_write_to_it_twenty_times_and_the_rest_waits(app, minutehand, post):
    settings = {"rate_limit": None, "breaker": None, "volume": {"wait": True}}
    mail = {"type": "email", "config": {"subject": "Moved", "message": "Your job {{job.id}} has moved."}}
    app.workflow(mail, name="Moved", settings=settings)
    app.complete_many(60)
    done = minutehand("run-once", "--drain", "--max-time", "10s")
    assert "20 completed, 40 waiting" in done.stdout
    assert len(post.messages) == 20
    rows = app.database.sql("select * from automation_execution_logs where status = 'pending'")
    assert {(row["code"], row["attempt"]) for row in rows} == {("recipient_volume", 0)}
