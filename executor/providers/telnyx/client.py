"""Text messages by Telnyx (`TELNYX_API_KEY`, `TELNYX_FROM`).

(developers.telnyx.com: docs/messaging/messages/error-codes, development/api-fundamentals/api-errors.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from minutehand.executor.actions.contract import Pace, pace_of
from minutehand.executor.outcome import Send, StepResult
from minutehand.executor.providers.responses import ProviderError, accepted, failure, missing_id, post, short_text
from minutehand.store.json import body_text

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import StepRun
    from minutehand.executor.http.response import HttpResponse
    from minutehand.executor.providers import SmsMessage

_CODES = {
    "10002": "bad_recipient",  # invalid number
    "10016": "bad_recipient",  # not E.164
    "40001": "bad_recipient",  # a landline, or not routable
    "40012": "bad_recipient",  # invalid destination
    "40310": "bad_recipient",  # invalid to
    "40300": "opted_out",  # blocked by STOP
    "40302": "message_too_long",
    "10009": "not_configured",  # authentication
    "10010": "not_configured",  # authorisation
    "10039": "not_configured",  # verified destinations only, at this account's level
    "40010": "not_configured",  # not registered for 10DLC
    "40013": "not_configured",  # invalid sender
    "40100": "not_configured",  # the sender cannot text
    "40305": "not_configured",  # the sender is not of this profile
    "40306": "not_configured",  # no sender's name is set up
    "40309": "not_configured",  # this country is not switched on
    "40312": "not_configured",  # the profile is off
    "40314": "not_configured",  # the account may not text
    "20100": "no_credits",
    "10011": "busy",
    "40011": "busy",
    "40318": "busy",  # its queue is full
}
#: Statuses of a recipient that failed at once, though the response is 200.
_NOT_TAKEN = frozenset({"sending_failed", "delivery_failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Telnyx:
    """See `SmsProvider`."""

    base_url: str
    api_key: str = field(repr=False)
    sender: str

    @property
    def pace(self) -> Pace:
        """All messages of the account share it."""
        return pace_of("telnyx", "Telnyx", self.base_url, self.api_key)

    async def deliver(self, run: StepRun, message: SmsMessage, key: str) -> StepResult:
        """POST the message once; the API takes no idempotency key."""

        def judge(response: HttpResponse) -> StepResult:
            answer = response.json_object() or {}
            data = answer.get("data")
            data = data if isinstance(data, dict) else {}
            if not 200 <= response.status < 300 or not _NOT_TAKEN.isdisjoint(_statuses(data)):
                return self._refused(response, answer.get("errors") or data.get("errors"))
            if not (id_ := short_text(data.get("id"))):
                return missing_id("Telnyx", response)
            send = Send(channel="sms", recipient=message.recipient, sender=self.sender, key=key, external_id=id_)
            return accepted("Telnyx", response, send, ", ".join(_statuses(data)))

        headers = {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}
        payload = {"from": self.sender, "to": message.recipient, "text": message.text}
        body = body_text(payload).encode()
        return await post(run, f"{self.base_url}/v2/messages", headers=headers, body=body, judge=judge)

    def _refused(self, response: HttpResponse, errors: object) -> StepResult:
        first = errors[0] if isinstance(errors, list) and errors else None
        error: dict[str, Any] = first if isinstance(first, dict) else {}
        message = ": ".join(filter(None, (short_text(error.get("title")), short_text(error.get("detail")))))
        return failure(
            "Telnyx",
            response,
            ProviderError(code=short_text(error.get("code")), message=message),
            _CODES,
            secret=self.api_key,
        )


def _statuses(data: dict[str, Any]) -> list[str]:
    to = data.get("to")
    entries = to if isinstance(to, list) else []
    return [short_text(entry.get("status")) for entry in entries if isinstance(entry, dict)]
