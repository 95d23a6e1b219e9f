"""`minutehand alerts`: list open incidents, check for them from another machine, and test the targets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from minutehand.scheduler.cli.options import alert_options, backend_options, output_option
from minutehand.scheduler.cli.output import print_rows
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import AlertSettings, BackendSettings, LogSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Store
from minutehand.store.errors import BadConfiguration
from minutehand.store.records import IncidentRow

if TYPE_CHECKING:
    from minutehand.executor.targets import Deliveries

COLUMNS = ("opened_at", "kind", "summary", "count", "notified", "recovered_at")


@click.group("alerts", short_help="List incidents, and test who is notified.", epilog="Example: minutehand alerts ls")
def alerts() -> None:
    """List incidents, check for them, and test the targets of MINUTEHAND_ALERT_URLS."""


@alerts.command("ls", epilog="Example: minutehand alerts ls --all -o json")
@click.option("--all", "all_", is_flag=True, help="Also those that recovered within 90 days.")
@output_option("table", "json", "jsonl")
@backend_options
def ls(all_: bool, output: str, backend: BackendSettings) -> None:
    """List open incidents, newest first."""
    rows = ask_store(backend, lambda store: store.incidents(all_=all_))
    print_rows(rows, COLUMNS, output, empty="no open incidents at the last check")


@alerts.command("check", epilog="Example: minutehand alerts check")
@output_option("table", "json", "jsonl")
@alert_options
@backend_options
def check(output: str, backend: BackendSettings, alert: AlertSettings, log: LogSettings) -> int:
    """Check for incidents now, notify the targets, and list what is open.  Exit 3 if any incident is open.

    Run it from cron on another machine: it notices when no processor is running any more.
    """
    from minutehand.scheduler.logs import configure

    async def notify(store: Store) -> list[IncidentRow]:
        from minutehand.scheduler.alerts.notifier import Notifier

        await Notifier(store, alert).check()
        return await store.incidents()

    configure(log)
    rows = ask_store(backend, notify)
    print_rows(rows, COLUMNS, output, empty="no open incidents")
    return 3 if rows else 0


@alerts.command("test", epilog="Example: minutehand alerts test")
@output_option("table", "json", "jsonl")
@alert_options
def test(output: str, alert: AlertSettings, log: LogSettings) -> int:
    """Send a test message to each target of MINUTEHAND_ALERT_URLS.  Exit 3 if a target did not accept it."""
    if not alert.targets:
        raise BadConfiguration(
            "no targets: set MINUTEHAND_ALERT_URLS (or --alert-urls) to Apprise URLs, separated by spaces"
        )
    from minutehand.executor.targets import send_to_all

    title, text = "Minutehand: test", "This is a test message from `minutehand alerts test`.  Nothing is wrong."

    async def send() -> list[Deliveries]:
        return [await send_to_all((url,), title, text) for url in alert.targets]

    results = asyncio.run(send())
    rows = [
        {
            "target": number,
            "accepted": None if result.unknown else all(result.accepted),
            "reason": result.reason or None,
        }
        for number, result in enumerate(results, start=1)
    ]
    if output != "table":
        print_rows(rows, (), output, empty="")
    for number, result in enumerate(results, start=1) if output == "table" else ():
        if result.unknown:
            outcome = result.reason
        else:
            outcome = "accepted it" if all(result.accepted) else f"did not accept it: {result.reason}"
        echo(f"target {number}: {outcome}")
    return 0 if all(all(result.accepted) for result in results) else 3
