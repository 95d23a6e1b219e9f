"""A workflow rehearsed: every step is filled in and judged as in a run, and nothing leaves.

`DryStepRun` is the contract's `StepRun` with no sender behind it: no HTTP client, no reservation, no lease, and `send`
never calls what would deliver.  The database is asked what a run would see (`automation_dry_run`) and whether
conditions hold; it is not written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import BadStep, Deliver, Message, RenderError, Step
from minutehand.executor.dialects import read_steps
from minutehand.executor.outcome import OnUncertain, StepResult, Verdict
from minutehand.executor.step_order import next_step
from minutehand.executor.step_record import step_record
from minutehand.store import Context, Execution, Json, Lease, Workflow

if TYPE_CHECKING:
    from minutehand.executor.http.client import HttpClient
    from minutehand.executor.settings import ExecutorSettings
    from minutehand.executor.templates.render import Renderer

#: The longest a step may take to say what it would do.
STEP_SECONDS = 30
#: Stands for the execution that is not there: a template or a body may show it.
NO_EXECUTION = "00000000-0000-0000-0000-000000000000"

#: Evaluates conditions against a row and its old values: `Store.evaluate`.
Judge = Callable[..., Awaitable[Json]]

log = structlog.get_logger()


class NoSender(Exception):
    """An action wanted to call out past `send`; in a dry run there is nothing to call with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunStep:
    """What one step would do: send `message`, or `write` a row, or end as `result` says."""

    step: Step
    result: StepResult
    message: Message | None = None
    #: {"table", "operation", "id", "values"}
    write: Json | None = None

    @property
    def fails(self) -> bool:
        """Whether a run's step would not be done."""
        return self.result.verdict is not Verdict.DONE


@dataclass(slots=True, kw_only=True)
class DryStepRun:
    """One step's run that sends nothing and writes nothing."""

    step: Step
    facts: Json
    context: Json
    settings: ExecutorSettings
    renderer: Renderer
    evaluate: Judge
    message: Message | None = None
    written: Json | None = None

    @property
    def http(self) -> HttpClient:
        """There is none.  Errors: `NoSender`, always."""
        _refuse("there is no HTTP client in a dry run; what calls out belongs inside `deliver`")

    @property
    def execution_id(self) -> str:
        """See the contract; of no execution."""
        return NO_EXECUTION

    @property
    def workflow_id(self) -> str:
        """See the contract."""
        return str(self.facts["workflow"]["id"])

    @property
    def definition(self) -> dict[str, Any]:
        """See the contract."""
        found: Json = self.facts["workflow"]["definition"]
        return found

    def render(self, template: str, *, html: bool = False) -> str:
        """See the contract."""
        return self.renderer.render(template, self.context, html=html)

    def render_value(self, value: Any) -> Any:
        """See the contract."""
        return self.renderer.render_value(value, self.context)

    async def send(
        self,
        message: Message,
        deliver: Deliver,
        *,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
        reserve: bool = True,
        slots: asyncio.Semaphore | None = None,
    ) -> StepResult:
        """Keep the message to be shown; `deliver` is not called."""
        self.message = message
        return StepResult.done(simulated=True, recipient=message.recipient)

    async def write(self, table: str, operation: str, row_id: str | None, values: dict[str, Any]) -> StepResult:
        """Keep what would be written; whether the values fit the columns only the write itself can tell."""
        self.written = {"table": table, "operation": operation, "id": row_id, "values": values}
        if table not in self.facts["writable"]:
            reason = f"table {table} is not writable for automations (minutehand trigger add … --writable)"
            return StepResult.permanent("not_writable", reason)
        return StepResult.done(simulated=True, table=table, operation=operation, id=row_id)

    async def judge(self, conditions: Any) -> dict[str, Any]:
        """See the contract: asked of the same evaluator, with what a run would see."""
        row = self.facts["row"] or {}
        seen = {name: value for name, value in self.context.items() if name not in ("old", *row)}
        status_column = self.facts["status"]
        return await self.evaluate(conditions, row | seen, self.facts["old"], status_column=status_column)


def _refuse(why: str) -> NoReturn:
    raise NoSender(why)


async def dry_run(facts: Json, settings: ExecutorSettings, evaluate: Judge) -> list[DryRunStep]:
    """Walk a workflow as a run of what `Store.facts` brought would, along the branches that hold.

    Waits are told and not waited.  A step that would fail is followed by the next, unless it says `stop_on_error`.
    Errors: `BadStep` when the steps cannot be read at all.
    """
    from minutehand.executor.templates.render import renderer_of

    plan = read_steps(facts["workflow"]["definition"])
    renderer, context = renderer_of(facts["workflow"]["definition"]), _context(facts)
    told: list[DryRunStep] = []
    recorded: dict[str, Json] = {}
    while (step := next_step(plan, recorded)) is not None:
        run = DryStepRun(
            step=step, facts=facts, context=context, settings=settings, renderer=renderer, evaluate=evaluate
        )
        result = await _try(run)
        told.append(DryRunStep(step=step, result=result, message=run.message, write=run.written))
        recorded[step.key] = step_record(step, result)
    return told


def _execution(facts: Json) -> Execution:
    """Return the execution that a run would have, under a lease that never held."""
    return Execution(
        id=NO_EXECUTION,
        workflow=Workflow(**facts["workflow"]),
        lease=Lease(token=NO_EXECUTION, expires_monotonic=0.0),
        entity_id=facts["entity_id"],
        attempt=1,
        max_attempts=1,
        trigger_data=facts["trigger_data"],
        recorded={},
        resends={},
        alone=False,
    )


def _context(facts: Json) -> Json:
    """Return what templates would see."""
    from minutehand.executor.local import template_context

    looked = Context.from_row({"id": NO_EXECUTION, "held": False, "stop": None, **facts})
    return template_context(_execution(facts), looked)


async def _try(run: DryStepRun) -> StepResult:
    """Run one step.  What its action does wrong ends this step, with the code that a run would give it."""
    step = run.step
    try:
        async with asyncio.timeout(STEP_SECONDS):
            result = await action_for(step.type).run(run)
    except BadStep as error:
        return StepResult.permanent("bad_step", str(error))
    except RenderError as error:
        return StepResult.permanent(error.code, str(error))
    except NoSender as error:
        return StepResult.permanent("action_crashed", f"the action `{step.type}` does not support a dry run: {error}")
    except TimeoutError:
        return StepResult.permanent("action_crashed", f"the step was still running after {STEP_SECONDS} s")
    except Exception as error:
        log.exception("action_crashed", step=step.key, action=step.type)
        return StepResult.permanent("action_crashed", f"the action `{step.type}` has a bug: {type(error).__name__}")
    return replace(result, send=None)
