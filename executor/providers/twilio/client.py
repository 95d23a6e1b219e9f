"""Text messages by Twilio (`TWILIO_ACCOUNT_SID`, `TWILIO_AUTH_TOKEN`, `TWILIO_FROM`).

(twilio.com/docs/messaging/api/message-resource, /docs/api/errors.)
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from minutehand.executor.actions.contract import Pace, pace_of
from minutehand.executor.outcome import Send, StepResult
from minutehand.executor.providers.responses import ProviderError, accepted, failure, missing_id, post, short_text

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import StepRun
    from minutehand.executor.http.response import HttpResponse
    from minutehand.executor.providers import SmsMessage

_CODES = {
    "21211": "bad_recipient",  # invalid
    "21214": "bad_recipient",  # cannot be reached
    "21217": "bad_recipient",  # does not appear to be valid
    "21265": "bad_recipient",  # a short code
    "21266": "bad_recipient",  # the sender's own number
    "21612": "bad_recipient",  # no route from this sender
    "21614": "bad_recipient",  # not a mobile number
    "21635": "bad_recipient",  # a landline
    "21610": "opted_out",
    "21617": "message_too_long",
    "10001": "not_configured",  # account not active
    "20003": "not_configured",  # authentication
    "20404": "not_configured",  # no such account
    "21212": "not_configured",  # invalid From
    "21408": "not_configured",  # this country is not switched on
    "21603": "not_configured",  # no From
    "21606": "not_configured",  # From cannot send texts
    "21608": "not_configured",  # trial account: verified recipients only
    "21659": "not_configured",  # From is not the account's
    "21660": "not_configured",  # From belongs to another account
    "21701": "not_configured",  # no such messaging service
    "21703": "not_configured",  # it has no numbers
    "21704": "not_configured",  # it has none that can send this
    "21705": "not_configured",  # its id is invalid
    "14107": "busy",
    "20429": "busy",
    "21611": "busy",  # the sender's queue is full
    "60728": "busy",  # too many in this hour
    "63038": "quota_exceeded",  # too many in this day
}
#: A messaging service; any other sender is a number or a name, which may begin with MG as well.
_SERVICE = re.compile("MG[0-9a-fA-F]{32}")
#: Statuses of a message that failed at once, though the response is 201.
_NOT_TAKEN = ("failed", "undelivered", "canceled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Twilio:
    """See `SmsProvider`."""

    base_url: str
    account_sid: str
    auth_token: str = field(repr=False)
    #: A number, a sender's name, or a messaging service (`_SERVICE`).
    sender: str

    @property
    def pace(self) -> Pace:
        """All messages of the account share it."""
        return pace_of("twilio", "Twilio", self.base_url, self.account_sid)

    async def deliver(self, run: StepRun, message: SmsMessage, key: str) -> StepResult:
        """POST the message once; the API takes no idempotency key."""

        def judge(response: HttpResponse) -> StepResult:
            answer = response.json_object() or {}
            taken = 200 <= response.status < 300 and answer.get("status") not in _NOT_TAKEN
            if not taken:
                return self._refused(response, answer)
            if not (sid := short_text(answer.get("sid"))):
                return missing_id("Twilio", response)
            send = Send(channel="sms", recipient=message.recipient, sender=self.sender, key=key, external_id=sid)
            return accepted("Twilio", response, send, short_text(answer.get("status")))

        form = {"To": message.recipient, "Body": message.text}
        form |= {"MessagingServiceSid" if _SERVICE.fullmatch(self.sender) else "From": self.sender}
        login = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        headers = {"authorization": f"Basic {login}", "content-type": "application/x-www-form-urlencoded"}
        url = f"{self.base_url}/2010-04-01/Accounts/{self.account_sid}/Messages.json"
        return await post(run, url, headers=headers, body=urlencode(form).encode(), judge=judge)

    def _refused(self, response: HttpResponse, answer: dict[str, Any]) -> StepResult:
        code = short_text(answer.get("code")) or short_text(answer.get("error_code"))
        message = short_text(answer.get("message")) or short_text(answer.get("error_message"))
        return failure("Twilio", response, ProviderError(code=code, message=message), _CODES, secret=self.auth_token)
