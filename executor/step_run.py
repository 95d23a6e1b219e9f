"""One step's run in this process: sends and writes of an action, each behind the reservation and the lease."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from minutehand.executor.actions.contract import Deliver, Message, Pace, Step
from minutehand.executor.attempt import Attempt, ExecutionPaused
from minutehand.executor.delivery import delivery_of
from minutehand.executor.http.client import HttpError
from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict
from minutehand.executor.paces import Refusals, pace_note
from minutehand.executor.step_order import waiting_of
from minutehand.executor.step_record import excerpt, step_record
from minutehand.executor.step_view import StepView
from minutehand.store import Execution, Json, LeaseLost, Reservation, Store

if TYPE_CHECKING:
    from minutehand.executor.http.client import HttpClient
    from minutehand.store.records import ConditionResult, WebhookTenant


#: How long the settle of a refusal takes at most, as a rule, in seconds.
SETTLED_SECONDS = 0.25


def send_key(execution_id: str, step: str, channel: str, recipient: str, resends: int = 0) -> str:
    """Return the idempotency key of one send: 32 hex digits, the same over retries and lost leases (R13).

    It is a digest: it travels to third parties, and a recipient's address must not.  `resends`: how often a person had
    the message sent again; each time is another send.

    >>> send_key("e", "1", "email", "a@example.com") == send_key("e", "1", "email", "a@example.com")
    True
    >>> send_key("e", "1", "email", "a@example.com") == send_key("e", "1", "email", "a@example.com", 1)
    False
    """
    again = f"\n{resends}" if resends else ""
    return hashlib.sha256(f"{execution_id}\n{step}\n{channel}\n{recipient}{again}".encode()).hexdigest()[:32]


@dataclass(slots=True, kw_only=True)
class LocalStepRun(StepView):
    """One step's run in this process: the `StepRun` of the contract."""

    sends: ClassVar[bool] = True

    attempt: Attempt
    http: HttpClient
    store: Store
    refusals: Refusals

    @property
    def execution(self) -> Execution:
        """The claimed row."""
        return self.attempt.execution

    @property
    def now(self) -> datetime:
        """See the contract."""
        return self.execution.now()

    @property
    def zone(self) -> str:
        """See the contract."""
        return self.execution.workflow.zone

    @property
    def waiting(self) -> dict[str, Any] | None:
        """See the contract."""
        return waiting_of(self.step, self.attempt.recorded.get(self.step.key))

    @property
    def execution_id(self) -> str:
        """See the contract."""
        return self.execution.id

    @property
    def workflow_id(self) -> str:
        """See the contract."""
        return self.execution.workflow.id

    @property
    def definition(self) -> dict[str, Any]:
        """See the contract."""
        return self.execution.workflow.definition

    @property
    def webhook_tenant(self) -> WebhookTenant | None:
        """See the contract."""
        return self.execution.workflow.webhook_tenant

    async def send(
        self,
        message: Message,
        deliver: Deliver,
        *,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
        reserve: bool = True,
        slots: asyncio.Semaphore | None = None,
    ) -> StepResult:
        """See the contract."""
        policy = on_uncertain_of(self.step.config, self.definition, message.channel, on_uncertain)
        if slots is None:
            return await self._send(message, deliver, policy, reserve=reserve)
        if slots.locked():
            await self.attempt.flush()  # what was done is recorded before the wait, not after it
        async with slots:
            return await self._send(message, deliver, policy, reserve=reserve)

    async def _send(self, message: Message, deliver: Deliver, policy: OnUncertain, *, reserve: bool) -> StepResult:
        resends = self.execution.resends.get(self.step.key, 0)
        key = send_key(self.execution.id, self.step.key, message.channel, message.recipient, resends)
        delivery = delivery_of(self, message)
        reserve = reserve or delivery is not None
        request = _reservation_request(self.step, message, key, policy, delivery) if reserve else None
        if request is None and message.pace is not None and message.pace.key in self.attempt.context.slowed:
            request = _place_request(message.pace, key)
        ended, place = await self._may_leave(request, message, policy)
        if ended is None and message.pace is not None and self.refusals.covers(message.pace, place):
            # The receiver asked to slow down meanwhile: ask for another place, when that is settled.
            await asyncio.sleep(SETTLED_SECONDS)
            if reserve:
                self.attempt.confirm({"key": key, "status": "failed", "error": "the receiver asked to slow down"})
            ended, place = await self._may_leave(request or _place_request(message.pace, key), message, policy)
        if ended is not None:
            return ended
        self.policy = policy
        if reserve:  # it remains if the result is never known: `deliver` hangs, or has a bug
            cut_off = StepResult.unknown("it may have left before it was cut off")
            self.attempt.confirm(_confirmation(key, cut_off, message.recipient))
        result = await deliver_once(deliver, key)
        self.policy = None
        if message.pace is not None and (place is not None or result.slow_down):
            self.attempt.note_pace(pace_note(message.pace, place, result))
            if result.slow_down:
                self.refusals.add(message.pace, place)
        if reserve:
            self.attempt.confirm(_confirmation(key, result, message.recipient))
        return _with_send(message, key, result, policy, reserved=reserve)

    async def _may_leave(
        self, request: Json | None, message: Message, policy: OnUncertain
    ) -> tuple[StepResult | None, Json | None]:
        """Ask whether the message may leave, and wait for its place; returns how the step ends if not, its place."""
        reservation = await self.attempt.before_effect(request)
        if reservation is None:
            return None, None
        ended = without_sending(reservation, message, policy)
        if ended is None and reservation.place is not None:
            await asyncio.sleep(reservation.place["wait_seconds"])
            self.execution.check_lease()
        return ended, reservation.place

    async def write(self, table: str, operation: str, row_id: str | None, values: dict[str, Any]) -> StepResult:
        """See the contract."""
        await self.attempt.before_effect()
        done = StepResult.done(table=table, operation=operation, id=row_id, values=excerpt(values))
        answer = await self.store.write_record(
            self.execution.id,
            self.execution.lease.token,
            step_record(self.step, done),
            table=table,
            operation=operation,
            row_id=row_id,
            values=values,
        )
        if answer["answer"] == "lost":
            raise LeaseLost(self.execution.id)
        if answer["answer"] in ("refused", "deferred"):
            code, reason = answer["code"], answer["reason"]
            return (StepResult.permanent if answer["answer"] == "refused" else StepResult.deferred)(code, reason)
        return replace(done, result=done.result | {"id": answer.get("id", row_id)})

    async def judge(self, conditions: Any) -> ConditionResult:
        """See the contract."""
        return await self._evaluate(conditions, self.attempt.context.row, self.attempt.context.status_column)


