"""Alerts and pings, as an operator meets them: real targets, real runs."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, Request
from tests.journeys.app import App, Minutehand, wait_until, webhook

NOBODY = "http://127.0.0.1:9"
SECRET_PATH = "s3cr3t-of-the-target"


def told(shop: HttpReceiver) -> list[dict[str, Any]]:
    """What Apprise's `json://` target took."""
    return [json.loads(request.body) for request in shop.requests if SECRET_PATH in request.path]


def target(shop: HttpReceiver) -> str:
    return f"json://127.0.0.1:{shop.port}/{SECRET_PATH}"


def let_time_pass(app: App, seconds: int) -> None:
    """Make everything that alerts remember so much older."""
    app.database.sql(f"update minutehand.alert_state set judged_at = judged_at - interval '{seconds} s'")
    app.database.sql(
        f"update automation_incidents set opened_at = opened_at - interval '{seconds} s', "
        f"seen_at = seen_at - interval '{seconds} s', notified_at = notified_at - interval '{seconds} s', "
        f"notifier_until = notifier_until - interval '{seconds} s'"
    )
    app.database.sql(
        f"update automation_execution_logs set completed_at = completed_at - interval '{seconds} s', "
        f"created_at = created_at - interval '{seconds} s'"
    )


def broken(app: App) -> None:
    """A workflow whose call fails for good."""
    app.workflow({"type": "email", "config": {"to": "nobody", "subject": "s", "message": "m"}}, name="Broken")


def test_a_failure_is_notified_once_and_again_when_it_recovers(
    app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    minutehand.environment["MINUTEHAND_ALERT_URLS"] = target(shop)
    broken(app)
    app.complete_many(12)
    minutehand.run_once("--drain")
    (first,) = told(shop)
    assert first["title"].startswith('Minutehand: "Broken": 12 of 12 failed in 15 min')
    assert "next: minutehand executions ls status:failed" in first["message"]
    let_time_pass(app, 40)
    minutehand.run_once()
    assert len(told(shop)) == 1
    let_time_pass(app, 3600)
    minutehand.run_once()
    let_time_pass(app, 400)
    minutehand.run_once()
    titles = [one["title"] for one in told(shop)]
    assert any("recovered" in title for title in titles[1:]), titles
    listed = minutehand("alerts", "ls", "--all", "-o", "json")
    assert SECRET_PATH not in listed.stdout
    assert {row["kind"] for row in json.loads(listed.stdout)} >= {"failures"}


def test_two_processors_notify_once(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    minutehand.environment["MINUTEHAND_ALERT_URLS"] = target(shop)
    broken(app)
    app.complete_many(4)
    minutehand.run_once("--drain", MINUTEHAND_ALERT_URLS=None)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: minutehand.run_once(), range(3)))
    assert len(told(shop)) == 1


