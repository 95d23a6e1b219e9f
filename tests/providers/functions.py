"""The app's own edge functions that send: `mailgun-email` and `telnyx-sms`, with their habits."""

from __future__ import annotations

import json
from typing import Any

from minutehand.scheduler.demo.receivers import Answer, Request
from tests.providers.api import ApiServer, reply

KEY = "service-role-key"


class FunctionsServer(ApiServer):
    """`functions_url` is its `url`.  `refuse(recipient, (402, "Insufficient SMS credits"))`; `test_mode` pretends."""

    def __init__(self, *, test_mode: bool = False) -> None:
        super().__init__()
        self.test_mode = test_mode

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "email_via": "mailgun-email",
            "sms_via": "telnyx-sms",
            "functions_url": self.url,
            "functions_headers": {"apikey": KEY, "authorization": f"Bearer {KEY}"},
        }

    def answer(self, request: Request) -> Answer:
        name = request.path.removeprefix("/")
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return reply(401, {"code": 401, "message": "Invalid JWT"})
        recipient = {"mailgun-email": "to", "telnyx-sms": "recipientPhone"}.get(name)
        if recipient is None:
            return reply(404, {"code": "NOT_FOUND", "message": "Requested function was not found"})
        body = json.loads(request.body)
        if not body.get(recipient):
            return reply(400, {"success": False, "error": f"{recipient} is required"})
        if body[recipient] in self.refused:
            status, error = self.refused[body[recipient]]
            return reply(status, {"success": False, "error": error})
        if self.test_mode:
            return reply(200, {"success": True, "testMode": True, "message": "Email logged (test mode)"})
        id_ = f"{name}-{len(self.messages)}"
        self.accept(body[recipient], body, id_, request.headers.get("idempotency-key"))
        return reply(200, {"success": True, "messageId": id_})
