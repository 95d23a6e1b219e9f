"""The application below `serve`, asked without a socket."""

from __future__ import annotations

import asyncio
import doctest
from typing import NoReturn

import httpx
from structlog.testing import capture_logs

from minutehand.dashboard.api import executor_endpoint, tokens
from minutehand.dashboard.api.executor_endpoint import PATH, CallResult, ExecutorEndpoint
from minutehand.dashboard.api.tokens import ServeTokens, Tokens
from minutehand.dashboard.app import make_app
from minutehand.dashboard.auth.loopback import Loopback
from minutehand.dashboard.context import DashboardContext
from minutehand.dashboard.routes import routes
from minutehand.dashboard.services import Services
from minutehand.dashboard.sse import EventStream
from minutehand.store import Store
from minutehand.store.records import Metrics

SERVE_TOKENS = ServeTokens.parse(api_token="t", direct_token="d", metrics_token="m")


async def broken(execution_id: str) -> CallResult:
    raise RuntimeError(f"secret of {execution_id}")


async def ready() -> None:
    raise RuntimeError("secret")


async def figures() -> Metrics:
    raise RuntimeError("secret")


def ask(method: str, path: str, **how: object) -> httpx.Response:
    app = make_app(ExecutorEndpoint(broken, SERVE_TOKENS, "1"), ready, figures, SERVE_TOKENS.metrics)

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **how)  # type: ignore[arg-type]

    return asyncio.run(go())


def test_a_bug_is_told_without_its_words_and_logged_with_its_trace() -> None:
    body = {"executionId": "00000000-0000-4000-8000-000000000000"}
    token = {"Authorization": "Bearer t"}
    with capture_logs() as logs:
        answers = [ask("POST", PATH, json=body, headers=token), ask("GET", "/readyz")]
        answers.append(ask("GET", "/metrics", headers={"Authorization": "Bearer m"}))
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "secret" not in answer.text
    assert [(line["event"], str(line["exc_info"])[:6]) for line in logs] == [("request_crashed", "secret")] * 3


def test_a_bug_of_a_page_is_a_page_without_its_words() -> None:
    async def look() -> NoReturn:
        raise RuntimeError("secret")

    services = Services(doctor=look, lint=lambda _: look(), dry_run=lambda *_: look(), webhook_secrets=lambda _: look())
    dashboard = DashboardContext(Store.postgres("postgresql://nobody@127.0.0.1:9/none"), Loopback(), "1", services)
    app = make_app(ExecutorEndpoint(broken, SERVE_TOKENS, "1"), ready, figures, SERVE_TOKENS.metrics,
                   routes(dashboard, EventStream(dashboard)))  # fmt: skip

    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get("/health")

    with capture_logs() as logs:
        answer = asyncio.run(go())
    assert (answer.status_code, "Internal error" in answer.text, "secret" in answer.text) == (500, True, False)
    assert [(line["event"], line["path"], str(line["exc_info"])) for line in logs] == [
        ("request_crashed", "/health", "secret")
    ]


def test_tokens_never_stand_in_what_is_printed() -> None:
    assert "hush" not in repr(Tokens.parse("hush,hush-hush"))


def test_without_tokens_no_caller_is_accepted() -> None:
    assert not Tokens.parse("").accept("Bearer ")
    assert not Tokens.parse(None).accept("")


def test_the_examples_in_the_code_hold() -> None:
    assert [doctest.testmod(module).failed for module in (executor_endpoint, tokens)] == [0, 0]
