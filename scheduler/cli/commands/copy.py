"""`minutehand copy` and `resume --this-is-production`: say whether this database is a copy for tests, or production."""

from __future__ import annotations

import asyncio

import click

from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import counted, print_json
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import Database, check_schema, open_database
from minutehand.store import Json

#: Counts of `automation_identify` stop here.
MAX_COUNTED = 10_000


@click.command(
    "copy",
    short_help="Say that this database is a copy for tests.",
    epilog="Example: minutehand copy --test-mode --email-to staging@example.com",
)
@click.option("--test-mode", is_flag=True, help="Redirect messages, and refuse every other step that acts.")
@click.option("--email-to", metavar="ADDRESS", help="Who gets all e-mails; without it, e-mail steps are refused.")
@click.option(
    "--sms-to", metavar="NUMBER", help="Who gets all SMS, as +12025550123; without it, SMS steps are refused."
)
@click.option("--skip-due", is_flag=True, help="Skip what was due before, instead of holding it.")
@click.option("--yes", is_flag=True, help="Also if nothing tells that it is a copy.")
@output_option("table", "json")
@backend_options
def copy(
    test_mode: bool,
    email_to: str | None,
    sms_to: str | None,
    skip_due: bool,
    yes: bool,
    output: str,
    backend: BackendSettings,
) -> None:
    """Say that this database is a copy for tests: staging, a clone, a branch, a restore to look at.

    Its e-mails and SMS go to one address each.  Webhooks, functions, record actions and notifications are refused, with
    code test_copy.  What was due when it was copied stays held.
    """
    if not test_mode:
        raise click.UsageError("say what kind of copy it is: --test-mode")
    database, answer = identify(
        backend, "test", email_to=_address(email_to), sms_to=_number(sms_to), skip_due=skip_due, confirmed=yes
    )
    if output == "json":
        return print_json({**answer})
    echo(f"{database.name} is a test copy: e-mails go to {email_to or 'nobody'}, SMS to {sms_to or 'nobody'}")
    return print_due(answer)


def identify(backend: BackendSettings, as_: str, **settings: object) -> tuple[Database, Json]:
    """Say which database it is; returns it, and the answer of `Store.identify`."""

    async def go() -> tuple[Database, Json]:
        async with open_database(backend) as database:
            await check_schema(database.store)
            answer: Json = {**await database.store.identify(as_, actor=cli_actor(), **settings)}  # type: ignore[arg-type]
            return database, answer

    return asyncio.run(go())


def print_production(database: Database, answer: Json) -> None:
    """Print what became of a database that is production."""
    if not answer["changed"]:
        return echo(f"{database.name} is the database that Minutehand works on already; nothing was changed")
    echo(f"{database.name} is production: executions run here from now on")
    return print_due(answer)


def print_due(answer: Json) -> None:
    """Print how many executions were due, and what becomes of them."""
    if not answer["held"]:
        return None
    at_least = "at least " if answer["held"] >= MAX_COUNTED else ""
    were = "that was" if answer["held"] == 1 else "that were"
    count = f"{at_least}{counted(answer['held'], 'execution')}"
    if answer["due"] == "skipped":
        echo(f"{count} {were} due before will be skipped as stale")
        return echo("  run them after all: minutehand executions release --stale")
    echo(f"{count} {were} due before will be held: the other database may have run them")
    for line in (
        "list them: minutehand executions ls code:restored",
        "run them: minutehand executions release ID… (or --restored for all)",
        "drop them: minutehand executions cancel ID… (or --restored for all)",
    ):
        echo(f"  {line}")
    return None


def _address(email_to: str | None) -> str | None:
    """Return the one e-mail address.  Errors: `UsageError`."""
    from minutehand.executor.email.message import BadAddress
    from minutehand.executor.email.recipients import read_addresses

    if email_to is None:
        return None
    try:
        (address,) = read_addresses([email_to])
    except (BadAddress, ValueError) as error:
        why = f": {error}" if isinstance(error, BadAddress) else ""
        raise click.UsageError(f"--email-to must be one e-mail address{why}") from None
    return address


def _number(sms_to: str | None) -> str | None:
    """Return the phone number.  Errors: `UsageError`."""
    from minutehand.executor.sms.phone_numbers import BadNumber, to_e164

    if sms_to is None:
        return None
    try:
        return to_e164(sms_to, None)
    except BadNumber as error:
        raise click.UsageError(f"--sms-to must be a phone number with its country, as +12025550123: {error}") from None
