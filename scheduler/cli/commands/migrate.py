"""`minutehand migrate`: bring the database to this program's schema."""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from minutehand.scheduler.cli.environment import is_from_dotenv
from minutehand.scheduler.cli.options import backend_options, output_option, yes_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import asks, confirm, echo, echo_data, echo_text, joined
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import start_postgres, where, where_json

if TYPE_CHECKING:
    from minutehand.store.adoption import Step
    from minutehand.store.records import Json


@click.command(
    "migrate",
    short_help="Install or update the schema.",
    epilog="\b\nExample: minutehand migrate --print > supabase/migrations/20261123120000_minutehand.sql",
)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the SQL as one file instead of applying it; needs no database."
)
@click.option("--dry-run", is_flag=True, help="Print what would change in each table, and its locks; change nothing.")
@yes_option
@output_option("table", "json")
@backend_options
def migrate(only_print: bool, dry_run: bool, yes: bool, output: str, backend: BackendSettings) -> None:
    """Create or update our tables and functions in one transaction.  Safe to repeat, also by several processes at once.

    Tables that the app already has are adopted: what is added to them, and the locks, are printed first.  At a terminal
    it asks first if DATABASE_URL comes from a `.env` file.
    """
    from minutehand.scheduler.doctor.triggers import hidden_link, show_link_command
    from minutehand.store import schema

    if only_print:
        return echo_data(schema.script() + "\n")
    url, as_json = start_postgres(backend), output == "json"
    must_ask = not (dry_run or yes) and asks() and is_from_dotenv("DATABASE_URL", backend.database_url)
    if must_ask and not confirm(f"DATABASE_URL comes from the file .env here. Migrate {where(backend)}?"):
        return echo("nothing was changed", err=True)
    printed: list[Step] = []

    def print_steps(steps: list[Step]) -> None:
        printed.extend(steps)
        echo_text(as_text(steps), err=as_json or not dry_run)

    report = asyncio.run(schema.migrate(url, tell=print_steps, dry_run=dry_run))
    if report.stopped:
        echo_text(stopped_text(report.stopped), err=as_json or not dry_run)
    applied = ", ".join(report.applied) or "nothing new"
    summary = f"schema {report.version} on {where(backend)}: {applied}"
    done = f"{summary}; {report.functions} functions are current"
    if as_json:
        place = where_json(backend) | {"dry_run": dry_run}
        print_json(place | asdict(report) | {"steps": [asdict(step) for step in printed]})
    else:
        echo(f"dry run: {summary}; nothing was changed" if dry_run else done)
    for link in report.closed_links:
        echo(f"{hidden_link(link)}; to show it to every tenant: {show_link_command(link)}", err=True)
    return None


def stopped_text(workflows: list[Json]) -> str:
    """Return the workflows that start nothing by this version, for a person."""
    lines = ["These workflows start nothing by this version, until they are corrected or switched off:"]
    for workflow in workflows:
        tenant = "no tenant" if workflow["tenant"] is None else f"tenant {workflow['tenant']}"
        text = f'"{workflow["name"]}" ({tenant}): {workflow["problem"]}'
        lines += textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="    ")
    return joined(lines)


def as_text(steps: list[Step]) -> str:
    """Return the steps for a person, a paragraph for each table."""
    lines = ["These tables exist already. Their rows stay as they are. One transaction will"]
    table = ""
    for step in steps:
        if step.table != table:
            table = step.table
            rows = "never counted" if step.rows is None else f"about {step.rows:,}"
            lines.append(f"{table} (rows: {rows})")
        text = f"{step.what} {', '.join(step.names)}"
        lines += textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="    ")
        lines.append(f"    lock: {step.lock}")
    lines.append("Each lock is held to the end of the transaction: the app's statements on these tables wait.")
    return joined(lines)
