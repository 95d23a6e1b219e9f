"""`minutehand enqueue`: start a workflow by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.encoding import read_stdin
from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store.json import parse


@click.command(
    "enqueue",
    short_help="Start a workflow by hand.",
    epilog="\b\nExample: minutehand enqueue 'Thank the client' --row J-2019 --key thanks-J-2019",
)
@click.argument("workflow")
@click.option("--row", metavar="ID", help="The row to start it for.")
@click.option("--payload", metavar="@FILE|JSON", help="JSON for templates, as trigger.payload; @- reads stdin.")
@click.option("--at", metavar="TIME", help="Start time in ISO 8601: 2026-12-24T09:00:00+01:00.  [default: now]")
@click.option("--key", help="Idempotency key: start only once for this key.")
@click.option("--dry-run", is_flag=True, help="Check everything; start nothing.")
@output_option("table", "json")
@backend_options
def enqueue(
    workflow: str,
    row: str | None,
    payload: str | None,
    at: str | None,
    key: str | None,
    dry_run: bool,
    output: str,
    backend: BackendSettings,
) -> None:
    """Start WORKFLOW (its name or id) for a row or with a payload."""
    when, data = read_instant(at), read_payload(payload)
    if when is not None and when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    execution = ask_store(
        backend,
        lambda store: store.enqueue(
            workflow, row=row, payload=data, at=when, key=key, dry_run=dry_run, actor=cli_actor()
        ),
    )
    if output == "json":
        print_json(execution)
    elif execution["dry_run"]:
        echo(f"would start {execution['workflow']} at {execution['due'][:19]}; nothing was started")
    elif execution["existed"]:
        echo(f"{execution['workflow']} was already started for this key: {execution['id']}")
    else:
        echo(f"{execution['workflow']} is due at {execution['due'][:19]}: {execution['id']}")


def read_instant(text: str | None) -> datetime | None:
    """Read the option `--at`, with or without a zone."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"can't read {text!r}; write an ISO 8601 time such as 2026-12-24T09:00:00+01:00", param_hint="--at"
        ) from None


def read_payload(text: str | None) -> Any:
    if text is None:
        return None
    try:
        if text == "@-":
            text = read_stdin()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        payload = parse(text)
    except OSError as error:
        raise click.BadParameter(str(error), param_hint="--payload") from None
    except ValueError as error:
        raise click.BadParameter(f"not valid JSON: {error}", param_hint="--payload") from None
    if not isinstance(payload, dict | list):
        raise click.BadParameter("a payload must be an object or a list", param_hint="--payload")
    return payload
