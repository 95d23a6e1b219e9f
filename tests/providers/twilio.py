"""Twilio's Messages resource."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

from minutehand.scheduler.demo.receivers import Answer, Request
from tests.providers.api import ApiServer, reply

SID, TOKEN = "AC" + "0" * 32, "a-token-of-twilio"


class TwilioServer(ApiServer):
    """`refuse(number, 21610)`; with an HTTP status other than 400: `refuse(number, (429, 20429))`."""

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "twilio_account_sid": SID,
            "twilio_auth_token": TOKEN,
            "twilio_from": "+12025550100",
            "twilio_base_url": self.url,
        }

    def answer(self, request: Request) -> Answer:
        login = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {login}":
            return self._error(401, 20003, "Authenticate")
        if (request.method, request.path) != ("POST", f"/2010-04-01/Accounts/{SID}/Messages.json"):
            return self._error(404, 20404, f"The requested resource {request.path} was not found")
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        to = form.get("To", "")
        if to in self.refused:
            error = self.refused[to]
            status, code = error if isinstance(error, tuple) else (400, error)
            return self._error(status, code, f"No text to '{to}'")
        if not to.startswith("+"):
            return self._error(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if not (form.get("From") or form.get("MessagingServiceSid")):
            return self._error(400, 21603, "A 'From' phone number is required.")
        if len(form.get("Body", "")) > 1600:
            return self._error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        sid = f"SM{len(self.messages):032x}"
        self.accept(to, form, sid, request.headers.get("idempotency-key"))
        return reply(201, {"sid": sid, "status": "queued", "to": to, "error_code": None, "error_message": None})

    @staticmethod
    def _error(status: int, code: int, message: str) -> Answer:
        more = f"https://www.twilio.com/docs/errors/{code}"
        return reply(status, {"code": code, "message": message, "more_info": more, "status": status})
