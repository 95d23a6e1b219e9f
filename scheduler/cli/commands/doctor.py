"""`minutehand doctor`: what stands between a change and its message, before a customer finds out."""

from __future__ import annotations

import asyncio
import textwrap
from collections import Counter

import click

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.cli.options import output_option, run_options
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings
from minutehand.scheduler.database import open_store
from minutehand.scheduler.doctor.checks import Check, examine
from minutehand.scheduler.doctor.facts import Subject, gather
from minutehand.scheduler.doctor.finding import Finding

WIDTH = 100


@click.command(
    "doctor",
    short_help="Find what is wrong, and say what mends it.",
    epilog="Example: minutehand doctor -o json",
)
@output_option("table", "json")
@run_options
def doctor(
    output: str, backend: BackendSettings, run: RunSettings, executor: ExecutorSettings, log: LogSettings
) -> int:
    """Look at the database, the workflows and these settings; each line: ok, warn or fail, the fact, and what mends it.

    Changes nothing.  Takes the settings of a processor, and judges by them.  Exit 3 when something fails.
    """

    async def go() -> Subject:
        async with open_store(backend, any_schema=True) as store:
            return await gather(store, run, executor)

    subject = asyncio.run(go())
    told = examine(subject)
    if output == "json":
        print_json(as_json(subject, told))
    else:
        click.echo(as_text(told))
    return 3 if any(finding.level == "fail" for _, finding in told) else 0


def as_json(subject: Subject, told: list[tuple[Check, Finding]]) -> dict[str, object]:
    """Return the findings for a program."""
    return {
        "backend": subject.backend,
        "kind": subject.kind,
        **_counts(told),
        "checks": [
            {
                "group": check.group,
                "check": check.name,
                "level": finding.level,
                "fact": finding.fact,
                "mend": finding.mend,
            }
            for check, finding in told
        ],
    }


def as_text(told: list[tuple[Check, Finding]]) -> str:
    """Return the findings for a person: in groups, what mends below what it mends."""
    lines: list[str] = []
    group = None
    for check, finding in told:
        if check.group != group:
            lines += ["", check.group] if lines else [check.group]
            group = check.group
        lines += _lines(check, finding)
    counts = _counts(told)
    return "\n".join([*lines, "", f"{counts['fail']} fail, {counts['warn']} warn, {counts['ok']} ok"])


def _lines(check: Check, finding: Finding) -> list[str]:
    head = f"  {finding.level:<4}  {check.name:<16}  "
    wrapped = textwrap.fill(finding.fact, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    # What is to be copied is never broken.
    mend = [f"{' ' * len(head)}mend: {finding.mend}"] if finding.mend else []
    return [*wrapped.splitlines(), *mend]


def _counts(told: list[tuple[Check, Finding]]) -> dict[str, int]:
    counted = Counter(finding.level for _, finding in told)
    return {level: counted[level] for level in ("ok", "warn", "fail")}
