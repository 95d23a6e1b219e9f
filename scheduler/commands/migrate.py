"""`minutehand migrate`: bring the database to this program's schema."""

from __future__ import annotations

import asyncio

import click

from scheduler.road import database
from scheduler.settings import RoadSettings, road_options


@click.command(
    "migrate",
    short_help="Bring the database to this program's schema.",
    epilog="\b\nExample: minutehand migrate --print > supabase/migrations/20261123120000_minutehand.sql",
)
@click.option("--print", "only_print", is_flag=True, help="Print the SQL instead, as one file; needs no database.")
@road_options
def migrate(only_print: bool, road: RoadSettings) -> None:
    """Apply tables and functions, in one transaction; safe to repeat, and for several at once."""
    from store import schema

    if only_print:
        click.echo(schema.script())
        return
    url, name = database(road)
    report = asyncio.run(schema.migrate(url))
    applied = ", ".join(report.applied) or "nothing new"
    click.echo(f"schema {report.version} on the {name} road: {applied}; {report.functions} functions are current")
