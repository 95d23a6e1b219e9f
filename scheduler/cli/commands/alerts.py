"""`minutehand alerts`: what is wrong, whether it reaches people, and a look from another machine."""

from __future__ import annotations

import asyncio

import click

from minutehand.scheduler.cli.options import alert_options, backend_options, output_option
from minutehand.scheduler.cli.output import print_rows
from minutehand.scheduler.config import AlertSettings, BackendSettings, LogSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Json, Store
from minutehand.store.errors import BadConfiguration

COLUMNS = ("opened_at", "kind", "summary", "count", "told", "recovered_at")


@click.group("alerts", short_help="See what is wrong, and test who is told.", epilog="Example: minutehand alerts ls")
def alerts() -> None:
    """What is wrong, who is told of it, and whether that arrives."""


@alerts.command("ls", epilog="Example: minutehand alerts ls --all -o json")
@click.option("--all", "all_", is_flag=True, help="Also what has recovered, of 90 days.")
@output_option("table", "json", "jsonl")
@backend_options
def ls(all_: bool, output: str, backend: BackendSettings) -> None:
    """List the incidents that are open, the newest first."""
    rows = ask_store(backend, lambda store: store.incidents(all_=all_))
    print_rows(rows, COLUMNS, output, empty="nothing is wrong, as far as somebody looked")


@alerts.command("check", epilog="Example: minutehand alerts check")
@output_option("table", "json", "jsonl")
@alert_options
@backend_options
def check(output: str, backend: BackendSettings, alert: AlertSettings, log: LogSettings) -> int:
    """Look for trouble now, tell the targets of it, and list what is open.  Exit 3 when something is.

    Made for cron on another machine: it also sees that no processor is there any more.
    """

    async def look(store: Store) -> list[Json]:
        from minutehand.scheduler.alerts.notifier import Alerts

        made = Alerts(store, alert)
        await made.tell()
        return await store.incidents()

    from minutehand.scheduler.logs import configure

    configure(log)
    rows = ask_store(backend, look)
    print_rows(rows, COLUMNS, output, empty="nothing is wrong")
    return 3 if rows else 0


@alerts.command("test", epilog="Example: minutehand alerts test")
@alert_options
def test(alert: AlertSettings, log: LogSettings) -> int:
    """Send a test message to each target of MINUTEHAND_ALERT_URLS.  Exit 3 when one did not accept it."""
    if not alert.targets:
        raise BadConfiguration(
            "MINUTEHAND_ALERT_URLS (--alert-urls) is not set: give Apprise URLs, separated by spaces"
        )
    from minutehand.executor.targets import Deliveries, send_to_all

    async def go() -> list[Deliveries]:
        title, text = "Minutehand: a test", "Somebody tried `minutehand alerts test`.  Nothing is wrong."
        return [await send_to_all((url,), title, text) for url in alert.targets]

    results = asyncio.run(go())
    for number, sent in enumerate(results, start=1):
        if sent.unknown:
            outcome = "nothing serves such a URL; check its spelling"
        else:
            outcome = "accepted it" if all(sent.accepted) else f"did not accept it: {sent.reason}"
        click.echo(f"target {number}: {outcome}")
    return 0 if all(all(sent.accepted) for sent in results) else 3
