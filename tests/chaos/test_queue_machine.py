"""The queue's verbs in any order, with any clock and any reply lost, against a model that fits on a page.

Each rule calls one SQL function, sometimes twice, as a caller does whose reply was lost; then every row is compared
with the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.chaos.harness import of_size
from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, failure, pending, seconds, success, token, workflow

MAX_ATTEMPTS = 5
LEASE = 30

numbers = st.integers(0, 9)
twice = st.booleans()


@dataclass
class Row:
    """An execution, as the rules of the queue have it."""

    due: datetime
    status: str = "pending"
    code: str | None = None
    attempt: int = 0
    lost: int = 0
    steps: list[str] = field(default_factory=list)
    #: Who claimed it last, if no one took that away since; and until when the lease holds, while it does.
    token: str | None = None
    until: datetime | None = None

    def end(self, status: str, code: str | None = None, *, due: datetime | None = None) -> None:
        self.status, self.code, self.until = status, code, None
        self.due = due or self.due


def backoff(attempt: int) -> tuple[timedelta, timedelta]:
    """The shortest and the longest."""
    middle = min(3600, 15 * 3 ** (attempt - 1))
    return seconds(middle * 0.75), seconds(middle * 1.25)


class Queue(RuleBasedStateMachine):
    """One database serves all examples; each begins with an empty queue."""

    def __init__(self, database: Database, workflow_id: str) -> None:
        super().__init__()
        self.database, self.workflow_id = database, workflow_id
        self.now = NOW
        self.rows: dict[str, Row] = {}
        self.tokens: list[str] = []
        self.is_paused = False
        database.sql("delete from automation_execution_logs; delete from automation_control")

    def call(self, verb: str, again: bool, **arguments: Any) -> tuple[Any, Any]:
        """Call it, twice if the reply is lost: the first answer, and the last."""
        first = self.database.call(f"automation_{verb}", p_now=self.now, **arguments)
        return first, self.database.call(f"automation_{verb}", p_now=self.now, **arguments) if again else first

    def pick(self, number: int) -> tuple[str, Row]:
        """Any row; mostly one under a lease, if there is any."""
        held = [(id_, row) for id_, row in self.rows.items() if row.until]
        among = held if held and number < 7 else list(self.rows.items())
        return among[number % len(among)]

    def pick_token(self, row: Row, number: int) -> str:
        """Mostly the row's own; also those of others, and of before."""
        others = [one for one in self.tokens if one != row.token] or [token()]
        return row.token if row.token and number < 7 else others[number % len(others)]

    def due_of(self, id_: str) -> datetime:
        query = "select coalesce(scheduled_at, created_at) as due from automation_execution_logs where id = %s"
        due: datetime = self.database.one(query, id_)["due"]
        return due

    def backed_off(self, id_: str, attempt: int) -> datetime:
        """When it is due again: by its backoff, whose jitter the model takes from the database."""
        shortest, longest = backoff(attempt)
        due = self.due_of(id_)
        assert shortest <= due - self.now <= longest
        return due

    @initialize(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        self.arrive(count)

    @rule(count=st.integers(1, 3))
    @precondition(lambda self: len(self.rows) < 8)
    def arrive(self, count: int) -> None:
        for _ in range(count):
            new = UUID(int=len(self.rows))  # the ids decide who is first: the same each time
            (id_,) = pending(self.database, self.workflow_id, id=new, created_at=self.now)
            self.rows[id_] = Row(due=self.now)

    @rule(by=st.sampled_from([1, 10, 29, 60, 600]))
    def pass_time(self, by: int) -> None:
        self.now += seconds(by)

    @rule()
    @precondition(lambda self: any(row.status == "pending" for row in self.rows.values()))
    def wait_until_due(self) -> None:
        self.now = max(self.now, min(row.due for row in self.rows.values() if row.status == "pending"))

    @rule(over=st.booleans())
    @precondition(lambda self: any(row.until for row in self.rows.values()))
    def wait_until_a_lease_is_over(self, over: bool) -> None:
        """To its last moment, or past it."""
        self.now = max(self.now, min(row.until for row in self.rows.values() if row.until) + seconds(over))

    @rule(limit=st.integers(1, 4), again=twice, alone=st.booleans())
    def claim(self, limit: int, again: bool, alone: bool) -> None:
        mine = token()
        self.tokens.append(mine)
        said = {"p_token": mine, "p_limit": limit, "p_worker": "w", "p_lease_seconds": LEASE, "p_alone": alone}
        first, last = self.call("claim", again, **said)
        waiting = [
            (row.due, id_)
            for id_, row in self.rows.items()
            if row.status == "pending" and row.due <= self.now and (row.lost >= 2) == alone and not self.is_paused
        ]
        expected = [id_ for _, id_ in sorted(waiting)][: 1 if alone else limit]
        for answer in first, last:
            assert [execution["id"] for execution in answer["executions"]] == expected
        for id_ in expected:
            row = self.rows[id_]
            row.status, row.token, row.until, row.attempt = (
                "processing",
                mine,
                self.now + seconds(LEASE),
                row.attempt + 1,
            )
        suspects = [r for r in self.rows.values() if r.status == "pending" and r.lost >= 2 and r.due <= self.now]
        assert last["suspects"] == (bool(suspects) and not self.is_paused)

    @rule(number=numbers, again=twice)
    @precondition(lambda self: self.tokens)
    def renew(self, number: int, again: bool) -> None:
        mine = self.tokens[-1 - number % len(self.tokens)]
        first, last = self.call("renew", again, p_tokens=[mine], p_lease_seconds=LEASE)
        held = {id_ for id_, row in self.rows.items() if row.token == mine and row.until}
        assert set(first) == set(last) == held
        for id_ in held:
            self.rows[id_].until = self.now + seconds(LEASE)

    @rule(number=numbers, whose=numbers, step=st.sampled_from("123"), again=twice)
    @precondition(lambda self: self.rows)
    def record(self, number: int, whose: int, step: str, again: bool) -> None:
        id_, row = self.pick(number)
        mine = self.pick_token(row, whose)
        item = {"id": id_, "token": mine, "steps": [success(step)], "resume_step": "next"}
        first, last = self.call("advance", again, p_items=[item])
        is_held = row.token == mine and row.until is not None
        assert first[0]["held"] == last[0]["held"] == is_held
        if is_held and step not in row.steps:
            row.steps.append(step)
            row.attempt = 0

    @rule(
        number=numbers,
        whose=numbers,
        again=twice,
        ended=st.sampled_from(["done", "failed", "skipped", "retry", "retry", "released", "waiting", "unknown"]),
    )
    @precondition(lambda self: self.rows)
    def settle(self, number: int, whose: int, again: bool, ended: str) -> None:
        id_, row = self.pick(number)
        mine = self.pick_token(row, whose)
        said: dict[str, Any] = {"id": id_, "token": mine, "ended": ended}
        if ended in ("failed", "skipped"):
            said["code"] = "told"
        elif ended == "retry":
            said |= {"code": "busy", "steps": [failure("f")]}
        elif ended == "waiting":
            said["due_in_seconds"] = 60
        elif ended == "unknown":
            said["on_uncertain"] = "hold"
        (first,), (last,) = self.call("settle", again, p_outcomes=[said])
        if row.token != mine:
            assert first["answer"] == last["answer"] == "lost"
        elif row.until is None:
            assert first["answer"] == last["answer"] == "already"
        else:
            assert (first["answer"], last["answer"]) == ("settled", "already" if again else "settled")
            self.has_ended(id_, row, ended)
            assert first["status"] == row.status

    def has_ended(self, id_: str, row: Row, ended: str) -> None:
        """What the settle makes of a row under its lease."""
        match ended:
            case "done":
                row.end("completed")
            case "failed" | "skipped":
                row.end(ended, "told")
            case "unknown":
                row.end("failed", "uncertain_send")
            case "released":
                row.attempt = max(row.attempt - 1, 0)
                row.end("pending")
            case "waiting":
                row.attempt = 0
                row.end("pending", due=self.now + seconds(60))
            case "retry" if row.attempt < MAX_ATTEMPTS:
                row.attempt = max(row.attempt, 1)
                row.end("pending", "busy", due=self.backed_off(id_, row.attempt))
            case "retry":
                row.end("failed", "partial" if row.steps else "no_recipient")
                row.steps.append("f")

    @rule(again=twice)
    def tick(self, again: bool) -> None:
        first, last = self.call("tick", again)
        expired = [(id_, row) for id_, row in self.rows.items() if row.until and row.until < self.now]
        assert first["lost_leases"] == len(expired)
        assert not again or last["lost_leases"] == 0
        for id_, row in expired:
            row.lost, row.attempt, row.token = row.lost + 1, max(row.attempt - 1, 0), None
            if row.lost == 3:
                row.end("failed", "poisoned")
            else:
                row.end("pending", "lost_lease", due=self.backed_off(id_, row.lost))

    @rule(times=st.integers(1, 3))
    def workers_vanish(self, times: int) -> None:
        """One after another, each with what it had claimed."""
        for _ in range(times):
            self.claim(4, False, any(row.lost >= 2 for row in self.rows.values()))
            self.pass_time(LEASE + 1)
            self.tick(False)
            self.pass_time(60)

    @rule(number=numbers, times=st.integers(1, MAX_ATTEMPTS))
    @precondition(lambda self: self.rows)
    def try_in_vain(self, number: int, times: int) -> None:
        """Again and again, each time when it is due."""
        for _ in range(times):
            self.claim(4, False, False)
            self.settle(number, 0, False, "retry")
            self.pass_time(600)

    @rule(number=numbers, again=twice)
    @precondition(lambda self: self.rows)
    def retry(self, number: int, again: bool) -> None:
        id_, row = self.pick(number)
        first, last = self.call("retry", again, p_ids=[id_])
        may = row.status in ("failed", "skipped") and row.code != "uncertain_send"
        assert first[0]["answer"] == ("retried" if may else "refused")
        assert not again or last[0]["answer"] == "refused"
        if may:
            row.attempt = row.lost = 0
            row.steps = [step for step in row.steps if step != "f"]
            row.end("pending", due=self.now)

    @rule(number=numbers, again=twice)
    @precondition(lambda self: self.rows)
    def cancel(self, number: int, again: bool) -> None:
        id_, row = self.pick(number)
        first, last = self.call("cancel", again, p_ids=[id_])
        may = row.status in ("pending", "processing")
        assert first[0]["answer"] == ("cancelled" if may else "refused")
        assert not again or last[0]["answer"] == "refused"
        if may:
            row.token = None
            row.end("cancelled", "cancelled")

    @rule(again=twice)
    def pause(self, again: bool) -> None:
        self.call("pause", again, p_scope="all")
        self.is_paused = True

    @rule()
    @precondition(lambda self: self.is_paused)
    def resume(self) -> None:
        self.database.call("automation_resume", p_scope="all")
        self.is_paused = False

    @invariant()
    def rows_are_as_modelled(self) -> None:
        found = {
            str(row["id"]): (
                row["status"], row["code"], row["attempt"] or 0, row["lost_leases"] or 0, row["lease_expires_at"],
                str(row["lease_token"]) if row["lease_token"] else None, row["due"],
                [step["stepId"] for step in row["actions_executed"] or []], row["completed_at"] is not None,
            )
            for row in self.database.sql(
                "select *, coalesce(scheduled_at, created_at) as due from automation_execution_logs"
            )
        }  # fmt: skip
        assert found == {
            id_: (
                row.status, row.code, row.attempt, row.lost, row.until, row.token, row.due, row.steps,
                row.status not in ("pending", "processing"),
            )
            for id_, row in self.rows.items()
        }  # fmt: skip


def without_lot(database: Database) -> None:
    """Take the lot out of the jitter, which the rows of one call draw in no certain order: a history must repeat."""
    definition: str = database.one("select pg_get_functiondef('minutehand.backoff'::regproc) as text")["text"]
    assert "random() / 2" in definition
    database.sql(definition.replace("random() / 2", "0.1"))


@on_both_servers
def test_whatever_is_called_in_whatever_order_the_rules_hold(database: Database) -> None:
    workflow_id = workflow(database)
    without_lot(database)
    run_state_machine_as_test(
        partial(Queue, database, workflow_id),  # type: ignore[arg-type]
        settings=settings(
            max_examples=of_size(30, 2000),
            stateful_step_count=of_size(50, 100),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
