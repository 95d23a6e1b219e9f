"""`minutehand pause` and `resume`: hold everything, or one tenant.  One workflow: `minutehand workflows pause`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Json

_MOMENT = "2026-12-24 18:00 in the tenant's time zone, or 3 days from now"


def period_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--from` and `--until` to a command that pauses."""
    until = click.option("--until", metavar="TIME", help=f"End it by itself: {_MOMENT}.  [default: when resumed]")
    return click.option("--from", "from_", metavar="TIME", help="Begin it later.  [default: now]")(until(command))


planned_option = click.option("--planned", is_flag=True, help="Give up the pauses that would begin later, too.")


@click.command(
    "pause",
    short_help="Pause everything, or one tenant.",
    epilog='Example: minutehand pause --reason "wrong price list"',
)
@click.option("--tenant", metavar="ID", help="Pause only this tenant: its organization_id, else user_id.")
@click.option("--reason", metavar="TEXT", help="The reason; `status` shows it.")
@period_options
@output_option("table", "json")
@backend_options
def pause(
    tenant: str | None,
    reason: str | None,
    from_: str | None,
    until: str | None,
    output: str,
    backend: BackendSettings,
) -> None:
    """Pause everything, or one tenant: no processor starts a step or a send.

    Changes are still recorded, and the executions they start wait.  Messages that were sent stay sent.
    """
    what: dict[str, Any] = {
        "scope": scope_of(tenant),
        "target": tenant,
        "reason": reason,
        "from_": from_,
        "until": until,
    }
    print_paused(ask_store(backend, lambda store: store.pause(**what, actor=cli_actor())), output)


@click.command("resume", short_help="End a pause.", epilog="Example: minutehand resume")
@click.option("--tenant", metavar="ID", help="Resume only this tenant.")
@planned_option
@click.option("--this-is-production", is_flag=True, help="This copy or restore is the database in use from now on.")
@click.option(
    "--skip-due", is_flag=True, help="With --this-is-production: skip what was due before, instead of holding it."
)
@output_option("table", "json")
@backend_options
def resume(
    tenant: str | None,
    planned: bool,
    this_is_production: bool,
    skip_due: bool,
    output: str,
    backend: BackendSettings,
) -> None:
    """End a pause.  Held executions run when due; list them with: minutehand executions ls --status pending.

    On a copy or a restore of a database nothing runs until --this-is-production, or `minutehand copy --test-mode`, says
    which it is.  What was due before stays held until you release it.
    """
    if skip_due and not this_is_production:
        raise click.UsageError("--skip-due needs --this-is-production")
    if this_is_production:
        if tenant is not None:
            raise click.UsageError("--this-is-production is about the whole database: leave out --tenant")
        from minutehand.scheduler.cli.commands.copy import identify, print_production

        database, answer = identify(backend, "production", skip_due=skip_due)
        return print_json(answer) if output == "json" else print_production(database, answer)
    what: dict[str, Any] = {"scope": scope_of(tenant), "target": tenant, "planned": planned}
    return print_resumed(
        ask_store(backend, lambda store: store.resume(**what, actor=cli_actor())), output, planned=planned
    )


def scope_of(tenant: str | None) -> str:
    """Return the scope that the options name."""
    return "all" if tenant is None else "tenant"


def print_paused(answer: Json, output: str) -> None:
    """Print what is paused, and how many executions that holds."""
    if output == "json":
        return print_json(answer)
    why = f" ({answer['reason']})" if answer["reason"] else ""
    until = f" until {when(answer['ends_at'])}" if answer["ends_at"] else ""
    if answer["starts_at"]:
        return echo(f"{answer['name']} will be paused from {when(answer['starts_at'])}{until}{why}")
    word = "was already paused" if answer["existed"] else "paused"
    return echo(f"{answer['name']} {word}{until}{why}: {answer['held']} pending held")


def print_resumed(answer: Json, output: str, *, planned: bool = False) -> None:
    """Print what is resumed, and which pauses remain."""
    if output == "json":
        return print_json(answer)
    if planned and answer["planned"]:
        echo(f"{answer['name']}: {answer['planned']} planned given up")
    elif answer["planned"]:
        echo(f"{answer['name']}: {answer['planned']} planned remain; give them up with --planned")
    if not answer["existed"]:
        echo(f"{answer['name']} was not paused")
    else:
        echo(f"{answer['name']} resumed: {answer['held']} pending continue when they are due")
    if answer["still_paused"]:
        echo(f"still paused: {', '.join(answer['still_paused'])}; see: minutehand status")
    return None


def when(moment: str) -> str:
    """Return a moment of the database for a person, in UTC.

    >>> when("2026-12-24T18:00:00+01:00")
    '2026-12-24 17:00 UTC'
    """
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