async def deliver_once(deliver: Deliver, key: str) -> StepResult:
    """Send a message once.  An `HttpError` carries what is known about the send."""
    try:
        return await deliver(key)
    except HttpError as error:
        return error.as_result()


def on_uncertain_of(
    config: Mapping[str, Any], definition: Mapping[str, Any], channel: str, default: OnUncertain
) -> OnUncertain:
    """Return what to do with a send whose result is unknown: the step's setting, the workflow's, or `default`.

    The workflow's is `settings.on_uncertain`: one value for all channels, or {"email": "resend", …}.
    """
    settings = definition.get("settings")
    setting = settings.get("on_uncertain") if isinstance(settings, dict) else None
    if isinstance(setting, dict):
        setting = setting.get(channel)
    for value in (config.get("on_uncertain"), setting):
        if isinstance(value, str) and value in set(OnUncertain):
            return OnUncertain(value)
    return default


def _reservation_request(step: Step, message: Message, key: str, policy: OnUncertain, delivery: Json | None) -> Json:
    request: Json = {
        "step": step.key,
        "channel": message.channel,
        "recipient": message.recipient,
        "sender": message.sender,
        "key": key,
        "on_uncertain": policy.value,
    }
    if message.pace is not None:
        request["pace"] = asdict(message.pace)
    return request if delivery is None else request | {"delivery": delivery}


