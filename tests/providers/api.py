"""A provider's API on 127.0.0.1: it speaks as the real one does, its errors included, and keeps what it accepted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message that was accepted."""

    id: str
    recipient: str
    #: As it arrived, parsed.
    body: dict[str, Any]
    #: What it was deduplicated by, where the API knows such a thing, else what was given.
    key: str | None


class ApiServer(HttpReceiver):
    """`messages` is what was accepted, in order; `refuse` makes it refuse a recipient, `lose` breaks off after a yes.

    `then` answers the next requests with something else altogether, before anything is accepted.
    """

    def __init__(self) -> None:
        super().__init__()
        #: Append-only, so that any thread may read it.
        self.messages: list[Sent] = []
        self.refused: dict[str, Any] = {}
        self._to_lose = 0

    def refuse(self, recipient: str, error: Any) -> None:
        """Answer messages to this recipient with an error, in the API's own terms."""
        self.refused[recipient] = error

    def lose(self, times: int = 1) -> None:
        """Accept the next messages, and hang up instead of saying so."""
        self._to_lose = times

    @property
    def settings(self) -> dict[str, Any]:
        """What sends messages here, as fields of the executor's settings; in capitals, the environment's names."""
        raise NotImplementedError

    def answer(self, request: Request) -> Answer:
        """What the API says to this request."""
        raise NotImplementedError

    def accept(self, recipient: str, body: dict[str, Any], id_: str, key: str | None = None) -> None:
        """Keep a message."""
        self.messages.append(Sent(id=id_, recipient=recipient, body=body, key=key))

    def _take(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            if self.answers:
                return self.answers.popleft()
            before = len(self.messages)
            answer = self.answer(request)
            if self._to_lose and len(self.messages) > before:
                self._to_lose -= 1
                return Answer(hang_up=True)
            return answer


def reply(status: int, body: Any, **headers: str) -> Answer:
    """An answer in JSON."""
    given = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=given, body=json.dumps(body).encode())
