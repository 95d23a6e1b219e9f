"""An e-mail to several recipients of whom the server refuses some: each gets it once, and who does not is named."""

from __future__ import annotations

from collections import Counter

import pytest

from minutehand.scheduler.demo.receivers import Trouble
from tests.journeys.app import email
from tests.journeys.world import World

TO = ["a@example.com", "b@example.com", "c@example.com"]
GREY, NOBODY = "450 4.7.1 greylisted, try again in 1 seconds", "550 5.1.1 no such user"


def refuse(world: World, *replies: tuple[str, str]) -> None:
    """Refuse recipients in the next connection."""
    world.post.then(*[Trouble(at="RCPT", reply=reply, recipient=to) for to, reply in replies])


def received(world: World) -> Counter[str]:
    assert {mail.message["To"] for mail in world.post.messages} <= {", ".join(TO)}, "the header names all"
    return Counter(to for mail in world.post.messages for to in mail.recipients)


def test_who_is_refused_for_now_is_tried_again_alone(world: World) -> None:
    refuse(world, ("b@example.com", GREY))
    world.app.workflow(email(to=TO))
    world.job()
    assert world.minutehand.run_once()["waiting"] == 1
    waiting = world.app.execution()
    assert (waiting["status"], waiting["code"], waiting["attempt"]) == ("pending", "smtp_busy", 0)
    assert "b@example.com: 450 4.7.1" in waiting["reason"]
    refuse(world, ("b@example.com", GREY))
    world.app.make_due()
    assert world.minutehand.run_once()["waiting"] == 1
    world.app.make_due()
    assert world.minutehand.run_once()["completed"] == 1
    assert received(world) == dict.fromkeys(TO, 1)
    assert sorted((send["recipient"], send["status"]) for send in world.app.sends()) == [
        ("a@example.com, c@example.com", "sent"),
        ("b@example.com", "sent"),
    ]


def test_who_is_refused_for_good_is_named_and_a_persons_retry_reaches_nobody_twice(world: World) -> None:
    refuse(world, ("b@example.com", NOBODY))
    world.app.workflow(email(to=TO))
    world.job()
    assert world.minutehand.run_once()["failed"] == 1
    ended = world.app.execution()
    assert (ended["status"], ended["code"]) == ("failed", "partial")
    assert "refused: b@example.com: 550 5.1.1 no such user" in ended["reason"]
    assert ended["actions_executed"][0]["result"]["refused"] == {"b@example.com": NOBODY}
    assert world.minutehand("executions", "retry", str(ended["id"])).returncode == 0
    assert world.minutehand.run_once()["completed"] == 1
    assert received(world) == dict.fromkeys(TO, 1)


@pytest.mark.parametrize("later", [None, NOBODY])
def test_both_at_once(world: World, later: str | None) -> None:
    refuse(world, ("b@example.com", GREY), ("c@example.com", NOBODY))
    world.app.workflow(email(to=TO))
    world.job()
    world.minutehand.run_once()
    if later is not None:
        refuse(world, ("b@example.com", later))
    world.app.make_due()
    assert world.minutehand.run_once()["failed"] == 1
    ended = world.app.execution()
    assert (ended["status"], ended["code"]) == ("failed", "partial")
    assert "c@example.com: 550" in ended["reason"]
    assert ("b@example.com: 550" in ended["reason"]) == (later is not None)
    assert received(world) == {"a@example.com": 1} | ({"b@example.com": 1} if later is None else {})


def test_a_corrected_address_alone_gets_it_on_a_retry(world: World) -> None:
    refuse(world, ("b@example.com", NOBODY))
    world.app.database.sql("alter table jobs add column copy text default 'b@example.com'")
    world.app.workflow(email(to=["a@example.com", "{{ job.copy }}"]))
    world.job()
    world.minutehand.run_once()
    world.app.database.sql("update jobs set copy = 'd@example.com'")
    world.minutehand("executions", "retry", str(world.app.execution()["id"]))
    assert world.minutehand.run_once()["completed"] == 1
    assert Counter(to for mail in world.post.messages for to in mail.recipients) == {
        "a@example.com": 1,
        "d@example.com": 1,
    }
