"""A running `minutehand serve`, and its callers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.journeys.app import App, Minutehand, Running, wait_until, webhook

TOKENS = "a-new-token,an-old-token"
DIRECT_TOKENS = "a-direct-token,an-old-direct-token"
METRICS_TOKENS = "a-metrics-token,an-old-metrics-token"
PATH = "/functions/v1/automation-executor"


@dataclass
class Served:
    """One that runs."""

    running: Running
    url: str
    client: httpx.Client

    def call(self, execution_id: object = None, *, token: str | None = "a-new-token", **how: Any) -> httpx.Response:
        """Call for an execution, or send what `how` says."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if execution_id is not None:
            how["json"] = {"workflowId": None, "executionId": str(execution_id), "context": {}}
        return self.client.post(self.url + PATH, headers=headers | how.pop("headers", {}), **how)

    @property
    def address(self) -> tuple[str, int]:
        """Its host and port, for those who speak no HTTP."""
        return "127.0.0.1", int(self.url.rpartition(":")[2])

    def get(self, path: str) -> httpx.Response:
        """Look at a page."""
        return self.client.get(self.url + path)


@dataclass
class Serve:
    """Starts it, on a free port."""

    minutehand: Minutehand

    @contextmanager
    def __call__(self, *options: str, **environment: str | None) -> Iterator[Served]:
        """Run it beside the block."""
        with self.minutehand.running("serve", "--port", "0", *options, **environment) as running:
            wait_until(
                lambda: "server_started" in running.heard() or running.process.poll() is not None, "serve's start"
            )
            (line,) = (json.loads(line) for line in running.heard().splitlines() if '"server_started"' in line)
            with httpx.Client(timeout=60, limits=httpx.Limits(max_connections=None)) as client:
                yield Served(running, f"http://127.0.0.1:{line['port']}", client)


def completed(app: App, shop: HttpReceiver, count: int = 1) -> list[str]:
    """Executions of jobs that were completed, each with a webhook; gives their ids."""
    app.workflow(webhook(shop.url))
    for _ in range(count):
        app.complete()
    return [str(row["id"]) for row in app.executions()]


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The body of a problem."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = response.json()
    assert (body["status"], body["success"]) == (status, False)
    return body
