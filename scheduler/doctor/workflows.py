"""The check of the workflows: which will never run or will fail, which may not run, and why."""

from __future__ import annotations

from urllib.parse import urlsplit

from minutehand.executor.checks.workflow import Finding, diagnose, edge_findings, switched_on
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, literal, ok, warn
from minutehand.store import Json
from minutehand.store.records import with_installation

# Printed only; this program does not run it.
_SWITCH_ON = (
    "update automation_workflows set {assignments} where id = {id};   -- or is_active = false, if it is to stay off"
)


def workflows(facts: Facts) -> list[Result]:
    """Find workflows that are on but cannot run, wait for an unknown status, or are off although `is_active` is on."""
    section = facts.section("workflows")
    workflows: list[Json] = section["workflows"]
    installation = section.get("installation")
    with_installation(workflows, installation and installation | {"own": facts.services})
    diagnoses = [(workflow, diagnose(workflow, executor=facts.executor)) for workflow in workflows]
    problems = [(workflow, finding) for workflow, diagnosis in diagnoses for finding in diagnosis.problems]
    if facts.executor == "local" and _calls_edge_function(facts):
        on = [workflow for workflow, diagnosis in diagnoses if diagnosis.state != "off"]
        problems += [(workflow, finding) for workflow in on for finding in edge_findings(workflow)]
    off = sum(diagnosis.state == "off" for _, diagnosis in diagnoses)
    results = [
        *each([problem for problem in problems if problem[1].breaks], _result),
        *each([problem for problem in problems if not problem[1].breaks], _result),
    ]
    return results or [ok(f"{len(workflows) - off} on, {off} off")]


def _calls_edge_function(facts: Facts) -> bool:
    """Say whether direct mode calls a function of a hosted project."""
    status = facts.section("direct").get("status") or {}
    host = urlsplit(str(status.get("url") or "")).hostname or ""
    return bool(status.get("on")) and host.endswith(".supabase.co")


def _result(problem: tuple[Json, Finding]) -> Result:
    workflow, finding = problem
    report = (
        fail
        if finding.breaks or finding.about == "services" or (finding.level == "error" and finding.about == "fields")
        else warn
    )
    if finding.about == "switches":
        fix = _SWITCH_ON.format(assignments=switched_on(workflow), id=literal(str(workflow["id"])))
    else:
        fix = f"minutehand workflows lint {workflow['id']}"
    return report(f'"{str(workflow["name"])[:100]}"{"," if finding.step else ""} {finding.line}', fix)
