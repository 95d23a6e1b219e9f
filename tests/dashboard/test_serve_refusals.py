"""Who and what `minutehand serve` refuses, and what it says."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.dashboard.served import PATH, completed, problem


def test_either_token_is_good_and_nothing_else(app, shop, served):
    (one,) = completed(app, shop)
    assert served.call(json={"test": True}, token="an-old-token").json() == {"success": True, "version": "0.1.0"}
    for token in (None, "", "a-new-toke", "a-new-token,an-old-token", "ä"):
        headers = {"Authorization": f"Bearer {token}".encode("latin-1")} if token else {}
        refusal = served.call(one, token=None, headers=headers)
        assert refusal.headers["www-authenticate"] == "Bearer"
        assert "token" in problem(refusal, 401)["detail"]
    assert problem(served.call(one, token=None, headers={"Authorization": "Basic a-new-token"}), 401)
    assert problem(served.call(token=None, json={"test": True}), 401)
    assert problem(served.call(token=None, content=b"x" * 1000), 401)
    assert shop.requests == []


@pytest.mark.parametrize("token", ["a-new-\n token", "a-new-token\n x: y", "a-new-token "], ids=repr)
def test_a_token_with_a_line_break_opens_nothing(served, token):
    request = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 14\r\n\r\n"
        + '{"test": true}'
    )
    with socket.create_connection(served.address, timeout=10) as raw:
        raw.sendall(request.encode())
        status = int(raw.recv(4096).split()[1])
    assert status in ((200,) if token.strip() == "a-new-token" else (400, 401))


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "not valid JSON"),
        (b"executionId=1", 400, "not valid JSON"),
        (b'{"executionId": ', 400, "not valid JSON"),
        (b"\xff\xfe", 400, "not valid JSON"),
        (b"[" * 60_000, 400, "not valid JSON"),
        (b"[]", 422, "executionId"),
        (b"{}", 422, "executionId"),
        (b'{"executionId": null}', 422, "executionId"),
        (b'{"executionId": 7}', 422, "executionId"),
        (b'{"executionId": {"a": 1}}', 422, "executionId"),
        (b'{"executionId": "test-1"}', 422, "executionId"),
        (b'{"executionId": "01a209d4"}', 422, "executionId"),
        (b'{"executionId": "00000000-0000-4000-8000-000000000000"}', 404, "does not exist"),
        (b"{" + b" " * 64 * 1024 + b"}", 413, "64 KiB"),
        (b'"' + b"x" * 2_000_000 + b'"', 413, "64 KiB"),
    ],
)
def test_a_body_that_cannot_be_understood_is_refused_with_what_to_send(served, content, status, words):
    assert words in problem(served.call(content=content), status)["detail"]


def test_a_large_body_of_unknown_length_is_refused_too(served):
    assert problem(served.call(content=(b"x" * 1000 for _ in range(2000))), 413)
    assert problem(served.call(content=(b"x" * 100_000 for _ in range(20))), 413)
    assert served.call(content=iter([b'{"test"', b": true}"])).status_code == 200


def test_another_method_or_page_is_refused(served):
    response = httpx.get(served.url + PATH)
    assert (problem(response, 405)["title"], response.headers["allow"]) == ("Method Not Allowed", "POST")
    problem(served.get("/nowhere"), 404)
    problem(served.get("/functions/v1/other"), 404)
