"""Each value of a setting that a page shows is accepted by the program."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click
import pytest

from minutehand.executor.providers.factory import email_provider, sms_provider
from minutehand.executor.targets import _open
from minutehand.executor.webhook_secrets import secrets_of
from minutehand.scheduler.alerts.heartbeat_ping import HeartbeatPing
from minutehand.scheduler.cli.environment import NAMES
from minutehand.scheduler.cli.options import dashboard_options, poll_option, run_options, token_options
from minutehand.scheduler.dashboard_wiring import open_access
from minutehand.scheduler.database import choose_backend, where
from tests.docs.pages import PAGES, ROOT

FILES = [*PAGES, ROOT / "crontab.example", *sorted((ROOT / "scheduler/units/files").iterdir())]
SETTING = re.compile(rf"""\b(MINUTEHAND_\w+|{"|".join(sorted(NAMES))})=("[^"\n]*"|'[^'\n]*'|[^\s`"'|)]+)""")
#: What stands for a value: a rotation's two, and a scheme of the plug-in of extending.md.
STANDS_FOR_A_VALUE = {"new,old", "bell://bells.example.com/office"}
#: What an example of one setting leaves to others.
BESIDE = {
    "SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co",
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_abcdefghijklmnopqrst",
    "EMAIL_FROM": "app@example.com",
}


def examples() -> list[tuple[str, dict[str, str]]]:
    """The settings of each line that has some, with the line's place."""
    found = []
    for path in FILES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            values = {name: value.strip("\"'").rstrip(":;,.") for name, value in SETTING.findall(line)}
            values = {name: it.replace("…", "abcdefghijklmnopqrst") for name, it in values.items()}
            values = {name: it for name, it in values.items() if it and it not in STANDS_FOR_A_VALUE and "$" not in it}
            if values:
                found.append((f"{path.relative_to(ROOT)}:{number}", values))
    return found


def test_there_are_examples() -> None:
    assert {"MINUTEHAND_LOGINS", "SMTP_URL", "MINUTEHAND_ALERT_URLS", "TWILIO_FROM"} <= {
        name for _, values in examples() for name in values
    }


@pytest.mark.parametrize("values", [pytest.param(values, id=place) for place, values in examples()])
def test_an_example_of_a_setting_is_accepted(
    values: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = {option.envvar for option in probe.params if isinstance(option, click.Option)}
    assert values.keys() <= known | {f"{name}_FILE" for name in known}, "there is such a setting"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | BESIDE | values
    monkeypatch.setattr(os, "environ", environment)
    settings = probe.main([], standalone_mode=False)
    backend, run, executor = settings["backend"], settings["run"], settings["executor"]
    assert choose_backend(backend) in where(backend)
    open_access("127.0.0.1", backend, settings["dashboard"])
    HeartbeatPing(run.ping_url, settings["log"])
    for target in (*run.alert.targets, *executor.notify_urls):
        _open(target)
    secrets_of(executor.webhook_secret, None)
    if values.keys() & {"SMTP_URL", "RESEND_API_KEY", "MINUTEHAND_EMAIL_VIA"}:
        email_provider(executor)
    if any(name.startswith(("TWILIO", "TELNYX", "MINUTEHAND_SMS")) for name in values):
        sms_provider(executor)


@click.command()
@dashboard_options
@token_options
@poll_option
@run_options
def probe(**settings: Any) -> dict[str, Any]:
    """Take every setting."""
    return settings
