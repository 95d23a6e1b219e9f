"""The check of the workflows: which will never run, which may not run, and why."""

from __future__ import annotations

from minutehand.executor.workflow_check import Finding, diagnose, switched_on
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, literal, ok, warn
from minutehand.store import Json

# Printed only; this program does not run it.
_SWITCH_ON = "update automation_workflows set {assignments} where id = {id};"


def workflows(facts: Facts) -> list[Result]:
    """Find workflows that are on but never run, wait for an unknown status, or are off by only one switch."""
    workflows = facts.section("workflows")["workflows"]
    diagnoses = [(workflow, diagnose(workflow, executor=facts.executor)) for workflow in workflows]
    problems = [(workflow, finding) for workflow, diagnosis in diagnoses for finding in diagnosis.problems]
    off = sum(diagnosis.state == "off" for _, diagnosis in diagnoses)
    results = [
        *each([problem for problem in problems if problem[1].is_fatal], _result),
        *each([problem for problem in problems if not problem[1].is_fatal], _result),
    ]
    return results or [ok(f"{len(workflows) - off} on, {off} off")]


def _result(problem: tuple[Json, Finding]) -> Result:
    workflow, finding = problem
    report = fail if finding.is_fatal else warn
    if finding.about == "switches":
        fix = _SWITCH_ON.format(assignments=switched_on(workflow), id=literal(str(workflow["id"])))
    else:
        fix = f"minutehand workflows lint {workflow['id']}"
    return report(f'"{str(workflow["name"])[:100]}" {finding}', fix)
