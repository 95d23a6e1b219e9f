"""The local executor: runs an execution's steps in this process, and says how it ended.

context -> step -> record -> context -> step -> … -> Outcome.  A finished step is recorded before the next begins; the
record's answer brings the next step's context, so a step costs one call.  The last record travels with the settle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import structlog

from executor.actions import action_for
from executor.actions.contract import BadStep, RenderError, Step
from executor.dialects import read_steps
from executor.http import HttpClient
from executor.outcome import Ended, OnUncertain, Outcome, StepResult, Verdict
from executor.settings import ExecutorSettings
from executor.step_run import Held, LocalStepRun, note
from store import Context, Execution, Json, LeaseLost, Store, Workflow
from store.batch import Batch
from store.errors import StoreError

if TYPE_CHECKING:
    from executor.render import Renderer

#: The longest any step may take, whatever its action thinks: a plug-in that hangs must not hold a lane for ever.
STEP_SECONDS = 300

log = structlog.get_logger()


class LocalExecutor:
    """Runs executions in this process.  One serves any number of lanes; use it as an async context manager."""

    def __init__(
        self, store: Store, settings: ExecutorSettings, *, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._settings = settings
        self._stopping = stopping
        self._http = HttpClient(settings)
        self._plans: dict[tuple[str, int], tuple[Step, ...] | BadStep] = {}
        self._contexts = Batch(store.context, key_of_ask=_id, key_of_answer=lambda c: c.id)
        self._records = Batch(store.record_steps, key_of_ask=_id, key_of_answer=lambda c: c.id)
        self._reservations = Batch(store.reserve_sends, key_of_ask=_key, key_of_answer=lambda r: r.key)
        # A confirmation that another lease took over is no answer's loss: the sender goes on all the same.
        self._confirmations = Batch(_answer_all(store.confirm_sends), key_of_ask=_key, key_of_answer=str)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__(*exc)

    async def execute(self, execution: Execution) -> Outcome:
        """Run one execution's steps, from the first without a record.

        Errors: `LeaseLost` when another may own it now; `StoreError` when the database cannot be asked.
        """
        plan = self._plan(execution.workflow)
        if isinstance(plan, BadStep):
            return outcome(execution, Ended.FAILED, code="bad_workflow", reason=str(plan))
        steps = unfinished(plan, execution.recorded)
        record: Json | None = None
        for number, step in enumerate(steps):
            execution.check_lease()
            context = await self._look(execution, record, step)
            record = None
            if not context.held:
                raise LeaseLost(execution.id)
            if context.stop is not None:
                return outcome(execution, Ended(context.stop["ended"]), **_why(context.stop))
            if self._stopping():
                return outcome(execution, Ended.RELEASED, resume_step=step.key)
            try:
                result = await self._run(step, execution, context)
            except Held:
                return outcome(execution, Ended.RELEASED, resume_step=step.key, code="paused", reason="paused")
            record = step_record(step, result)
            if result.verdict in (Verdict.RETRY, Verdict.UNKNOWN):
                return _unfinished(execution, step, result, record, more=number + 1 < len(steps))
            if result.verdict is Verdict.PERMANENT and step.stop_on_error:
                break
        return outcome(execution, Ended.DONE, steps=(record,) if record else ())

    def _plan(self, workflow: Workflow) -> tuple[Step, ...] | BadStep:
        """Return the version's steps, read once."""
        key = (workflow.id, workflow.version)
        if key not in self._plans:
            try:
                self._plans[key] = read_steps(workflow.definition)
            except BadStep as error:
                self._plans[key] = error
        return self._plans[key]

    async def _look(self, execution: Execution, record: Json | None, step: Step) -> Context:
        """Record the step before, if there was one, and look once more before the next."""
        mine: Json = {"id": execution.id, "token": execution.lease.token}
        if record is None:
            return await self._contexts.ask(mine)
        return await self._records.ask(mine | {"step": record, "resume_step": step.key})

    async def _run(self, step: Step, execution: Execution, context: Context) -> StepResult:
        """Run one step.  Whatever its action does wrong ends this step, and nothing else."""
        run = LocalStepRun(
            step=step,
            execution=execution,
            context=template_context(execution, context),
            settings=self._settings,
            http=self._http,
            renderer=_renderer(execution.workflow),
            reservations=self._reservations,
            confirmations=self._confirmations,
        )
        try:
            async with asyncio.timeout(STEP_SECONDS):
                return await action_for(step.type).run(run)
        except BadStep as error:
            return StepResult.permanent("bad_step", str(error))
        except RenderError as error:
            return StepResult.permanent("unresolved_variable", str(error))
        except TimeoutError:
            return StepResult.unknown(f"the step was still running after {STEP_SECONDS} s")
        except (LeaseLost, Held, StoreError):
            raise
        except Exception as error:
            log.exception("action_crashed", execution_id=execution.id, step=step.key, action=step.type)
            return StepResult.permanent("action_crashed", f"the action `{step.type}` has a bug: {type(error).__name__}")


