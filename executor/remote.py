"""The remote executor: has a whole execution run by one HTTP call, and says how it ended.

begin_calls (reads the row, notes that the call leaves) -> POST -> judge -> Outcome.  The callee is the app's edge
function `automation-executor`, or any URL with the same contract: `{workflowId, executionId, context}` in, `{success,
results?, error?}` out.  If the callee sets the status of the log itself, the settle keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from minutehand.executor.attempt import stop_details
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
from minutehand.store.json import Unwritable, dumps
from minutehand.store.secret_names import without_secrets

#: The key of the call as the execution's only step, by which a person resolves it (automation_resolve).
CALL = "(call)"

_ENDED = {
    Verdict.DONE: Ended.DONE,
    Verdict.RETRY: Ended.RETRY,
    Verdict.DEFERRED: Ended.DEFERRED,
    Verdict.PERMANENT: Ended.FAILED,
    Verdict.UNKNOWN: Ended.UNKNOWN,
}


class RemoteExecutor:
    """Calls the remote executor, for any number of executions at the same time.  Use it as an async context manager."""

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
        """Call once for one execution, and wait for its end.

        Errors: `LeaseLost` when another processor may own it now; `StoreError` when the database does not answer.
        """
        if self._stopping():
            return Outcome.of(execution, Ended.RELEASED)
        if CALL in execution.recorded:  # a person resolved it
            return Outcome.of(execution, Ended.DONE)
        execution.check_lease()
        context = await self._calls.ask({"id": execution.id, "token": execution.lease.token})
        if not context.held:
            raise LeaseLost(execution.id)
        if context.called and on_uncertain(execution.workflow) is not OnUncertain.RESEND:
            lost = StepResult.unknown("an earlier worker stopped after calling the executor, which may have run")
            return _end(execution, lost, ())
        if context.stop is not None:
            return Outcome.of(execution, **stop_details(context.stop))
        for name, why in context.hidden.items():
            if why.get("passing"):  # the callee may use any of them
                return _end(execution, StepResult.not_shown(name, why), ())
        try:
            body = call_body(execution, context)
        except Unwritable as error:
            return _end(execution, StepResult.permanent("bad_value", f"the call's body: {error}"), ())
        execution.check_lease()
        return await self._call(execution, body)

    async def _call(self, execution: Execution, body: bytes) -> Outcome:
        try:
            response = await self._http.request(
                "POST",
                self._remote.url,
                headers=self._remote.headers | call_headers(execution),
                body=body,
                timeout_seconds=self._remote.timeout_seconds,
                trusted=True,  # the operator's address
            )
        except HttpError as error:
            return _end(execution, error.as_result(), ())
        return _end(execution, judge_remote_response(response, execution.now()), reported_steps(response))


def call_headers(execution: Execution) -> dict[str, str]:
    """Return headers: the key, the cause that the callee names in its writes, the trace (R11, R13)."""
    key = send_key(execution.id, "", "executor", "", execution.resends.get(CALL, 0))
    return {"content-type": "application/json", **identity_headers(key, execution.id)}


def call_body(execution: Execution, context: Context) -> bytes:
    """Return the request's body: the app's contract.  Errors: `Unwritable`."""
    payload = {
        "workflowId": execution.workflow.id,
        "executionId": execution.id,
        "context": call_context(execution, context),
    }
    return dumps(payload).encode()


def call_context(execution: Execution, context: Context) -> Json:
    """Return what the callee sees: what templates see, with the row's id under the names that the app's executor reads.

    After a person's retry, `completed_steps` are the steps that need not run again (R7).  Columns that look like
    secrets are left out, and named in `left_out`: the callee can read them from the database.
    """
    payload = template_context(execution, context)
    payload["trigger_data"] = payload.pop("trigger")
    if context.type is not None and execution.entity_id is not None:
        payload |= {f"{context.type}_id": execution.entity_id, f"{context.type}Id": execution.entity_id}
    if done := [key for key, record in execution.recorded.items() if record.get("status") == "success"]:
        payload["completed_steps"] = done
    shown: Json
    shown, left_out = without_secrets(payload)
    return shown | ({"left_out": left_out} if left_out else {})


def on_uncertain(workflow: Workflow) -> OnUncertain:
    """Return `settings.on_uncertain` of the workflow; by default a person decides: many callees send without a key."""
    return on_uncertain_of({}, workflow.definition, "executor", OnUncertain.HOLD)


def _end(execution: Execution, result: StepResult, steps: tuple[dict[str, Any], ...]) -> Outcome:
    """Say how the call ended.  Steps are recorded only if the execution ends: not if all of it is to run again."""
    ended = _ENDED[result.verdict]
    return Outcome.of(
        execution,
        ended,
        steps=steps if ended in (Ended.DONE, Ended.FAILED) else (),
        code=result.code or None,
        reason=result.reason or None,
        retry_after_seconds=result.retry_after_seconds,
        give_up_seconds=result.give_up_seconds,
        on_uncertain=on_uncertain(execution.workflow) if ended is Ended.UNKNOWN else None,
    )
