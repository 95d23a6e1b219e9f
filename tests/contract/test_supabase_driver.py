"""Errors of the Supabase driver: what a project, or a proxy in front of it, can answer; each message names the fix."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from minutehand.store import Store
from minutehand.store.drivers import supabase
from minutehand.store.errors import (
    AccessDenied,
    BadConfiguration,
    BadRequest,
    Conflict,
    SchemaMismatch,
    Unreachable,
)
from minutehand.store.project import project_url, server_key
from tests.journeys.app import Gate

KEY = "sb_secret_hush"


@pytest.fixture
def project() -> Iterator[HttpReceiver]:
    """An HTTP server in place of a project."""
    with HttpReceiver() as made:
        yield made


def ask(url: str, key: str = KEY, function: str = "automation_schema_version") -> Any:
    """Make one call, which nothing repeats."""

    async def go() -> Any:
        driver = supabase.SupabaseDriver(url, key)
        try:
            return await driver.call(function)
        finally:
            await driver.close()

    return asyncio.run(go())


def with_store(url: str, work: Callable[[Store], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        store = Store.supabase(url, KEY)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(go())


VERSION = Answer(body=b'{"version": 8}')


def said(code: str | None, message: str = "no", **more: Any) -> bytes:
    return json.dumps({"code": code, "message": message, **more}).encode()


def jwt(role: str) -> str:
    parts = ({"alg": "HS256"}, {"role": role, "iss": "supabase"})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(status=401, body=b'{"message": "Invalid API key", "hint": "?"}'), AccessDenied, "refuses the key"),
        (Answer(status=401, body=b'{"code": 401, "message": "Invalid API key"}'), AccessDenied, "Invalid API key"),
        (Answer(status=401, body=said("PGRST301", "JWT expired")), AccessDenied, "refuses the key.*sb_secret_"),
        (Answer(status=401, body=said("PGRST303", "JWT expired")), AccessDenied, "refuses the key"),
        (Answer(status=401, body=said("PGRST303", "JWT issued at future")), Unreachable, "issued at future.*moment"),
        (Answer(status=401, body=said("PGRST303", "JWT not yet valid")), Unreachable, "answered 401"),
        (Answer(status=403, body=b"[]"), AccessDenied, "refuses the key"),
        (Answer(status=403, body=b"<html>no</html>"), AccessDenied, "refuses the key"),
        (Answer(status=403, body=said("42501", "permission denied for function x")), AccessDenied, "permission denied"),
        (Answer(status=404, body=said("PGRST202", "not in the schema cache")), SchemaMismatch, "minutehand migrate"),
        (Answer(status=404, body=said("PGRST205", "no table in the cache")), SchemaMismatch, "read the schema anew"),
        (Answer(status=404, body=b"<html>"), BadConfiguration, "Check SUPABASE_URL"),
        (Answer(status=308, body=b"", headers={"Location": "/x"}), BadConfiguration, "redirects.*Check SUPABASE_URL"),
        (Answer(status=406, body=said("PGRST106", "schema must be one of")), BadConfiguration, "Expose the schema"),
        (Answer(status=540, body=b"Project paused"), Unreachable, "is paused: restore it"),
        (Answer(status=503, body=said("PGRST001", "no connection")), Unreachable, "database does not answer"),
        *(
            (Answer(status=status, body=body), Unreachable, f"answered {status} .*may work later")
            for status in (408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 530)
            for body in (b"", b"<html><style>x{}</style><h1>Bad</h1></html>", b'{"code": 1015, "message": "slow"}')
        ),
        *(
            (Answer(status=502, body=said(code, "hidden behind the gateway")), Unreachable, "answered 502")
            for code in ("42501", "PGRST301", "PGRST202", "22P02", "MH400")
        ),
        (Answer(status=540, body=b'{"message": "Project paused"}'), Unreachable, "is paused"),
        (Answer(status=500, body=said("XX000", "internal error")), BadRequest, "internal error"),
        (Answer(status=400, body=said("42703", "column x does not exist")), SchemaMismatch, "minutehand migrate"),
        (Answer(status=503, body=said("53300", "too many clients")), Unreachable, "answered 503"),
        (Answer(status=418, body=b""), BadRequest, "answered 418"),
        (Answer(status=500, body=said("57014", "canceling statement due to statement timeout")), Conflict, "timeout"),
        (Answer(status=400, body=said("MH400", "nothing to run", hint="Name a row.")), BadRequest, "run. Name a row"),
        *(
            (Answer(body=body), BadConfiguration, "as a Supabase project. Check SUPABASE_URL")
            for body in (
                b"<html>Sign in to the hotel's network</html>",
                b"",
                b"{}",
                b"[]",
                b"3",
                b"null",
                b'{"ok": true}',
                b'[{"id": 1}]',
                b'{"version": "1.2.3"}',
                b'"hello"',
            )
        ),
        (Answer(hang_up=True), Unreachable, "Check SUPABASE_URL"),
        (Answer(missing_bytes=5, body=b"{"), Unreachable, "Check SUPABASE_URL"),
    ],
)  # fmt: skip
def test_each_answer_becomes_a_store_error(project: HttpReceiver, answer: Answer, kind: Any, words: str) -> None:
    project.then(answer)
    with pytest.raises(kind, match=words) as caught:
        ask(project.url)
    assert type(caught.value) is kind
    assert "hush" not in str(caught.value)


def test_a_refused_connection_is_unreachable() -> None:
    with HttpReceiver() as gone:
        url = gone.url
    with pytest.raises(Unreachable, match=r"^Supabase at 127\.0\.0\.1:\d+: .*Check SUPABASE_URL"):
        ask(url)


def test_no_answer_is_unreachable(project: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supabase, "TIMEOUT_SECONDS", 0.3)
    gate = Gate()
    project.then(Answer(after=gate))
    try:
        with pytest.raises(Unreachable, match=r"did not answer within 0\.3 s"):
            ask(project.url)
    finally:
        gate.set()


def test_a_call_is_one_post_with_the_key(project: HttpReceiver) -> None:
    project.then(Answer(body=b'{"version": 7}', headers={"Content-Type": "application/json"}))
    assert ask(project.url + "/") == {"version": 7}
    (request,) = project.requests
    assert (request.method, request.path) == ("POST", "/rest/v1/rpc/automation_schema_version")
    assert request.headers["apikey"] == KEY


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"now": 1}', b"{}{"])
def test_the_first_answer_shows_whether_it_is_a_project(project: HttpReceiver, body: bytes) -> None:
    for function in ("automation_claim", "automation_tick", "automation_metrics"):
        project.then(Answer(body=body))
        with pytest.raises(BadConfiguration, match="does not answer as a Supabase project"):
            ask(project.url, function=function)


def test_a_tick_needs_no_call_before_it_and_other_calls_one(project: HttpReceiver) -> None:
    project.then(Answer(body=b'{"schema_version": 8}'), VERSION, Answer(body=b"[]"), Answer(body=b"[]"))
    assert ask(project.url, function="automation_tick") == {"schema_version": 8}

    async def twice(store: Store) -> Any:
        return await store.limits(), await store.limits()

    assert with_store(project.url, twice) == ([], [])
    names = [request.path.rsplit("/", 1)[-1] for request in project.requests]
    assert names == ["automation_tick", "automation_schema_version", "automation_limits", "automation_limits"]


def test_a_post_is_never_repeated_by_the_client(project: HttpReceiver) -> None:
    project.then(Answer(status=503, body=b""))
    with pytest.raises(Unreachable):
        ask(project.url)
    assert len(project.requests) == 1


def test_the_store_repeats_what_is_safe_to_repeat(project: HttpReceiver) -> None:
    project.then(Answer(status=503, body=b""), Answer(hang_up=True), VERSION, Answer(body=b"[]"))
    assert with_store(project.url, lambda store: store.settle([])) == []
    assert len(project.requests) == 4


@pytest.mark.parametrize("key", [KEY, f" {KEY}\n", jwt("service_role"), "some-day-another-kind"])
def test_a_server_key_is_accepted(key: str) -> None:
    assert server_key(key) == key.strip()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("sb_publishable_hush", r"anon \(publishable\) key"),
        (jwt("anon"), "the anon key"),
        (jwt("authenticated"), "the authenticated key"),
        ("", "is not a key"),
        ("sb_secret_hu\nsh", "is not a key"),
        ("sb_secret_hüsh", "is not a key"),
    ],
)
def test_another_key_is_refused_and_not_quoted(key: str, words: str) -> None:
    with pytest.raises(BadConfiguration, match=words) as caught:
        Store.supabase("https://ref.supabase.co", key)
    assert "hush" not in str(caught.value)
    assert "Settings > API Keys" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://ref.supabase.co", "https://ref.supabase.co/", "https://ref.supabase.co/rest/v1/"]
)
def test_a_project_url_is_accepted(url: str) -> None:
    assert project_url(url) == "https://ref.supabase.co"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://postgres:hush@db/postgres", "that is DATABASE_URL"),
        ("https://user:hush@ref.supabase.co", "not a valid URL"),
        ("https://ref supabase.co", "not a valid URL"),
        ("https://[hush", "not a valid URL"),
        ("", "not a valid URL"),
    ],
)
def test_another_url_is_refused_and_not_quoted(url: str, words: str) -> None:
    with pytest.raises(BadConfiguration, match=words) as caught:
        project_url(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("1e9", None)])
def test_a_gateway_says_how_long_to_leave_it_alone(header: str, seconds: float | None) -> None:
    error = supabase.explain("x", 429, {"retry-after": header}, "")
    assert (type(error), error.retry_after_seconds, error.passing) == (Unreachable, seconds, True)


def test_a_gateways_page_is_one_short_line() -> None:
    page = "<html><head><title>t</title><style>a{}</style></head>\n<h1>Bad gateway</h1>" + "x " * 5_000
    text = str(supabase.explain("x", 502, {}, page))
    assert text.startswith("x answered 502 (Bad gateway x x")
    assert len(text) < 300
    assert "\n" not in text
