"""Resend's e-mails, with its idempotency."""

from __future__ import annotations

import json
from typing import Any

from minutehand.scheduler.demo.receivers import Answer, Request
from tests.providers.api import ApiServer, reply

KEY = "re_0123456789"


class ResendServer(ApiServer):
    """`refuse(address, (422, "validation_error", "Invalid `to` field."))`.  A key that is known gets the first's id."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, tuple[bytes, str]] = {}

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "resend_api_key": KEY,
            "resend_base_url": self.url,
            "email_from": "Acme <no-reply@acme.example>",
        }

    def answer(self, request: Request) -> Answer:
        if (refusal := self._who(request)) is not None:
            return refusal
        key = request.headers.get("idempotency-key", "")
        if len(key) > 256:
            return self._error(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        if key in self._known:
            body, id_ = self._known[key]
            if body != request.body:
                words = "Same idempotency key used with a different request payload."
                return self._error(409, "invalid_idempotent_request", words)
            return reply(200, {"id": id_})
        letter = json.loads(request.body)
        for address in letter["to"]:
            if address in self.refused:
                return self._error(*self.refused[address])
        missing = [name for name in ("from", "to", "subject") if not letter.get(name)]
        if missing:
            return self._error(422, "missing_required_field", f"Missing `{missing[0]}` field.")
        id_ = f"{len(self.messages):08x}-0000-4000-8000-000000000000"
        if key:
            self._known[key] = (request.body, id_)
        self.accept(", ".join(letter["to"]), letter, id_, key)
        return reply(200, {"id": id_})

    def _who(self, request: Request) -> Answer | None:
        login = request.headers.get("authorization", "")
        if not login:
            return self._error(401, "missing_api_key", "Missing API key in the authorization header.")
        if login != f"Bearer {KEY}":
            return self._error(403, "invalid_api_key", "API key is invalid.")
        if (request.method, request.path) != ("POST", "/emails"):
            return self._error(404, "not_found", "The requested endpoint does not exist.")
        return None

    @staticmethod
    def _error(status: int, name: str, message: str) -> Answer:
        return reply(status, {"statusCode": status, "name": name, "message": message})
