"""automation_advance: one step forward in one call, and each execution for itself."""

from __future__ import annotations

from typing import Any

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, pending, row, settle, success, together, token, while_open, workflow

pytestmark = on_both_servers


def held(database: Database, count: int = 1) -> tuple[list[str], str]:
    lease = token()
    made = pending(database, workflow(database), count)
    claim(database, count, p_token=lease)
    return made, lease


def place(key: str = "key-1", step: str = "1") -> dict[str, Any]:
    return {"step": step, "channel": "email", "recipient": "a@example.com", "sender": "b@example.com", "key": key}


def advance(database: Database, *items: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {answer["id"]: answer for answer in database.call("automation_advance", p_items=list(items), p_now=NOW)}


def sends(database: Database) -> list[tuple[str, str]]:
    rows = database.sql("select idempotency_key, status from communication_logs order by 1")
    return [(row["idempotency_key"], row["status"]) for row in rows]


def test_one_call_confirms_records_looks_and_reserves(database: Database) -> None:
    (one,), lease = held(database)
    mine = {"id": one, "token": lease}
    assert advance(database, mine | {"reserve": place()})[one]["send"]["answer"] == "go"
    confirm = {"key": "key-1", "status": "sent", "external_id": "ext-1"}
    told = {"confirm": confirm, "steps": [success("1"), success("1b")], "resume_step": "2"}
    answer = advance(database, mine | told | {"reserve": place("key-2", "2")})[one]
    assert (answer["held"], answer["stop"], answer["send"]) == (True, None, {"key": "key-2", "answer": "go"})
    stored = row(database, one)
    assert (stored["actions_executed"], stored["resume_step"]) == ([success("1"), success("1b")], "2")
    assert sends(database) == [("key-1", "sent"), ("key-2", "reserved")]


def test_a_repeat_is_answered_as_before_and_changes_nothing(database: Database) -> None:
    (one,), lease = held(database)
    ask = {"id": one, "token": lease, "steps": [success("1")], "resume_step": "2", "reserve": place()}
    first = advance(database, ask)
    before = row(database, one)
    assert advance(database, ask) == first
    assert (row(database, one), sends(database)) == (before, [("key-1", "reserved")])


def test_without_the_lease_nothing_is_written(database: Database) -> None:
    (one,), _ = held(database)
    before = row(database, one)
    answer = advance(database, {"id": one, "token": token(), "steps": [success("1")], "reserve": place()})[one]
    assert (answer["held"], "send" in answer) == (False, False)
    assert (row(database, one), sends(database)) == (before, [])


def test_nothing_is_reserved_where_the_look_says_stop(database: Database) -> None:
    (one, two), lease = held(database, 2)
    database.sql("update automation_workflows set is_active = false where id = %s", row(database, one)["workflow_id"])
    other = workflow(database, name="Another")
    database.sql("update automation_execution_logs set workflow_id = %s where id = %s", other, two)
    answers = advance(
        database,
        {"id": one, "token": lease, "steps": [success("1")], "reserve": place()},
        {"id": two, "token": lease, "reserve": place("key-2")},
    )
    assert (answers[one]["stop"]["code"], "send" in answers[one]) == ("workflow_off", False)
    assert answers[two]["send"]["answer"] == "go"
    assert sends(database) == [("key-2", "reserved")]
    assert row(database, one)["actions_executed"] == [success("1")], "what was done is told all the same"


def test_what_cannot_be_recorded_ends_alone(database: Database) -> None:
    (one, two), lease = held(database, 2)
    database.sql("alter table automation_execution_logs add constraint small check (actions_executed::text !~ 'BOOM')")
    answers = advance(
        database,
        {"id": one, "token": lease, "steps": [success("1", name="BOOM")], "reserve": place()},
        {"id": two, "token": lease, "steps": [success("1")], "reserve": place("key-2")},
    )
    assert (answers[one]["held"], answers[one]["stop"]["code"]) == (True, "unrecordable")
    assert (answers[one]["stop"]["ended"], '"small"' in answers[one]["stop"]["reason"]) == ("failed", True)
    assert answers[two]["send"]["answer"] == "go"
    assert sends(database) == [("key-2", "reserved")]


def test_the_settle_takes_the_last_confirmation_and_what_was_not_told(database: Database) -> None:
    (one,), lease = held(database)
    advance(database, {"id": one, "token": lease, "reserve": place()})
    confirm = {"key": "key-1", "status": "sent", "external_id": "ext-1"}
    earlier = [success("1"), success("2", send=place("key-2") | {"external_id": None})]
    outcome = {"id": one, "token": lease, "ended": "done", "earlier": earlier, "confirm": confirm}
    assert settle(database, outcome)[one]["status"] == "completed"
    assert [step["stepId"] for step in row(database, one)["actions_executed"]] == ["1", "2"]
    assert sends(database) == [("key-1", "sent"), ("key-2", "sent")]
    assert settle(database, outcome)[one]["answer"] == "already"


def test_a_release_keeps_what_was_done(database: Database) -> None:
    (one,), lease = held(database)
    settle(database, {"id": one, "token": lease, "ended": "released", "earlier": [success("1")], "resume_step": "2"})
    stored = row(database, one)
    assert (stored["status"], stored["attempt"], stored["actions_executed"]) == ("pending", 0, [success("1")])


def test_progress_sets_the_attempts_to_nothing_before_a_retry_counts(database: Database) -> None:
    (one,), lease = held(database)
    database.sql("update automation_execution_logs set attempt = 5, max_attempts = 5")
    outcome = {"id": one, "token": lease, "ended": "retry", "earlier": [success("1")], "resume_step": "2"}
    settle(database, outcome | {"steps": [success("2")]})
    stored = row(database, one)
    assert (stored["status"], stored["attempt"], len(stored["actions_executed"])) == ("pending", 1, 1)


def test_one_that_waits_for_a_row_holds_up_no_others_limit(database: Database) -> None:
    database.call("automation_limit_set", p_scope="recipient", p_n=100)
    (one,), lease = held(database)
    (two,), other = held(database)
    first, second = while_open(
        database,
        lambda mine: advance(mine, {"id": one, "token": lease, "steps": [success("1")], "reserve": place()})[one],
        lambda mine: advance(mine, {"id": two, "token": other, "steps": [success("1")], "reserve": place("key-2")})[
            two
        ],
    )
    assert (first["send"]["answer"], second["send"]["answer"]) == ("go", "go")


def test_two_that_hold_what_cannot_be_recorded_never_wait_in_a_circle_for_limits(database: Database) -> None:
    database.call("automation_limit_set", p_scope="recipient", p_n=1000)
    database.sql("alter table automation_execution_logs add constraint small check (actions_executed::text !~ 'BOOM')")
    recipients = ["a@example.com", "b@example.com", "c@example.com", "d@example.com"]

    def batches(order: list[str], number: int) -> Any:
        made, lease = held(database, 5 * 20)

        def go(mine: Database) -> int:
            for start in range(0, len(made), 5):
                bad, *others = made[start : start + 5]
                items: list[dict[str, Any]] = [{"id": bad, "token": lease, "steps": [success("1", name="BOOM")]}]
                items += [
                    {"id": one, "token": lease, "reserve": place(f"{number}-{one}") | {"recipient": to}}
                    for one, to in zip(sorted(others), order, strict=True)
                ]
                advance(mine, *items)
            return 1

        return go

    assert together(database, batches(recipients, 1), batches(recipients[::-1], 2)) == [1, 1]