def outcome(execution: Execution, ended: Ended, **said: Any) -> Outcome:
    """Say how this execution's turn ended."""
    return Outcome(execution_id=execution.id, token=execution.lease.token, ended=ended, **said)


def unfinished(plan: tuple[Step, ...], recorded: dict[str, Json]) -> list[Step]:
    """Return the steps that are still to run: none after a failed one that says `stop_on_error`."""
    steps = []
    for step in plan:
        record = recorded.get(step.key)
        if record is None:
            steps.append(step)
        elif step.stop_on_error and record.get("status") == "failed":
            return []
    return steps


def step_record(step: Step, result: StepResult) -> Json:
    """Return a step's end as `actions_executed` keeps it: the app's own shape, with a code."""
    done = result.verdict is Verdict.DONE
    record: Json = {
        "stepId": step.key,
        "name": step.name,
        "status": "success" if done else "failed",
        "result": {"type": step.type, **result.result},
    }
    if not done:
        record |= {"code": result.code, "error": result.reason}
    if (send := note(result.send)) is not None:
        record["send"] = send
    return record


def template_context(execution: Execution, context: Context) -> Json:
    """Return what templates see: the row under its type, linked rows, the old row, the trigger and the workflow."""
    seen: Json = dict(context.links)
    if context.type is not None and context.row is not None:
        seen[context.type] = context.row
    seen["old"] = context.old
    seen["trigger"] = execution.trigger_data
    seen["workflow"] = {"id": execution.workflow.id, "name": execution.workflow.name}
    return seen


def _unfinished(execution: Execution, step: Step, result: StepResult, record: Json, *, more: bool) -> Outcome:
    ended = Ended.RETRY if result.verdict is Verdict.RETRY else Ended.UNKNOWN
    return outcome(
        execution,
        ended,
        steps=(record,),
        code=result.code,
        reason=f"step {step.name}: {result.reason}",
        more=more and not step.stop_on_error,
        retry_after_seconds=result.retry_after_seconds,
        resume_step=step.key,
        on_uncertain=_on_uncertain(step, result) if ended is Ended.UNKNOWN else None,
    )


def _on_uncertain(step: Step, result: StepResult) -> OnUncertain:
    """The step's own word wins over its channel's default."""
    asked = step.config.get("on_uncertain")
    return OnUncertain(asked) if asked in set(OnUncertain) else result.on_uncertain


def _renderer(workflow: Workflow) -> Renderer:
    from executor.render import Renderer

    settings = workflow.definition.get("settings")
    unresolved = settings.get("unresolved") if isinstance(settings, dict) else None
    if isinstance(unresolved, dict) and isinstance(unresolved.get("default"), str):
        return Renderer("default", unresolved["default"])
    return Renderer("blank") if unresolved == "blank" else Renderer()


def _why(stop: Json) -> Json:
    return {"code": stop["code"], "reason": stop["reason"]}


def _id(ask: Json) -> str:
    return str(ask["id"])


def _key(ask: Json) -> str:
    return str(ask["key"])


def _answer_all(confirm: Callable[[list[Json]], Any]) -> Callable[[list[Json]], Any]:
    async def confirm_all(sends: list[Json]) -> list[str]:
        await confirm(sends)
        return [_key(send) for send in sends]

    return confirm_all
