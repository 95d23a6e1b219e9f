"""Workflows, and what lint finds of them, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.actions.descriptions import outline, summarize_steps
from minutehand.executor.dialects import read_plan
from minutehand.scheduler.cli.output import shown
from minutehand.scheduler.workflow_files.lint import Linted
from minutehand.store import Json


def line(card: Json) -> Json:
    """Return a workflow as `ls` lists it: the card of the database without its definition, `state` and `steps`."""
    listed = {key: value for key, value in card.items() if key != "definition"}
    return listed | {"state": state(card), "steps": _steps(card)}


def state(card: Json) -> str:
    """Say in a word or two whether a workflow runs.

    >>> state({"on": True, "problem": None, "paused": {"scope": "tenant", "reason": None}})
    'paused (tenant)'
    """
    if not card["on"]:
        return "off"
    if card["problem"]:
        return "broken"
    return f"paused ({card['paused']['scope']})" if card["paused"] else "on"


def _steps(card: Json) -> str:
    try:
        return summarize_steps(read_plan(card["definition"] or {}).steps) or "none"
    except BadStep as error:
        return f"cannot be read: {error}"


def as_text(found: Json) -> str:
    """Return one workflow as `show` tells it."""
    lines = [f"{found['name']}: {state(found)}"]
    if found["problem"]:
        lines.append(f"  ! it can never fire: {found['problem']}")
    if found["paused"]:
        paused = found["paused"]
        lines.append(f"  ! paused since {shown(paused['paused_at'])}: {paused['reason'] or 'no reason was given'}")
    if not found["on"]:
        lines.append(
            f"  ! switches: {', '.join(f'{key} = {shown(on)}' for key, on in (found['switches'] or {}).items())}"
        )
    if not found["heard"]:
        lines.append(f"  ! no watched table has changes of type {shown(found['trigger_type'])}")
    lines += [f"  ! no {one['type']} is known to have the status {one['word']!r}" for one in found["unmatched"]]
    for label, name in (("id", "id"), ("organization", "organization_id"), ("user", "user_id"),
                        ("trigger", "trigger_type"), ("version", "version")):  # fmt: skip
        if found[name] is not None:
            lines.append(f"  {label:<13}{shown(found[name])}")
    counts = ", ".join(f"{count} {status}" for status, count in sorted(found["executions"].items()))
    lines.append(f"  {'executions':<13}{counts or 'none yet'}")
    if last := found["last"]:
        why = f" ({last['code']}: {last['reason']})" if last["code"] else ""
        lines.append(f"  {'last':<13}{shown(last['created_at'])} {last['status']}{why}")
    saved = ", ".join(f"{one['version']} ({shown(one['saved_at'])})" for one in found["versions"][:5])
    return "\n".join([*lines, f"  {'versions':<13}{saved or '-'}", *_outlined(found)])


def _outlined(found: Json) -> list[str]:
    try:
        return [f"  {one}" for one in outline(read_plan(found["definition"] or {}).steps)]
    except BadStep as error:
        return [f"  ! its steps cannot be read: {error}"]


def lint_text(found: Sequence[Linted]) -> str:
    """Return what lint found: each workflow, what is wrong with it, and what it would do."""
    lines = []
    for one in found:
        lines.append(f"{one.workflow} ({one.where})")
        for finding in sorted(one.findings, key=lambda finding: ("error", "warning", "note").index(finding.level)):
            step = f"step {finding.step}: " if finding.step else ""
            lines.append(f"  {finding.level}: {step}{finding.text}")
        lines += [f"  {does}" for does in one.does]
    bad = sum(one.is_bad for one in found)
    return "\n".join([*lines, f"{len(found)} looked at, {bad} with errors" if found else "no workflows"])
