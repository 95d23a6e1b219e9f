"""`minutehand tenants`: what holds for all workflows of a tenant."""

from __future__ import annotations

import json
from typing import Any

import click

from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json, print_rows
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store

COLUMNS = ("tenant", "timezone", "from", "window")

_tenant = click.argument("tenant", required=False)
_others = click.option("--others", is_flag=True, help="For each tenant that has nothing of its own.")


@click.group(
    "tenants",
    short_help="Set time zones of tenants.",
    epilog="Example: minutehand tenants set north --timezone America/Toronto",
)
def tenants() -> None:
    """Set what holds for all workflows of a tenant: the time zone of their days and hours, and a window."""


@tenants.command("ls", epilog="Example: minutehand tenants ls")
@output_option("table", "json", "jsonl")
@backend_options
def ls(output: str, backend: BackendSettings) -> None:
    """List the tenants that have something of their own."""
    answer = ask_store(backend, lambda store: store.tenants())
    source = answer["zone_source"]
    rows: list[dict[str, Any]] = [dict(row) for row in answer["tenants"]]
    if output == "table":
        for row in rows:
            row["from"] = "set" if row["timezone"] else f"{source['table']}.{source['column']}" if source else ""
            row["timezone"] = row["timezone"] or row["app_timezone"]
            row["window"] = json.dumps(row["settings"]["window"]) if row["settings"].get("window") else ""
            row["tenant"] = row["tenant"] or "(the others)"
    print_rows(rows, COLUMNS, output, empty="no tenant has a time zone: all use UTC")
    if source is not None and source["problem"] is not None:
        echo(f"{source['table']}.{source['column']} cannot be read: {source['problem']}", err=True)


@tenants.command(
    "set", short_help="Set the time zone of a tenant.", epilog="Example: minutehand tenants set --others --timezone UTC"
)
@_tenant
@_others
@click.option("--timezone", metavar="ZONE", help="Europe/Berlin, …; none: no zone of its own.")
@click.option(
    "--window", metavar="JSON", help="When its messages may leave, as settings.window; none: none of its own."
)
@output_option("table", "json")
@backend_options
def set_(
    tenant: str | None, others: bool, timezone: str | None, window: str | None, output: str, backend: BackendSettings
) -> None:
    """Set the time zone of TENANT, in which the days and hours of its workflows are meant.

    Or the window of its workflows' messages to people, for those that have none of their own.
    """
    name = _named(tenant, others)
    changes: dict[str, Any] = {}
    if timezone is not None:
        changes["timezone"] = None if timezone == "none" else timezone
    if window is not None:
        changes["settings"] = {"window": _json(window)}
    if not changes:
        raise click.UsageError("say what to set: --timezone or --window")
    answer = ask_store(backend, lambda store: store.set_tenant(name, changes, actor=cli_actor()))
    if output == "json":
        print_json(answer)
    else:
        zone = answer.get("timezone") or answer.get("app_timezone")
        kept = answer.get("settings", {}).get("window")
        words = f", window {json.dumps(kept)}" if kept else ""
        echo(f"set: {tenant or 'the others'}: {zone or 'no time zone of its own'}{words}")


@tenants.command("rm", epilog="Example: minutehand tenants rm north")
@_tenant
@_others
@output_option("table", "json")
@backend_options
def rm(tenant: str | None, others: bool, output: str, backend: BackendSettings) -> int:
    """Remove what was set for TENANT."""
    name = _named(tenant, others)
    answer = ask_store(backend, lambda store: store.set_tenant(name, None, actor=cli_actor()))
    if output == "json":
        print_json(answer)
    elif answer["answer"] == "missing":
        echo("nothing is set for this tenant; list the tenants with: minutehand tenants ls", err=True)
    else:
        echo(f"removed: {tenant or 'the others'}")
    return 2 if answer["answer"] == "missing" else 0


@tenants.command(
    "zones-from",
    short_help="Read the time zones from a table of the app.",
    epilog="Example: minutehand tenants zones-from companies.timezone --key id",
)
@click.argument("column", metavar="TABLE.COLUMN|none")
@click.option("--key", metavar="COLUMN", help="Column of the tenant's id.  [default: organization_id]")
@output_option("table", "json")
@backend_options
def zones_from(column: str, key: str | None, output: str, backend: BackendSettings) -> None:
    """Read the time zones of tenants from TABLE.COLUMN, again and again; `none` ends that.

    A zone that a person set for a tenant wins.
    """
    table, _, name = column.rpartition(".")
    if column == "none":
        arguments: tuple[str | None, ...] = (None, None, None)
    elif not table:
        raise click.UsageError("write TABLE.COLUMN, such as company_settings.company_timezone")
    else:
        arguments = (table, key or "organization_id", name)
    answer = ask_store(backend, lambda store: store.set_zone_source(*arguments, actor=cli_actor()))
    if output == "json":
        print_json(answer)
    elif answer.get("problem"):
        echo(f"{column} cannot be read: {answer['problem']}", err=True)
    elif column == "none":
        echo("time zones are no longer read from the app")
    else:
        count = answer["tenants"]
        echo(f"read: {count} tenant{'' if count == 1 else 's'} with a time zone so far")


def _json(text: str) -> Any:
    if text == "none":
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"it is not JSON: {error}", param_hint="--window") from None


def _named(tenant: str | None, others: bool) -> str:
    if (tenant is None) != others:
        raise click.UsageError("name either a TENANT or --others")
    return tenant or ""
