"""The local executor: runs an execution's steps in this process, and says how it ended.

look -> step -> look -> step -> … -> Outcome.  The look before a step also tells how the one before it ended, and
reserves the send that is to leave, so a step costs one call (attempt.py).  The last end travels with the settle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

import structlog

from minutehand.executor import tracing
from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import Action, BadStep, RenderError, Step
from minutehand.executor.attempt import Attempt, ExecutionPaused, ExecutionStopped, RowChanged
from minutehand.executor.dialects import read_steps
from minutehand.executor.http.client import HttpClient
from minutehand.executor.outcome import Ended, OnUncertain, Outcome, StepResult, Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.step_order import next_step
from minutehand.executor.step_record import step_record
from minutehand.executor.step_run import LocalStepRun
from minutehand.store import Context, Execution, Json, LeaseLost, Store, Workflow
from minutehand.store.batch import Batch
from minutehand.store.errors import StoreError

#: The longest any step may take, whatever its action thinks: a plug-in that hangs must not hold a lane for ever.
STEP_SECONDS = 300

#: A long-lived worker meets many versions: it keeps the steps of those that it met last.
MAX_PLANS = 1000
#: What these did is lost without harm: they are done again.
WITHOUT_EFFECT = ("condition", "stop", "wait")

log = structlog.get_logger()


class LocalExecutor:
    """Runs executions in this process.  One serves any number of lanes; use it as an async context manager."""

    def __init__(
        self, store: Store, settings: ExecutorSettings, *, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._store = store
        self._settings = settings
        self._stopping = stopping
        self._http = HttpClient(settings)
        self._plans: dict[tuple[str, int], tuple[Step, ...] | BadStep] = {}
        self._advances = Batch(store.advance, key_of_ask=lambda ask: str(ask["id"]), key_of_answer=lambda c: c.id)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__(*exc)

    async def execute(self, execution: Execution) -> Outcome:
        """Run one execution's steps, from the first without a record.

        Errors: `LeaseLost` when another may own it now.
        """
        attempt = Attempt(execution, self._advances)
        plan = self._plan(execution.workflow)
        if isinstance(plan, BadStep):
            return attempt.outcome(Ended.FAILED, code="bad_workflow", reason=str(plan))
        step: Step | None = None
        try:
            while (step := next_step(plan, attempt.recorded)) is not None:
                if self._stopping():
                    return attempt.outcome(Ended.RELEASED, resume_step=step.key)
                began = datetime.now(UTC)
                end = self._end(attempt, plan, step, await self._run(step, attempt), began)
                if end is not None:
                    return end
        except ExecutionStopped as why:
            return attempt.outcome(Ended(why.stop["ended"]), code=why.stop["code"], reason=why.stop["reason"])
        except (ExecutionPaused, StoreError) as error:
            said = {"code": "paused", "reason": "paused"} if isinstance(error, ExecutionPaused) else {}
            if not said:
                log.warning("execution_released", reason=str(error))
            return attempt.outcome(Ended.RELEASED, resume_step=step.key if step else None, **said)
        return attempt.outcome(Ended.DONE)

    def _plan(self, workflow: Workflow) -> tuple[Step, ...] | BadStep:
        """Return the version's steps, read once while it is in use."""
        key = (workflow.id, workflow.version)
        plan = self._plans.pop(key) if key in self._plans else _plan_of(workflow)
        self._plans[key] = plan  # the newest last
        if len(self._plans) > MAX_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    def _end(
        self, attempt: Attempt, plan: tuple[Step, ...], step: Step, result: StepResult, began: datetime
    ) -> Outcome | None:
        """Note how a step ended; returns how the turn ends, if it does."""
        record = step_record(step, result, began)
        after = next_step(plan, attempt.recorded | {step.key: record})
        said: Json = {"code": result.code, "reason": f"step {step.name}: {result.reason}", "resume_step": step.key}
        match result.verdict:
            case Verdict.LATER:
                return attempt.outcome(Ended.WAITING, due_in_seconds=result.wait_seconds, **said)
            case Verdict.RETRY:
                said["retry_after_seconds"] = result.retry_after_seconds
                return attempt.outcome(Ended.RETRY, steps=(record,), more=after is not None, **said)
            case Verdict.UNKNOWN:
                said["on_uncertain"] = result.on_uncertain or OnUncertain.RESEND
                return attempt.outcome(Ended.UNKNOWN, steps=(record,), more=after is not None, **said)
        attempt.add(record)
        if result.wait_seconds and after is not None:
            reason = f"step {step.name}: until {result.result.get('until', 'later')}"
            seconds = result.wait_seconds
            return attempt.outcome(
                Ended.WAITING, due_in_seconds=seconds, resume_step=after.key, code="waiting", reason=reason
            )
        return None

    async def _run(self, step: Step, attempt: Attempt) -> StepResult:
        with tracing.step(step) as tell:
            result = await self._run_whole(step, attempt)
            tell(result.verdict.value, result.code)
            return result

    async def _run_whole(self, step: Step, attempt: Attempt) -> StepResult:
        """Run one step, from its beginning again where its row changed before anything left."""
        attempt.begin()
        action = action_for(step.type)
        if not attempt.is_fresh and not (attempt.has_looked and getattr(action, "reserves", False)):
            await attempt.refresh(step.key)
        while True:
            try:
                result = await self._try(action, step, attempt)
                if not attempt.looked and not attempt.is_fresh:  # it ended on what an older look showed
                    await attempt.refresh(step.key)
                if step.type not in WITHOUT_EFFECT:
                    attempt.is_fresh = (
                        False  # also where a plug-in acted past `send`: it is told before the next begins
                    )
                return result
            except RowChanged:
                continue

    async def _try(self, action: Action, step: Step, attempt: Attempt) -> StepResult:
        """Run one step once.  Whatever its action does wrong ends this step, and nothing else."""
        from minutehand.executor.templates.render import renderer_of

        run = LocalStepRun(
            step=step,
            attempt=attempt,
            context=template_context(attempt.execution, attempt.render()),
            settings=self._settings,
            http=self._http,
            renderer=renderer_of(attempt.execution.workflow.definition),
            store=self._store,
        )
        limit = asyncio.timeout(STEP_SECONDS)
        try:
            async with limit:
                return await action.run(run)
        except BadStep as error:
            return StepResult.permanent("bad_step", str(error))
        except RenderError as error:
            return StepResult.permanent(error.code, str(error))
        except (LeaseLost, ExecutionPaused, RowChanged, ExecutionStopped, StoreError):
            raise
        except Exception as error:
            if limit.expired():
                reason = f"the step was still running after {STEP_SECONDS} s"
                return StepResult.unknown(reason, on_uncertain=run.policy)
            log.exception("action_crashed", step=step.key, action=step.type)
            reason = f"the action `{step.type}` has a bug: {type(error).__name__}"
            if run.policy is not None:  # its message was leaving
                return StepResult.unknown(f"{reason}; the message may have left", on_uncertain=run.policy)
            return StepResult.permanent("action_crashed", reason)


def _plan_of(workflow: Workflow) -> tuple[Step, ...] | BadStep:
    try:
        return read_steps(workflow.definition)
    except BadStep as error:
        return error


def template_context(execution: Execution, context: Context) -> Json:
    """Return what templates see: the row under its type, linked rows, the old row, the trigger and the workflow."""
    seen: Json = dict(context.links)
    if context.type is not None and context.row is not None:
        seen[context.type] = context.row
    seen["old"] = context.old
    seen["trigger"] = execution.trigger_data
    seen["workflow"] = {"id": execution.workflow.id, "name": execution.workflow.name}
    return seen
