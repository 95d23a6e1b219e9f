"""E-mail by Resend (`RESEND_API_KEY`, `EMAIL_FROM`).

Resend keeps idempotency keys for 24 hours: an uncertain send is repeated under the same key.
(resend.com/docs/api-reference: emails/send-email, errors.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from minutehand.executor.actions.contract import Pace, pace_of
from minutehand.executor.email.message import joined
from minutehand.executor.outcome import OnUncertain, Send, StepResult
from minutehand.executor.providers.responses import ProviderError, accepted, failure, missing_id, post, short_text
from minutehand.store.json import body_text

if TYPE_CHECKING:
    from email.headerregistry import Address

    from minutehand.executor.actions.contract import StepRun
    from minutehand.executor.email.message import EmailMessage
    from minutehand.executor.http.response import HttpResponse

_CODES = {
    "missing_api_key": "not_configured",
    "invalid_api_key": "not_configured",
    "restricted_api_key": "not_configured",
    "invalid_from_address": "not_configured",
    "concurrent_idempotent_requests": "busy",
    "rate_limit_exceeded": "busy",
    "daily_quota_exceeded": "quota_exceeded",
    "monthly_quota_exceeded": "no_credits",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """See `EmailProvider`."""

    base_url: str
    api_key: str = field(repr=False)
    address: Address
    on_uncertain: OnUncertain = OnUncertain.RESEND
    sends_copies: bool = True
    slots: None = None

    @property
    def sender(self) -> str:
        """The address in From."""
        return self.address.addr_spec

    @property
    def pace(self) -> Pace:
        """All messages of the account share it."""
        return pace_of("resend", "Resend", self.base_url, self.api_key)

    async def deliver(self, run: StepRun, message: EmailMessage, key: str) -> StepResult:
        """POST the message once."""

        def judge(response: HttpResponse) -> StepResult:
            answer = response.json_object() or {}
            if not 200 <= response.status < 300:
                return self._refused(response, answer)
            if not (id_ := short_text(answer.get("id"))):
                return missing_id("Resend", response)
            recipient = joined(message.recipients)
            send = Send(channel="email", recipient=recipient, sender=self.sender, key=key, external_id=id_)
            return accepted("Resend", response, send)

        headers = {
            "authorization": f"Bearer {self.api_key}",
            "content-type": "application/json",
            "idempotency-key": key,
        }
        body = body_text(self._body(message)).encode()
        return await post(run, f"{self.base_url}/emails", headers=headers, body=body, judge=judge)

    def _body(self, message: EmailMessage) -> dict[str, Any]:
        """Return the body; equal messages give equal bodies, which Resend compares under the key."""
        body: dict[str, Any] = {
            "from": str(self.address),
            **_roles(message),
            "subject": message.subject,
            "text": message.text,
            "html": message.shown_html,
            "headers": {"Auto-Submitted": "auto-generated"} | message.headers,
        }
        return body | ({"reply_to": message.reply_to} if message.reply_to else {})

    def _refused(self, response: HttpResponse, answer: dict[str, Any]) -> StepResult:
        error = ProviderError(code=short_text(answer.get("name")), message=short_text(answer.get("message")))
        if error.code == "invalid_idempotent_request" and response.status == 409:
            # Nobody knows whether the first message arrived, and this one differs from it: a person decides.
            reason = "Resend has a different message under this idempotency key: the row changed after an uncertain try"
            return StepResult.unknown(reason, on_uncertain=OnUncertain.HOLD, status=409, provider_code=error.code)
        codes = _CODES | (
            {"validation_error": "bad_recipient"} if response.status == 422 and "`to`" in error.message else {}
        )
        return failure("Resend", response, error, codes, secret=self.api_key)


def _roles(message: EmailMessage) -> dict[str, list[str]]:
    """Return those who get the message now, by their role.  Where nobody in To is left, those in Cc take the place."""
    to, cc, bcc = (
        [address for address in role if address in message.recipients]
        for role in (message.shown_recipients or message.recipients, message.cc, message.bcc)
    )
    if not to:
        to, cc = cc, []
    return {"to": to} | ({"cc": cc} if cc else {}) | ({"bcc": bcc} if bcc else {})
