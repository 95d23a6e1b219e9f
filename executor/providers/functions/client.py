"""Messages by an edge function of the app, such as `mailgun-email`, which calls a provider.

Such a function need not recognise repeats, so an uncertain send is held; it gets the idempotency key anyway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from minutehand.executor.actions.contract import Pace, pace_of
from minutehand.executor.actions.recipients import client_of
from minutehand.executor.email.message import joined
from minutehand.executor.http.outgoing import identity_headers
from minutehand.executor.http.response import retry_after_seconds
from minutehand.executor.outcome import OnUncertain, Send, StepResult
from minutehand.executor.providers.responses import ProviderError, failure, missing_id, post, short_text
from minutehand.store.json import body_text

if TYPE_CHECKING:
    from email.headerregistry import Address

    from minutehand.executor.actions.contract import StepRun
    from minutehand.executor.email.message import EmailMessage
    from minutehand.executor.http.response import HttpResponse
    from minutehand.executor.providers import SmsMessage

#: Keys under which functions return the provider's message id.
_IDS = ("messageId", "message_id", "mailgunId", "telnyxId", "externalId", "id", "sid")
_TEST_FLAGS = ("testMode", "test_mode", "simulated", "dryRun", "dry_run")
_TEST_MODE = re.compile(r"\b(test[ _-]?mode|simulated)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """An edge function, and the headers that authenticate a call."""

    name: str
    url: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def pace(self) -> Pace:
        """All calls of the function share it."""
        return pace_of("function", f"the function {self.name}", self.url)

    async def send(self, run: StepRun, body: dict[str, Any], send: Send) -> StepResult:
        """Call it once."""
        headers = {**self.headers, "content-type": "application/json", **identity_headers(send.key, run.execution_id)}
        body["metadata"] = {
            "executionId": run.execution_id,
            "workflowId": run.workflow_id,
            "step": run.step.key,
            "idempotencyKey": send.key,
        }
        fields = {name: value for name, value in body.items() if value is not None}
        payload = body_text(fields).encode()
        return await post(
            run, self.url, headers=headers, body=payload, judge=lambda response: self._judge(response, send)
        )

    def _judge(self, response: HttpResponse, send: Send) -> StepResult:
        answer = response.json_object()
        if not 200 <= response.status < 300:
            return self._refused(response, answer or {})
        if answer is None:
            return missing_id(self._label, response)
        if answer.get("success") is False or (answer.get("error") and answer.get("success") is not True):
            return self._refused(response, answer)
        id_ = _id(answer)
        if id_ is None and answer.get("success") is not True:
            return missing_id(self._label, response)
        details: dict[str, Any] = {"status": response.status} | ({"simulated": True} if _is_test(answer) else {})
        sent = Send(channel=send.channel, recipient=send.recipient, sender=send.sender, key=send.key, external_id=id_)
        return StepResult.done(send=sent, **details)

    def _refused(self, response: HttpResponse, answer: dict[str, Any]) -> StepResult:
        error = answer.get("error")
        inner: dict[str, Any] = error if isinstance(error, dict) else {}
        message = short_text(error) or short_text(inner.get("message")) or short_text(answer.get("message"))
        code = short_text(answer.get("code"), 40) or short_text(inner.get("code"), 40)
        if response.status == 404 and "success" not in answer and not error:
            return StepResult.permanent("not_configured", f"there is no function {self.name}: deploy it", status=404)
        is_asking = retry_after_seconds(response.headers, datetime.now(UTC)) is not None
        if response.status == 503 and not is_asking and (code == "BOOT_ERROR" or answer.get("success") is False):
            # It did not start, or it reports that its provider cannot be used.
            quoted = message or "it does not start; see its log"
            return StepResult.retry("busy", f"{self._label} temporarily refused (503): {quoted}", status=503)
        return failure(self._label, response, ProviderError(code=code, message=message or response.excerpt[:300]), {})

    @property
    def _label(self) -> str:
        return f"the function {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionEmail:
    """See `EmailProvider`."""

    function: Function
    #: None: the function chooses the sender.
    address: Address | None
    on_uncertain: OnUncertain = OnUncertain.HOLD
    slots: None = None

    @property
    def sender(self) -> str:
        """Return the address in From; the function's name if it chooses the sender."""
        return self.address.addr_spec if self.address else self.function.name

    @property
    def pace(self) -> Pace:
        """That of the function."""
        return self.function.pace

    async def deliver(self, run: StepRun, message: EmailMessage, key: str) -> StepResult:
        """Call the function once."""
        recipient = joined(message.recipients)
        body: dict[str, Any] = {
            "to": ", ".join(message.recipients),
            "subject": message.subject,
            "html": message.shown_html,
            "text": message.text,
            "from": str(self.address) if self.address else None,
            "replyTo": message.reply_to,
            "headers": message.headers or None,
            "userId": run.definition.get("user_id"),
            "organizationId": run.definition.get("organization_id"),
            "clientId": (client_of(run.context) or {}).get("id"),
        }
        return await self.function.send(
            run, body, Send(channel="email", recipient=recipient, sender=self.sender, key=key)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSms:
    """See `SmsProvider`."""

    function: Function

    @property
    def sender(self) -> str:
        """Return the function's name: it chooses the number."""
        return self.function.name

    @property
    def pace(self) -> Pace:
        """That of the function."""
        return self.function.pace

    async def deliver(self, run: StepRun, message: SmsMessage, key: str) -> StepResult:
        """Call the function once."""
        body = {"recipientPhone": message.recipient, "message": message.text, "user_id": run.definition.get("user_id")}
        return await self.function.send(
            run, body, Send(channel="sms", recipient=message.recipient, sender=self.sender, key=key)
        )


def _id(answer: dict[str, Any]) -> str | None:
    data = answer.get("data")
    places = (answer, data if isinstance(data, dict) else {})
    return next((found for place in places for name in _IDS if (found := short_text(place.get(name)))), None)


def _is_test(answer: dict[str, Any]) -> bool:
    """Whether the function reports that it ran in test mode and sent nothing."""
    if any(answer.get(name) is True for name in _TEST_FLAGS):
        return True
    return any(_TEST_MODE.search(short_text(answer.get(name))) for name in ("message", "status", "mode", "note"))
