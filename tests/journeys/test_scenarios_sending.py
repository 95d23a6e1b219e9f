"""What is sent, what is not, and the reason for it: scenarios that operators asked for, on both backends."""

from __future__ import annotations

import json
import signal

from minutehand.scheduler.demo.receivers import Answer, Trouble
from tests.journeys.app import Gate, email, wait_until, webhook
from tests.journeys.world import World, sms
from tests.providers.api import reply


def test_a_client_without_a_phone_gets_the_email(world: World) -> None:
    """Scenario 7: the SMS fails for good with a reason, the e-mail is sent once, nothing is tried again."""
    world.app.workflow(sms(), email())
    job = world.job(client_id="C-4")
    assert world.drain()["failed"] == 1
    status, code, reason = world.app.end_of(job)
    assert (status, code) == ("failed", "partial")
    assert "client has no phone" in str(reason)
    assert [step.get("code") for step in world.app.execution()["actions_executed"]] == ["no_recipient", None]
    world.app.make_due()
    assert world.drain()["claimed"] == 0
    assert ([recipient for recipient, _ in world.mails()], world.texts.requests) == (["office@example.com"], [])


def test_without_a_client_no_message_is_sent(world: World) -> None:
    """Scenario 8: no step has a default address; it fails and says that there is no client."""
    world.app.workflow(email(message="Hello"), sms("Hello"))
    job = world.job(client_id=None)
    summary = world.drain()
    status, code, reason = world.app.end_of(job)
    assert (status, code) == ("failed", "no_recipient")
    assert "the row has no client" in str(reason)
    assert summary["executions"][0]["entity_id"] == job
    assert world.nothing_left()


def test_braces_are_never_sent(world: World) -> None:
    """Scenario 9: an unknown or empty variable fails its step by name, or is replaced as the settings say."""
    message = "At {{job.property_address}} for {{client.nickname}}."
    world.app.workflow(email(message=message), sms("At {{ job.property_address }}."), name="By default")
    world.app.workflow(email(message=message), name="Blank", settings={"unresolved": "blank"})
    world.app.workflow(email(message=message), name="Default", settings={"unresolved": {"default": "(unknown)"}})
    world.app.workflow(sms("At {{job.property_address|default('your house')}}."), name="In its place")
    world.job()
    world.drain()
    assert world.ends() == {("completed", None): 3, ("failed", "unresolved_variable"): 1}
    assert sorted(text for _, text in world.mails()) == ["At  for .", "At (unknown) for (unknown)."]
    assert [text for _, text in world.sms()] == ["At your house."]
    listed = world.minutehand("executions", "ls", "code:unresolved_variable", "-o", "json")
    (failed,) = json.loads(listed.stdout)
    assert "job.property_address" in failed["reason"]


def test_a_send_before_a_crash_is_uncertain_and_not_repeated(world: World) -> None:
    """Scenario 12: after a kill between the send and its record, a person decides; nothing is sent again on a guess."""
    gate = Gate()
    world.post.then(Trouble(at="CONTENT", reply="250 2.0.0 Ok: queued as LATE", after=gate))
    world.app.workflow(email(), webhook(world.shop.url))
    world.app.complete()
    with world.minutehand.running("run-once") as processor:
        wait_until(gate.reached.is_set, "the message's content")
        processor.end(signal.SIGKILL)
    gate.set()
    world.app.expire_leases()
    world.drain()
    world.app.make_due()
    assert world.drain()["uncertain"] == 1
    (uncertain,) = json.loads(world.minutehand("executions", "ls", "code:uncertain_send", "-o", "json").stdout)
    assert [send["status"] for send in world.app.sends()] == ["uncertain"]
    refused = world.minutehand("executions", "retry", uncertain["id"])
    assert (refused.returncode, "executions resolve" in refused.stdout) == (2, True)
    assert (world.post.connections, world.shop.requests) == (1, []), "nothing again, and nothing that follows"
    assert world.minutehand("executions", "resolve", uncertain["id"], "--sent").returncode == 0
    assert world.drain()["completed"] == 1
    assert (world.post.connections, len(world.shop.requests)) == (1, 1)


def delay(world: World) -> float:
    """Seconds until the only execution is due."""
    row = world.app.database.one(
        "select extract(epoch from scheduled_at - now())::float as seconds from automation_execution_logs"
    )
    return float(row["seconds"])


