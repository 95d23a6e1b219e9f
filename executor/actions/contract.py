"""The contract of an action: one file, one class, one method.

To add an action, copy `webhook.py`, change it, and add it to the registry (`__init__.py`) or, from a package of your
own, to the entry-point group `minutehand.actions` (docs/extending.md).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from minutehand.executor.outcome import OnUncertain, StepResult

if TYPE_CHECKING:
    from minutehand.executor.http.client import HttpClient
    from minutehand.executor.settings import ExecutorSettings
    from minutehand.store.records import WebhookTenant


class BadStep(Exception):
    """The step's config is not valid; the message names the key and what it should be."""


class RenderError(Exception):
    """A template cannot be rendered (R14): it is not valid, or exceeds a limit; the message says which."""

    code: str = "bad_template"


class EvaluationTooSlow(Exception):
    """The database did not evaluate conditions in time."""


class UnresolvedVariable(RenderError):
    """A variable is null or unknown; the message names it, and so does `name`: `client.name`."""

    code: str = "unresolved_variable"

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


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
    #: What of it is not read or not supported: its record keeps it.
    notes: tuple[str, ...] = ()
    #: For how long the step is tried while what is in its way may pass (`give_up_after`); None: for a day.
    give_up_seconds: float | None = None
    #: When its message may leave, {"window", "drop_after"} (executor/dialects/windows.py); {}: nobody says.
    delivery: dict[str, Any] = field(default_factory=dict)
    #: The branches of a condition.
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What sends share: when one of them is asked to slow down, all wait (sql/internal/slow_downs.sql)."""

    #: Says which account or address it is, without its secrets: see `pace_of`.
    key: str
    #: For people: `Resend`, `webhook shop.example.com`.
    name: str
    #: An account of the operator's, which all tenants share; else the pace is of one tenant.
    shared: bool


def pace_of(kind: str, name: str, *identity: str, shared: bool = True) -> Pace:
    """Return the pace of what is identified so: an account's credentials, or an address.  The key is a digest of it."""
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:20]
    return Pace(key=f"{kind}:{digest}", name=name, shared=shared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is about to leave, and to whom.  A dry run shows it; the step's record keeps it."""

    #: `email`, `sms`, `webhook`, `function`, `notify`, or a plug-in's own channel.
    channel: str
    #: In one canonical form, since it is part of the idempotency key.
    recipient: str
    #: The sender that the receiver sees: an e-mail's From, a phone number, the name of the HTTP client.
    sender: str
    #: The content, small and without secrets: {"subject": …, "text": …}.
    content: dict[str, Any] = field(default_factory=dict)
    #: None: when it is asked to slow down, it waits alone.
    pace: Pace | None = field(default=None, compare=False)


#: Sends once under this idempotency key, and says how that ended.  It may let an `HttpError` of `run.http` pass.
Deliver = Callable[[str], Awaitable[StepResult]]


class StepRun(Protocol):
    """What an action may see and do while it runs one step of one execution.

    Everything that leaves the process leaves inside the `deliver` passed to `send`; every write to the app's tables
    goes through `write`.  There the lease, pauses, opt-outs and limits are checked, earlier steps are recorded, and a
    dry run stops.  An action may be run again from its beginning when the row changes before that.
    """

    step: Step
    #: What templates see: `job` (or the table's own type), `client` and other links, `old`, `trigger`, `workflow`.
    context: dict[str, Any]
    settings: ExecutorSettings
    #: Links and columns that exist and are not shown: `client` or `job.photo` -> {"code", "reason"}.
    hidden: dict[str, Any]

    @property
    def http(self) -> HttpClient:
        """The one guarded HTTP client (executor/http/client.py), for use inside `deliver`; a dry run has none."""
        ...

    @property
    def now(self) -> datetime:
        """The database's time: what is computed from the time of day starts from it, not from this machine's clock."""
        ...

    @property
    def zone(self) -> str:
        """The workflow's zone, by its IANA name: where a time without a zone is local, and days begin."""
        ...

    @property
    def waiting(self) -> dict[str, Any] | None:
        """The result of this step's last run, where that was a wait with `again`, which is not recorded as over."""
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

    @property
    def webhook_tenant(self) -> WebhookTenant | None:
        """The tenant whose secret signs webhooks (executor/webhook_secrets.py); None: the operator's own signs."""
        ...

    def render(self, template: str, *, html: bool = False) -> str:
        """Render a template against the context.  `html` escapes values.  Errors: `RenderError`."""
        ...

    def render_url(self, template: str) -> str:
        """Render a template of a URL: each value is encoded for its place (R14).  Errors: `RenderError`."""
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
        """Send one message (R13): refresh the row, reserve, deliver, confirm.

        `on_uncertain` is the channel's default; the step's and the workflow's settings win over it.  `reserve=False` is
        for receivers that take the idempotency key: nothing is recorded before the message leaves.  `slots` limits how
        many are delivered at once; it is acquired before the reservation.  `deliver` is not called when the message was
        sent before, may not be sent, or may have been sent and must be held.
        """
        ...

    async def write(self, table: str, operation: str, row_id: str | None, values: dict[str, Any]) -> StepResult:
        """Write a row of the app, `update` or `create`, in one transaction with the step's record (R11)."""
        ...

    async def judge(self, conditions: Any) -> Mapping[str, Any]:
        """Evaluate conditions against what templates see; returns the evaluator's result tree (R9).

        Errors: `EvaluationTooSlow`.
        """
        ...


class Action(Protocol):
    """A kind of work a step can ask for.

    It may declare the keys of its config that it reads, as `keys`: any other is a warning, and a note on the step.
    `refused` maps keys that it does not support to what a message says after the key ("is not supported yet: …"): where
    one has a value, the workflow is a config error.

    An action that begins with a `send` that reserves may set `reserves = True`: then it renders its templates from the
    row as the last step saw it, is run again if the row has changed, and costs one database call less.
    """

    def check(self, config: dict[str, Any]) -> None:
        """Raise `BadStep` when `config` can never work, whatever the row."""
        ...

    async def run(self, run: StepRun) -> StepResult:
        """Do the step once and return how it ended.  A `RenderError` or `BadStep` raised here fails the step."""
        ...
