"""`minutehand pause` and `resume`: hold everything, or one tenant.  One workflow: `minutehand workflows pause`."""

from __future__ import annotations

import click

from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Json


@click.command(
    "pause",
    short_help="Pause everything, or one tenant.",
    epilog='Example: minutehand pause --reason "wrong price list"',
)
@click.option("--tenant", metavar="ID", help="Pause only this tenant: its organization_id, else user_id.")
@click.option("--reason", metavar="TEXT", help="The reason; `status` shows it.")
@output_option("table", "json")
@backend_options
def pause(tenant: str | None, reason: str | None, output: str, backend: BackendSettings) -> None:
    """Pause everything, or one tenant: no processor starts a step or a send.

    Changes are still recorded, and the executions they start wait.  Messages that were sent stay sent.
    """
    print_paused(
        ask_store(
            backend, lambda store: store.pause(scope=scope_of(tenant), target=tenant, reason=reason, actor=cli_actor())
        ),
        output,
    )


@click.command("resume", short_help="End a pause.", epilog="Example: minutehand resume")
@click.option("--tenant", metavar="ID", help="Resume only this tenant.")
@click.option("--this-is-production", is_flag=True, help="This copy or restore is the database in use from now on.")
@click.option(
    "--skip-due", is_flag=True, help="With --this-is-production: skip what was due before, instead of holding it."
)
@output_option("table", "json")
@backend_options
def resume(tenant: str | None, this_is_production: bool, skip_due: bool, output: str, backend: BackendSettings) -> None:
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
    return print_resumed(
        ask_store(backend, lambda store: store.resume(scope=scope_of(tenant), target=tenant, actor=cli_actor())), output
    )


def scope_of(tenant: str | None) -> str:
    """Return the scope that the options name."""
    return "all" if tenant is None else "tenant"


def print_paused(answer: Json, output: str) -> None:
    """Print what is paused, and how many executions that holds."""
    if output == "json":
        return print_json(answer)
    word = "was already paused" if answer["existed"] else "paused"
    why = f" ({answer['reason']})" if answer["reason"] else ""
    return echo(f"{answer['name']} {word}{why}: {answer['held']} pending held")


def print_resumed(answer: Json, output: str) -> None:
    """Print what is resumed, and which pauses remain."""
    if output == "json":
        return print_json(answer)
    if not answer["existed"]:
        echo(f"{answer['name']} was not paused")
    else:
        echo(f"{answer['name']} resumed: {answer['held']} pending continue when they are due")
    if answer["still_paused"]:
        echo(f"still paused: {', '.join(answer['still_paused'])}; see: minutehand status")
    return None
