"""The guarded client against real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from minutehand.executor.http.client import (
    MAX_RESPONSE_BYTES,
    BadTarget,
    HttpClient,
    HttpError,
    HttpResponse,
    MaybeSent,
    NotSent,
    parse_url,
    shown_url,
)
from minutehand.executor.outcome import Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver

OPEN = ExecutorSettings(allow_private_addresses=True)
CLOSED = ExecutorSettings()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event for answers that wait; set at the latest when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def call(url: str, settings: ExecutorSettings = OPEN, method: str = "POST", **more: Any) -> HttpResponse:
    async def once() -> HttpResponse:
        async with HttpClient(settings) as http:
            return await http.request(method, url, **more)

    return asyncio.run(once())


def test_a_reply_comes_back_whole(receiver):
    receiver.then(Answer(status=201, headers={"X-Id": "7"}, body=b'{"id": 7}'))
    reply = call(receiver.url + "/a?b=c", body=b"{}", headers={"X-Mine": "1"})
    assert (reply.status, reply.headers["x-id"], reply.body, reply.truncated) == (201, "7", b'{"id": 7}', False)
    (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("POST", "/a?b=c", b"{}")
    assert (request.headers["x-mine"], request.headers["user-agent"]) == ("1", "minutehand")


def test_a_connection_is_used_again(receiver):
    async def thrice() -> None:
        async with HttpClient(OPEN) as http:
            receiver.then(Answer(), Answer(status=204, body=b""))
            for _ in range(3):
                await http.request("POST", receiver.url, body=b"x")

    asyncio.run(thrice())
    assert len(receiver.requests) == 3
    assert len({request.port for request in receiver.requests}) == 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "0",
        "0.0.0.0",
        "\uff11\uff12\uff17.0.0.1",
    ],
)
def test_no_spelling_of_a_private_address_is_connected_to(receiver, host):
    with pytest.raises(BadTarget) as refused:
        call(f"http://{host}:{receiver.port}/", CLOSED)
    assert refused.value.as_result().verdict is Verdict.PERMANENT
    assert receiver.requests == []


def test_a_refusal_does_not_tell_where_a_name_leads(receiver):
    with pytest.raises(BadTarget, match="private address") as refused:
        call(f"http://localhost:{receiver.port}/", CLOSED)
    assert refused.value.code == "private_address"
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize("listed", ["localhost:{port}", "127.0.0.1:{port}", "LOCALHOST:{port}"])
def test_a_listed_pair_may_be_called_though_it_is_private(receiver, listed):
    settings = ExecutorSettings(allow_private_addresses=frozenset({listed.format(port=receiver.port)}))
    assert call(f"http://localhost:{receiver.port}/", settings).status == 200


def test_listing_one_port_opens_no_other(receiver):
    settings = ExecutorSettings(allow_private_addresses=frozenset({f"127.0.0.1:{receiver.port + 1}", "localhost:80"}))
    with pytest.raises(BadTarget):
        call(f"http://localhost:{receiver.port}/", settings)


def test_a_workflow_never_gets_a_connection_that_a_trusted_call_opened(receiver):
    async def both() -> None:
        async with HttpClient(CLOSED) as http:
            assert (await http.request("POST", receiver.url, trusted=True)).status == 200
            with pytest.raises(BadTarget):
                await http.request("POST", receiver.url)

    asyncio.run(both())
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_the_reply_and_is_not_followed(receiver, status):
    with HttpReceiver() as inside:
        receiver.then(Answer(status=status, headers={"Location": inside.url}))
        reply = call(receiver.url, method="GET")
        assert reply.status == status
        assert inside.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "unix:///run/x.sock",
        "//example.com/",
        "example.com",
        "http://",
        "http:///x",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://u:hush@example.com/",
        "http://u@example.com/",
        "http://exa mple.com/",
        "http://example.com/\r\nX: y",
        "http://example\t.com/",
        "http://ex\\@127.0.0.1/",
        "http://[::1/",
        "http://a..b/",
        f"http://{'a' * 70}.example.com/",
        "",
    ],
)
def test_what_is_no_web_address_is_refused_for_good(url):
    with pytest.raises(BadTarget) as refused:
        call(url, CLOSED)
    assert refused.value.code == "bad_url"
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_hanging_up_before_the_reply_leaves_it_unknown_and_is_not_repeated(receiver, method):
    receiver.then(Answer(hang_up=True))
    with pytest.raises(MaybeSent) as broken:
        call(receiver.url + "/path?token=hush", method=method)
    assert broken.value.as_result().verdict is Verdict.UNKNOWN
    assert len(receiver.requests) == 1
    assert "/path" in str(broken.value)
    assert "hush" not in str(broken.value)


def test_hanging_up_on_a_kept_connection_is_unknown_too(receiver):
    async def twice() -> None:
        async with HttpClient(OPEN) as http:
            await http.request("POST", receiver.url)
            receiver.then(Answer(hang_up=True))
            with pytest.raises(MaybeSent):
                await http.request("POST", receiver.url)

    asyncio.run(twice())
    assert len(receiver.requests) == 2


def test_a_server_that_never_answers_leaves_it_unknown(receiver, released):
    receiver.then(Answer(after=released))
    with pytest.raises(MaybeSent, match="no reply in time"):
        call(receiver.url, timeout_seconds=2)


def test_the_settings_limit_the_time_of_a_request(receiver, released):
    receiver.then(Answer(after=released))
    with pytest.raises(MaybeSent, match="no reply in time"):
        call(receiver.url, ExecutorSettings(allow_private_addresses=True, action_timeout_seconds=2))


def test_a_refused_connection_surely_sent_nothing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(NotSent) as refused:
            call(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert refused.value.as_result().verdict is Verdict.RETRY


def test_a_connection_that_is_not_taken_in_time_surely_sent_nothing():
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fills the queue of a server that accepts nobody
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        with pytest.raises(NotSent, match="no connection in time"):
            call(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout_seconds=0.4)


def test_an_unknown_name_surely_sent_nothing():
    with pytest.raises(NotSent, match="not found"):
        call("http://nobody.invalid/")


def test_a_failed_tls_handshake_surely_sent_nothing(receiver):
    with pytest.raises(NotSent):
        call(f"https://127.0.0.1:{receiver.port}/")
    assert receiver.requests == []


def test_a_huge_reply_is_cut(receiver):
    receiver.then(Answer(body=bytes(100_000_000)))
    reply = call(receiver.url)
    assert (reply.status, len(reply.body), reply.truncated) == (200, MAX_RESPONSE_BYTES, True)


def test_a_reply_of_just_the_limit_is_whole(receiver):
    receiver.then(Answer(body=bytes(MAX_RESPONSE_BYTES)))
    reply = call(receiver.url)
    assert (len(reply.body), reply.truncated) == (MAX_RESPONSE_BYTES, False)


def test_a_status_stands_though_the_body_breaks_off(receiver):
    receiver.then(Answer(status=201, body=b"half", missing_bytes=4))
    reply = call(receiver.url)
    assert (reply.status, reply.body, reply.truncated) == (201, b"half", True)


def test_compressed_bytes_are_not_blown_up(receiver):
    bomb = gzip.compress(bytes(10_000_000))
    receiver.then(Answer(headers={"Content-Encoding": "gzip"}, body=bomb))
    assert call(receiver.url).body == bomb
    assert receiver.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("headers", [{"X-Big": "a" * 100_000}, {f"X-{n}": "a" for n in range(200)}])
def test_giant_and_endless_headers_are_refused(receiver, headers):
    receiver.then(Answer(headers=headers))
    with pytest.raises(MaybeSent):
        call(receiver.url)


def test_cookies_are_not_kept(receiver):
    async def twice() -> None:
        async with HttpClient(OPEN) as http:
            for _ in range(2):
                await http.request("GET", f"http://localhost:{receiver.port}/")

    receiver.then(Answer(headers={"Set-Cookie": "session=1; Path=/"}))
    asyncio.run(twice())
    assert ["cookie" in request.headers for request in receiver.requests] == [False, False]


def test_a_proxy_in_the_environment_is_not_used(receiver, monkeypatch):
    with HttpReceiver() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert call(receiver.url).status == 200
        assert proxy.requests == []


def test_the_shown_url_has_neither_query_nor_fragment():
    assert shown_url(parse_url("HTTPS://Example.com:443/a/b?token=hush#x")) == "https://example.com/a/b"


def test_a_client_without_work_opens_nothing():
    async def idle() -> None:
        async with HttpClient(OPEN) as http:
            assert not http._sessions

    asyncio.run(idle())


def test_every_error_says_what_is_known():
    assert [kind.verdict for kind in (HttpError, BadTarget, NotSent, MaybeSent)] == [
        Verdict.UNKNOWN,
        Verdict.PERMANENT,
        Verdict.RETRY,
        Verdict.UNKNOWN,
    ]
