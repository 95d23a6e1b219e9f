"""`minutehand explain`: why something started, or did not.  The database decides, in `automation_explain`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

import click

from minutehand.scheduler.cli.options import SECONDS, backend_options, output_option
from minutehand.scheduler.cli.output import format_value, print_json
from minutehand.scheduler.cli.terminal import echo_text, joined
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Store
from minutehand.store.records import ExplainAnswer, ExplainSubject, Explanation

#: Of a change, how many workflows are named that are meant for other changes.
MAX_NAMED = 5


@click.command(
    "explain",
    short_help="Why did it start, why did it not?",
    epilog="Example: minutehand explain --table invoices 17 --since 2d",
)
@click.argument("subject")
@click.option("--table", metavar="TABLE", help="The table of the row, where several tables have such a row.")
@click.option("--workflow", help="Only this workflow: its name or id.")
@click.option("--since", type=SECONDS, help="Only changes and executions newer than: 30m, 1h, 7d.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="Maximum number of answers.")
@output_option("table", "json")
@backend_options
def explain(
    subject: str,
    table: str | None,
    workflow: str | None,
    since: float | None,
    limit: int,
    output: str,
    backend: BackendSettings,
) -> None:
    """Explain why SUBJECT started a workflow or did not: each recorded change, each workflow, link by link.

    SUBJECT is the id of a row, an execution (the beginning of its id is enough), a recipient (ada@example.com,
    +12025550123), a change (event:17) or the key of an enqueue (key:K).  docs/why.md has the codes.
    """
    asked: ExplainSubject = {"text": subject}
    if table is not None:
        asked["table"] = table
    if workflow is not None:
        asked["workflow"] = workflow
    if since is not None:
        asked["since"] = (datetime.now(UTC) - timedelta(seconds=since)).isoformat()

    async def ask(store: Store) -> None:
        found = await store.explain(asked, limit=limit)
        if output == "json":
            print_json({**found, "backend": store.backend, "database": store.location})
        else:
            echo_text(as_text(found, store.where, unicode=(sys.stdout.encoding or "").lower().startswith("utf")))

    ask_store(backend, ask)


def as_text(found: Explanation, where: str, *, unicode: bool = True) -> str:
    """Return an explanation for a person."""
    marks = {True: "✓", False: "✗", None: "?"} if unicode else {True: "+", False: "X", None: "?"}
    subject = found["subject"]
    lines = [" ".join(filter(None, (subject["table"] or "", subject["key"] or subject["text"]))) + f"  ({where})"]
    for _, of_change in groupby(found["answers"], key=lambda answer: answer["event_id"]):
        answers = list(of_change)
        elsewhere = [one for one in answers if one["code"] == "other_type"]
        shown = [one for one in answers if one["code"] != "other_type" or len(elsewhere) == 1]
        for answer in shown:
            lines += ["", *_answer_lines(answer, marks)]
        if len(elsewhere) > 1:
            lines += ["", f"{marks[False]} {_elsewhere(elsewhere, is_alone=not shown)}"]
    lines += _left_out(found)
    return joined(lines)


def _answer_lines(answer: ExplainAnswer, marks: dict[bool | None, str]) -> Iterator[str]:
    """One answer: what came of it, its links, and what to do."""
    held = answer["links"][-1]["held"]
    mark = marks[None if held is None else held and answer["fired"]]
    if answer["workflow_id"] is None and answer["event_id"] is None:
        yield f"{mark} {answer['reason']}  [{answer['code']}]"
    else:
        state = answer["status"] or "did not start"
        at = format_value(answer["occurred_at"])
        change = f"change {answer['event_id']} of {at}" if answer["event_id"] else f"execution of {at}"
        yield f"{mark} {answer['workflow'] or answer['workflow_id'] or 'Every workflow'}: {state}  ({change})"
        width = max(len(link["name"]) for link in answer["links"])
        for link in answer["links"]:
            code = f"  [{link['code']}]" if "code" in link else ""
            yield f"    {marks[link['held']]} {link['name']:<{width}}  {link['detail']}{code}"
    if answer["remedy"]:
        yield f"    What to do: {answer['remedy']}"


def _elsewhere(answers: list[ExplainAnswer], *, is_alone: bool) -> str:
    """Workflows that are meant for other changes, in one line."""
    named = ", ".join(f"{one['workflow']} ({_wanted(one)})" for one in answers[:MAX_NAMED])
    more = f", and {len(answers) - MAX_NAMED} more" if len(answers) > MAX_NAMED else ""
    change = f"change {answers[0]['event_id']}: " if is_alone else ""
    return f"{change}{len(answers)} workflows wait for other changes: {named}{more}  [other_type]"


def _wanted(answer: ExplainAnswer) -> str:
    return str(answer["links"][-1]["wanted"] or "no trigger type")


def _left_out(found: Explanation) -> Iterable[str]:
    """What is not shown."""
    if found["more"]:
        yield ""
        yield f"and {found['more']} more answers: --limit, --workflow or --since"
    if found["more_changes"]:
        yield ""
        yield "and older changes: --since or --workflow"
