"""`minutehand migrate`: bring the database to this program's schema."""

from __future__ import annotations

import asyncio
import textwrap
from typing import TYPE_CHECKING

import click

from minutehand.scheduler.cli.options import backend_options
from minutehand.scheduler.cli.terminal import echo, echo_data, echo_text, joined
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import choose_backend, start_postgres

if TYPE_CHECKING:
    from minutehand.store.adoption import Step


@click.command(
    "migrate",
    short_help="Install or update the schema.",
    epilog="\b\nExample: minutehand migrate --print > supabase/migrations/20261123120000_minutehand.sql",
)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the SQL as one file instead of applying it; needs no database."
)
@click.option("--dry-run", is_flag=True, help="Print what would change in each table, and its locks; change nothing.")
@backend_options
def migrate(only_print: bool, dry_run: bool, backend: BackendSettings) -> None:
    """Create or update our tables and functions in one transaction.  Safe to repeat, also by several processes at once.

    Tables that the app already has are adopted: what is added to them, and the locks, are printed first.
    """
    from minutehand.scheduler.doctor.triggers import hidden_link, show_link_command
    from minutehand.store import schema

    if only_print:
        echo_data(schema.script() + "\n")
        return
    url, name = start_postgres(backend), choose_backend(backend)

    def print_steps(steps: list[Step]) -> None:
        echo_text(as_text(steps), err=not dry_run)

    report = asyncio.run(schema.migrate(url, tell=print_steps, dry_run=dry_run))
    applied = ", ".join(report.applied) or "nothing new"
    summary = f"schema {report.version} on the {name} backend: {applied}; {report.functions} functions"
    echo(f"dry run: {summary}; nothing was changed" if dry_run else f"{summary} are current")
    for link in report.closed_links:
        echo(f"{hidden_link(link)}; to show it to every tenant: {show_link_command(link)}", err=True)


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
