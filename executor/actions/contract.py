"""The contract of an action: one file, one class, one method.

To add an action, copy `webhook.py`, change it, and name it in the registry (`__init__.py`) or, from a package of your
own, under the entry-point group `minutehand.actions`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from executor.outcome import OnUncertain, StepResult

if TYPE_CHECKING:
    from executor.http import HttpClient
    from executor.settings import ExecutorSettings


class BadStep(Exception):
    """The step's config cannot work; the message says which key, and what it should be."""


class RenderError(Exception):
    """A template could not be rendered honestly (R14); the message names the variable or the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step in normal form (design.md §9)."""

    #: Stable within the workflow's version: the step's own `id`, else its path ("3", "3.then.1").
    key: str
    path: str
    type: str
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    stop_on_error: bool = False


class StepRun(Protocol):
    """What an action may see and do while it runs one step of one execution."""

    step: Step
    #: What templates see: `job` (or the table's own type), `client` and other links, `old`, `trigger`, `workflow`.
    context: dict[str, Any]
    settings: ExecutorSettings
    #: The one guarded HTTP client (executor/http.py).
    http: HttpClient

    @property
    def execution_id(self) -> str:
        """The row of `automation_execution_logs`."""
        ...

    @property
    def workflow_id(self) -> str:
        """The row of `automation_workflows`."""
        ...

    def render(self, template: str, *, html: bool = False) -> str:
        """Render a template against the context.  `html` escapes values.  Errors: `RenderError`."""
        ...

    def render_value(self, value: Any) -> Any:
        """Render every string inside a JSON value.  Errors: `RenderError`."""
        ...

    def key(self, channel: str, recipient: str) -> str:
        """The idempotency key of this step's send: the same over retries and lost leases."""
        ...

    def check_lease(self) -> None:
        """Raise `LeaseLost` when this process may no longer act; call it right before a side effect."""
        ...

    async def send(
        self,
        channel: str,
        recipient: str,
        deliver: Callable[[str], Awaitable[StepResult]],
        *,
        sender: str,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
    ) -> StepResult:
        """Reserve, deliver, confirm (R13): for channels whose receiver does not take an idempotency key.

        `sender` is who the receiver sees it come from: an e-mail's From, a text's number.
        `deliver(key)` makes one try.  It is not called when the send was done before, or when its fate is unknown.
        """
        ...


class Action(Protocol):
    """A kind of work a step can ask for."""

    def check(self, config: dict[str, Any]) -> None:
        """Raise `BadStep` when `config` can never work, whatever the row."""
        ...

    async def run(self, run: StepRun) -> StepResult:
        """Do the step once and say how it ended.  A `RenderError` or `BadStep` raised here fails the step for good."""
        ...
