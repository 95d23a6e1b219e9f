"""`minutehand limits`: how many messages may be sent per recipient and per tenant."""

from __future__ import annotations

from typing import Any

import click

from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json, print_rows
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store

SCOPES = click.Choice(["recipient", "tenant"])
COLUMNS = ("scope", "tenant", "channel", "n", "per", "on_exceed")

_channel = click.option(
    "--channel", default="", metavar="email|sms|…", help="Count only this channel.  [default: all together]"
)
_tenant = click.option(
    "--tenant", default="", metavar="ID", help="Limit for this tenant.  [default: every tenant without its own limit]"
)


@click.group(
    "limits",
    short_help="Limit how many messages are sent.",
    epilog="Example: minutehand limits set recipient 3 --per '1 day' --channel sms",
)
def limits() -> None:
    """Limit how many messages are sent per recipient and per tenant.  Each send is checked when it is reserved."""


@limits.command("ls", epilog="Example: minutehand limits ls")
@output_option("table", "json", "jsonl")
@backend_options
def ls(output: str, backend: BackendSettings) -> None:
    """List the limits."""
    print_rows(ask_store(backend, lambda store: store.limits()), COLUMNS, output, empty="no limits")


@limits.command(
    "set",
    short_help="Set the number of messages within a period.",
    epilog="Example: minutehand limits set tenant 500 --per '1 hour' --on-exceed delay",
)
@click.argument("scope", type=SCOPES)
@click.argument("n", type=click.IntRange(0, 1_000_000))
@click.option("--per", default="1 day", show_default=True, metavar="INTERVAL", help="The period: 1 hour, 7 days, …")
@_channel
@_tenant
@click.option(
    "--on-exceed",
    type=click.Choice(["delay", "drop"]),
    default="delay",
    show_default=True,
    help="Beyond the limit: delay the send, or fail it with a reason.",
)
@output_option("table", "json")
@backend_options
def set_(
    scope: str, n: int, per: str, channel: str, tenant: str, on_exceed: str, output: str, backend: BackendSettings
) -> None:
    """Allow N messages to each recipient, or of each tenant, within a period."""
    options = {"n": n, "per": per, "channel": channel, "tenant": tenant, "on_exceed": on_exceed}
    limit = ask_store(backend, lambda store: store.set_limit(scope, actor=cli_actor(), **options))
    if output == "json":
        print_json(limit)
    else:
        echo(f"set: {in_words(limit)}")


@limits.command("rm", epilog="Example: minutehand limits rm recipient --channel sms")
@click.argument("scope", type=SCOPES)
@_channel
@_tenant
@output_option("table", "json")
@backend_options
def rm(scope: str, channel: str, tenant: str, output: str, backend: BackendSettings) -> int:
    """Remove a limit."""
    answer = ask_store(
        backend, lambda store: store.set_limit(scope, n=None, channel=channel, tenant=tenant, actor=cli_actor())
    )
    if output == "json":
        print_json(answer)
    elif answer["answer"] == "missing":
        echo("no such limit; list the limits with: minutehand limits ls", err=True)
    else:
        echo(f"removed: {in_words(answer)}")
    return 2 if answer["answer"] == "missing" else 0


def in_words(limit: dict[str, Any]) -> str:
    """Return a limit as a sentence.

    >>> in_words({"scope": "recipient", "tenant": "", "channel": "sms", "n": 3, "per": "1 day", "on_exceed": "drop"})
    'at most 3 sms to one recipient within 1 day; more are dropped'
    """
    whom = "to one recipient" if limit["scope"] == "recipient" else "of one tenant"
    where = f" of {limit['tenant']}" if limit["tenant"] else ""
    end = "dropped" if limit["on_exceed"] == "drop" or limit["n"] == 0 else "delayed"
    what = limit["channel"] or "messages"
    return f"at most {limit['n']} {what} {whom}{where} within {limit['per']}; more are {end}"
