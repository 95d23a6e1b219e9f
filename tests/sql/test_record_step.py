"""automation_record_step: what is done is written down before the next begins, once, under the fence."""

from __future__ import annotations

from typing import Any

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, pending, row, success, together, token, while_open, workflow

pytestmark = on_both_servers


def record(database: Database, *steps: dict[str, Any]) -> Any:
    return database.call("automation_record_step", p_steps=list(steps), p_now=NOW)


def test_a_finished_step_is_kept_and_sets_the_attempts_to_nothing(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database), attempt=3)
    assert claim(database, p_token=lease)["executions"][0]["attempt"] == 4
    (answer,) = record(database, {"id": one, "token": lease, "step": success("1"), "resume_step": "2"})
    assert (answer["id"], answer["held"]) == (one, True)
    stored = row(database, one)
    assert (stored["actions_executed"], stored["resume_step"], stored["attempt"]) == ([success("1")], "2", 0)
    assert stored["status"] == "processing"


def test_a_repeat_changes_nothing_and_is_answered_as_done(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    ask = {"id": one, "token": lease, "step": success("1", send=SEND), "resume_step": "2"}
    first = record(database, ask)
    before = row(database, one)
    assert record(database, ask) == first
    assert record(database, ask | {"step": success("1", name="told otherwise")}) == first
    assert row(database, one) == before
    assert database.one("select count(*) as n from communication_logs")["n"] == 1


SEND = {"channel": "webhook", "recipient": "https://example.com/hook", "key": "key-1", "external_id": "ext-1"}


def test_a_send_travels_beside_the_record_and_is_logged_once(database: Database) -> None:
    lease = token()
    one, two = pending(database, workflow(database), 2)
    claim(database, p_token=lease)
    ask = {"id": one, "token": lease, "step": success("1", send=SEND)}
    other = {"id": two, "token": lease, "step": success("1", send=SEND | {"key": "key-2"})}
    record(database, ask, ask, other)
    assert row(database, one)["actions_executed"] == [success("1")]
    sends = database.sql("select * from communication_logs order by idempotency_key")
    assert [(send["idempotency_key"], str(send["execution_id"])) for send in sends] == [("key-1", one), ("key-2", two)]
    assert (sends[0]["status"], sends[0]["channel"], sends[0]["sent_at"]) == ("sent", "webhook", NOW)
    assert (sends[0]["step"], sends[0]["external_id"], sends[0]["user_id"]) == ("1", "ext-1", "user-1")


def test_without_the_lease_nothing_is_written(database: Database) -> None:
    lease = token()
    one, waiting = pending(database, workflow(database), 2)
    claim(database, 1, p_token=lease)
    before = [row(database, one), row(database, waiting)]
    answers = record(
        database,
        {"id": one, "token": token(), "step": success("1", send=SEND)},
        {"id": waiting, "token": lease, "step": success("1")},
        {"id": token(), "token": lease, "step": success("1")},
    )
    assert [answer["held"] for answer in answers] == [False, False, False]
    assert [row(database, one), row(database, waiting)] == before
    assert database.sql("select * from communication_logs") == []


def test_after_the_settle_nothing_is_written(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    done = {"id": one, "token": lease, "ended": "done", "steps": [success("1")]}
    database.call("automation_settle", p_outcomes=[done], p_now=NOW)
    before = row(database, one)
    (answer,) = record(database, {"id": one, "token": lease, "step": success("2")})
    assert (answer["held"], row(database, one)) == (False, before)


def test_two_of_one_execution_in_one_call_are_both_kept(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    record(database, *[{"id": one, "token": lease, "step": success(step)} for step in ("1", "2")])
    assert sorted(step["stepId"] for step in row(database, one)["actions_executed"]) == ["1", "2"]


def test_steps_recorded_at_the_same_instant_are_all_kept(database: Database) -> None:
    lease = token()
    made = pending(database, workflow(database), 4)
    claim(database, p_token=lease)

    def one_step(step: str) -> Any:
        # Each in an order of its own: locks are taken by id, so that nobody waits in a circle.
        asks = [{"id": one, "token": lease, "step": success(step)} for one in sorted(made, reverse=int(step) % 2 == 0)]
        return lambda mine: record(mine, *asks)

    together(database, *[one_step(str(number)) for number in range(8)])
    for one in made:
        assert sorted(step["stepId"] for step in row(database, one)["actions_executed"]) == sorted("01234567")


def test_a_repeat_that_waits_for_the_first_does_not_write_twice(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    ask = {"id": one, "token": lease, "step": success("1")}
    while_open(database, *[lambda mine: record(mine, ask)] * 2)
    assert row(database, one)["actions_executed"] == [success("1")]


def test_a_cancel_that_came_first_wins(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    _, (answer,) = while_open(
        database,
        lambda mine: mine.call("automation_cancel", p_ids=[one]),
        lambda mine: record(mine, {"id": one, "token": lease, "step": success("1")}),
    )
    assert (answer["held"], row(database, one)["actions_executed"]) == (False, None)