def _place_request(pace: Pace, key: str) -> Json:
    """Ask for a place of a send that is recorded after it has left."""
    return {"key": key, "pace": asdict(pace), "unrecorded": True}


_CONFIRMED = {Verdict.DONE: "sent", Verdict.UNKNOWN: "uncertain"}


def _confirmation(key: str, result: StepResult, recipient: str) -> Json:
    """Say how a send ended.  One to several recipients may have reached some, although the step has not ended well."""
    got = result.send.recipient if result.send else ""
    is_partly = bool(got) and set(got.split(", ")) < set(recipient.split(", "))
    status = "sent" if is_partly else _CONFIRMED.get(result.verdict, "failed")
    confirmation: Json = {
        "key": key,
        "status": "simulated" if _is_simulated(result) else status,
        "external_id": result.send.external_id if result.send else None,
        "error": result.reason or None,
    }
    if is_partly:
        confirmation |= {"recipient": got, "refused": result.result.get("refused")}
    return confirmation


def _is_simulated(result: StepResult) -> bool:
    return result.verdict is Verdict.DONE and result.result.get("simulated") is True


def _with_send(message: Message, key: str, result: StepResult, policy: OnUncertain, *, reserved: bool) -> StepResult:
    """Return the result of the step with what was sent to whom, for its record."""
    external_id = result.send.external_id if result.send else None
    record = excerpt(message.content) | result.result | {"recipient": message.recipient}
    if _is_simulated(result):  # nobody got the message, so the step is not done (R14)
        reason = "the receiver is in test mode and did not send: configure it to send"
        return StepResult.permanent("simulated", reason, **record)
    if result.verdict is Verdict.DONE:
        record |= {"status": "sent", "external_id": external_id}
    send = Send(
        channel=message.channel, recipient=message.recipient, sender=message.sender, key=key, external_id=external_id
    )
    return replace(
        result,
        result=record,
        # A reserved send is in `communication_logs` already.
        send=None if reserved else send,
        on_uncertain=result.on_uncertain or policy,
    )


def without_sending(reserved: Reservation, message: Message, policy: OnUncertain) -> StepResult | None:
    """Return the result of the step if nothing may leave; None: the message may leave."""
    recipient = message.recipient
    match reserved.answer:
        case "go":
            return None
        case "sent":
            refused: Json = {"refused": reserved.refused} if reserved.refused else {}
            got = reserved.recipient or recipient
            return StepResult.done(
                recipient=got, status="sent", external_id=reserved.external_id, earlier=True, **refused
            )
        case "lost":
            raise LeaseLost(reserved.key)
        case "paused":
            raise ExecutionPaused
        case "refused" if reserved.code in ("opted_out", "too_late"):
            out: Json = {"opted_out": list(reserved.opted_out)} if reserved.code == "opted_out" else {}
            return StepResult.skipped(reserved.code, reserved.reason or "", recipient=recipient, **out)
        case "refused":
            return StepResult.permanent(reserved.code or "refused", reserved.reason or "refused", recipient=recipient)
        case "later" if reserved.is_deferred:
            return StepResult.deferred(reserved.code or "", reserved.reason or "", wait_seconds=reserved.wait_seconds)
        case "deferred":
            return StepResult.deferred(reserved.code or "", reserved.reason or "", recipient=recipient)
        case "later":
            return StepResult.later(reserved.wait_seconds or 1.0, reserved.code or "", reserved.reason or "")
    reason = f"an earlier worker stopped while sending this {message.channel}; it may have arrived"
    return StepResult.unknown(reason, on_uncertain=policy, recipient=recipient)