def test_an_outage_is_retried_with_growing_delay_and_only_the_failed_step_repeats(world: World) -> None:
    """Scenario 14: 408, 500 and broken connections for a while, then success; the e-mail step before it sends once.

    500 and a broken connection are uncertain; the receiver takes a key, so it is called again under the same key.
    """
    busy = Answer(status=408)
    world.shop.then(busy, Answer(status=500), Answer(hang_up=True), Answer(status=408, headers={"Retry-After": "3600"}))
    world.app.workflow(email(), webhook(world.shop.url), sms())
    world.app.complete()
    delays, attempts = [], []
    for _ in range(4):
        summary = world.drain()
        assert summary["retried"] + summary["uncertain"] == 1, summary
        delays.append(delay(world))
        attempts.append(world.app.execution()["attempt"])
        world.app.make_due()
    assert attempts == [1, 2, 3, 4]
    assert 3 * delays[0] < delays[2] < 3_500 < delays[3] <= 3_600
    assert delays[0] < delays[1] < delays[2]
    assert world.drain()["completed"] == 1
    assert len({request.headers["idempotency-key"] for request in world.shop.requests}) == 1
    assert (len(world.mails()), len(world.shop.requests), len(world.sms())) == (1, 5, 1)
    assert [send["status"] for send in world.app.sends()] == ["sent"] * 3


def test_a_provider_that_asks_to_slow_down_gets_each_message_once(world: World) -> None:
    """Scenario 14, slowly: the provider of twelve texts refuses the first requests; one drain sends all, once each."""
    world.texts.then(*[reply(429, {"code": 20429, "message": "Too Many Requests"}, Retry_After="1")] * 5)
    world.app.workflow(sms(), settings={"rate_limit": None})
    for _ in range(12):
        world.job()
    summary = world.drain()
    assert (summary["completed"], summary["retried"], summary["failed"]) == (12, 0, 0)
    assert summary["waiting"] >= 5
    assert (len(world.sms()), len(world.texts.requests)) == (12, 17)
    assert [send["status"] for send in world.app.sends()] == ["sent"] * 12
    assert {row["attempt"] for row in world.app.database.sql("select attempt from automation_execution_logs")} == {1}
    found = json.loads(world.minutehand("doctor", "-o", "json").stdout)
    (check,) = [item for item in found["checks"] if item["check"] == "pace"]
    assert check["level"] == "warn"
    assert check["fact"].startswith("Twilio asks to slow down (busy, since ")


def test_a_full_receiver_of_a_webhook_is_paused_and_stops_no_other(world: World) -> None:
    """Scenario 14, one receiver full: after the first refusals its address is left alone, and the other is called."""
    world.shop.then(*[Answer(status=429, headers={"Retry-After": "60"})] * 5)
    world.app.workflow(webhook(f"{world.shop.url}/full?key=1"))
    for _ in range(5):
        world.job()
    world.minutehand.run_once()
    world.app.workflow(webhook(f"{world.shop.url}/other"), name="Other")
    world.job()
    seen = len(world.shop.requests)
    world.minutehand.run_once()
    assert [request.path for request in world.shop.requests[seen:]] == ["/other"]
    paused = world.app.database.sql(
        "select attempt, reason from automation_execution_logs where status = 'pending'"
        " order by created_at desc limit 1"
    )
    assert paused[0]["attempt"] == 0
    assert "webhook 127.0.0.1 asked to slow down (since " in paused[0]["reason"]


def test_an_outage_that_does_not_end_is_a_dead_letter_and_a_retry_repeats_only_what_failed(
    world: World,
) -> None:
    """Scenario 14, second part: all attempts are used; a person's retry repeats only what failed."""
    world.texts.then(*[reply(408, {"message": "Request timeout"})] * 2)
    world.app.workflow(email(), sms())
    world.app.complete()
    assert world.drain("--max-attempts", "2")["retried"] == 1
    world.app.make_due()
    assert world.drain("--max-attempts", "2")["failed"] == 1
    ended = world.app.execution()
    assert (ended["status"], ended["code"]) == ("failed", "partial")
    assert ended["actions_executed"][1]["code"] == "busy"
    assert (len(world.texts.requests), world.sms()) == (2, [])
    assert world.minutehand("executions", "retry", str(ended["id"])).returncode == 0
    assert world.drain()["completed"] == 1
    assert (len(world.mails()), len(world.sms())) == (1, 1)
