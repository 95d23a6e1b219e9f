"""Receivers that asked to slow down: the pause, the probe, the pace, and whom they concern."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, ids, pending, row, settle, success, token, workflow

pytestmark = on_both_servers

RESEND = {"key": "resend:1", "name": "Resend", "shared": True}
HOOK = {"key": "webhook:1", "name": "webhook shop.example", "shared": False}


class Queue:
    """Executions under one lease, and the calls of a step that sends."""

    def __init__(self, database: Database, count: int = 1, tenant: str = "north") -> None:
        self.database, self.lease = database, token()
        self.ids = pending(database, workflow(database, organization=tenant), count, organization_id=tenant)
        assert len(ids(claim(database, p_token=self.lease, p_limit=count, p_ids=self.ids))) == count

    def ask(self, one: str, at: float = 0, pace: dict[str, Any] = RESEND, **more: Any) -> dict[str, Any]:
        """Reserve a send so many seconds after NOW; returns the answer."""
        send = {"step": "1", "channel": "email", "recipient": "a@example.com", "sender": "b", "key": f"key-{one}"}
        reserve = send | {"pace": {"key": pace["key"], "shared": pace["shared"]}} | more
        (answer,) = self.database.call(
            "automation_advance",
            p_items=[{"id": one, "token": self.lease, "reserve": reserve}],
            p_now=NOW + timedelta(seconds=at),
        )
        return answer["send"] | {"slowed": answer.get("slowed")}

    def end(self, one: str, at: float, ended: str = "deferred", pace: dict[str, Any] = RESEND, **note: Any) -> Any:
        """Settle it with what the receiver said; returns the row."""
        outcome: dict[str, Any] = {"id": one, "token": self.lease, "ended": ended, "pace": pace | note}
        if ended == "deferred":
            outcome |= {"code": "busy", "reason": "step 1: it answered 429"}
            outcome["pace"] |= {"slow": True, "code": "busy"}
            outcome["confirm"] = {"key": f"key-{one}", "status": "failed", "error": "429"}
        else:
            outcome |= {"steps": [success("1")]}
            outcome["pace"] |= {"slow": False, "code": ""}
        settle(self.database, outcome, now=NOW + timedelta(seconds=at))
        return row(self.database, one)


def state(database: Database) -> dict[str, Any]:
    return database.one("select * from minutehand.slow_downs")


def test_nothing_is_paced_until_somebody_refuses(database: Database) -> None:
    queue = Queue(database)
    answer = queue.ask(queue.ids[0])
    assert (answer["answer"], answer.get("place"), answer["slowed"]) == ("go", None, None)


def test_a_refusal_pauses_the_account_and_takes_no_place_in_the_log_of_sends(database: Database) -> None:
    queue = Queue(database, 3)
    first, second, _ = queue.ids
    queue.ask(first)
    stored = queue.end(first, 0, retry_after_seconds=10)
    assert (stored["status"], stored["attempt"], stored["code"]) == ("pending", 0, "busy")
    assert stored["reason"].startswith("step 1: it answered 429 (since ")
    assert 10 <= (stored["scheduled_at"] - NOW).total_seconds() < 11
    answer = queue.ask(second, 1)
    assert (answer["answer"], answer["deferred"], answer["code"]) == ("later", True, "busy")
    assert answer["reason"] == "Resend asked to slow down"
    assert 9 <= answer["wait_seconds"] < 11
    assert database.one("select count(*) as n from communication_logs")["n"] == 1


def test_after_the_pause_one_goes_and_the_rest_when_it_was_accepted(database: Database) -> None:
    queue = Queue(database, 5)
    queue.ask(queue.ids[0])
    queue.end(queue.ids[0], 0, retry_after_seconds=10)
    probe = queue.ask(queue.ids[1], 10.1)
    assert (probe["answer"], probe["place"]) == ("go", {"n": 1, "wait_seconds": 0})
    assert queue.ask(queue.ids[1], 10.2)["answer"] == "go", "a repeat is the same probe"
    assert queue.ask(queue.ids[2], 10.2)["answer"] == "later"
    queue.end(queue.ids[1], 10.3, "done", n=1)
    answers = [queue.ask(one, 10.5) for one in queue.ids[2:]]
    assert [answer["answer"] for answer in answers] == ["go", "later", "later"]


def test_a_probe_that_never_says_how_it_ended_is_followed_by_another(database: Database) -> None:
    queue = Queue(database, 3)
    queue.ask(queue.ids[0])
    queue.end(queue.ids[0], 0)
    assert queue.ask(queue.ids[1], 1)["answer"] == "go"
    assert queue.ask(queue.ids[2], 20)["answer"] == "later"
    assert queue.ask(queue.ids[2], 32)["answer"] == "go"


def test_each_refused_probe_doubles_the_pause_up_to_five_minutes(database: Database) -> None:
    queue = Queue(database, 1)
    (one,) = queue.ids
    at, pauses = 0.0, []
    queue.ask(one)
    queue.end(one, 0)
    for n in range(1, 12):
        pauses.append(round((state(database)["until"] - state(database)["slowed_at"]).total_seconds()))
        at += pauses[-1] + 1
        queue.lease = token()
        claim(database, p_token=queue.lease, p_ids=[one], p_now=NOW + timedelta(seconds=at + 10))
        assert queue.ask(one, at)["answer"] == "go"
        queue.end(one, at, n=n)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@pytest.mark.parametrize(("asked", "lasts"), [(None, 1), (7, 7), (3600, 300)])
def test_a_pause_lasts_as_long_as_the_receiver_says_up_to_five_minutes(
    database: Database, asked: float | None, lasts: float
) -> None:
    queue = Queue(database)
    queue.ask(queue.ids[0])
    wish: dict[str, Any] = {} if asked is None else {"retry_after_seconds": asked}
    stored = queue.end(queue.ids[0], 0, **wish)
    assert (state(database)["until"] - NOW).total_seconds() == lasts
    assert (stored["scheduled_at"] - NOW).total_seconds() >= (asked or 1), (
        "who was refused waits as long as it was told"
    )


def test_of_what_left_before_the_pause_nothing_is_concluded(database: Database) -> None:
    queue = Queue(database, 3)
    for one in queue.ids:
        queue.ask(one)
    for number, one in enumerate(queue.ids):
        queue.end(one, number / 10)
    assert (state(database)["n"], state(database)["until"]) == (1, NOW + timedelta(seconds=1))


def test_the_rate_is_what_was_accepted_between_two_refusals(database: Database) -> None:
    queue = Queue(database, 1)
    queue.ask(queue.ids[0])
    queue.end(queue.ids[0], 0)
    database.sql("update minutehand.slow_downs set rate = 3, granted = 21, is_probing = false, is_measured = true")
    late = Queue(database, 1)
    late.end(late.ids[0], 8, n=1)
    assert float(state(database)["rate"]) == pytest.approx(2.5)


def test_those_who_wait_come_back_one_after_the_other(database: Database) -> None:
    queue = Queue(database, 20)
    for one in queue.ids:
        queue.ask(one)
    due = [queue.end(one, 0, retry_after_seconds=10)["scheduled_at"] for one in queue.ids]
    gaps = {round((later - sooner).total_seconds(), 3) for sooner, later in pairwise(due)}
    assert gaps <= {0.166, 0.167}


def test_a_tenants_receiver_slows_nobody_else_down(database: Database) -> None:
    queue, other = Queue(database, 2), Queue(database, 1, "south")
    queue.ask(queue.ids[0], pace=HOOK, unrecorded=True)
    queue.end(queue.ids[0], 0, pace=HOOK, retry_after_seconds=10)
    mine = queue.ask(queue.ids[1], 1, pace=HOOK, unrecorded=True)
    assert (mine["answer"], mine["slowed"]) == ("later", [HOOK["key"]])
    assert database.one("select tenant from minutehand.slow_downs") == {"tenant": "north"}
    assert database.one("select minutehand.slowed_keys('south', %s) as keys", NOW + timedelta(seconds=1)) == {
        "keys": []
    }
    assert other.ask(other.ids[0], 1, pace=RESEND)["answer"] == "go"


def test_of_one_tenants_receivers_twenty_are_known(database: Database) -> None:
    queue = Queue(database, 25)
    for number, one in enumerate(queue.ids):
        stored = queue.end(one, 0, pace=HOOK | {"key": f"webhook:{number}"})
        assert (stored["scheduled_at"] - NOW).total_seconds() > 0.5, "never at once"
    assert database.one("select count(*) as n from minutehand.slow_downs")["n"] == 20


def test_after_a_quarter_of_an_hour_without_a_refusal_it_is_forgotten(database: Database) -> None:
    queue = Queue(database, 2)
    queue.ask(queue.ids[0])
    queue.end(queue.ids[0], 0)
    assert queue.ask(queue.ids[1], 901).get("place") is None
    assert database.one("select minutehand.slow_downs_now(%s) as r", NOW + timedelta(seconds=901)) == {"r": []}


def test_a_refused_send_takes_no_place_of_a_limit(database: Database) -> None:
    database.sql("insert into automation_limits (scope, channel, n, per) values ('recipient', 'email', 1, '1 hour')")
    queue = Queue(database, 2)
    assert queue.ask(queue.ids[0])["answer"] == "go"
    queue.end(queue.ids[0], 0)
    answer = queue.ask(queue.ids[1], 1)
    assert (answer["answer"], answer["place"]["n"]) == ("go", 1)


def test_what_may_not_leave_gives_the_probe_back(database: Database) -> None:
    queue = Queue(database, 3)
    queue.ask(queue.ids[0])
    queue.end(queue.ids[0], 0)
    database.sql("insert into automation_opt_outs (channel, address) values ('email', 'gone@example.com')")
    assert queue.ask(queue.ids[1], 1, recipient="gone@example.com")["answer"] == "refused"
    assert queue.ask(queue.ids[2], 1)["answer"] == "go"
