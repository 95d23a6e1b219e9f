"""Workflows and lint findings as text."""

from __future__ import annotations

from collections.abc import Sequence

from minutehand.executor.actions.descriptions import outline, summarize_steps
from minutehand.executor.checks.workflow import Diagnosis, diagnose, with_verdict
from minutehand.scheduler.cli.output import format_value
from minutehand.scheduler.cli.terminal import joined
from minutehand.scheduler.workflow_files.lint import Linted
from minutehand.store import Json


def line(facts: Json, executor: str) -> Json:
    """Return a workflow as `ls` lists it: its facts without the definition, with its verdict and `steps`."""
    diagnosis = diagnose(facts, executor=executor)
    listed = with_verdict(facts, diagnosis) | {"steps": summarize_steps(diagnosis.plan.steps) if diagnosis.plan else ""}
    del listed["definition"]
    return listed


def as_text(workflow: Json, executor: str) -> str:
    """Return one workflow as `show` prints it."""
    diagnosis = diagnose(workflow, executor=executor)
    lines = [f"{workflow['name']}: {diagnosis.state}"]
    lines += [f"  ! {finding.line}" for finding in diagnosis.findings if finding.level != "note"]
    if paused := workflow["paused"]:
        lines.append(f"  ! paused since {format_value(paused['paused_at'])}: {paused['reason'] or 'no reason given'}")
    for label, name in (("id", "id"), ("organization", "organization_id"), ("user", "user_id"),
                        ("trigger", "trigger_type"), ("version", "version")):  # fmt: skip
        if workflow[name] is not None:
            lines.append(f"  {label:<13}{format_value(workflow[name])}")
    switches = ", ".join(f"{key} = {format_value(value)}" for key, value in (workflow["switches"] or {}).items())
    counts = ", ".join(f"{count} {status}" for status, count in sorted(workflow["executions"].items()))
    lines += [f"  {'switches':<13}{switches or '-'}", f"  {'executions':<13}{counts or 'none yet'}"]
    if last := workflow["last"]:
        why = f" ({last['code']}: {last['reason']})" if last["code"] else ""
        lines.append(f"  {'last':<13}{format_value(last['created_at'])} {last['status']}{why}")
    saved = ", ".join(f"{one['version']} ({format_value(one['saved_at'])})" for one in workflow["versions"][:5])
    return joined([*lines, f"  {'versions':<13}{saved or '-'}", *_outline(diagnosis)])


def _outline(diagnosis: Diagnosis) -> list[str]:
    return [f"  {line}" for line in outline(diagnosis.plan.steps)] if diagnosis.plan else []


def lint_text(results: Sequence[Linted]) -> str:
    """Return the result of lint: each workflow, its findings, and an outline of its steps."""
    lines = []
    for result in results:
        lines.append(f"{result.workflow} ({result.where})")
        findings = sorted(result.findings, key=lambda one: ("error", "warning", "note").index(one.level))
        lines += [f"  {finding.level}: {finding.line}" for finding in findings]
        lines += [f"  {line}" for line in result.does]
    bad = sum(result.is_bad for result in results)
    checked = f"{len(results)} workflow{'' if len(results) == 1 else 's'} checked"
    return joined([*lines, f"{checked}, {f'{bad} with errors' if bad else 'no errors'}"])
