"""`settings.order`: executions of one row run one at a time, in the order of its changes, in any processor."""

from __future__ import annotations

import json

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.journeys.app import App, Minutehand, wait_until, webhook

STATUSES = ["planned", "on the way", "at work", "completed", "paid"]
JOBS = ("J-1", "J-2", "J-3")


@pytest.fixture
def changed(app: App, shop: HttpReceiver) -> App:
    """Three jobs, each with five changes of status before any processor ran."""
    app.workflow(
        webhook(shop.url, body={"job": "{{ job.id }}", "status": "{{ trigger.new_status }}"}),
        trigger_type="job_updated",
        settings={"order": "entity", "rate_limit": None},
    )
    app.database.sql("insert into jobs (id, organization_id) select unnest(%s::text[]), 'north'", list(JOBS))
    for status in STATUSES:
        app.database.sql("update jobs set status = %s", status)
    return app


def received_statuses(shop: HttpReceiver) -> dict[str, list[str]]:
    """The statuses of each job that the receiver got, in order."""
    statuses: dict[str, list[str]] = {}
    for request in shop.requests:
        body = json.loads(request.body)
        statuses.setdefault(body["job"], []).append(body["status"])
    return statuses


def test_a_drain_runs_all_in_order_and_a_tick_runs_the_next_of_each_row(
    changed: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    assert minutehand.run_once()["completed"] == 3
    assert received_statuses(shop) == dict.fromkeys(JOBS, STATUSES[:1])
    waiting = json.loads(minutehand("executions", "ls", "code:earlier_unfinished", "-o", "json").stdout)
    assert len(waiting) == 9, "the next of each row was called"
    assert minutehand.run_once("--drain")["completed"] == 12
    assert received_statuses(shop) == dict.fromkeys(JOBS, STATUSES)


def test_workers_run_each_execution_when_the_one_before_it_has_ended(
    changed: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    with minutehand.running("worker", "--poll-seconds", "60s"), minutehand.running("worker", "--poll-seconds", "60s"):
        wait_until(lambda: len(shop.requests) == 15, "15 webhooks")
    assert received_statuses(shop) == dict.fromkeys(JOBS, STATUSES)
