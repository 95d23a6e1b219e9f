"""The contract of an action: one file, one class, one method.

To add an action, copy `webhook.py`, change it, and name it in the registry (`__init__.py`) or, from a package of your
own, under the entry-point group `minutehand.actions` (docs/extending.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from minutehand.executor.outcome import OnUncertain, StepResult

if TYPE_CHECKING:
    from minutehand.executor.http.client import HttpClient
    from minutehand.executor.settings import ExecutorSettings


class BadStep(Exception):
    """The step's config cannot work; the message says which key, and what it should be."""


class RenderError(Exception):
    """A template could not be rendered honestly (R14): it is not understood, or breaks a bound, as the message says."""

    code: str = "bad_template"


class UnresolvedVariable(RenderError):
    """A variable is null or unknown; the message names it."""

    code: str = "unresolved_variable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step in normal form (docs/workflows.md, Steps)."""

    #: Stable within the workflow's version: the step's own `id`, else its path ("3", "3.then.1").
    key: str
    path: str
    type: str
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    stop_on_error: bool = False
    #: The branches of a condition.
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is about to leave, and to whom; a dry run shows it, the step's record keeps it."""

    #: `email`, `sms`, `webhook`, `function`, `notify`, or a plug-in's own word.
    channel: str
    #: In the one form that stands for this receiver, however a client wrote it: it is part of the idempotency key.
    recipient: str
    #: Who the receiver sees it come from: an e-mail's From, a text's number, the name of the client that calls.
    sender: str
    #: What the receiver gets, small and without secrets: {"subject": …, "text": …}.
    content: dict[str, Any] = field(default_factory=dict)


#: Sends once under this idempotency key, and says how that ended.  It may let an `HttpError` of `run.http` pass.
Deliver = Callable[[str], Awaitable[StepResult]]


class StepRun(Protocol):
    """What an action may see and do while it runs one step of one execution.

    Whatever leaves the process leaves inside the `deliver` that is handed to `send`, and whatever is written to the
    app's tables goes through `write`: there the lease, the pause, opt-outs and limits are looked at, what came before
    is recorded, and a dry run ends.  An action may be run again from its beginning when the row changed meanwhile.
    """

    step: Step
    #: What templates see: `job` (or the table's own type), `client` and other links, `old`, `trigger`, `workflow`.
    context: dict[str, Any]
    settings: ExecutorSettings

    @property
    def http(self) -> HttpClient:
        """The one guarded HTTP client (executor/http/client.py), for use inside `deliver`; a dry run has none."""
        ...

    @property
    def now(self) -> datetime:
        """The database's time: what is computed from the time of day starts from it, not from this machine's clock."""
        ...

    @property
    def execution_id(self) -> str:
        """The row of `automation_execution_logs`."""
        ...

    @property
    def workflow_id(self) -> str:
        """The row of `automation_workflows`."""
        ...

    @property
    def definition(self) -> dict[str, Any]:
        """The workflow's row as it was when the execution matched: `name`, `settings`, `user_id`, `organization_id`."""
        ...

    def render(self, template: str, *, html: bool = False) -> str:
        """Render a template against the context.  `html` escapes values.  Errors: `RenderError`."""
        ...

    def render_value(self, value: Any) -> Any:
        """Render every string inside a JSON value.  Errors: `RenderError`."""
        ...

    async def send(
        self,
        message: Message,
        deliver: Deliver,
        *,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
        reserve: bool = True,
        slots: asyncio.Semaphore | None = None,
    ) -> StepResult:
        """Let one message leave (R13): look once more, reserve, deliver, confirm.

        `on_uncertain` is the channel's default; the step's and the workflow's own words win over it.  `reserve=False`
        is for receivers that take the idempotency key: nothing is written down before it leaves.  `slots` bounds how
        many are delivered at once; it is taken before anything is reserved.  `deliver` is not called when the message
        was sent before, may not be sent, or when its fate is unknown and must be held.
        """
        ...

    async def write(self, table: str, operation: str, row_id: str | None, values: dict[str, Any]) -> StepResult:
        """Write a row of the app, `update` or `create`, in one transaction with the step's record (R11)."""
        ...

    async def judge(self, conditions: Any) -> Mapping[str, Any]:
        """Evaluate conditions against what templates see; returns the evaluator's result tree (R9)."""
        ...


class Action(Protocol):
    """A kind of work a step can ask for.

    An action whose first act is a `send` that reserves may say `reserves = True`: then it fills in its templates from
    the look before the last step, is run again where that has changed, and costs one call to the database less.
    """

    def check(self, config: dict[str, Any]) -> None:
        """Raise `BadStep` when `config` can never work, whatever the row."""
        ...

    async def run(self, run: StepRun) -> StepResult:
        """Do the step once and say how it ended.  A `RenderError` or `BadStep` raised here fails the step for good."""
        ...
