"""`minutehand direct`: call the executor for each new execution at once, from the database (pg_net)."""

from __future__ import annotations

import os

import click

from minutehand.dashboard.api.tokens import ServeTokens
from minutehand.scheduler.cli.options import SECONDS, backend_options, direct_token_option, output_option
from minutehand.scheduler.cli.output import format_value, print_json
from minutehand.scheduler.cli.terminal import echo, echo_data, echo_text, joined
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Json

#: Printed by every `on --no-claim`.
NO_CLAIM = (
    "! --no-claim: an execution is `processing` from its insert, for a function that does not claim. No limit is "
    "applied to rows that the app inserts; the function must mark the log itself (status, completed_at); a tick takes "
    "over only what it has not marked after 480 s."
)


@click.group(
    "direct",
    short_help="Call the executor at once for each new execution.",
    epilog="\b\nExample: minutehand direct on --url https://automations.example.com/functions/v1/automation-executor",
)
def direct() -> None:
    """Let the database call the executor at once for each new execution (pg_net; the token is stored in Vault).

    A call is only a notification: the executor claims the execution first, so a lost, late or repeated call does no
    harm.  Keep running `start`, or `run-once` from cron, for executions that no call reached.
    """


@direct.command("on", epilog="Example: minutehand direct on --url https://automations.example.com")
@click.option("--url", required=True, help="URL of `minutehand serve` or of an edge function, with its path.")
@click.option(
    "--no-claim",
    is_flag=True,
    help="For a function that does not claim: insert executions as processing, with a lease.",
)
@click.option("--timeout", type=SECONDS, default=5.0, show_default=True, help="How long pg_net waits for the reply.")
@click.option("--replace", is_flag=True, help="Replace the app's own function handle_job_automation_triggers_direct.")
@direct_token_option
@output_option("table", "json")
@backend_options
def on(
    url: str,
    no_claim: bool,
    timeout: float,
    replace: bool,
    direct_token: str | None,
    output: str,
    backend: BackendSettings,
) -> None:
    """Call URL for each new execution that is due.  Run it again to change the settings."""
    token = _first(direct_token)
    done = ask_store(
        backend,
        lambda store: store.direct_on(
            url, token=token, timeout_ms=round(timeout * 1000), no_claim=no_claim, replace=replace
        ),
    )
    if no_claim:
        echo(NO_CLAIM, err=True)
    if output == "json":
        return print_json(done)
    if done["replaced"]:
        echo_data(f"-- the app's previous function:\n{done['replaced'].rstrip()};\n\n")
    echo(f"direct mode is on: each new execution calls {done['url']} (timeout {done['timeout_ms'] / 1000:g} s)")
    if done["token"]:
        echo(f"the token in Vault is new; set MINUTEHAND_DIRECT_TOKEN={done['token']} where serve runs")
    return None


@direct.command("off", epilog="Example: minutehand direct off")
@output_option("table", "json")
@backend_options
def off(output: str, backend: BackendSettings) -> None:
    """Stop the calls.  Ticks continue; the token stays in Vault."""
    done = ask_store(backend, lambda store: store.direct_off())
    if output == "json":
        return print_json(done)
    return echo("direct mode is off; ticks run what is due" if done["was_on"] else "direct mode was not on")


@direct.command("rotate", epilog="Example: minutehand direct rotate")
@direct_token_option
@output_option("table", "json")
@backend_options
def rotate(direct_token: str | None, output: str, backend: BackendSettings) -> None:
    """Store a new token in Vault: the first of MINUTEHAND_DIRECT_TOKEN if it is new, else a generated one.

    To rotate without an outage, set MINUTEHAND_DIRECT_TOKEN=new,old where serve runs, then rotate with the same
    setting.
    """
    token = _first(direct_token)
    done = ask_store(backend, lambda store: store.direct_rotate(token=token))
    if output == "json":
        return print_json(done)
    both = ",".join(filter(None, (done["token"], done["previous"])))
    echo(f"the token in Vault is new; set MINUTEHAND_DIRECT_TOKEN={both} where serve runs,")
    return echo(f"and when no earlier call is running any more, MINUTEHAND_DIRECT_TOKEN={done['token']}")


@direct.command("status", epilog="Example: minutehand direct status -o json")
@output_option("table", "json")
@backend_options
def status(output: str, backend: BackendSettings) -> None:
    """Show whether direct mode is on, and what is missing."""
    details = ask_store(backend, lambda store: store.direct_status())
    if output == "json":
        print_json(details)
    else:
        echo_text(joined([*as_lines(details), *(f"! {problem}" for problem in details["problems"])]))


def _first(direct_token: str | None) -> str | None:
    """Return the newest token.  Errors: `BadConfiguration`, also for one that opens more where `serve` runs."""
    api, metrics = (os.environ.get(f"MINUTEHAND_{kind}_TOKEN") for kind in ("API", "METRICS"))
    return ServeTokens.parse(api_token=api, direct_token=direct_token, metrics_token=metrics).direct.first


def as_lines(details: Json) -> list[str]:
    """Return the status for a person."""
    names = ("on", "url", "timeout_ms", "no_claim", "function", "pg_net", "vault", "secret")
    return [*(f"{name:<11} {format_value(details[name])}" for name in names), f"{'replies':<11} {replies(details)}"]


def replies(details: Json) -> str:
    """Return how the executor replied within the last hour."""
    found = details["replies"]
    counts = ", ".join(
        f"{found[kind]} {kind}" for kind in ("accepted", "refused", "unanswered", "failed") if found[kind]
    )
    if not counts:
        return "none in the last hour"
    last = found["last"]
    return f"{counts} in the last hour; the last {last['kind']} ({last['answer']}), {format_value(last['at'])} UTC"
