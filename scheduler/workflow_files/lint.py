"""What is wrong with a workflow before it runs, and what it would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from minutehand.executor.actions.contract import BadStep, RenderError
from minutehand.executor.actions.descriptions import outline
from minutehand.executor.dialects import Plan, all_steps, read_plan
from minutehand.scheduler.doctor.workflows import BY_HAND, near_words
from minutehand.scheduler.workflow_files.parse import FileWorkflow
from minutehand.store import Json, Store
from minutehand.store.errors import BadRequest
from minutehand.store.records import WorkflowFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a workflow: an `error` keeps it from its work, a `warning` may, a `note` is good to know."""

    level: str
    text: str
    #: The step's path; None: of the whole.
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """What was found of one workflow, and what it would do."""

    workflow: str
    #: The place in its file, or "saved".
    where: str
    findings: tuple[Finding, ...]
    #: A line a step.
    does: tuple[str, ...]

    @property
    def is_bad(self) -> bool:
        """Whether there is an error."""
        return any(finding.level == "error" for finding in self.findings)

    def as_json(self) -> Json:
        """Return it for a program."""
        findings = [{"level": one.level, "step": one.step, "text": one.text} for one in self.findings]
        return {"workflow": self.workflow, "where": self.where, "findings": findings, "does": list(self.does)}


async def lint(name: str, where: str, row: Json | None, facts: WorkflowFacts | None, store: Store | None) -> Linted:
    """Judge a workflow by its row, and by what the database says of it (`minutehand.lint_facts`), where there is one.

    A row is None when its JSON cannot be read; the facts say why.  Errors: `StoreError`.
    """
    if row is None:
        problem = (facts["problem"] if facts else None) or "its row cannot be read"
        return Linted(workflow=name, where=where, findings=(Finding(level="error", text=problem),), does=())
    plan, findings = _read(row)
    findings += list(_of_templates(plan))
    if facts is not None:
        findings += _of_facts(row, facts, known=findings)
    elif not row.get("trigger_type"):
        findings.append(Finding(level="error", text="it has no trigger_type"))
    if store is not None:
        findings += await _of_conditions(plan, store)
    return Linted(workflow=name, where=where, findings=tuple(findings), does=tuple(outline(plan.steps)))


def _read(row: Json) -> tuple[Plan, list[Finding]]:
    try:
        plan = read_plan(row)
    except BadStep as error:
        return Plan(steps=(), notes=()), [Finding(level="error", text=str(error))]
    if not plan.steps:
        return plan, [Finding(level="error", text="it has no steps")]
    return plan, [Finding(level="note", text=note) for note in plan.notes]


def _of_templates(plan: Plan) -> Iterator[Finding]:
    """Compile every template; whether its variables are there, only a row can tell."""
    from minutehand.executor.templates.render import check_template

    for step in all_steps(plan.steps):
        for place, text in _texts(step.config, ""):
            try:
                check_template(text)
            except RenderError as error:
                yield Finding(level="error", step=step.path, text=f"`{place}`: {error}")


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{place}[{number}]")


def _of_facts(row: Json, facts: WorkflowFacts, known: list[Finding]) -> Iterator[Finding]:
    problem = facts["problem"]
    if problem and all(finding.text != problem for finding in known):
        yield Finding(level="error", text=problem)
    if not problem and not facts["heard"] and row.get("trigger_type") != BY_HAND:
        text = f"no watched table has changes of type {row.get('trigger_type')}: minutehand trigger add TABLE"
        yield Finding(level="warning", text=text)
    for item in facts["unmatched"]:
        near = near_words(item["word"], item["known"])
        seen = f"near it: {', '.join(near)}" if near else f"there are: {', '.join(item['known'][:8])}"
        text = f"it waits for the status {item['word']!r}, which no {item['type']} is known to have; {seen}"
        yield Finding(level="warning", text=text)


async def _of_conditions(plan: Plan, store: Store) -> list[Finding]:
    """Let the one evaluator read the conditions of steps; their values may be templates, which it takes for text."""
    asked = [step for step in all_steps(plan.steps) if step.type == "condition"]
    trees = [await store.evaluate(step.config["conditions"], {}) for step in asked]
    return [
        Finding(level="error", step=step.path, text=f"conditions: {tree['problem']}")
        for step, tree in zip(asked, trees, strict=True)
        if "problem" in tree
    ]


async def lint_saved(store: Store, names: list[str] | None = None) -> list[Linted]:
    """Judge saved workflows: all, or those of these names or ids.  Errors: `StoreError`."""
    cards = await store.workflows(names, facts=True)
    return [
        await lint(
            card["name"],
            "saved",
            card["definition"],
            {"problem": card["problem"], "heard": card["heard"], "unmatched": card["unmatched"]},
            store,
        )
        for card in cards
    ]


async def lint_files(found: list[FileWorkflow], store: Store | None) -> list[Linted]:
    """Judge workflows of files; with a store also by what it would say when they are saved.  Errors: `StoreError`."""
    linted = []
    seen: dict[tuple[str | None, ...], str] = {}
    for one in found:
        facts = None if store is None else await _facts(one, store)
        judged = await lint(one.row["name"], one.where, one.row, facts, store)
        before = seen.setdefault(
            tuple(one.row.get(key) for key in ("name", "organization_id", "user_id", "id")), one.where
        )
        if before != one.where:
            twice = Finding(level="error", text=f"it stands in {before} too: which of them is meant?")
            judged = replace(judged, findings=(*judged.findings, twice))
        linted.append(judged)
    return linted


async def _facts(one: FileWorkflow, store: Store) -> WorkflowFacts:
    try:
        return await store.save_workflow(one.row, dry_run=True)
    except BadRequest as error:
        return {"problem": str(error), "heard": True, "unmatched": []}
