"""`minutehand trigger`: add, list and remove watched tables."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import click

from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json, print_rows
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store, where
from minutehand.store import Store

COLUMNS = ("table", "type", "id", "status", "tenant", "exclude", "writable", "enabled")


@click.group(
    "trigger", short_help="Add, list and remove watched tables.", epilog="Example: minutehand trigger add jobs"
)
def trigger() -> None:
    """Add, list and remove watched tables.  Each change of a watched table is recorded, and may start workflows."""


@trigger.command(
    "add", epilog="\b\nExample: minutehand trigger add jobs --link client_id=clients --exclude search_text"
)
@click.argument("table")
@click.option("--id", "id_", default="id", show_default=True, help="Column of the primary key.")
@click.option("--type", "type_", help="Prefix of event names: job gives job_created.  [default: the table, singular]")
@click.option("--status", default="status", show_default=True, help="Column of the status.")
@click.option("--tenant", help="Column of the row's tenant, or none.  [default: organization_id, else the user]")
@click.option("--user", help="Column of the row's user.  [default: user_id, else userId]")
@click.option("--soft-delete", metavar="COLUMN", help="A row with this column set counts as deleted: deleted_at.")
@click.option("--exclude", default="", metavar="COLUMN,…", help="Columns not to record.")
@click.option(
    "--link",
    multiple=True,
    metavar="COLUMN=TABLE",
    help="Reference without a foreign key; NAME=COLUMN:TABLE gives it another name.  Repeatable.",
)
@click.option("--global", "global_", default="", metavar="TABLE,…", help="Linked tables that belong to no tenant.")
@click.option("--writable", is_flag=True, help="Let workflows write rows of their own tenant in this table.")
@output_option("table", "json")
@backend_options
def add(
    table: str,
    id_: str,
    type_: str | None,
    status: str,
    tenant: str | None,
    user: str | None,
    soft_delete: str | None,
    exclude: str,
    link: tuple[str, ...],
    global_: str,
    writable: bool,
    output: str,
    backend: BackendSettings,
) -> None:
    """Watch TABLE: install the trigger that records its changes.  Run it again to change the settings."""
    links = dict(_pair(text) for text in link)
    options = {
        "id": id_,
        "type": type_,
        "status": status,
        "tenant": tenant,
        "user": user,
        "soft_delete": soft_delete,
        "exclude": _names(exclude),
        "links": links,
        "global": _names(global_),
        "writable": writable,
    }
    added, note = ask_store(backend, lambda store: _noting_signer(store, store.add_trigger(table, **options)))
    _echo_note(note)
    if output == "json":
        return print_json(added)
    whose = f"tenant: {added['tenant']}" if added["tenant"] else "one tenant"
    may = "; workflows may write it" if added["writable"] else ""
    names = f"{added['type']}_created, {added['type']}_status_changed, …"
    return echo(f"watching {added['table']}: {names}; {whose}{may}; on {where(backend)}")


@trigger.command("rm", epilog="Example: minutehand trigger rm jobs")
@click.argument("table")
@output_option("table", "json")
@backend_options
def rm(table: str, output: str, backend: BackendSettings) -> None:
    """Stop watching TABLE: remove its trigger.  Pending executions stay pending."""
    removal, note = ask_store(backend, lambda store: _noting_signer(store, store.remove_trigger(table)))
    _echo_note(note)
    if output == "json":
        return print_json(removal)
    return echo(f"{table} {'is no longer' if removal['removed'] else 'was not'} watched on {where(backend)}")


@trigger.command("ls", epilog="Example: minutehand trigger ls -o json")
@output_option("table", "json", "jsonl")
@backend_options
def ls(output: str, backend: BackendSettings) -> None:
    """List the watched tables."""
    rows = ask_store(backend, lambda store: store.triggers())
    print_rows(rows, COLUMNS, output, empty="no tables are watched yet; add one with: minutehand trigger add TABLE")
    if output == "table":
        for row in rows:
            if not row["enabled"]:
                echo(f"! {row['table']}: {row['problem']}; {row['remedy']}")


async def _noting_signer(store: Store, change: Awaitable[Any]) -> tuple[Any, str | None]:
    """Return the result of a change, and a note if from now on another secret signs webhooks of a tenant."""
    before = (await store.webhook_signer()).single_tenant
    result = await change
    now = (await store.webhook_signer()).single_tenant
    if now == before:
        return result, None
    if now:
        return (
            result,
            "every watched table has one tenant: MINUTEHAND_WEBHOOK_SECRET itself signs all webhooks from now on",
        )
    return result, (
        "rows have tenants: from now on each tenant's own secret signs its webhooks, not MINUTEHAND_WEBHOOK_SECRET; "
        "receivers need it: minutehand webhook-secret show"
    )


def _echo_note(note: str | None) -> None:
    if note is not None:
        echo(f"! {note}", err=True)


def _pair(text: str) -> tuple[str, str]:
    """Return a link as the trigger has it: `client_id=clients`, `payer=billing_id:clients.ref`."""
    name, _, target = (part.strip().replace('"', "") for part in text.replace(":", "=").rpartition("="))
    name, _, column = (part.strip() for part in (name if "=" in name else f"={name}").partition("="))
    if not column or "=" in column or not 1 <= len([part for part in target.split(".") if part]) <= 3:
        raise click.BadParameter(
            f"{text!r}: write COLUMN=TABLE, COLUMN=TABLE.COLUMN or NAME=COLUMN:TABLE", param_hint="--link"
        )
    return (name, f"{column}:{target}") if name else (column, target)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
