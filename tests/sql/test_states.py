"""Every arrow between the states of an execution, and every one that there must not be (design §2, States).

A trigger notes each change of status that a verb makes, also those within its transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, change, claim, failure, foreign, pending, row, success, tick, token, workflow

pytestmark = on_both_servers

WORDS = ("pending", "processing", "completed", "failed", "skipped", "cancelled")
ARROWS = {
    ("pending", "processing"), ("pending", "skipped"), ("pending", "cancelled"), ("pending", "failed"),
    ("processing", "completed"), ("processing", "failed"), ("processing", "skipped"), ("processing", "cancelled"),
    ("processing", "pending"), ("failed", "pending"), ("skipped", "pending"),
}  # fmt: skip

NOTE = """
create table walked (id uuid, was text, became text);
create function note_walk() returns trigger language plpgsql as $$
begin
  if new.status is distinct from old.status then
    insert into public.walked values (new.id, old.status, new.status);
  end if;
  return null;
end $$;
create trigger note_walk after update on automation_execution_logs for each row execute function note_walk();
"""
LATE = NOW + timedelta(hours=3)


@pytest.fixture
def noted(database: Database) -> Database:
    database.sql(NOTE)
    return database


def settling(ended: str, **said: Any) -> Callable[[Database, str, str], Any]:
    def verb(database: Database, one: str, lease: str) -> Any:
        outcome = {"id": one, "token": lease, "ended": ended, **said}
        return database.call("automation_settle", p_outcomes=[outcome], p_now=LATE)

    return verb


def recording(database: Database, one: str, lease: str) -> Any:
    steps = [{"id": one, "token": lease, "step": success("9")}]
    return database.call("automation_record_step", p_steps=steps, p_now=LATE)


def writing(database: Database, one: str, lease: str) -> Any:
    arguments = {"p_step": success("9"), "p_table": "jobs", "p_operation": "update", "p_values": {"status": "x"}}
    return database.call("automation_write_record", p_execution_id=one, p_token=lease, **arguments)


VERBS: dict[str, Callable[[Database, str, str], Any]] = {
    "claim": lambda database, one, lease: claim(database, p_now=LATE),
    "claim by id": lambda database, one, lease: claim(database, p_now=LATE, p_ids=[one]),
    "claim alone": lambda database, one, lease: claim(database, p_now=LATE, p_alone=True),
    "claim again": lambda database, one, lease: claim(database, p_now=LATE, p_token=lease),
    "renew": lambda database, one, lease: database.call("automation_renew", p_tokens=[lease], p_now=LATE),
    "tick": lambda database, one, lease: tick(database, LATE),
    "tick after a silence": lambda database, one, lease: tick(database, LATE, p_hold_seconds=3600),
    "record step": recording,
    "write record": writing,
    "retry by a person": lambda database, one, lease: database.call("automation_retry", p_ids=[one], p_now=LATE),
    "release": lambda database, one, lease: database.call("automation_release", p_ids=[one], p_now=LATE),
    "cancel": lambda database, one, lease: database.call("automation_cancel", p_ids=[one], p_now=LATE),
    "done": settling("done"),
    "done with a failed step": settling("done", steps=[failure("9")]),
    "failed": settling("failed"),
    "skipped": settling("skipped"),
    "cancelled": settling("cancelled"),
    "retry": settling("retry", steps=[failure("9")]),
    "hold": settling("unknown", on_uncertain="hold"),
    "resend": settling("unknown", on_uncertain="resend"),
    "drop": settling("unknown", on_uncertain="drop", steps=[failure("9")]),
    "released": settling("released"),
    "waiting": settling("waiting", due_in_seconds=5),
    "unstorable": settling("nonsense"),
}

#: What each verb makes of a row that stands at a word; where nothing is said it stays as it is.
BECOMES = {
    ("pending", "claim"): "processing",
    ("pending", "claim by id"): "processing",
    ("pending", "claim again"): "processing",
    # No worker is left of what we hold: three hours later its lease has run out.
    ("processing", "tick"): "pending",
    ("processing", "tick after a silence"): "pending",
    # It never began, and nobody looked while it was due.
    ("pending", "tick after a silence"): "skipped",
    ("processing", "done"): "completed",
    ("processing", "done with a failed step"): "failed",
    ("processing", "failed"): "failed",
    ("processing", "skipped"): "skipped",
    ("processing", "cancelled"): "cancelled",
    ("processing", "retry"): "pending",
    ("processing", "hold"): "failed",
    ("processing", "resend"): "pending",
    ("processing", "drop"): "failed",
    ("processing", "released"): "pending",
    ("processing", "waiting"): "pending",
    ("processing", "unstorable"): "failed",
    ("pending", "cancel"): "cancelled",
    ("processing", "cancel"): "cancelled",
    ("failed", "retry by a person"): "pending",
    ("skipped", "retry by a person"): "pending",
}
#: Arrows of the claim itself, which needs particular rows: tested by name below.
OF_THE_CLAIM = {("pending", "skipped"), ("pending", "failed")}


def standing(database: Database, word: str) -> tuple[str, str]:
    """An execution that came to `word` by our own verbs; returns its id and the last lease it had."""
    lease = token()
    (one,) = pending(database, workflow(database))
    if word != "pending":
        claim(database, p_token=lease)
    if word not in ("pending", "processing"):
        settling({"completed": "done"}.get(word, word))(database, one, lease)
    assert row(database, one)["status"] == word
    return one, lease


@pytest.mark.parametrize("word", WORDS)
def test_each_verb_moves_a_row_along_its_arrow_or_not_at_all(noted: Database, word: str) -> None:
    for verb, act in VERBS.items():
        noted.sql("truncate automation_execution_logs, automation_workflows")
        one, lease = standing(noted, word)
        noted.sql("truncate walked")
        act(noted, one, lease)
        became = BECOMES.get((word, verb), word)
        assert (verb, row(noted, one)["status"]) == (verb, became)
        walked = [(step["was"], step["became"]) for step in noted.sql("select * from walked")]
        assert (verb, walked) == (verb, [] if became == word else [(word, became)])
        assert set(walked) <= ARROWS


def test_every_arrow_is_walked(database: Database) -> None:
    walked = {(word, became) for (word, _), became in BECOMES.items()}
    assert walked | OF_THE_CLAIM == ARROWS


def test_what_is_held_as_stale_is_released_by_a_person_and_by_nothing_else(noted: Database) -> None:
    (one,) = pending(noted, workflow(noted))
    VERBS["tick after a silence"](noted, one, token())
    assert row(noted, one)["code"] == "stale"
    by_a_person = ("release", "retry by a person")
    for verb, act in VERBS.items():
        if verb not in by_a_person:
            act(noted, one, token())
    assert row(noted, one)["code"] == "stale"
    VERBS["release"](noted, one, token())
    assert row(noted, one)["status"] == "pending"
    walked = [(step["was"], step["became"]) for step in noted.sql("select * from walked")]
    assert walked == [("pending", "skipped"), ("skipped", "pending")]


def test_the_claim_skips_what_is_over_its_limit_and_fails_what_cannot_be_read(noted: Database) -> None:
    mine = workflow(noted)
    first, second = [foreign(noted, mine, {"job_id": "J-7"}) for _ in range(2)]
    gone = foreign(noted, token(), {"job_id": "J-7"})
    claim(noted)
    assert [row(noted, one)["status"] for one in (first, second, gone)] == ["processing", "skipped", "failed"]
    walked = {(step["was"], step["became"]) for step in noted.sql("select * from walked")}
    assert walked <= ARROWS


@pytest.mark.parametrize("word", ["processing", "running"])
def test_no_verb_moves_another_processors_row(noted: Database, word: str) -> None:
    one = foreign(noted, workflow(noted), {"job_id": "J-7"}, status=word)
    before = row(noted, one)
    for verb, act in VERBS.items():
        act(noted, one, token())
        assert (verb, row(noted, one)) == (verb, before)


def test_the_apps_running_under_our_token_is_processing(noted: Database) -> None:
    for verb, act in VERBS.items():
        noted.sql("truncate automation_execution_logs, automation_workflows")
        one, lease = standing(noted, "processing")
        change(noted, one, status="running")
        act(noted, one, lease)
        assert (verb, row(noted, one)["status"]) == (verb, BECOMES.get(("processing", verb), "running"))


def test_the_table_that_we_made_knows_no_other_words(database: Database) -> None:
    mine = workflow(database)
    for word in (*WORDS, "running"):
        pending(database, mine, status=word)
    for word in ("expired", "Pending", "done", ""):
        with pytest.raises(psycopg.errors.CheckViolation):
            pending(database, mine, status=word)
