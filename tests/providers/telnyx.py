"""Telnyx' messages."""

from __future__ import annotations

import json
from typing import Any

from minutehand.scheduler.demo.receivers import Answer, Request
from tests.providers.api import ApiServer, reply

KEY = "KEY0123456789"


class TelnyxServer(ApiServer):
    """`refuse(number, "40300")`; with an HTTP status other than 400: `refuse(number, (429, "10011"))`."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"telnyx_api_key": KEY, "telnyx_from": "+12025550101", "telnyx_base_url": self.url}

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return self._error(401, "10009", "Authentication failed")
        if (request.method, request.path) != ("POST", "/v2/messages"):
            return self._error(404, "10005", "Resource not found")
        body = json.loads(request.body)
        to = body["to"]
        if to in self.refused:
            error = self.refused[to]
            status, code = error if isinstance(error, tuple) else (400, error)
            return self._error(status, code, "Not to this one")
        if not to.startswith("+"):
            return self._error(400, "40310", "Invalid 'to' address")
        id_ = f"4031{len(self.messages):08x}-0000-4000-8000-000000000000"
        self.accept(to, body, id_, request.headers.get("idempotency-key"))
        return reply(
            200, {"data": {"id": id_, "to": [{"phone_number": to, "status": "queued"}], "parts": 1, "errors": []}}
        )

    @staticmethod
    def _error(status: int, code: str, title: str) -> Answer:
        return reply(status, {"errors": [{"code": code, "title": title, "detail": "See the documentation."}]})
