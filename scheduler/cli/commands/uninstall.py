"""`minutehand uninstall`: remove our objects from the database."""

from __future__ import annotations

import asyncio
from collections import Counter

import click

from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import asks, confirm, echo, echo_data
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import choose_backend, start_postgres, where, where_json
from minutehand.store.errors import BadConfiguration

#: These are listed by name; functions, tables and views of our own schema are counted.
_NAMED = ("trigger", "pg_cron job", "Vault secret", "policy", "schema")


@click.command("uninstall", short_help="Remove the schema.", epilog="\b\nExample: minutehand uninstall --dry-run")
@click.option("--dry-run", is_flag=True, help="Print what would be removed and what would stay; change nothing.")
@click.option("--with-history", is_flag=True, help="Drop the tables of workflows, executions, sends and opt-outs too.")
@click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
@output_option("table", "json")
@backend_options
def uninstall(dry_run: bool, with_history: bool, yes: bool, output: str, backend: BackendSettings) -> None:
    """Remove triggers, functions, schema minutehand, pg_cron jobs and the Vault secret, in one transaction.

    Without --with-history our tables of workflows, executions and sends stay.  Adopted tables always stay.  What stays
    is printed, with the SQL that removes it.
    """
    from minutehand.store.uninstall import uninstall as remove

    if choose_backend(backend) == "supabase":
        raise BadConfiguration(
            "a project's REST API cannot drop anything: set DATABASE_URL to the project's connection string "
            "(Connect > Session pooler), then run `minutehand uninstall --dry-run`"
        )
    url = start_postgres(backend)
    if not dry_run and not yes:
        history = "and its whole history" if with_history else "and keep the history"
        question = f"Remove Minutehand from {where(backend)} {history}?"
        if not asks():
            raise click.UsageError(f"{question} Nobody can be asked here: repeat the command with --yes.")
        if not confirm(question):
            return echo("nothing was changed", err=True)
    removal = asyncio.run(remove(url, with_history=with_history, dry_run=dry_run))
    if output == "json":
        return print_json(
            where_json(backend)
            | {
                "dry_run": dry_run,
                "removed": [{"kind": kind, "name": name} for kind, name in removal.removed],
                "left": [{"what": what, "command": command} for what, command in removal.left],
            }
        )
    for kind, name in removal.removed:
        if kind in _NAMED or (kind == "table" and not name.startswith("minutehand.")):
            echo(f"{'would remove' if dry_run else 'removed'} {kind} {name}")
    counts = Counter(kind for kind, _ in removal.removed)
    for what, command in removal.left:
        echo(f"left: {what}")
        echo_data(f"  {command}\n")
    summary = (
        f"{where(backend)}: {counts['function']} functions, {counts['table']} tables, {counts['trigger']} triggers"
    )
    return echo(f"dry run: {summary} would be removed; nothing was changed" if dry_run else f"{summary} removed")
