"""The local executor: runs an execution's steps in this process, and says how the execution ended.

refresh -> step -> refresh -> step -> … -> Outcome.  The refresh before a step also records how the previous one ended,
and reserves the send that follows, so a step costs one call (attempt.py).  The last record travels with the settle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from minutehand.executor import tracing
from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.attempt import Attempt, ExecutionPaused, ExecutionStopped, stop_details
from minutehand.executor.dialects import read_plan
from minutehand.executor.http.client import HttpClient
from minutehand.executor.link_use import needs_row
from minutehand.executor.log import structlog
from minutehand.executor.outcome import Ended, OnUncertain, Outcome, StepResult, Verdict, error_details
from minutehand.executor.paces import Refusals
from minutehand.executor.redirect import refusal, settings_of
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.step_order import next_step, remaining_steps
from minutehand.executor.step_record import step_record
from minutehand.executor.step_run import LocalStepRun
from minutehand.executor.step_view import run_action, template_context
from minutehand.executor.turns import Turns, is_costly
from minutehand.store import Context, Execution, Json, Store, Workflow
from minutehand.store.batch import Batch
from minutehand.store.errors import StoreError

if TYPE_CHECKING:
    from minutehand.executor.templates.render import Renderer

#: The longest that a step may take, whatever its action does: a plug-in that hangs must not block a lane for ever.
STEP_SECONDS = 300

#: Workflow versions whose steps are kept: the last ones used.
MAX_PLANS = 1000
#: These change nothing outside, so the view stays fresh after them.
WITHOUT_EFFECT = ("condition", "stop", "wait")

log = structlog.get_logger()


class LocalExecutor:
    """Runs executions in this process, any number at the same time.  Use it as an async context manager."""

    def __init__(
        self, store: Store, settings: ExecutorSettings, *, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._store = store
        self._settings = settings
        self._stopping = stopping
        self._http = HttpClient(settings)
        self._turns = Turns()
        self._refusals = Refusals()
        self._plans: dict[tuple[str, int], tuple[Step, ...] | BadStep] = {}
        self._advances = Batch(store.advance, key_of_ask=lambda ask: str(ask["id"]), key_of_answer=lambda c: c.id)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__(*exc)

    async def execute(self, execution: Execution) -> Outcome:
        """Run one execution's steps, from the first without a record.

        Errors: `LeaseLost` when another processor may own the execution now.
        """
        attempt = Attempt(execution, self._advances)
        plan = self._plan(execution.workflow)
        if isinstance(plan, BadStep):
            return attempt.outcome(Ended.FAILED, code="bad_workflow", reason=str(plan))
        step: Step | None = None
        try:
            for step in remaining_steps(plan, attempt.recorded):
                if self._stopping():
                    return attempt.outcome(Ended.RELEASED, resume_step=step.key)
                if (outcome := await self._run(attempt, plan, step)) is not None:
                    return outcome
        except ExecutionStopped as error:
            return attempt.outcome(resume_step=step.key if step else None, **stop_details(error.stop))
        except ExecutionPaused:
            key = step.key if step else None
            return attempt.outcome(Ended.RELEASED, resume_step=key, code="paused", reason="paused")
        except StoreError as error:
            log.warning("execution_deferred", code=error.code, reason=str(error))
            key = step.key if step else None
            return attempt.outcome(Ended.DEFERRED, resume_step=key, **error_details(error))
        return attempt.outcome(Ended.DONE)

    def _plan(self, workflow: Workflow) -> tuple[Step, ...] | BadStep:
        """Return the steps of the workflow's version, parsed once while it is in use."""
        key = (workflow.id, workflow.version)
        plan = self._plans.pop(key) if key in self._plans else _plan_of(workflow)
        self._plans[key] = plan  # the newest last
        if len(self._plans) > MAX_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    async def _run(self, attempt: Attempt, plan: tuple[Step, ...], step: Step) -> Outcome | None:
        """Run one step; returns the outcome if the attempt ends with it."""
        began = attempt.execution.now()
        with tracing.step(step) as report:
            result = await attempt.run_step(
                step.key,
                lambda context: self._run_once(attempt, step, context),
                has_effect=step.type not in WITHOUT_EFFECT,
                reserves=_reserves(step),
            )
            report(result.verdict.value, result.code)
        record = step_record(step, result, began, attempt.execution.now())
        if result.ends:
            reason = f"step {step.name}: {result.reason}"
            return attempt.outcome(Ended.SKIPPED, resume_step=step.key, code=result.code, reason=reason)
        following = next_step(plan, attempt.recorded | {step.key: record})
        details: Json = {"code": result.code, "reason": f"step {step.name}: {result.reason}", "resume_step": step.key}
        match result.verdict:
            case Verdict.LATER:
                return attempt.outcome(Ended.WAITING, due_in_seconds=result.wait_seconds, **details)
            case Verdict.DEFERRED:
                give_up = step.give_up_seconds if result.give_up_seconds is None else result.give_up_seconds
                details |= {"retry_after_seconds": result.retry_after_seconds, "give_up_seconds": give_up}
                details["due_in_seconds"] = result.wait_seconds
                return attempt.outcome(Ended.DEFERRED, steps=(record,), more=following is not None, **details)
            case Verdict.RETRY:
                details["retry_after_seconds"] = result.retry_after_seconds
                return attempt.outcome(Ended.RETRY, steps=(record,), more=following is not None, **details)
            case Verdict.UNKNOWN:
                details["on_uncertain"] = result.on_uncertain or OnUncertain.RESEND
                return attempt.outcome(Ended.UNKNOWN, steps=(record,), more=following is not None, **details)
        waits = bool(result.wait_seconds) and following is not None
        if waits and result.again is not None:
            record["result"]["again"] = result.again.value
        attempt.add_record(record)
        if not waits or following is None:
            return None
        return attempt.outcome(
            Ended.WAITING,
            due_in_seconds=result.wait_seconds,
            resume_step=following.key if result.again is None else step.key,
            code="waiting",
            reason=f"step {step.name}: until {result.result.get('until', 'later')}",
        )

    async def _run_once(self, attempt: Attempt, step: Step, context: Context) -> StepResult:
        if is_costly(step.config):
            definition = attempt.execution.workflow.definition
            await self._turns.wait(str(definition.get("organization_id") or definition.get("user_id") or ""))
        run = LocalStepRun(
            step=step,
            context=template_context(attempt.execution, context),
            settings=settings_of(self._settings, attempt.execution.test),
            renderer=lambda: _renderer(attempt.execution.workflow),
            evaluate=self._store.evaluate,
            hidden=context.hidden,
            attempt=attempt,
            http=self._http,
            store=self._store,
            refusals=self._refusals,
        )
        if (refused := refusal(step.type, attempt.execution.test)) is not None:
            return refused
        if context.unwatched is not None and needs_row(step, context.unwatched["type"]):
            return StepResult.unwatched(context.unwatched)
        result = await run_action(run, seconds=STEP_SECONDS)
        if context.unwatched is not None and result.code in ("unresolved_variable", "no_recipient"):
            return StepResult.unwatched(context.unwatched)
        return result


def _reserves(step: Step) -> bool:
    """Whether the step's first act is a send that reserves: see `Action`."""
    return bool(getattr(action_for(step.type), "reserves", False))


def _renderer(workflow: Workflow) -> Renderer:
    from minutehand.executor.templates.render import renderer_of

    return renderer_of(workflow.definition)


def _plan_of(workflow: Workflow) -> tuple[Step, ...] | BadStep:
    try:
        plan = read_plan(workflow.definition)
    except BadStep as error:
        return error
    return plan.steps or BadStep(plan.nothing)
