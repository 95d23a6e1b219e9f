"""A processor is killed at every point of a three-step workflow, repeatedly: no message is sent twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, Mail, SmtpReceiver
from tests.journeys.app import App, Minutehand, email, webhook
from tests.providers.twilio import TwilioServer

#: More points than a whole run has; the last runs are not killed.
POINTS = 24


@pytest.fixture
def texts() -> Any:
    with TwilioServer() as server:
        yield server


def environment(texts: TwilioServer, shop: HttpReceiver) -> dict[str, str]:
    return {
        **{name.upper(): value for name, value in texts.settings.items()},
        "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": f"127.0.0.1:{shop.port}",
    }


def run_killed(minutehand: Minutehand, point: int, **more: str) -> bool:
    """Run a tick that is killed at this point; returns whether it was."""
    command = [sys.executable, "-m", "tests.journeys.killed", str(point), "run-once"]
    variables = {
        **os.environ,
        "HOME": str(minutehand.folder),
        **minutehand.environment,
        **more,
        "PYTHONPATH": os.getcwd(),
    }
    done = subprocess.run(command, env=variables, capture_output=True, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


def recover(app: App, minutehand: Minutehand, **more: str) -> None:
    """Let the leases expire, and run ticks until all have ended; a person resolves uncertain sends as `sent`."""
    for _ in range(12):
        app.expire_leases()
        app.make_due()
        minutehand.run_once("--drain", **more)
        app.make_due()
        ends = {row["status"] for row in app.executions()}
        if ends & {"pending", "processing"}:
            continue
        uncertain = [str(row["id"]) for row in app.executions() if row["code"] == "uncertain_send"]
        if not uncertain:
            return
        assert minutehand("executions", "resolve", *uncertain, "--sent").returncode == 0
    raise AssertionError(f"not all of them ended: {app.executions()}")


def start(app: App) -> str:
    app.database.sql("alter table clients add column phone text; update clients set phone = '+12025550123'")
    return "Dear {{ client.name }}, job {{ job.id }} is done."


def text_of(mail: Mail) -> str:
    part = mail.message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def check(app: App, jobs: list[str], post: SmtpReceiver, texts: TwilioServer, shop: HttpReceiver) -> None:
    """No message arrives twice, none is lost unless a person resolved it, and each webhook has one key."""
    mails = Counter(job for mail in post.messages for job in jobs if f"job {job} is" in text_of(mail))
    sms = Counter(job for text in texts.messages for job in jobs if f"job {job} is" in text.body["Body"])
    hooks = {(request.headers["idempotency-key"], request.path.rpartition("/")[2]) for request in shop.requests}
    assert max(mails.values(), default=0) <= 1, mails
    assert max(sms.values(), default=0) <= 1, sms
    assert Counter(job for _, job in hooks) == Counter(jobs), "each job under one key"
    for row in app.executions():
        resolved = {step["stepId"]: step.get("resolved") for step in row["actions_executed"]}
        assert row["status"] == "completed", row
        # Only a message that a person resolved as sent may be missing: it was uncertain.
        assert resolved["1"] == "sent" or mails[row["entity_id"]] == 1
        assert resolved["2"] == "sent" or sms[row["entity_id"]] == 1


def test_after_a_kill_at_any_point_no_message_is_sent_twice(
    app: App, minutehand: Minutehand, post: SmtpReceiver, shop: HttpReceiver, texts: TwilioServer
) -> None:
    message = start(app)
    sms = {"type": "sms", "config": {"message": message}}
    app.workflow(email(message=message), sms, webhook(f"{shop.url}/done/{{{{ job.id }}}}"))
    more, jobs, kills = environment(texts, shop), [], 0
    for point in range(1, POINTS + 1):
        jobs.append(app.complete())
        killed = run_killed(minutehand, point, **more)
        if not killed:
            break
        kills += 1
        if point % 3 == 0:  # the next processor is killed, too
            app.expire_leases()
            app.database.call("automation_tick")
            app.make_due()
            run_killed(minutehand, point, **more)
        recover(app, minutehand, **more)
    assert 14 <= kills < POINTS, "the last run was not killed, so every point was met"
    check(app, jobs, post, texts, shop)
    uncertain = [s for row in app.executions() for s in row["actions_executed"] if s.get("resolved")]
    assert uncertain, "some died between a send and its confirmation"
    keys = [send["idempotency_key"] for send in app.sends()]
    assert len(keys) == len(set(keys)) == 3 * len(jobs)
