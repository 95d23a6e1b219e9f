"""What an action sees and may do while it runs one step of one execution: the `StepRun` of the contract."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from executor.actions.contract import Step
from executor.outcome import OnUncertain, Send, StepResult, Verdict
from store import Execution, Json, LeaseLost, Reservation
from store.batch import Batch

if TYPE_CHECKING:
    from executor.http import HttpClient
    from executor.render import Renderer
    from executor.settings import ExecutorSettings


class Held(Exception):
    """Somebody paused the workflow, its tenant or everything, meanwhile: the step keeps its turn for later."""


def send_key(execution_id: str, step: str, channel: str, recipient: str) -> str:
    """Return the idempotency key of one send: 32 hex digits, the same over retries and lost leases (R13).

    A digest, since it travels to third parties and a recipient's address must not.

    >>> send_key("e", "1", "email", "a@example.com") == send_key("e", "1", "email", "a@example.com")
    True
    """
    return hashlib.sha256(f"{execution_id}\n{step}\n{channel}\n{recipient}".encode()).hexdigest()[:32]


@dataclass(slots=True, kw_only=True)
class LocalStepRun:
    """One step's run in this process."""

    step: Step
    execution: Execution
    context: Json
    settings: ExecutorSettings
    http: HttpClient
    renderer: Renderer
    reservations: Batch[Json, Reservation]
    confirmations: Batch[Json, str]

    @property
    def execution_id(self) -> str:
        """See the contract."""
        return self.execution.id

    @property
    def workflow_id(self) -> str:
        """See the contract."""
        return self.execution.workflow.id

    def render(self, template: str, *, html: bool = False) -> str:
        """See the contract."""
        return self.renderer.render(template, self.context, html=html)

    def render_value(self, value: Any) -> Any:
        """See the contract."""
        return self.renderer.render_value(value, self.context)

    def key(self, channel: str, recipient: str) -> str:
        """See the contract."""
        return send_key(self.execution.id, self.step.key, channel, recipient)

    def check_lease(self) -> None:
        """See the contract."""
        self.execution.check_lease()

    async def send(
        self,
        channel: str,
        recipient: str,
        deliver: Callable[[str], Awaitable[StepResult]],
        *,
        sender: str,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
    ) -> StepResult:
        """See the contract."""
        key = self.key(channel, recipient)
        reserved = await self.reservations.ask(
            {
                "id": self.execution.id,
                "token": self.execution.lease.token,
                "step": self.step.key,
                "channel": channel,
                "recipient": recipient,
                "sender": sender,
                "key": key,
            }
        )
        if (known := _without_sending(reserved, channel, recipient, on_uncertain)) is not None:
            return known
        self.check_lease()
        result = await deliver(key)
        await self.confirmations.ask(
            {
                "key": key,
                "token": self.execution.lease.token,
                "status": _CONFIRMED[result.verdict],
                "external_id": result.send.external_id if result.send else None,
                "error": result.reason or None,
            }
        )
        shown = result.result | {"recipient": recipient}
        if result.verdict is Verdict.DONE:
            shown |= {"status": "sent", "external_id": result.send.external_id if result.send else None}
        # Noted by the reservation already: the step's record need not carry the send.
        return replace(result, result=shown, send=None, on_uncertain=on_uncertain)


_CONFIRMED = {
    Verdict.DONE: "sent",
    Verdict.RETRY: "failed",
    Verdict.PERMANENT: "failed",
    Verdict.UNKNOWN: "uncertain",
}


def _without_sending(
    reserved: Reservation, channel: str, recipient: str, on_uncertain: OnUncertain
) -> StepResult | None:
    """Say how the step ends where nothing may leave; None: go."""
    match reserved.answer:
        case "go":
            return None
        case "sent":
            return StepResult.done(recipient=recipient, status="sent", external_id=reserved.external_id, earlier=True)
        case "lost":
            raise LeaseLost(reserved.key)
        case "held":
            raise Held
        case "refused":
            return StepResult.permanent(reserved.code or "refused", reserved.reason or "refused")
    reason = f"an earlier worker stopped while sending this {channel}; it may have arrived"
    return replace(StepResult.unknown(reason, recipient=recipient), on_uncertain=on_uncertain)


def note(send: Send | None) -> Json | None:
    """Return a send as a step's record carries it to `communication_logs`."""
    if send is None:
        return None
    return {
        "channel": send.channel,
        "recipient": send.recipient,
        "sender": send.sender,
        "key": send.key,
        "external_id": send.external_id,
    }
