"""What a row remembers of its way: each attempt, wait, lost lease and end, for its timeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, change, claim, failure, pending, row, seconds, settle, success, token, workflow

pytestmark = on_both_servers


def ended(database: Database, one: str, how: str, *, at: float = 0, **said: Any) -> None:
    """Claim it `at` seconds from now and end it three seconds later."""
    lease = token()
    claim(database, p_token=lease, p_ids=[one], p_worker="worker-1", p_now=NOW + seconds(at))
    settle(database, {"id": one, "token": lease, "ended": how, **said}, now=NOW + seconds(at + 3))


def past(database: Database, one: str) -> list[dict[str, Any]]:
    episodes: list[dict[str, Any]] = row(database, one)["past"]
    return [
        {**episode, **{key: datetime.fromisoformat(episode[key]) for key in ("began", "at", "due") if key in episode}}
        for episode in episodes or []
    ]


def test_what_ends_at_once_remembers_nothing_but_its_claim(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    ended(database, one, "done", at=5, steps=[success("1")])
    assert (row(database, one)["past"], row(database, one)["claimed_at"]) == (None, NOW + seconds(5))


def test_each_attempt_and_wait_is_remembered_with_its_time(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    ended(database, one, "retry", code="busy", reason="step 1: answered 429", retry_after_seconds=60)
    ended(database, one, "waiting", at=70, code="waiting", reason="step 2: until tomorrow", due_in_seconds=100)
    first, second = past(database, one)
    assert first == {
        "what": "retry", "began": NOW, "at": NOW + seconds(3), "due": NOW + seconds(63), "code": "busy",
        "reason": "step 1: answered 429", "attempt": 1, "worker": "worker-1",
    }  # fmt: skip
    assert (second["what"], second["began"], second["due"]) == ("wait", NOW + seconds(70), NOW + seconds(173))
    ended(database, one, "done", at=200)
    stored = row(database, one)
    assert (len(stored["past"]), stored["started_at"], stored["claimed_at"]) == (2, NOW, NOW + seconds(200))


def test_putting_off_for_the_same_reason_is_one_episode_that_counts(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    for number in range(3):
        said = {"code": "rate_limited", "reason": "50 an hour", "due_in_seconds": 60}
        ended(database, one, "waiting", at=number * 100, **said)
    (only,) = past(database, one)
    assert (only["times"], only["began"], only["at"]) == (3, NOW, NOW + seconds(203))
    ended(database, one, "waiting", at=400, code="waiting", reason="another", due_in_seconds=60)
    assert [episode.get("times") for episode in past(database, one)] == [3, None]


def test_a_lost_lease_is_remembered_with_its_worker(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    claim(database, p_ids=[one], p_worker="worker-1")
    database.call("automation_tick", p_now=NOW + seconds(500))
    (only,) = past(database, one)
    assert (only["what"], only["worker"], only["at"]) == ("lost", "worker-1", NOW + seconds(500))
    assert only["due"] == row(database, one)["scheduled_at"]


@pytest.mark.parametrize("by", ["retry", "sent", "resend", "drop"])
def test_what_a_person_revives_still_tells_how_it_had_ended(database: Database, by: str) -> None:
    (one,) = pending(database, workflow(database))
    held: dict[str, Any] = {"on_uncertain": "hold", "code": "uncertain_send", "reason": "who knows", "resume_step": "1"}
    if by == "retry":
        ended(database, one, "done", steps=[failure("1")])
        database.call("automation_retry", p_ids=[one], p_now=NOW + seconds(50))
    else:
        ended(database, one, "unknown", **held)
        database.call("automation_resolve", p_ids=[one], p_as=by, p_now=NOW + seconds(50))
    (only,) = past(database, one)
    assert (only["what"], only["status"], only["by"]) == ("ended", "failed", by)
    assert (only["began"], only["at"], only["due"]) == (NOW, NOW + seconds(3), NOW + seconds(50))
    assert only["code"] == ("no_recipient" if by == "retry" else "uncertain_send")


def test_what_is_released_tells_that_it_was_held(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    change(database, one, status="skipped", code="stale", reason="was due long ago", completed_at=NOW)
    database.call("automation_release", p_ids=[one], p_now=NOW + seconds(9))
    (only,) = past(database, one)
    assert (only["what"], only["code"], only["by"], only["at"]) == ("ended", "stale", "release", NOW)


def test_the_newest_thirty_are_kept_and_long_reasons_are_cut(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    for number in range(33):
        reason = f"{number} " + "x" * 2000
        ended(database, one, "waiting", at=number * 100, code="waiting", reason=reason, due_in_seconds=60)
    episodes = past(database, one)
    assert [episode["reason"].split()[0] for episode in episodes] == [str(number) for number in range(3, 33)]
    assert all(len(episode["reason"]) == 500 for episode in episodes)


def test_the_minute_remembers_how_many_were_due(database: Database) -> None:
    pending(database, workflow(database), 4)
    worker = {"id": "w", "mode": "worker", "host": "h", "version": "1"}
    database.call("automation_tick", p_worker=worker, p_now=NOW)
    database.call("automation_tick", p_worker=worker, p_now=NOW + seconds(20))
    assert [(beat["minute"], beat["due"]) for beat in database.sql("select * from minutehand.tick_log")] == [(NOW, 4)]
