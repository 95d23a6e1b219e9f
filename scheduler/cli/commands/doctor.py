"""`minutehand doctor`: check everything between a change and its message."""

from __future__ import annotations

import asyncio
import textwrap
from collections import Counter

import click

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.cli.options import output_option, run_options
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import echo_text, joined
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings
from minutehand.scheduler.database import open_database
from minutehand.scheduler.doctor.checks import Check, run_checks
from minutehand.scheduler.doctor.facts import Facts, gather
from minutehand.scheduler.doctor.result import Result

WIDTH = 100


@click.command(
    "doctor",
    short_help="Check the installation, and suggest fixes.",
    epilog="Example: minutehand doctor -o json",
)
@output_option("table", "json")
@run_options
def doctor(
    output: str, backend: BackendSettings, run: RunSettings, executor: ExecutorSettings, log: LogSettings
) -> int:
    """Check the database, the workflows and these settings.  Each line is ok, warn or fail, with a fact and a fix.

    It changes nothing.  Run it with the settings of a processor.  Exit 3 if a check fails.
    """

    async def go() -> Facts:
        async with open_database(backend, any_schema=True) as database:
            return await gather(database, run, executor)

    facts = asyncio.run(go())
    results = run_checks(facts)
    if output == "json":
        print_json(as_json(facts, results))
    else:
        echo_text(as_text(results))
    return 3 if any(result.level == "fail" for _, result in results) else 0


def as_json(facts: Facts, results: list[tuple[Check, Result]]) -> dict[str, object]:
    """Return the results for a program."""
    return {
        "backend": facts.backend,
        "database": facts.database_name,
        "kind": facts.kind,
        "listens": facts.listens,
        **_counts(results),
        "checks": [
            {
                "group": check.group,
                "check": check.name,
                "level": result.level,
                "fact": result.fact,
                "fix": result.fix,
            }
            for check, result in results
        ],
    }


def as_text(results: list[tuple[Check, Result]]) -> str:
    """Return the results as text, in groups, each fix below its fact."""
    lines: list[str] = []
    group = None
    for check, result in results:
        if check.group != group:
            lines += ["", check.group] if lines else [check.group]
            group = check.group
        lines += _lines(check, result)
    counts = _counts(results)
    return joined([*lines, "", f"{counts['fail']} fail, {counts['warn']} warn, {counts['ok']} ok"])


def _lines(check: Check, result: Result) -> list[str]:
    head = f"  {result.level:<4}  {check.name:<16}  "
    wrapped = textwrap.fill(result.fact, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    # A fix is copied, so it is never wrapped.
    fix = [f"{' ' * len(head)}fix: {result.fix}"] if result.fix else []
    return [*wrapped.splitlines(), *fix]


def _counts(results: list[tuple[Check, Result]]) -> dict[str, int]:
    counted = Counter(result.level for _, result in results)
    return {level: counted[level] for level in ("ok", "warn", "fail")}
