"""Whether a workflow runs, and why not: the one verdict on it.

It is judged by what the database knows of it (`minutehand.workflow_facts`) and by its steps.  lint, doctor, status,
`workflows ls` and `show`, /metrics and the dashboard all take their words from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.checks.edge_function import edge_problems
from minutehand.executor.checks.fields import check_fields, near_type, tables_of
from minutehand.executor.checks.services import service_problems
from minutehand.executor.dialects import Plan, all_steps, read_plan
from minutehand.executor.dialects.placeholders import MAX_FOUND, placeholders_of
from minutehand.executor.dialects.windows import BadWindow, other_window_keys
from minutehand.executor.targets.names import tenant_of
from minutehand.executor.text.near import near_words
from minutehand.store import Json

#: `minutehand.store.records.WorkflowFacts`, or a part of it.
Facts = Mapping[str, Any]

#: The state of a workflow that is on and that no change starts.
NEVER = "will never run"
#: The state of a workflow that is on, and whose executions start and fail before their first step.
FAILS = "will fail"
#: The states of a workflow that is on and cannot do its work.
BROKEN = (NEVER, FAILS)
#: The value of each switch that turns a workflow on.
_ON: Json = {"is_active": True, "status": "active", "enabled": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a workflow that somebody should know."""

    #: `error`: `apply` refuses the workflow; `warning`: it may be intended; `note`: good to know.
    level: str
    #: `definition`, `trigger`, `tenant`, `steps`, `templates`, `conditions`, `fields`, `services`, `statuses`,
    #: `settings`, `switches`, `file`
    about: str
    text: str
    #: The path of the step; None: it is about the whole workflow.
    step: str | None = None
    #: `NEVER` or `FAILS`, where the workflow cannot do its work because of it.
    breaks: str | None = None

    def __str__(self) -> str:
        """Return it as a sentence without its subject, as in `"Thanks" will never run: it has no steps`."""
        return f"{self.breaks}: {self.text}" if self.breaks else self.text

    @property
    def line(self) -> str:
        """Return it as a sentence that names its step."""
        return f"step {self.step}: {self}" if self.step else str(self)

    def as_json(self) -> Json:
        """Return it for a program."""
        return {"level": self.level, "about": self.about, "step": self.step, "text": str(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The verdict on one workflow."""

    #: `on`, `off`, `paused (all)`, `paused (tenant)`, `paused (workflow)`, `will never run` or `will fail`.
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

    A fact that is missing is not judged: so a file is checked without a database.  `installation` is the database's
    (`Store.installation`), the same for all workflows.  The steps are judged only for the executor `local`: another one
    reads them itself.

    >>> diagnose({"on": True, "trigger_type": "manual", "definition": {"steps": []}}).findings[0].text
    'it has no steps'
    """
    plan, findings = _steps(facts, reads_them=executor == "local")
    findings = [
        *_row(facts),
        *findings,
        *_fields(facts, plan),
        *_services(facts, plan),
        *(edge_findings(facts) if executor == "function" else ()),
        *_statuses(facts),
        *_placeholders(plan),
        *_switches(facts),
    ]
    return Diagnosis(state=_state(facts, findings), findings=tuple(findings), plan=plan)


#: The facts that a verdict says in words.
_JUDGED = (
    *(
        "problem",
        "steps_problem",
        "setting_problems",
        "unknown_settings",
        "unread",
        "fields",
        "stop_fields",
        "installation",
    ),
    *("emitted", "unwatched", "lacks_tenant", "unknown_statuses"),
)


def with_verdict(facts: Facts, diagnosis: Diagnosis) -> Json:
    """Return a workflow with its `state` and `problems` in place of the facts that they are taken from."""
    known = {key: value for key, value in facts.items() if key not in _JUDGED}
    return known | {"state": diagnosis.state, "problems": [finding.line for finding in diagnosis.problems]}


def _state(facts: Facts, findings: list[Finding]) -> str:
    if not facts.get("on", True) and facts["switches"] is not None:  # a row that cannot be read has none
        return "off"
    for state in BROKEN:
        if any(finding.breaks == state for finding in findings):
            return state
    paused = facts.get("paused")
    return f"paused ({paused['scope']})" if paused else "on"


def _never(about: str, text: str, level: str = "error") -> Finding:
    return Finding(level=level, about=about, text=text, breaks=NEVER)


def _row(facts: Facts) -> Iterator[Finding]:
    """Judge everything but the steps, the statuses and the switches."""
    type_ = facts["trigger_type"]
    if problem := facts.get("problem"):
        yield _never("definition", problem)
    if not type_:
        yield _never("trigger", "it has no trigger_type")
    elif not facts.get("emitted", True):
        # A warning: the table may be watched later.
        yield _never("trigger", _not_emitted(type_, facts), "warning")
    if facts.get("time"):
        yield from _time(facts["time"])
    if facts.get("lacks_tenant"):
        yield _never("tenant", "it has neither organization_id nor user_id, so no tenant's changes start it")
    yield from _settings(facts)
    for text in facts.get("unread", ()):
        yield Finding(level="warning", about="definition", text=text)


def _time(time: Json) -> Iterator[Finding]:
    """Judge what starts a workflow at a time."""
    problem = time["problem"]
    if time["kind"] == "schedule" and time["form"] and not problem:
        from minutehand.executor.schedules import schedule_problem

        problem = schedule_problem(time["form"], time["zone"], datetime.now(UTC))
    if problem:
        yield _never("trigger", problem)


def _not_emitted(type_: str, facts: Facts) -> str:
    """Say why no change has this trigger type."""
    if unwatched := facts.get("unwatched"):
        return f"{unwatched['table']}: {unwatched['problem']}; {unwatched['remedy']}"
    meant = near_type(type_, tables_of(facts["installation"])) if facts.get("installation") else None
    hint = f"did you mean {meant}?" if meant else "watch one with: minutehand trigger add TABLE"
    return f"no watched table emits {type_[:100]!r}; {hint}"


def _settings(facts: Facts) -> Iterator[Finding]:
    """Judge the settings: what cannot be read falls back to its default, and the workflow runs."""
    for problem in facts.get("setting_problems", ()):
        if problem.startswith("settings.stop_when"):  # nobody knows what is to stop: no step begins
            yield Finding(level="error", about="settings", text=problem, breaks=FAILS)
            continue
        if problem.startswith("settings.window"):  # what was meant for the day must not leave at night
            yield Finding(level="error", about="settings", text=f"its messages fail: {problem}", breaks=FAILS)
            continue
        result = "runs without ordering" if problem.startswith("settings.order") else "runs without that setting"
        yield Finding(level="error", about="settings", text=f"{result}: {problem}")
    for item in facts.get("unknown_settings", ()):
        near = near_words(item["key"], item["known"])
        hint = f"did you mean {', '.join(near)}?" if near else f"the settings are {', '.join(item['known'])}"
        level = "error" if near else "warning"
        yield Finding(level=level, about="settings", text=f"settings.{item['key']} is not read; {hint}")


def _steps(facts: Facts, *, reads_them: bool) -> tuple[Plan | None, list[Finding]]:
    """Read the steps.  What the database finds wrong lets nothing start; what only this finds makes executions fail."""
    plan, unreadable, never = None, None, facts.get("steps_problem")
    is_of_steps = True
    if reads_them and facts.get("definition") is not None:
        try:
            plan = read_plan(facts["definition"])
        except BadStep as error:
            unreadable, is_of_steps = str(error), not isinstance(error, BadWindow)
        else:
            unreadable = None if plan.steps else plan.nothing
    if unreadable and is_of_steps and "steps_problem" not in facts and not unreadable.startswith("step "):
        never = unreadable  # a file without a database
    if never:
        return plan, [_never("steps", never)]
    if unreadable:
        return plan, [Finding(level="error", about="steps", text=unreadable, breaks=FAILS)]
    return plan, [*_notes(plan)] if plan else []


def _notes(plan: Plan) -> Iterator[Finding]:
    for path, text in plan.unread:
        yield Finding(level="warning", about="steps", step=path, text=text)
    for note in plan.notes:
        yield Finding(level="note", about="steps", text=note)


def edge_findings(facts: Facts) -> Iterator[Finding]:
    """Judge the steps by what the edge function of docs/edge-function runs; an app's own may run others."""
    definition = facts.get("definition") or {}
    for key in other_window_keys(definition):
        text = f"`{key}` is not read by the edge function: write it as settings.window, which the database reads"
        yield Finding(level="warning", about="settings", text=text)
    for step, problem in edge_problems(definition.get("steps")):
        text = f"step {step}: {problem}; use --executor local, or an executor of your own that does"
        yield Finding(level="warning", about="steps", text=text, step=step)


def _fields(facts: Facts, plan: Plan | None) -> Iterator[Finding]:
    """Judge the names of fields; templates of a workflow with `settings.unresolved` never fail by one."""
    if not facts.get("installation") or not facts["trigger_type"]:
        return
    settings = (facts.get("definition") or {}).get("settings")
    fills_in = isinstance(settings, dict) and bool(settings.get("unresolved"))
    tables, steps = tables_of(facts["installation"]), plan.steps if plan else ()
    fields, stop_fields = facts.get("fields") or [], facts.get("stop_fields") or []
    for remark in check_fields(
        facts["trigger_type"], fields, steps, tables, fills_in=fills_in, stop_fields=stop_fields
    ):
        yield Finding(level=remark.level, about="fields", step=remark.step, text=remark.text)


def _services(facts: Facts, plan: Plan | None) -> Iterator[Finding]:
    """Judge whether the processors can run the steps: a warning, since an operator mends it and not the workflow."""
    if plan and facts.get("installation"):
        for step, text in service_problems(facts["installation"], plan.steps, tenant_of(facts)):
            yield Finding(level="warning", about="services", step=step, text=text)


def _placeholders(plan: Plan | None) -> Iterator[Finding]:
    """Name what looks like a placeholder of another tool: it is sent as it is written."""
    found = [(step, *item) for step in all_steps(plan.steps if plan else ()) for item in placeholders_of(step)]
    for step, written, variable in found[:MAX_FOUND]:
        hint = f"did you mean {{{{ {variable} }}}}?" if variable else "a variable is written {{ client.name }}"
        text = f"{written} looks like a placeholder of another tool, and is sent as it is written; {hint}"
        yield Finding(level="warning", about="templates", step=step.path, text=text)


def _statuses(facts: Facts) -> Iterator[Finding]:
    for item in facts.get("unknown_statuses", ()):
        near = near_words(item["word"], item["known"])
        hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(item['known'][:8])}"
        text = f"waits for the status {item['word']!r}, which no {item['type']} has ever had; {hint}"
        yield Finding(level="warning", about="statuses", text=text)


def _switches(facts: Facts) -> Iterator[Finding]:
    """A workflow is on when all of its switches are; that one is off although `is_active` is on may be a mistake.

    `is_active` is the switch that apps show: where it is off, nobody expects the workflow to run.
    """
    switches = facts.get("switches") or {}
    off = {key: value for key, value in switches.items() if _is_off(key, value)}
    if off and len(off) < len(switches) and "is_active" not in off:
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
