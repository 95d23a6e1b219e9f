"""An uncertain send, from the broken connection to a person's word, and on."""

from __future__ import annotations

import json

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver, Trouble
from tests.journeys.app import App, Minutehand, email, webhook


def uncertain(app: App, minutehand: Minutehand, post: SmtpReceiver, shop: HttpReceiver) -> str:
    """A mail that the server took, before it broke off; gives the execution's id, as the search finds it."""
    post.then(Trouble(at="CONTENT"))
    app.workflow(email(), webhook(shop.url))
    app.complete()
    assert minutehand.run_once()["uncertain"] == 1
    found = json.loads(minutehand("executions", "ls", "code:uncertain_send", "-o", "json").stdout)
    assert [row["status"] for row in found] == ["failed"]
    assert shop.requests == [], "what follows waits for the person's word"
    refused = minutehand("executions", "retry", found[0]["id"])
    assert refused.returncode == 2
    assert "executions resolve" in refused.stdout
    return str(found[0]["id"])


@pytest.mark.parametrize(
    ("word", "mails", "status", "send"),
    [("--sent", 0, "completed", "sent"), ("--resend", 1, "completed", "sent"), ("--drop", 0, "failed", "failed")],
)
def test_a_person_resolves_it_and_the_following_steps_run(
    app: App,
    minutehand: Minutehand,
    post: SmtpReceiver,
    shop: HttpReceiver,
    word: str,
    mails: int,
    status: str,
    send: str,
) -> None:
    execution = uncertain(app, minutehand, post, shop)
    before = len(post.messages)
    (first,) = app.sends()
    done = minutehand("executions", "resolve", execution, word)
    assert (done.returncode, "resolved" in done.stdout) == (0, True)
    minutehand.run_once()
    assert len(post.messages) - before == mails
    assert len(shop.requests) == 1
    row = app.execution()
    assert row["status"] == status
    last = app.sends_by("email")[-1]
    assert last["status"] == send
    assert (last["idempotency_key"] != first["idempotency_key"]) == (word == "--resend")
    assert minutehand("executions", "resolve", execution, word).returncode == 2, "it is said once"


@pytest.mark.parametrize("words", [[], ["--sent", "--drop"], ["--drop", "--resend", "--sent"]])
def test_resolve_needs_exactly_one_answer(app: App, minutehand: Minutehand, words: list[str]) -> None:
    done = minutehand("executions", "resolve", "01a209d4", *words)
    assert (done.returncode, "--sent, --resend or --drop" in done.stderr) == (2, True)
