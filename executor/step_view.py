"""What an action sees of a step, and running it: shared by a run (step_run.py) and a dry run (dry_run.py)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import (
    BadStep,
    EvaluationTooSlow,
    RenderError,
    Step,
    StepRun,
    UnresolvedVariable,
)
from minutehand.executor.attempt import ExecutionPaused, ExecutionStopped, RowChanged
from minutehand.executor.link_use import uses_link
from minutehand.executor.log import structlog
from minutehand.executor.outcome import OnUncertain, StepResult
from minutehand.executor.templates.budget import Budget
from minutehand.store import Context, Execution, Json, LeaseLost
from minutehand.store.errors import BadRequest, Conflict, StoreError

if TYPE_CHECKING:
    from minutehand.executor.settings import ExecutorSettings
    from minutehand.executor.templates.render import Renderer
    from minutehand.store.records import ConditionResult

#: Evaluates conditions against a row and its old values: `Store.evaluate`.
Evaluate = Callable[..., Awaitable["ConditionResult"]]

log = structlog.get_logger()

#: The longest that an evaluation of conditions may take; what it may compare is bounded to some 0.3 s.
EVALUATION_SECONDS = 5.0


class RunnableStep(StepRun, Protocol):
    """A `StepRun` that `run_action` can run."""

    #: What becomes of the message under way if its result is never known; None: no message is under way.
    policy: OnUncertain | None
    #: See `Context.hidden`.
    hidden: dict[str, Json]

    @property
    def sends(self) -> bool:
        """Whether messages leave: not in a dry run."""
        ...


class NotInDryRun(Exception):
    """An action used what a dry run has not: it called out without `send`."""


@dataclass(slots=True, kw_only=True)
class StepView:
    """What an action sees of one step, in a run and in a dry run."""

    step: Step
    context: Json
    settings: ExecutorSettings
    #: Gives the renderer of the workflow when something is rendered: a step without templates needs no Jinja.
    renderer: Callable[[], Renderer]
    evaluate: Evaluate
    #: See `Context.hidden`.
    hidden: dict[str, Json] = field(default_factory=dict)
    #: What becomes of the message under way if its result is never known; None: no message is under way.
    policy: OnUncertain | None = None
    #: What the renders of this step may cost together.
    budget: Budget = field(default_factory=Budget)
    #: The context and `now`, which is the same in all templates of one run of the step; None: nothing is rendered yet.
    _variables: Json | None = None

    @property
    def now(self) -> datetime:
        """See the contract."""
        raise NotImplementedError

    def render(self, template: str, *, html: bool = False) -> str:
        """See the contract."""
        return self.renderer().render(template, self._seen(), html=html, budget=self.budget)

    def render_url(self, template: str) -> str:
        """See the contract."""
        return self.renderer().render_url(template, self.context, budget=self.budget)

    def render_value(self, value: Any) -> Any:
        """See the contract."""
        return self.renderer().render_value(value, self._seen(), budget=self.budget)

    def _seen(self) -> Json:
        """Return what templates see.  A row or link of the app that is called `now` wins."""
        if self._variables is None:
            self._variables = {"now": self.now.astimezone(UTC).isoformat(timespec="seconds")} | self.context
        return self._variables

    async def _evaluate(self, conditions: Any, row: Json | None, status_column: str) -> ConditionResult:
        """Evaluate conditions against the row and everything else that templates see."""
        row, old = row or {}, self.context.get("old")
        others = {name: value for name, value in self.context.items() if name not in ("old", *row)}
        limit = asyncio.timeout(EVALUATION_SECONDS)
        try:
            async with limit:
                return await self.evaluate(conditions, row | others, old, status_column=status_column)
        except (TimeoutError, Conflict):  # also when the database ends the statement
            raise EvaluationTooSlow from None
        except BadRequest as error:  # a value that cannot be sent: the evaluator itself accepts any
            raise BadStep(str(error)) from None


async def run_action(run: RunnableStep, *, seconds: float) -> StepResult:
    """Run a step's action once.  Whatever the action does wrong ends this step, and nothing else.

    Errors: those of `Attempt.run_step`.
    """
    return _waits_for(run) or await _run_now(run, seconds)


async def _run_now(run: RunnableStep, seconds: float) -> StepResult:
    step, limit = run.step, asyncio.timeout(seconds)
    try:
        async with limit:
            return _with_hidden(run, await action_for(step.type).run(run))
    except BadStep as error:
        return StepResult.permanent("bad_step", str(error))
    except UnresolvedVariable as error:
        return _with_hidden(run, StepResult.permanent(error.code, str(error)), error.name)
    except RenderError as error:
        return StepResult.permanent(error.code, str(error))
    except NotInDryRun as error:
        return StepResult.permanent("action_crashed", f"the action `{step.type}` does not support a dry run: {error}")
    except (LeaseLost, ExecutionPaused, RowChanged, ExecutionStopped, StoreError):
        raise
    except Exception as error:
        if limit.expired():
            reason = f"the step was still running after {seconds:g} s"
            if run.sends:
                return StepResult.unknown(reason, on_uncertain=run.policy)
            return StepResult.permanent("action_crashed", reason)
        log.exception("action_crashed", step=step.key, action=step.type)
        reason = f"the action `{step.type}` has a bug: {type(error).__name__}"
        if run.policy is not None:  # its message was leaving
            return StepResult.unknown(f"{reason}; the message may have left", on_uncertain=run.policy)
        return StepResult.permanent("action_crashed", reason)


def _waits_for(run: RunnableStep) -> StepResult | None:
    """Return the deferral of a step that uses a link whose table cannot be read now."""
    for name, why in run.hidden.items():
        if why.get("passing") and uses_link(run.step, name):
            return StepResult.not_shown(name, why)
    return None


def _with_hidden(run: RunnableStep, result: StepResult, variable: str = "client") -> StepResult:
    """Return the result; where a value or the client is missing because it is not shown, say so."""
    if result.code not in ("unresolved_variable", "no_recipient"):
        return result
    link, *column = re.split(r"[.\[]", variable, maxsplit=2)[:2]
    names = [".".join([link, *column]), link, *(["customer"] if link == "client" else [])]
    for name in names:
        if why := run.hidden.get(name):
            if why.get("gone"):
                return StepResult.permanent(result.code, f"{result.reason}; {why['reason']}")
            return StepResult.not_shown(name, why)
    return result


def template_context(execution: Execution, context: Context) -> Json:
    """Return what templates see: the row under its type, linked rows, the old row, the trigger and the workflow."""
    seen: Json = dict(context.links)
    if context.type is not None and context.row is not None:
        seen[context.type] = context.row
    seen["old"] = context.old
    seen["trigger"] = execution.trigger_data
    seen["workflow"] = {"id": execution.workflow.id, "name": execution.workflow.name}
    return seen
