"""`minutehand upcoming`: what will run in the next hours, days and weeks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from minutehand.executor.upcoming import items_by_time
from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json, print_rows
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store.records import Upcoming, UpcomingItem

COLUMNS = ("at", "workflow", "row", "tenant", "why", "id")


@click.command(
    "upcoming",
    short_help="List what will run in a period.",
    epilog="Example: minutehand upcoming --until '7 days' --tenant north",
)
@click.option("--from", "from_", metavar="TIME", help="The beginning of the period.  [default: now]")
@click.option(
    "--until", metavar="TIME", help="Its end: 3 days, or 2026-12-24 18:00 in the tenant's time zone.  [default: 1 day]"
)
@click.option("--tenant", metavar="ID", help="Only this tenant: its organization_id, else user_id.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="List at most so many.")
@output_option("table", "json")
@backend_options
def upcoming(
    from_: str | None, until: str | None, tenant: str | None, limit: int, output: str, backend: BackendSettings
) -> None:
    """List what will run in a period, by time: when, of which workflow, for which row, and what it waits for.

    Cancel one with: minutehand executions cancel ID
    """
    answer = ask_store(backend, lambda store: store.upcoming(from_=from_, until=until, tenant=tenant, limit=limit))
    print_upcoming(answer, limit, output)


def print_upcoming(answer: Upcoming, limit: int, output: str) -> None:
    """Print what will run, at most `limit`."""
    found, has_more = items_by_time(answer, limit)
    until = _time(answer["until"])
    if output == "json":
        return print_json({**answer, "items": found, "more": has_more})
    whose = f" of {answer['workflow']}" if answer["workflow"] else ""
    print_rows([_row(item) for item in found], COLUMNS, output, empty=f"nothing{whose} is to run until {until}")
    if has_more:
        echo(f"and more until {until}; see them with --limit or --from", err=True)
    return None


def _row(item: UpcomingItem) -> dict[str, Any]:
    return {
        "at": _time(item["at"]),
        "workflow": item["workflow"],
        "row": item["entity_id"],
        "tenant": item["tenant"],
        "why": item["paused"] or item["reason"] or item["code"] or item["kind"],
        "id": item["execution_id"],
    }


def _time(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
