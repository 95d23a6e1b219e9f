"""How an execution's steps share their calls to the database, and what happens when the row changes between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from minutehand.executor import actions
from minutehand.executor.local import LocalExecutor
from minutehand.executor.outcome import Ended, Outcome, StepResult
from minutehand.executor.settings import ExecutorSettings
from minutehand.store import Store
from minutehand.store.drivers.postgres import PostgresDriver
from tests.servers import CLAIM, Database
from tests.unit import odd_action
from tests.unit.odd_action import OddAction

TABLES = """
create table clients (id text primary key, organization_id text, email text);
create table jobs (id text primary key, organization_id text, client_id text references clients, status text);
insert into clients values ('C-1', 'north', 'old@example.com');
insert into jobs values ('J-1', 'north', 'C-1', 'scheduled');
"""


class Counted(Store):
    """Notes each call, and runs SQL of somebody else's before the one that is named."""

    database: Database
    calls: list[Any]
    before: dict[int, str]

    async def advance(self, items: Any) -> Any:
        if sql := self.before.pop(len(self.calls), None):
            self.database.sql(sql)
        self.calls.append([sorted(set(item) - {"id", "token"}) for item in items])
        return await super().advance(items)


@pytest.fixture
def run(database, monkeypatch):
    """Complete a job whose workflow has these steps; returns the outcome, and what each call brought."""
    monkeypatch.setitem(actions.BUILT_IN, "odd", "tests.unit.odd_action:OddAction")
    monkeypatch.setattr(OddAction, "reserves", True)
    database.sql(TABLES)
    database.call("automation_trigger_add", p_table="jobs")

    def go(
        *steps: Any,
        before: dict[int, str] | None = None,
        settings: Any = None,
        before_claim: Callable[[], object] | None = None,
        since_claim: str = "",
        **claim: Any,
    ) -> tuple[Outcome, list[Any]]:
        database.sql(
            "insert into automation_workflows (name, organization_id, trigger_type, steps, settings)"
            " values ('W', 'north', 'job_completed', %s, %s)",
            Jsonb(list(steps)),
            Jsonb(settings or {}),
        )
        database.sql("update jobs set status = 'completed'")
        if before_claim is not None:
            before_claim()
        return asyncio.run(_run(database, before or {}, since_claim, claim))

    return go


async def _run(database, before: dict[int, str], since_claim: str, claim: dict[str, Any]) -> tuple[Outcome, list[Any]]:
    store = Counted(PostgresDriver(database.url))
    store.database, store.calls, store.before = database, [], before
    try:
        (claimed,) = (await store.claim(1, **CLAIM, **claim)).executions
        if since_claim:
            database.sql(since_claim)
        async with LocalExecutor(store, ExecutorSettings()) as executor:
            outcome = await executor.execute(claimed)
        await store.settle([outcome.as_json()])
        return outcome, [kinds for ((kinds),) in store.calls]
    finally:
        await store.close()


def odd(do: str, **more: Any) -> dict[str, Any]:
    return {"type": "odd", "config": {"do": do, **more}}


def sent_to(database) -> list[tuple[str, str]]:
    rows = database.sql("select recipient, status from communication_logs order by created_at, id")
    return [(row["recipient"], row["status"]) for row in rows]


def test_three_sends_cost_the_look_three_calls_and_the_settle(run, database):
    outcome, calls = run(odd("send"), odd("send"), odd("send"))
    told = ["confirm", "reserve", "resume_step", "steps"]
    assert calls == [[], ["reserve"], told, told]
    assert outcome.ended is Ended.DONE
    assert [send["status"] for send in database.sql("select status from communication_logs")] == ["sent"] * 3
    steps = database.one("select actions_executed as a from automation_execution_logs")["a"]
    assert [(step["stepId"], step["status"]) for step in steps] == [(str(n), "success") for n in (1, 2, 3)]


OFF = "update automation_workflows set is_active = false"
TOLD = ["confirm", "reserve", "resume_step", "steps"]


@pytest.mark.parametrize(
    ("steps", "since_claim", "calls", "ended"),
    [
        ([odd("done")], "", [], Ended.DONE),
        ([odd("done")] * 2, "", [["resume_step", "steps"]], Ended.DONE),
        # What acts looks first: a reservation does so anyway.
        ([odd("call")], "", [[]], Ended.DONE),
        ([odd("call")], OFF, [[]], Ended.SKIPPED),
        ([odd("send")] * 2, "", [["reserve"], TOLD], Ended.DONE),
        ([odd("send")], OFF, [["reserve"]], Ended.SKIPPED),
        ([odd("done")], OFF, [], Ended.DONE),
    ],
)
def test_the_context_of_the_claim_saves_the_first_look(run, monkeypatch, steps, since_claim, calls, ended):
    monkeypatch.setattr(OddAction, "reserves", steps[0]["config"]["do"] == "send")
    monkeypatch.setattr("minutehand.store.records.queue.FIRST_CONTEXT_SECONDS", 60)
    outcome, made = run(*steps, since_claim=since_claim, contexts=True)
    assert (made, outcome.ended) == (calls, ended)


