"""Steps that the processors cannot run for want of a setting: judged by what their heartbeats report."""

from __future__ import annotations

import json
from typing import Any

from tests.journeys.app import App, Minutehand, email
from tests.journeys.world import sms

SMS = "no SMS provider is set up: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM, or TELNYX_API_KEY and"
FUNCTION = "workflows may not call the function unheard; an operator adds it to MINUTEHAND_FUNCTIONS"
NOTIFY = "MINUTEHAND_NOTIFY_URLS is not set: set it to Apprise URLs"
EMAIL = "no e-mail provider is set up: set"
NOTHING: dict[str, str | None] = {"SMTP_URL": None, "EMAIL_FROM": None}


def said(minutehand: Minutehand, *command: str, **environment: str | None) -> str:
    """What a command prints, as one line."""
    return " ".join(minutehand(*command, **environment).stdout.split())


def make(app: App) -> None:
    """Save a workflow for each kind of step that needs a setting."""
    steps: dict[str, dict[str, Any]] = {
        "Texts": sms(to="+12025550123"),
        "Calls": {"type": "function", "config": {"name": "unheard"}},
        "Notifies": {"type": "notify", "config": {"message": "x"}},
        "Mails": email(),
    }
    for name, step in steps.items():
        app.workflow(step, name=name)


def test_each_command_says_what_the_processors_report(app: App, minutehand: Minutehand) -> None:
    make(app)
    before = said(minutehand, "doctor")
    assert f'"Texts", step 1: {SMS}' in before
    assert "(by the settings of this command: no processor has reported yet)" in before

    minutehand.run_once(**NOTHING)
    row = app.database.one("select serves from automation_workers")["serves"]
    assert (row["executor"], row["functions"]) == ("local", [])
    # The commands have other settings than the processor: they do not count.
    twilio = {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "secret-of-twilio", "TWILIO_FROM": "+12025550100"}
    for command in (("workflows", "lint"), ("workflows", "ls"), ("status",), ("doctor",)):
        printed = said(minutehand, *command, **twilio)
        for words in (SMS, FUNCTION, NOTIFY, EMAIL):
            assert f"step 1: {words}" in printed, (command, words)
        assert "(on run-once of " in printed

    minutehand.run_once(MINUTEHAND_NOTIFY_URLS="json://localhost", MINUTEHAND_FUNCTIONS="unheard", **twilio)
    served = app.database.one("select serves::text from automation_workers order by heartbeat_at desc limit 1")[
        "serves"
    ]
    assert "secret-of-twilio" not in served
    found = json.loads(minutehand("workflows", "lint", "-o", "json").stdout)
    texts = {one["workflow"]: [f["text"] for f in one["findings"] if f["about"] == "services"] for one in found}
    assert {name: len(words) for name, words in texts.items()} == {"Texts": 0, "Calls": 1, "Notifies": 0, "Mails": 0}
    assert texts["Calls"][0].startswith("where the functions are is not set")
