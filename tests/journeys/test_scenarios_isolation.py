"""Isolation of changes, processors and tenants: scenarios that operators asked for, on both backends."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from threading import Event
from typing import Any

from minutehand.scheduler.demo.receivers import Answer
from tests.journeys.app import Gate, email, wait_until, webhook
from tests.journeys.world import World, sms

UNLIMITED = {"rate_limit": None, "breaker": None}


def at_once(world: World, count: int, *arguments: str) -> list[dict[str, Any]]:
    """Run so many processors at the same time, and return their summaries."""
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(world.minutehand.running("run-once", "-o", "json", *arguments)) for _ in range(count)
        ]
        ended = [one.end() for one in crowd]
    assert {code for code, _, _ in ended} == {0}, ended
    return [json.loads(out) for _, out, _ in ended]


def test_one_change_is_one_message_however_often_it_is_captured(world: World) -> None:
    """Scenario 10: a second trigger of ours, a trigger of the app, a replayed event, and two processors at once."""
    database = world.app.database
    (ours,) = database.sql("select pg_get_triggerdef(oid) as text from pg_trigger where tgname = '!minutehand_capture'")
    database.sql(ours["text"].replace("!minutehand_capture", "minutehand_again", 1))
    workflow = world.app.workflow(email(), sms())
    job = world.job()
    world.insert_log(workflow, status="pending", trigger_data={"job_id": job, "new_status": "completed"})
    database.sql("update automation_events set matched_at = null")
    summaries = at_once(world, 2, "--drain")
    assert sum(summary["completed"] for summary in summaries) == 1
    assert (len(world.mails()), len(world.sms())) == (1, 1)
    assert world.ends() == {("completed", None): 1, ("skipped", "rate_limited"): 2}
    keys = [send["idempotency_key"] for send in world.app.sends()]
    assert len(keys) == len(set(keys)) == 2
    doctor = json.loads(world.minutehand("doctor", "-o", "json").stdout)
    assert "minutehand_again" in json.dumps(doctor), "and the doctor names it"


def test_many_processors_run_each_execution_once_and_replace_a_killed_one(world: World) -> None:
    """Scenario 11: 8 at once on 1,000 pending (300 over REST, for the time it takes); one more is killed while it runs.

    Its executions are run again when their leases expire; no message that the provider accepted is sent twice.
    """
    count, gate = (1_000 if world.backend == "postgres" else 300), Gate()
    world.app.workflow(sms("Job {{job.id}} is done."), settings=UNLIMITED)
    world.app.complete_many(count)
    world.texts.then(*[Answer(after=gate, hang_up=True)] * 4)
    with world.minutehand.running("run-once", "--drain", MINUTEHAND_CONCURRENCY="4") as victim:
        wait_until(lambda: len(world.texts.requests) == 4, "a message that is under way in every lane")
        victim.end(signal.SIGKILL)
    gate.set()
    summaries = at_once(world, 8, "--drain")
    in_hand = count - sum(summary["completed"] for summary in summaries)
    assert in_hand >= 4
    assert world.ends()["processing", None] == in_hand, "it waits for its leases"
    world.app.expire_leases()
    world.drain()
    world.app.make_due()
    assert world.drain()["uncertain"] == 4, "those under way: nobody knows, and nobody guesses"
    assert world.ends() == {("completed", None): count - 4, ("failed", "uncertain_send"): 4}
    assert len(world.texts.requests) == count, "no second try of any"
    assert len(set(world.sms())) == len(world.sms()) == count - 4
    keys = [send["idempotency_key"] for send in world.app.sends()]
    assert len(keys) == len(set(keys)) == count


def test_two_workflows_that_toggle_a_status_end_and_name_their_cause(world: World) -> None:
    """Scenario 13: the chain stops, and each execution names its cause (alerts: test_alerts.py)."""
    world.app.database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    for status, other in (("ping", "pong"), ("pong", "ping")):
        step = {"type": "update_record", "config": {"table": "jobs", "values": {"status": other}}}
        world.app.workflow(step, sms(status), name=status, trigger_type=f"job_{status}", settings=UNLIMITED)
    world.job("ping")
    world.drain()
    assert [text for _, text in world.sms()] == ["ping", "pong"]
    first, second, third = world.app.database.sql("select * from automation_execution_logs order by event_id")
    assert [(row["status"], row["code"]) for row in (first, second, third)] == [
        ("completed", None), ("completed", None), ("skipped", "loop"),
    ]  # fmt: skip
    assert (second["caused_by"], third["caused_by"]) == (first["id"], second["id"])
    assert str(first["id"]) in third["reason"]
    assert world.drain()["claimed"] == 0


def test_tenants_are_isolated(world: World) -> None:
    """Scenario 21: identical workflows of two organisations do not start each other; a pause affects one alone."""
    for tenant in ("north", "south"):
        world.app.workflow(email(message=tenant), name="Thank the client", organization_id=tenant)
    north, south = world.job(), world.job(organization_id="south", client_id="C-3")
    stopped = world.minutehand("pause", "--tenant", "north")
    assert stopped.returncode == 0, stopped.stderr
    assert world.drain()["completed"] == 1
    assert world.mails() == [("museum@example.com", "south")]
    assert (world.app.end_of(north)[0], world.app.end_of(south)[0]) == ("pending", "completed")
    assert world.minutehand("resume", "--tenant", "north").returncode == 0
    assert world.drain()["completed"] == 1
    assert world.mails()[1:] == [("hotel@example.com", "north")]
    # An execution that the app inserted for the other organisation's workflow fails.
    theirs = world.app.database.one("select id from automation_workflows where organization_id = 'south'")["id"]
    world.insert_log(theirs, status="pending", trigger_data={"job_id": north}, organization_id="north")
    assert world.drain()["executions"][0]["code"] == "other_tenant"
    assert len(world.mails()) == 2


def test_an_old_backlog_is_stale_and_reported_and_not_sent(world: World) -> None:
    """Scenario 22: 5,000 executions have been pending for more than a day when the first processor starts."""
    workflow = world.app.workflow(email(to="someone@example.com", message="Hello"))
    world.app.database.sql(
        "insert into automation_execution_logs (workflow_id, organization_id, status, trigger_type, created_at)"
        " select %s, 'north', 'pending', 'job_completed', now() - interval '25 hours' from generate_series(1, 5000)",
        workflow,
    )
    world.job()
    summary = world.drain()
    assert (summary["held"], summary["claimed"], summary["completed"]) == (5_000, 1, 1)
    assert world.ends() == {("completed", None): 1, ("skipped", "stale"): 5_000}
    assert len(world.mails()) == 1, "only what is new"
    (first, *_) = json.loads(world.minutehand("executions", "ls", "code:stale", "-o", "json").stdout)
    assert "no processor" in first["reason"]


def test_after_a_pause_no_more_messages_leave(world: World) -> None:
    """Scenario 23: of 500 messages (200 over REST), those on their way end, no other begins; then each is sent once.

    A pause of the workflow and a pause of everything are independent.  Pauses of a tenant: test_pause.py.
    """
    count, before, lanes, gate = (500 if world.backend == "postgres" else 200), 40, 10, Event()
    world.shop.then(*[Answer()] * before, *[Answer(after=gate)] * lanes)
    world.app.workflow(webhook(world.shop.url + "/{{job.id}}"), name="Tell all", settings=UNLIMITED)
    world.app.complete_many(count)
    with world.minutehand.running("run-once", "--drain", "-o", "json", MINUTEHAND_CONCURRENCY=str(lanes)) as processor:
        wait_until(lambda: len(world.shop.requests) == before + lanes, "every lane to be at its receiver")
        assert world.minutehand("pause", "--reason", "wrong prices").returncode == 0
        gate.set()
        code, out, err = processor.end()
    assert (code, json.loads(out)["completed"]) == (0, before + lanes), err
    assert "wrong prices" in world.minutehand("status").stdout
    assert world.minutehand("workflows", "pause", "Tell all").returncode == 0
    for going_on, ran in ((("resume",), 0), (("workflows", "resume", "Tell all"), count - before - lanes)):
        assert world.minutehand(*going_on).returncode == 0
        assert world.drain()["completed"] == ran
    assert sorted(world.hooks()) == sorted(f"/B-{number}" for number in range(1, count + 1))
