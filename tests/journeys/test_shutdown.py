"""How a processor ends when it is told to, in the middle of its work."""

from __future__ import annotations

import json
import signal

import pytest

from minutehand.scheduler.demo.receivers import Answer
from tests.journeys.app import App, Gate, wait_until, webhook


@pytest.mark.parametrize("command", ["start", "run-once"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_finish_and_releases_the_rest(app, minutehand, shop, command, number):
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    app.complete_many(3)
    with minutehand.running(command, "--concurrency", "1") as processor:
        wait_until(gate.reached.is_set, "the first request")
        processor.kill(number)
        wait_until(lambda: statuses(app) == ["pending", "pending", "processing"], "the release")
        gate.set()
        code, _, err = processor.end()
    assert code == (130 if (command, number) == ("run-once", signal.SIGINT) else 0)
    assert "Traceback" not in err
    assert statuses(app) == ["completed", "pending", "pending"]
    assert [row["attempt"] for row in app.executions() if row["status"] == "pending"] == [0, 0]
    assert len(shop.requests) == 1


def test_steps_that_have_not_begun_are_not_begun(app, minutehand, shop):
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(f"{shop.url}/1"), webhook(f"{shop.url}/2"))
    app.complete()
    with minutehand.running("run-once", "-o", "json") as processor:
        wait_until(gate.reached.is_set, "the first step")
        processor.kill(signal.SIGTERM)
        processor.wait_until_heard()  # the reply must not come first
        gate.set()
        _, out, _ = processor.end()
    assert json.loads(out)["released"] == 1
    assert [request.path for request in shop.requests] == ["/1"]
    assert minutehand.run_once()["completed"] == 1
    assert [request.path for request in shop.requests] == ["/1", "/2"]


def test_the_grace_ends_what_does_not_finish_and_it_is_found_again(app, minutehand, shop):
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    app.complete()
    with minutehand.running("start", "--grace", "0.2s") as processor:
        wait_until(gate.reached.is_set, "the request")
        code, _, err = processor.end(signal.SIGTERM)
        gate.set()
    assert (code, '"lost": 1' in err) == (0, True)
    assert statuses(app) == ["processing"]
    app.expire_leases()
    minutehand.run_once()
    app.make_due()
    assert minutehand.run_once()["completed"] == 1


def statuses(app: App) -> list[str]:
    return sorted(row["status"] for row in app.executions())


@pytest.mark.parametrize("command", ["run-once", "start", "worker"])
def test_a_second_signal_goes_now(app, minutehand, shop, command):
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    app.complete()
    with minutehand.running(command, "--grace", "1h") as processor:
        wait_until(gate.reached.is_set, "the step")
        processor.kill(signal.SIGTERM)
        processor.wait_until_heard()
        assert processor.process.poll() is None, "it waits for the step"
        code, _, _ = processor.end(signal.SIGTERM)
        gate.set()
    assert code == 128 + signal.SIGTERM
    assert app.execution()["status"] == "processing"
