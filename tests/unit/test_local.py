"""The local executor over a real database; its actions do what the test asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.executor import actions
from minutehand.executor.actions.contract import Step
from minutehand.executor.local import LocalExecutor
from minutehand.executor.outcome import Ended, OnUncertain, Outcome, Send, StepResult
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.step_order import next_step
from minutehand.executor.step_record import step_record
from minutehand.executor.step_run import send_key
from minutehand.executor.step_view import template_context
from minutehand.store import Context, LeaseLost, Store
from tests.servers import CLAIM
from tests.unit.executions import execution


@pytest.fixture(autouse=True)
def odd_action(monkeypatch):
    monkeypatch.setitem(actions.BUILT_IN, "odd", "tests.unit.odd_action:OddAction")


@pytest.fixture
def run(database) -> Callable[..., Outcome]:
    """Execute the given steps once; with `before`, SQL that somebody runs between the claim and the execution."""

    def go(*steps: Any, before: str = "", recorded: Any = None, stopping: bool = False, **columns: Any) -> Outcome:
        workflow = database.one(
            "insert into automation_workflows (name, organization_id, trigger_type, steps, settings)"
            " values ('W', 'north', 'x', %s, %s) returning id",
            Jsonb(list(steps)),
            Jsonb(columns.pop("settings", {})),
        )["id"]
        database.sql(
            "insert into automation_execution_logs (workflow_id, organization_id, workflow_version, event_id,"
            ' actions_executed, trigger_data) values (%s, \'north\', 1, 1, %s, \'{"payload": {"who": "you"}}\')',
            workflow,
            Jsonb(recorded or []),
        )
        return asyncio.run(_run(database, before, stopping))

    return go


async def _run(database, before: str, stopping: bool) -> Outcome:
    store = Store.postgres(database.url)
    try:
        (claimed,) = (await store.claim(1, **CLAIM)).executions
        if before:
            database.sql(before)
        async with LocalExecutor(store, ExecutorSettings(), stopping=lambda: stopping) as executor:
            outcome = await executor.execute(claimed)
        await store.settle([outcome.as_json()])
        return outcome
    finally:
        await store.close()


def odd(do: str, **more: Any) -> dict[str, Any]:
    return {"type": "odd", "config": {"do": do, **more}, **({"id": more["id"]} if "id" in more else {})}


def records(database) -> list[tuple[str, str]]:
    found = database.one("select actions_executed from automation_execution_logs")["actions_executed"]
    return [(record["stepId"], record["status"]) for record in found]


def test_steps_run_in_turn_and_each_is_recorded_before_the_next(run, database):
    outcome = run(odd("well"), odd("refuse", id="no"), odd("well"))
    assert outcome.ended is Ended.DONE
    assert [step["stepId"] for step in outcome.earlier] == ["3"]  # the last travels with the settle
    assert records(database) == [("1", "success"), ("no", "failed"), ("3", "success")]


def test_what_is_recorded_is_not_run_again(run, database):
    done = {"stepId": "1", "status": "success"}
    outcome = run(odd("crash"), odd("well"), recorded=[done])
    assert outcome.ended is Ended.DONE
    assert records(database) == [("1", "success"), ("2", "success")]


def test_a_retry_stops_there_and_says_what_follows(run):
    outcome = run(odd("well"), odd("retry"), odd("well"))
    assert (outcome.ended, outcome.code, outcome.more, outcome.retry_after_seconds) == (Ended.RETRY, "busy", True, 7)
    assert (outcome.resume_step, outcome.reason) == ("2", "step 2 (odd): come back")


def test_a_deferral_says_for_how_long_the_step_is_tried(run, database):
    outcome = run(odd("well"), odd("defer") | {"give_up_after": "2 hours"}, odd("well"))
    assert (outcome.ended, outcome.code, outcome.more) == (Ended.DEFERRED, "busy", True)
    assert (outcome.retry_after_seconds, outcome.give_up_seconds, outcome.resume_step) == (7, 7200, "2")
    assert database.one("select status, attempt from automation_execution_logs") == {"status": "pending", "attempt": 0}


def test_a_retry_of_the_last_step_says_that_nothing_follows(run):
    assert run(odd("well"), odd("retry")).more is False


def test_nothing_follows_a_step_that_stops_on_error(run, database):
    assert run(odd("refuse") | {"stop_on_error": True}, odd("well")).ended is Ended.DONE
    assert records(database) == [("1", "failed")]


def test_a_retry_of_a_step_that_stops_on_error_promises_no_more(run):
    assert run(odd("retry") | {"stop_on_error": True}, odd("well")).more is False


@pytest.mark.parametrize(
    ("do", "code", "reason"),
    [
        ("crash", "action_crashed", "the action `odd` has a bug: ZeroDivisionError"),
        ("bad", "bad_step", "`x` is missing"),
        ("render", "unresolved_variable", "nobody"),
    ],
)
def test_what_an_action_does_wrong_ends_its_step_and_nothing_else(run, database, do, code, reason):
    run(odd(do, text="{{nobody.name}}"), odd("well"))
    assert records(database) == [("1", "failed"), ("2", "success")]
    record = database.one("select actions_executed -> 0 as r from automation_execution_logs")["r"]
    assert record["code"] == code
    assert reason in record["error"]


def test_an_action_that_hangs_is_cut_off_and_its_fate_unknown(run, monkeypatch):
    monkeypatch.setattr("minutehand.executor.local.STEP_SECONDS", 0.05)
    outcome = run(odd("hang"))
    assert (outcome.ended, outcome.code) == (Ended.UNKNOWN, "uncertain_send")


@pytest.mark.parametrize(("error", "name"), [("bug", "ZeroDivisionError"), ("timeout", "TimeoutError")])
@pytest.mark.parametrize("policy", ["hold", "drop"])
def test_what_breaks_while_a_message_leaves_leaves_its_fate_open(run, database, error, name, policy):
    outcome = run(odd("send", raises=error, on_uncertain=policy))
    assert (outcome.ended, outcome.on_uncertain) == (Ended.UNKNOWN, policy)
    assert outcome.reason == f"step 1 (odd): the action `odd` has a bug: {name}; the message may have left"
    sent = database.one("select status, error_message from communication_logs")
    assert sent == {"status": "uncertain", "error_message": "it may have left before it was cut off"}


def test_templates_see_the_payload(run, database):
    run(odd("render", text="{{trigger.payload.who}} in {{workflow.name}}"))
    found = database.one("select actions_executed -> 0 -> 'result' ->> 'said' as said from automation_execution_logs")
    assert found["said"] == "you in W"


@pytest.mark.parametrize(
    ("unresolved", "said"), [("blank", "<>"), ({"default": "friend"}, "<friend>"), ("fail", None), (7, None)]
)
def test_the_workflow_says_what_becomes_of_unresolved_variables(run, database, unresolved, said):
    run(odd("render", text="<{{nobody.name}}>"), settings={"unresolved": unresolved})
    found = database.one("select actions_executed -> 0 -> 'result' ->> 'said' as said from automation_execution_logs")
    assert found["said"] == said


def test_a_lease_that_another_took_ends_it_before_the_first_step(run, database):
    with pytest.raises(LeaseLost):
        run(odd("crash"), before="update automation_execution_logs set lease_token = gen_random_uuid()")
    assert records(database) == []


def test_a_stop_releases_it_before_the_first_step(run, database):
    outcome = run(odd("crash"), stopping=True)
    assert (outcome.ended, outcome.resume_step) == (Ended.RELEASED, "1")
    assert database.one("select status, attempt from automation_execution_logs") == {"status": "pending", "attempt": 0}


def test_a_send_is_reserved_and_confirmed(run, database):
    run(odd("send"))
    row = database.one("select * from communication_logs")
    assert (row["status"], row["external_id"], row["recipient"]) == ("sent", "X-1", "a@example.com")
    result = database.one("select actions_executed -> 0 -> 'result' as r from automation_execution_logs")["r"]
    assert result == {"type": "odd", "status": "sent", "recipient": "a@example.com", "external_id": "X-1"}


@pytest.mark.parametrize(
    ("verdict", "status", "ended"),
    [("retry", "failed", Ended.RETRY), ("permanent", "failed", Ended.DONE), ("unknown", "uncertain", Ended.UNKNOWN)],
)
def test_a_send_that_did_not_work_is_told_as_what_it_was(run, database, verdict, status, ended):
    outcome = run(odd("send", verdict=verdict))
    assert outcome.ended is ended
    assert database.one("select status from communication_logs")["status"] == status


@pytest.mark.parametrize(("said", "becomes"), [(None, "hold"), ("resend", "resend"), ("drop", "drop"), ("x", "hold")])
def test_the_steps_own_word_decides_what_becomes_of_an_uncertain_send(run, said, becomes):
    outcome = run(odd("send", verdict="unknown", **({"on_uncertain": said} if said else {})))
    assert outcome.on_uncertain is OnUncertain(becomes)


def test_a_message_that_was_reserved_by_another_lease_is_not_sent(run, database):
    database.sql("create function reserve() returns trigger language plpgsql as $$ begin"
                 " insert into communication_logs (status, idempotency_key, lease_token)"
                 " values ('reserved', encode(substring(sha256(convert_to(new.id || E'\\n1\\nsend\\na@example.com',"
                 " 'UTF8')) for 16), 'hex'), gen_random_uuid()); return new; end $$")  # fmt: skip
    database.sql("create trigger t before insert on automation_execution_logs for each row execute function reserve()")
    outcome = run(odd("send"))
    assert (outcome.ended, outcome.on_uncertain) == (Ended.UNKNOWN, OnUncertain.HOLD)
    assert "an earlier worker stopped while sending" in str(outcome.reason)


def test_the_key_of_a_send_names_execution_step_channel_and_recipient():
    assert send_key("e", "1", "email", "a@b") == send_key("e", "1", "email", "a@b")
    names = {send_key(*words) for words in
             [("e", "1", "email", "a"), ("f", "1", "email", "a"), ("e", "2", "email", "a"), ("e", "1", "sms", "a"),
              ("e", "1", "email", "b")]}  # fmt: skip
    assert len(names) == 5


def order(plan, recorded):
    """The keys of the steps that run from here on, when each of them works."""
    recorded, keys = dict(recorded), []
    while (step := next_step(plan, recorded)) is not None:
        keys.append(step.key)
        recorded[step.key] = {"status": "success"}
    return keys


def plan_of(*keys, **more):
    return tuple(Step(key=key, path=key, type="odd", name=key, **more) for key in keys)


def test_what_is_left_is_what_has_no_record():
    plan = plan_of("1") + plan_of("2", stop_on_error=True) + plan_of("3")
    assert order(plan, {}) == ["1", "2", "3"]
    assert order(plan, {"1": {"status": "failed"}}) == ["2", "3"]
    assert order(plan, {"1": {}, "2": {"status": "failed"}}) == []
    assert order(plan, {"2": {"status": "success"}}) == ["1", "3"]


def test_a_condition_is_followed_by_its_branch_and_then_by_what_follows_it():
    fork = Step(key="if", path="1", type="condition", name="if", then=plan_of("a", "b"), otherwise=plan_of("c"))
    plan = (fork, *plan_of("last"))
    assert order(plan, {"if": {"status": "success", "result": {"held": True}}}) == ["a", "b", "last"]
    assert order(plan, {"if": {"status": "success", "result": {"held": False}}}) == ["c", "last"]
    assert order(plan, {"if": {"status": "failed"}}) == [], "nobody knows which"


def test_a_stop_ends_it_from_within_a_branch():
    stop = Step(key="stop", path="1.else.1", type="stop", name="stop")
    plan = (Step(key="if", path="1", type="condition", name="if", otherwise=(stop,)), *plan_of("last"))
    assert order(plan, {"if": {"result": {"held": True}}}) == ["last"]
    assert order(plan, {"if": {"result": {"held": False}}}) == ["stop"]


def test_a_record_is_in_the_apps_shape():
    step = Step(key="a1", path="1", type="email", name="Say hello")
    send = Send(channel="webhook", recipient="r", sender="s", key="k")
    assert step_record(step, StepResult.done(send=send, status=200)) == {
        "stepId": "a1",
        "name": "Say hello",
        "status": "success",
        "result": {"type": "email", "status": 200},
        "send": {"channel": "webhook", "recipient": "r", "sender": "s", "key": "k", "external_id": None},
    }
    failed = step_record(step, StepResult.permanent("no_recipient", "nobody"))
    assert (failed["status"], failed["code"], failed["error"]) == ("failed", "no_recipient", "nobody")


def test_a_record_tells_when_its_step_ran():
    step = Step(key="a1", path="1", type="email", name="Say hello")
    began, ended = datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 3, 1, 10, 0, 1, 500_000, tzinfo=UTC)
    record = step_record(step, StepResult.done(), began, ended)
    assert record["startedAt"] == "2026-03-01T10:00:00.000+00:00"
    assert record["finishedAt"] == "2026-03-01T10:00:01.500+00:00"


def test_templates_see_the_row_under_its_type_and_its_links():
    context = Context(
        id="e1", held=True, stop=None, type="job", row={"id": "J-1"}, old=None, links={"client": {"a": 1}}
    )
    seen = template_context(execution(trigger_data={"new_status": "x"}), context)
    assert seen == {
        "client": {"a": 1},
        "job": {"id": "J-1"},
        "old": None,
        "trigger": {"new_status": "x"},
        "workflow": {"id": "w1", "name": "Thank the client"},
    }
