"""A dry run of a workflow: every step is rendered and evaluated as in a run, and nothing leaves.

`DryStepRun` has nothing to send or write with: no HTTP client, no reservation, no lease; `send` never calls `deliver`.
The database is asked for what a run would see (`automation_dry_run`), for conditions, and for opt-outs and limits; it
is not written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from minutehand.executor.actions.contract import Deliver, Message, Step
from minutehand.executor.delivery import delivery_of
from minutehand.executor.dialects import read_steps
from minutehand.executor.outcome import OnUncertain, StepResult, Verdict
from minutehand.executor.step_order import remaining_steps
from minutehand.executor.step_record import step_record
from minutehand.executor.step_run import without_sending
from minutehand.executor.step_view import Evaluate, NotInDryRun, StepView, run_action, template_context
from minutehand.store import Context, Execution, Json, Lease, Workflow
from minutehand.store.records import ConditionResult, DryRunContext, Reservation

if TYPE_CHECKING:
    from minutehand.executor.http.client import HttpClient
    from minutehand.executor.settings import ExecutorSettings

#: Says whether a message might leave: `Store.may_send`.
MaySend = Callable[[str, Json, str, str, Json | None], Awaitable[Reservation]]
#: The longest that a step may take.
STEP_SECONDS = 30
#: The id of the execution that a dry run has not: a template or a body may show it.
NO_EXECUTION = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunStep:
    """What one step would do: send `message`, or `write` a row, or end as `result` says."""

    step: Step
    result: StepResult
    message: Message | None = None
    #: A limit that would delay the message: its code and reason.
    delay: StepResult | None = None
    #: {"table", "operation", "id", "values"}
    write: Json | None = None

    @property
    def fails(self) -> bool:
        """Whether the step would fail in a run; one whose recipients have all opted out does not."""
        return self.result.verdict not in (Verdict.DONE, Verdict.SKIPPED)


@dataclass(slots=True, kw_only=True)
class DryStepRun(StepView):
    """One step's run that sends nothing and writes nothing: the `StepRun` of the contract."""

    sends: ClassVar[bool] = False

    #: The answer of `automation_dry_run`.
    facts: DryRunContext
    may_send: MaySend
    message: Message | None = None
    delay: StepResult | None = None
    written: Json | None = None

    @property
    def http(self) -> HttpClient:
        """There is none.  Errors: `NotInDryRun`, always."""
        raise NotInDryRun("it calls out without `send`")

    @property
    def now(self) -> datetime:
        """See the contract."""
        return datetime.fromisoformat(self.facts["now"])

    @property
    def zone(self) -> str:
        """See the contract."""
        return str(self.facts["workflow"]["zone"])

    @property
    def waiting(self) -> None:
        """See the contract; nothing has run before."""
        return None

    @property
    def execution_id(self) -> str:
        """See the contract; there is no execution."""
        return NO_EXECUTION

    @property
    def workflow_id(self) -> str:
        """See the contract."""
        return str(self.facts["workflow"]["id"])

    @property
    def definition(self) -> dict[str, Any]:
        """See the contract."""
        definition: Json = self.facts["workflow"]["definition"]
        return definition

    @property
    def webhook_tenant(self) -> None:
        """See the contract; a dry run signs nothing."""
        return None

    async def send(
        self,
        message: Message,
        deliver: Deliver,
        *,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
        reserve: bool = True,
        slots: asyncio.Semaphore | None = None,
    ) -> StepResult:
        """Keep the message, and ask whether it might leave; `deliver` is not called."""
        self.message = message
        delivery = delivery_of(self, message)
        if reserve or delivery is not None:
            reserved = await self.may_send(
                self.workflow_id, self.facts["tenant"], message.channel, message.recipient, delivery
            )
            refusal = without_sending(reserved, message, on_uncertain)
            if refusal is not None and refusal.verdict is not Verdict.LATER:
                return refusal
            self.delay = refusal
        return StepResult.done(simulated=True, recipient=message.recipient)

    async def write(self, table: str, operation: str, row_id: str | None, values: dict[str, Any]) -> StepResult:
        """Keep what would be written; only a real write shows whether the values fit the columns."""
        self.written = {"table": table, "operation": operation, "id": row_id, "values": values}
        if table not in self.facts["writable"]:
            reason = f"table {table} is not writable for automations (minutehand trigger add … --writable)"
            return StepResult.permanent("not_writable", reason)
        return StepResult.done(simulated=True, table=table, operation=operation, id=row_id)

    async def judge(self, conditions: Any) -> ConditionResult:
        """See the contract."""
        return await self._evaluate(conditions, self.facts["row"], self.facts["status"] or "status")


async def dry_run(
    facts: DryRunContext, settings: ExecutorSettings, evaluate: Evaluate, may_send: MaySend
) -> list[DryRunStep]:
    """Return what each step of a workflow would do, along the branches whose conditions hold.

    `facts` is the answer of `Store.dry_run`, `may_send` is that method.  Waits are shown and not waited for.  After a
    step that would fail the next one follows, unless it has `stop_on_error`.
    Errors: `BadStep` when the steps cannot be read; `StoreError` when the database does not answer.
    """
    from minutehand.executor.templates.render import renderer_of

    definition = facts["workflow"]["definition"]
    context, renderer = _context(facts), renderer_of(definition)
    steps: list[DryRunStep] = []
    recorded: dict[str, Json] = {}
    for step in remaining_steps(read_steps(definition), recorded):
        run = DryStepRun(
            step=step,
            facts=facts,
            context=context,
            hidden=facts["hidden"] or {},
            settings=settings,
            renderer=lambda: renderer,
            evaluate=evaluate,
            may_send=may_send,
        )
        result = replace(await run_action(run, seconds=STEP_SECONDS), send=None)
        steps.append(DryRunStep(step=step, result=result, message=run.message, delay=run.delay, write=run.written))
        if result.ends:
            break
        recorded[step.key] = step_record(step, result)
    return steps


def _context(facts: DryRunContext) -> Json:
    """Return what templates would see, of an execution under a lease that never held."""
    execution = Execution(
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
    return template_context(execution, Context.from_row({"id": NO_EXECUTION, "held": False, "stop": None, **facts}))