def test_an_unreachable_target_fails_no_tick_and_is_notified_later(
    app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    broken(app)
    app.complete()
    done = minutehand("run-once", MINUTEHAND_ALERT_URLS=f"json://127.0.0.1:9/{SECRET_PATH}")
    assert done.returncode == 0
    assert '"alert_failed"' in done.stderr
    assert SECRET_PATH not in done.stdout + done.stderr
    let_time_pass(app, 121)
    minutehand.run_once(MINUTEHAND_ALERT_URLS=target(shop))
    assert [one["title"].partition(" of ")[0] for one in told(shop)] == ['Minutehand: "Broken": 1']


def test_a_check_from_another_machine_notices_that_no_processor_runs(
    app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    minutehand.run_once()
    assert minutehand("alerts", "check").returncode == 0
    app.database.sql("update automation_workers set heartbeat_at = now() - interval '1 hour'")
    let_time_pass(app, 60)
    done = minutehand("alerts", "check", MINUTEHAND_ALERT_URLS=target(shop))
    assert (done.returncode, "silence" in done.stdout) == (3, True), done.stderr
    (one,) = told(shop)
    assert one["title"].startswith("Minutehand: no processor has run for 1 hour")


def test_a_worker_notifies_while_it_works(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    minutehand.environment["MINUTEHAND_ALERT_URLS"] = target(shop)
    broken(app)
    with minutehand.running("worker", "--poll-seconds", "0.5"):
        wait_until(lambda: app.database.sql("select * from minutehand.alert_state"), "its first look")
        app.complete()
        wait_until(lambda: app.executions()[0]["completed_at"], "the end")
        app.database.sql("update minutehand.alert_state set judged_at = now() - interval '31 s'")
        wait_until(lambda: told(shop), "the alert")


def test_alerts_test_says_of_each_target_whether_it_accepted_the_message(
    minutehand: Minutehand, shop: HttpReceiver
) -> None:
    assert minutehand("alerts", "test").returncode == 78
    urls = f"{target(shop)} json://127.0.0.1:9/{SECRET_PATH} nonsense://x"
    done = minutehand("alerts", "test", MINUTEHAND_ALERT_URLS=urls)
    lines = done.stdout.splitlines()
    assert done.returncode == 3
    assert [line.partition(": ")[0] for line in lines] == ["target 1", "target 2", "target 3"]
    assert "accepted it" in lines[0]
    assert "did not accept it" in lines[1]
    assert "nothing serves such a URL" in lines[2]
    assert SECRET_PATH not in done.stdout + done.stderr
    assert minutehand("alerts", "test", MINUTEHAND_ALERT_URLS=target(shop)).returncode == 0


# --- pings ---


def pings(shop: HttpReceiver) -> list[tuple[str, str, str]]:
    """Each ping: what it says, the run it is of, and its text."""
    found = []
    for request in shop.requests:
        parts = urlsplit(request.path)
        if parts.path.startswith("/ping/uuid"):
            rid = parse_qs(parts.query).get("rid", [""])[0]
            found.append((parts.path.removeprefix("/ping/uuid"), rid, request.body.decode()))
    return found


def test_a_run_pings_its_start_and_its_exit_status(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    minutehand.environment["MINUTEHAND_PING_URL"] = f"http://127.0.0.1:{shop.port}/ping/uuid"
    app.workflow(webhook(shop.url))
    app.complete()
    minutehand.run_once()
    (start, rid, _), (end, same, text) = pings(shop)
    assert (start, end, rid == same and rid != "") == ("/start", "/0", True)
    assert text.startswith("1 claimed: 1 completed")


def test_a_run_that_fails_pings_its_exit_status(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    minutehand.environment["MINUTEHAND_PING_URL"] = f"http://127.0.0.1:{shop.port}/ping/uuid"
    assert minutehand("run-once", DATABASE_URL="postgresql://nobody@127.0.0.1:9/x").returncode == 69
    assert [said for said, _, _ in pings(shop)] == ["/start", "/69"]
    broken(app)
    app.complete()
    assert minutehand("run-once", "--fail-on", "dead").returncode == 4
    assert pings(shop)[-1][0] == "/4"


@pytest.mark.parametrize("url", [f"{NOBODY}/ping", "http://no-such-host.invalid/ping"])
def test_a_ping_that_fails_fails_no_run(app: App, minutehand: Minutehand, url: str) -> None:
    done = minutehand("run-once", MINUTEHAND_PING_URL=url)
    assert done.returncode == 0
    assert '"ping_failed"' in done.stderr
    assert url not in done.stderr


def test_a_ping_that_hangs_delays_a_run_by_its_time_limit(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    class Slow(HttpReceiver):
        def _take(self, request: Request) -> Answer:
            time.sleep(60)
            return super()._take(request)

    with Slow() as slow:
        began = time.monotonic()
        assert minutehand("run-once", MINUTEHAND_PING_URL=slow.url).returncode == 0
        assert time.monotonic() - began < 55


def test_a_ping_url_must_be_http(minutehand: Minutehand) -> None:
    assert minutehand("run-once", MINUTEHAND_PING_URL="file:///etc/passwd").returncode == 78


def test_a_worker_pings_that_it_is_alive(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    minutehand.environment["MINUTEHAND_PING_URL"] = f"http://127.0.0.1:{shop.port}/ping/uuid"
    with minutehand.running("worker"):
        wait_until(lambda: pings(shop), "the first sign of life")
    assert [said for said, _, _ in pings(shop)] == [""]
    shop.requests.clear()
    with minutehand.running("start", "--every", "0.5s"):
        wait_until(lambda: len(pings(shop)) >= 4, "two ticks")
    assert [said for said, _, _ in pings(shop)[:4]] == ["/start", "/0", "/start", "/0"]


def test_serve_notices_that_no_processor_runs(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    minutehand.run_once()
    app.database.sql("update automation_workers set heartbeat_at = now() - interval '1 hour'")
    with minutehand.running("serve", "--port", "0", MINUTEHAND_ALERT_URLS=target(shop), MINUTEHAND_API_TOKEN="a-token"):
        wait_until(lambda: told(shop), "the alert")
    assert told(shop)[0]["title"].startswith("Minutehand: no processor has run for 1 hour")