def test_the_context_of_a_claim_of_more_than_a_second_ago_is_read_again(run, monkeypatch):
    monkeypatch.setattr(OddAction, "reserves", False)
    monkeypatch.setattr("minutehand.store.records.queue.FIRST_CONTEXT_SECONDS", 0)
    outcome, calls = run(odd("done"), since_claim=OFF, contexts=True)
    assert (calls, outcome.ended) == ([[]], Ended.SKIPPED)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        (OFF, "workflow_off"),
        ("delete from jobs", "row_gone"),
        ("update jobs set organization_id = 'south'", "other_tenant"),
        ('alter table jobs rename to tasks; drop trigger "!minutehand_capture" on tasks', "table_missing"),
    ],
)
def test_what_must_not_run_finds_out_why_itself(run, database, monkeypatch, sql, code):
    monkeypatch.setattr("minutehand.store.records.queue.FIRST_CONTEXT_SECONDS", 60)
    outcome, calls = run(odd("done"), before_claim=lambda: database.sql(sql), contexts=True)
    assert (calls, outcome.code) == ([[]], code)


@pytest.mark.parametrize("table", ["jobs", "clients"])
def test_a_claim_waits_for_no_lock_of_the_apps(database, run, table):
    with psycopg.connect(database.url) as other:
        outcome, calls = run(odd("done"), before_claim=lambda: other.execute(f"lock table {table}"), contexts=True)
    assert (calls, outcome.code) == ([[]], "table_locked")


def test_calls_whose_receivers_dedupe_reserve_nothing(run, database, monkeypatch):
    monkeypatch.setattr(OddAction, "reserves", False)
    outcome, calls = run(odd("call"), odd("call"))
    assert (outcome.ended, calls) == (Ended.DONE, [[], ["resume_step", "steps"]])
    rows = database.sql("select status, recipient, reserved_at from communication_logs")
    assert rows == [{"status": "sent", "recipient": "https://example.com/", "reserved_at": None}] * 2


def test_a_row_that_changed_since_the_last_look_is_written_to_as_it_is_now(run, database):
    change = "update clients set email = 'new@example.com'"
    _, calls = run(odd("send", to="{{client.email}}"), before={1: change})
    assert len(calls) == 3
    assert sent_to(database) == [("old@example.com", "failed"), ("new@example.com", "sent")]


def test_a_place_that_was_taken_is_given_back_where_nothing_can_leave_any_more(run, database):
    run(odd("send", to="{{client.email}}"), before={1: "update clients set email = null"})
    assert sent_to(database) == [("old@example.com", "failed")]
    row = database.one("select status, code from automation_execution_logs")
    assert row == {"status": "failed", "code": "unresolved_variable"}


def test_a_place_that_was_taken_is_given_back_at_a_stop(run, database):
    first, second = "update clients set email = 'new@example.com'", "update automation_workflows set is_active = false"
    outcome, _ = run(odd("send", to="{{client.email}}"), before={1: first, 2: second})
    assert (outcome.ended, outcome.code) == (Ended.SKIPPED, "workflow_off")
    assert sent_to(database) == [("old@example.com", "failed")]


def test_a_change_that_does_not_touch_the_message_costs_nothing(run, database):
    _, calls = run(odd("send", to="{{client.email}}"), before={1: "update jobs set status = 'Completed'"})
    assert len(calls) == 2
    assert sent_to(database) == [("old@example.com", "sent")]


def test_a_step_that_ends_without_a_send_is_judged_by_the_row_as_it_is_now(run, database):
    run(odd("send"), odd("send", to="{{client.email}}"), before={2: "update clients set email = 'new@example.com'"})
    assert sent_to(database)[-1] == ("new@example.com", "sent")
    steps = database.one("select actions_executed as a from automation_execution_logs")["a"]
    assert steps[1]["result"]["recipient"] == "new@example.com"


def test_a_template_that_could_not_be_filled_in_is_tried_on_the_row_as_it_is_now(run, database):
    database.sql("update clients set email = null")
    run(odd("send"), odd("send", to="{{client.email}}"), before={2: "update clients set email = 'new@example.com'"})
    assert sent_to(database)[-1] == ("new@example.com", "sent")


CONDITION = {"type": "condition", "config": {"conditions": [{"field": "status", "value": "completed"}]}}
PAST = {"type": "wait", "config": {"until": "2020-01-01"}}


