"""How `minutehand serve` ends when it is told to, in the middle of its work, and what it never logs."""

from __future__ import annotations

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from minutehand.scheduler.demo.receivers import Answer
from tests.dashboard.served import PATH, completed
from tests.journeys.app import Gate, wait_until, webhook


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_finish_and_answers_it(app, shop, serve, number):
    (one,) = completed(app, shop)
    gate = Gate()
    shop.then(Answer(after=gate))
    with serve() as served, ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(served.call, one)
        wait_until(gate.reached.is_set, "the request")
        served.running.kill(number)
        wait_until(lambda: refuses(served.url), "the end of its listening")
        gate.set()
        assert waiting.result().json()["status"] == "completed"
        code, out, err = served.running.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert json.loads(err.splitlines()[-1])["event"] == "server_stopped"


def refuses(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz")
    except httpx.TransportError:
        return True
    return False


def test_a_signal_also_waits_for_what_nobody_listens_to(app, shop, serve):
    (one,) = completed(app, shop)
    gate = Gate()
    shop.then(Answer(after=gate))
    with serve() as served:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                served.url + PATH,
                json={"executionId": one},
                headers={"Authorization": "Bearer a-new-token"},
                timeout=0.5,
            )
        wait_until(gate.reached.is_set, "the request")
        served.running.kill(signal.SIGTERM)
        wait_until(lambda: refuses(served.url), "the end of its listening")
        gate.set()
        assert served.running.end()[0] == 0
    assert app.execution()["status"] == "completed"


def test_what_outlasts_the_grace_is_given_up_and_found_again(app, minutehand, shop, serve):
    (one,) = completed(app, shop)
    gate = Gate()
    shop.then(Answer(after=gate))
    with serve("--grace", "0.3s") as served, ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(served.call, one)
        wait_until(gate.reached.is_set, "the request")
        code, _, err = served.running.end(signal.SIGTERM)
        gate.set()
        assert waiting.result().status_code == 409
    assert (code, "execution_lost" in err) == (0, True)
    assert app.execution()["status"] == "processing"


def test_steps_that_have_not_begun_are_left_to_others(app, shop, serve):
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(f"{shop.url}/1"), webhook(f"{shop.url}/2"))
    app.complete()
    with serve() as served, ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(served.call, app.execution()["id"])
        wait_until(gate.reached.is_set, "the first step")
        served.running.kill(signal.SIGTERM)
        wait_until(lambda: refuses(served.url), "the end of its listening")
        gate.set()
        assert waiting.result().json()["status"] == "pending"
    assert [request.path for request in shop.requests] == ["/1"]


def test_no_token_and_no_trace_is_ever_logged(app, shop, serve):
    ids = completed(app, shop, 3)
    with serve("--log-level", "debug") as served:
        for one in ids:
            served.call(one)
            served.call(one, token="a-wrong-token")
        served.call(content=b"{")
        with socket.create_connection(served.address) as raw:
            raw.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 400")
        _, _, err = served.running.end(signal.SIGTERM)
    assert all(json.loads(line)["event"] for line in err.splitlines())
    for secret in ("a-new-token", "an-old-token", "a-wrong-token", "Traceback"):
        assert secret not in err


def test_a_slow_caller_holds_up_nobody(served):
    with socket.create_connection(served.address) as raw:
        raw.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-new-token\r\n".encode())
        raw.sendall(b"Content-Length: 100\r\n\r\n{")
        assert served.call(json={"test": True}).status_code == 200
