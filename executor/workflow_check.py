"""Whether a workflow runs, and why not: the one verdict on it.

It is judged by what the database knows of it (`minutehand.workflow_facts`) and by its steps.  lint, doctor, status,
`workflows ls` and `show`, /metrics and the dashboard all take their words from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import Plan, read_plan
from minutehand.store import Json

#: `minutehand.store.records.WorkflowFacts`, or a part of it.
Facts = Mapping[str, Any]

#: The state of a workflow that is on and can never run.
NEVER = "will never run"
#: The value of each switch that turns a workflow on.
_ON: Json = {"is_active": True, "status": "active", "enabled": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a workflow that somebody should know."""

    #: `error`: `apply` refuses the workflow; `warning`: it may be intended; `note`: good to know.
    level: str
    #: `definition`, `trigger`, `tenant`, `steps`, `templates`, `conditions`, `statuses`, `settings`, `switches`, `file`
    about: str
    text: str
    #: The path of the step; None: it is about the whole workflow.
    step: str | None = None
    #: The workflow never runs because of it.
    is_fatal: bool = False

    def __str__(self) -> str:
        """Return it as a sentence without its subject, as in `"Thanks" will never run: it has no steps`."""
        return f"{NEVER}: {self.text}" if self.is_fatal else self.text

    def as_json(self) -> Json:
        """Return it for a program."""
        return {"level": self.level, "about": self.about, "step": self.step, "text": str(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The verdict on one workflow."""

    #: `on`, `off`, `paused (all)`, `paused (tenant)`, `paused (workflow)` or `will never run`.
    state: str
    findings: tuple[Finding, ...]
    #: Its steps; None where they cannot be read, or are read by another executor.
    plan: Plan | None

    @property
    def problems(self) -> list[Finding]:
        """The findings that matter as the workflow stands: no notes, and of one that is off only its switches."""
        return [
            finding
            for finding in self.findings
            if finding.level != "note" and (self.state != "off" or finding.about == "switches")
        ]


def diagnose(facts: Facts, *, executor: str = "local") -> Diagnosis:
    """Judge a workflow by its facts, with its row or its steps as `definition`.

    A fact that is missing is not judged: so a file is checked without a database.  The steps are judged only for the
    executor `local`: another one reads them itself.

    >>> diagnose({"on": True, "trigger_type": "manual", "definition": {"steps": []}}).findings[0].text
    'it has no steps'
    """
    plan, findings = _steps(facts, reads_them=executor == "local")
    findings = [*_row(facts), *findings, *_statuses(facts), *_switches(facts)]
    return Diagnosis(state=_state(facts, findings), findings=tuple(findings), plan=plan)


#: The facts that a verdict says in words.
_JUDGED = ("problem", "steps_problem", "settings_problem", "emitted", "lacks_tenant", "unknown_statuses")


def with_verdict(facts: Facts, diagnosis: Diagnosis) -> Json:
    """Return a workflow with its `state` and `problems` in place of the facts that they are taken from."""
    known = {key: value for key, value in facts.items() if key not in _JUDGED}
    return known | {"state": diagnosis.state, "problems": [str(finding) for finding in diagnosis.problems]}


def _state(facts: Facts, findings: list[Finding]) -> str:
    if not facts.get("on", True) and facts["switches"] is not None:  # a row that cannot be read has none
        return "off"
    if any(finding.is_fatal for finding in findings):
        return NEVER
    paused = facts.get("paused")
    return f"paused ({paused['scope']})" if paused else "on"


def _fatal(about: str, text: str, level: str = "error") -> Finding:
    return Finding(level=level, about=about, text=text, is_fatal=True)


def _row(facts: Facts) -> Iterator[Finding]:
    """Judge everything but the steps, the statuses and the switches."""
    type_ = facts["trigger_type"]
    if problem := facts.get("problem"):
        yield _fatal("definition", problem)
    if not type_:
        yield _fatal("trigger", "it has no trigger_type")
    elif not facts.get("emitted", True):
        # A warning: the table may be watched later.
        text = f"no watched table emits {type_[:100]!r}; watch one with: minutehand trigger add TABLE"
        yield _fatal("trigger", text, "warning")
    if facts.get("lacks_tenant"):
        yield _fatal("tenant", "it has neither organization_id nor user_id, so no tenant's changes start it")
    if problem := facts.get("settings_problem"):
        result = "runs without ordering" if problem.startswith("settings.order") else "runs without that setting"
        yield Finding(level="error", about="settings", text=f"{result}: {problem}")


def _steps(facts: Facts, *, reads_them: bool) -> tuple[Plan | None, list[Finding]]:
    plan, problem = None, facts.get("steps_problem")
    if reads_them and facts.get("definition") is not None:
        try:
            plan = read_plan(facts["definition"])
        except BadStep as error:
            problem = str(error)
        else:
            problem = problem if plan.steps else "it has no steps"
    if problem:
        return plan, [_fatal("steps", problem)]
    return plan, [Finding(level="note", about="steps", text=note) for note in (plan.notes if plan else ())]


def _statuses(facts: Facts) -> Iterator[Finding]:
    for item in facts.get("unknown_statuses", ()):
        near = near_words(item["word"], item["known"])
        hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(item['known'][:8])}"
        text = f"waits for the status {item['word']!r}, which no {item['type']} has ever had; {hint}"
        yield Finding(level="warning", about="statuses", text=text)


def _switches(facts: Facts) -> Iterator[Finding]:
    """A workflow is on when all of its switches are; one that is on by some and off by others may be a mistake."""
    switches = facts.get("switches") or {}
    off = {key: value for key, value in switches.items() if _is_off(key, value)}
    if off and len(off) < len(switches):
        on = ", ".join(f"{key} = {_sql(value)}" for key, value in switches.items() if key not in off)
        text = f"is off because {' and '.join(f'{key} = {_sql(value)}' for key, value in off.items())}, although {on}"
        yield Finding(level="warning", about="switches", text=text)


def switched_on(facts: Facts) -> str:
    """Return the assignments, in SQL, that turn on the switches of a workflow that are off."""
    off = [key for key, value in facts["switches"].items() if _is_off(key, value)]
    return ", ".join(f"{key} = {_sql(_ON[key])}" for key in off)


def _is_off(key: str, value: Any) -> bool:
    return str(value).lower() != "active" if key == "status" else value is False


def _sql(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"


def near_words(word: str, known: list[str]) -> list[str]:
    """Return the words that may have been meant, nearest first.

    >>> near_words("complete", ["Completed", "Scheduled"])
    ['Completed']
    """
    folded = {other.lower(): other for other in known}
    return [folded[match] for match in get_close_matches(word.lower(), folded, n=3)]