@pytest.mark.parametrize(
    "receiver_does", ["update clients set email = 'n'", "update automation_workflows set status = 'off'"]
)
@pytest.mark.parametrize("before", [(), (CONDITION,), (PAST,)])
def test_a_call_is_made_once_whatever_its_receiver_does_to_the_row(run, database, monkeypatch, before, receiver_does):
    monkeypatch.setattr(OddAction, "reserves", False)
    made = []

    def delivering(run):
        async def deliver(key: str) -> StepResult:
            made.append(key)
            database.sql(receiver_does)
            return StepResult.done()

        return deliver

    monkeypatch.setattr(odd_action, "_deliver", delivering)
    run(*before, odd("call"))
    assert len(made) == 1
    steps = database.one("select actions_executed as a from automation_execution_logs")["a"]
    assert [step["status"] for step in steps] == ["success"] * (len(before) + 1), "what was done is told"


def test_what_was_done_is_told_when_the_workflow_was_paused_meanwhile(run, database):
    outcome, _ = run(odd("send"), odd("send"), before={2: "insert into automation_control (scope) values ('all')"})
    assert (outcome.ended, outcome.code) == (Ended.RELEASED, "paused")
    assert sent_to(database) == [("a@example.com", "sent")]
    row = database.one("select status, actions_executed -> 0 ->> 'stepId' as step from automation_execution_logs")
    assert row == {"status": "pending", "step": "1"}


def test_a_wait_ends_the_turn_with_what_was_done_and_goes_on_later(run, database):
    outcome, _ = run(odd("send"), odd("wait"), odd("send"))
    assert (outcome.ended, outcome.due_in_seconds, outcome.resume_step) == (Ended.WAITING, 60, "3")
    row = database.one("select *, scheduled_at - now() > '50 s' as later from automation_execution_logs")
    assert (row["status"], row["attempt"], row["later"], len(row["actions_executed"])) == ("pending", 0, True, 2)
    assert sent_to(database) == [("a@example.com", "sent")]


def test_a_wait_at_the_end_is_none(run):
    outcome, _ = run(odd("send"), odd("wait"))
    assert outcome.ended is Ended.DONE


def test_the_database_away_in_the_middle_defers_it_and_the_next_call_tells_what_was_done(run, database, monkeypatch):
    from minutehand.store.errors import AccessDenied

    advance = Counted.advance

    async def broken(self, items):
        if len(self.calls) == 2:
            raise AccessDenied("gone")
        return await advance(self, items)

    monkeypatch.setattr(Counted, "advance", broken)
    outcome, _ = run(odd("send"), odd("send"))
    assert (outcome.ended, outcome.code) == (Ended.DEFERRED, "database_refused")
    assert sent_to(database) == [("a@example.com", "sent")], "its end travelled with the settle"
    row = database.one("select status, jsonb_array_length(actions_executed) as n from automation_execution_logs")
    assert row == {"status": "pending", "n": 1}


def test_what_a_limit_delays_waits_and_spends_no_attempt(run, database):
    database.call("automation_limit_set", p_scope="recipient", p_n=1, p_per="1 hour")
    outcome, calls = run(odd("send"), odd("send"))
    assert (outcome.ended, outcome.code, outcome.resume_step) == (Ended.WAITING, "recipient_limit", "2")
    assert 3590 < (outcome.due_in_seconds or 0) <= 3600
    assert len(calls) == 3
    row = database.one("select status, attempt, code, reason from automation_execution_logs")
    assert (row["status"], row["attempt"], row["code"]) == ("pending", 0, "recipient_limit")
    assert "the next may leave at" in row["reason"]
    assert sent_to(database) == [("a@example.com", "sent")]


def test_what_a_limit_drops_has_failed_with_its_code(run, database):
    database.call("automation_limit_set", p_scope="tenant", p_n=1, p_on_exceed="drop")
    run(odd("send"), odd("send"))
    row = database.one("select status, code, actions_executed -> 1 ->> 'code' as step from automation_execution_logs")
    assert row == {"status": "failed", "code": "partial", "step": "tenant_limit"}


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ("resend", "resend"),
        ({"send": "drop", "sms": "resend"}, "drop"),
        ({"sms": "drop"}, "hold"),
        ("x", "hold"),
        (7, "hold"),
    ],
)
def test_the_workflow_says_for_each_channel_what_becomes_of_an_uncertain_send(run, said, becomes):
    outcome, _ = run(odd("send", verdict="unknown"), settings={"on_uncertain": said})
    assert (outcome.ended, outcome.on_uncertain) == (Ended.UNKNOWN, becomes)


def test_a_send_that_was_only_pretended_has_failed(run, database, monkeypatch):
    def pretending(run):
        async def deliver(key):
            return StepResult.done(simulated=True)

        return deliver

    monkeypatch.setattr("tests.unit.odd_action._deliver", pretending)
    run(odd("send"))
    row = database.one("select status, code from automation_execution_logs")
    assert row == {"status": "failed", "code": "simulated"}
    assert sent_to(database) == [("a@example.com", "simulated")]
