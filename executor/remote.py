"""The executor elsewhere: hands an execution over as a whole, in one call, and says how that ended.

begin_calls (the last look; the note that the call leaves) -> POST -> judge -> Outcome.  The callee is the app's edge
function `automation-executor` or any URL that speaks its contract: `{workflowId, executionId, context}` in, `{success,
results?, error?}` out.  A callee that marks the log itself is respected by the settle.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from minutehand.executor.http.client import HttpClient, HttpError
from minutehand.executor.http.outgoing import identity_headers
from minutehand.executor.http.remote_response import judge_remote_response, reported_steps
from minutehand.executor.outcome import Ended, OnUncertain, Outcome, StepResult, Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.step_run import on_uncertain_of, send_key
from minutehand.executor.step_view import template_context
from minutehand.store import Context, Execution, Json, LeaseLost, Store, Workflow
from minutehand.store.batch import Batch
from minutehand.store.errors import BadConfiguration
from minutehand.store.json import dumps

#: The one step of an execution that is handed over, as a person's word on it names it (automation_resolve).
CALL = "(call)"

_ENDED = {
    Verdict.DONE: Ended.DONE,
    Verdict.RETRY: Ended.RETRY,
    Verdict.PERMANENT: Ended.FAILED,
    Verdict.UNKNOWN: Ended.UNKNOWN,
}


class RemoteExecutor:
    """Hands executions over.  One serves any number of lanes; use it as an async context manager."""

    def __init__(
        self,
        store: Store,
        settings: ExecutorSettings,
        *,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        if settings.remote is None:
            raise BadConfiguration("the executors function and http need an address")
        self._remote = settings.remote
        self._stopping = stopping
        self._http = HttpClient(settings)
        self._calls = Batch(store.begin_calls, key_of_ask=lambda ask: str(ask["id"]), key_of_answer=lambda c: c.id)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__(*exc)

    async def execute(self, execution: Execution) -> Outcome:
        """Hand one execution over and wait for its end.

        Errors: `LeaseLost` when another may own it now; `StoreError` when the database cannot be asked.
        """
        if self._stopping():
            return Outcome.of(execution, Ended.RELEASED)
        if CALL in execution.recorded:  # a person has said how it ended
            return Outcome.of(execution, Ended.DONE)
        execution.check_lease()
        context = await self._calls.ask({"id": execution.id, "token": execution.lease.token})
        if not context.held:
            raise LeaseLost(execution.id)
        if context.called and on_uncertain(execution.workflow) is not OnUncertain.RESEND:
            lost = StepResult.unknown("an earlier worker stopped after calling the executor, which may have run")
            return _end(execution, lost, ())
        if context.stop is not None:
            stop = context.stop
            return Outcome.of(execution, Ended(stop["ended"]), code=stop["code"], reason=stop["reason"])
        execution.check_lease()
        return await self._call(execution, context)

    async def _call(self, execution: Execution, context: Context) -> Outcome:
        try:
            response = await self._http.request(
                "POST",
                self._remote.url,
                headers=self._remote.headers | call_headers(execution),
                body=call_body(execution, context),
                timeout_seconds=self._remote.timeout_seconds,
                trusted=True,  # the operator's address
            )
        except HttpError as error:
            return _end(execution, error.as_result(), ())
        return _end(execution, judge_remote_response(response, datetime.now(UTC)), reported_steps(response))


def call_headers(execution: Execution) -> dict[str, str]:
    """What lets the callee know a repeat, its writes their cause (R11, R13), and its spans the trace."""
    key = send_key(execution.id, "", "executor", "", execution.resends.get(CALL, 0))
    return {"content-type": "application/json", **identity_headers(key, execution.id)}


def call_body(execution: Execution, context: Context) -> bytes:
    """The app's contract; what cannot be JSON is cleaned as at the door."""
    told = {
        "workflowId": execution.workflow.id,
        "executionId": execution.id,
        "context": call_context(execution, context),
    }
    return dumps(told).encode()


def call_context(execution: Execution, context: Context) -> Json:
    """Return what the callee sees: as templates do, with the row's id under the names that the app's executor reads.

    `completed_steps`, after a person's retry, are the steps that need not run again (R7).
    """
    told = template_context(execution, context)
    told["trigger_data"] = told.pop("trigger")
    if context.type is not None and execution.entity_id is not None:
        told |= {f"{context.type}_id": execution.entity_id, f"{context.type}Id": execution.entity_id}
    if done := [key for key, record in execution.recorded.items() if record.get("status") == "success"]:
        told["completed_steps"] = done
    return told


def on_uncertain(workflow: Workflow) -> OnUncertain:
    """The workflow's own word, `settings.on_uncertain`; else a person looks, since many callees send without a key."""
    return on_uncertain_of({}, workflow.definition, "executor", OnUncertain.HOLD)


def _end(execution: Execution, result: StepResult, steps: tuple[dict[str, Any], ...]) -> Outcome:
    """Say how the call ended.  Steps are told where they have an end: not while the whole is to run again."""
    ended = _ENDED[result.verdict]
    return Outcome.of(
        execution,
        ended,
        steps=steps if ended in (Ended.DONE, Ended.FAILED) else (),
        code=result.code or None,
        reason=result.reason or None,
        retry_after_seconds=result.retry_after_seconds,
        on_uncertain=on_uncertain(execution.workflow) if ended is Ended.UNKNOWN else None,
    )
