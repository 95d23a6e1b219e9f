"""An uncertain send, from the broken connection to a person's answer and the following steps."""

from __future__ import annotations

import json

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver, Trouble
from tests.journeys.app import App, Minutehand, email, webhook


def uncertain(app: App, minutehand: Minutehand, post: SmtpReceiver, shop: HttpReceiver) -> str:
    """An e-mail that the server accepted before the connection broke; returns the id of the execution."""
    post.then(Trouble(at="CONTENT"))
    app.workflow(email(), webhook(shop.url))
    app.complete()
    assert minutehand.run_once()["uncertain"] == 1
    listed = json.loads(minutehand("executions", "ls", "code:uncertain_send", "-o", "json").stdout)
    assert [row["status"] for row in listed] == ["failed"]
    assert shop.requests == [], "the following steps wait for a person"
    refused = minutehand("executions", "retry", listed[0]["id"])
    assert refused.returncode == 2
    assert "executions resolve" in refused.stdout
    return str(listed[0]["id"])


@pytest.mark.parametrize(
    ("answer", "mails", "status", "send"),
    [("--sent", 0, "completed", "sent"), ("--resend", 1, "completed", "sent"), ("--drop", 0, "failed", "failed")],
)
def test_a_person_resolves_it_and_the_following_steps_run(
    app: App,
    minutehand: Minutehand,
    post: SmtpReceiver,
    shop: HttpReceiver,
    answer: str,
    mails: int,
    status: str,
    send: str,
) -> None:
    execution = uncertain(app, minutehand, post, shop)
    before = len(post.messages)
    (first,) = app.sends()
    done = minutehand("executions", "resolve", execution, answer)
    assert (done.returncode, "resolved" in done.stdout) == (0, True)
    minutehand.run_once()
    assert len(post.messages) - before == mails
    assert len(shop.requests) == 1
    row = app.execution()
    assert row["status"] == status
    last = app.sends_by("email")[-1]
    assert last["status"] == send
    assert (last["idempotency_key"] != first["idempotency_key"]) == (answer == "--resend")
    assert minutehand("executions", "resolve", execution, answer).returncode == 2, "it can be resolved only once"


@pytest.mark.parametrize("answers", [[], ["--sent", "--drop"], ["--drop", "--resend", "--sent"]])
def test_resolve_needs_exactly_one_answer(app: App, minutehand: Minutehand, answers: list[str]) -> None:
    done = minutehand("executions", "resolve", "01a209d4", *answers)
    assert (done.returncode, "--sent, --resend or --drop" in done.stderr) == (2, True)
