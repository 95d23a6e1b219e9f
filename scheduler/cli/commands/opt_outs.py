"""`minutehand opt-outs`: who wants no messages."""

from __future__ import annotations

from typing import Any

import click

from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json, print_rows
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store

COLUMNS = ("channel", "address", "tenant", "created_at", "reason")

_channel = click.option(
    "--channel", default="all", show_default=True, metavar="email|sms|…|all", help="Of which messages."
)
_tenant = click.option("--tenant", default="", metavar="ID", help="From this tenant.  [default: from every tenant]")


@click.group(
    "opt-outs",
    short_help="List, add and remove opt-outs.",
    epilog="Example: minutehand opt-outs add ann@example.com --reason 'asked by phone'",
)
def opt_outs() -> None:
    """List, add and remove opt-outs: who wants no messages.  Each send is checked when it is reserved.

    ADDRESS is one e-mail address, or one phone number with + and the country code.
    """


@opt_outs.command("ls", epilog="Example: minutehand opt-outs ls ann@example.com")
@click.argument("address", required=False)
@click.option("--channel", metavar="email|sms|…|all", help="Only of this channel.")
@click.option("--tenant", metavar="ID", help="Only from this tenant.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@output_option("table", "json", "jsonl")
@backend_options
def ls(
    address: str | None, channel: str | None, tenant: str | None, limit: int, output: str, backend: BackendSettings
) -> None:
    """List who has opted out, the newest first: all, or one address."""
    rows = ask_store(
        backend, lambda store: store.opt_outs(channel=channel, address=address, tenant=tenant, limit=limit)
    )
    columns = (*COLUMNS, "problem") if any("problem" in row for row in rows) else COLUMNS
    print_rows(rows, columns, output, empty="no opt-outs")


@opt_outs.command("add", epilog="Example: minutehand opt-outs add +12025550123 --channel sms")
@click.argument("address")
@_channel
@_tenant
@click.option("--reason", metavar="TEXT", help="Why, for people.")
@output_option("table", "json")
@backend_options
def add(address: str, channel: str, tenant: str, reason: str | None, output: str, backend: BackendSettings) -> None:
    """Send no more messages to ADDRESS."""
    answer = ask_store(
        backend,
        lambda store: store.set_opt_out(address, channel=channel, tenant=tenant, reason=reason, actor=cli_actor()),
    )
    if output == "json":
        print_json(answer)
    else:
        echo(f"{'already there' if answer['answer'] == 'already' else 'added'}: {in_words(answer)}")


@opt_outs.command("rm", epilog="Example: minutehand opt-outs rm ann@example.com")
@click.argument("address")
@_channel
@_tenant
@output_option("table", "json")
@backend_options
def rm(address: str, channel: str, tenant: str, output: str, backend: BackendSettings) -> int:
    """End an opt-out: messages to ADDRESS leave again."""
    answer = ask_store(
        backend,
        lambda store: store.set_opt_out(address, channel=channel, tenant=tenant, remove=True, actor=cli_actor()),
    )
    if output == "json":
        print_json(answer)
    elif answer["answer"] == "missing":
        echo("no such opt-out; list them with: minutehand opt-outs ls", err=True)
    else:
        echo(f"removed: {in_words(answer)}")
    return 2 if answer["answer"] == "missing" else 0


def in_words(opt_out: dict[str, Any]) -> str:
    """Return an opt-out as a sentence.

    >>> in_words({"channel": "email", "address": "ann@example.com", "tenant": ""})
    'ann@example.com gets no email'
    """
    what = "messages" if opt_out["channel"] == "all" else opt_out["channel"]
    return f"{opt_out['address']} gets no {what}" + (f" of {opt_out['tenant']}" if opt_out["tenant"] else "")
