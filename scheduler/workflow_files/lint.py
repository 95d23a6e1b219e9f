"""Check workflows before they run, and describe what they would do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from minutehand.dashboard.page_threads import run_here
from minutehand.executor.actions.contract import RenderError, Step
from minutehand.executor.actions.descriptions import outline
from minutehand.executor.checks.workflow import Facts, Finding, diagnose
from minutehand.executor.dialects import all_steps
from minutehand.scheduler.workflow_files.parse import FileWorkflow
from minutehand.store import Json, Store
from minutehand.store.errors import BadRequest
from minutehand.store.records import Installation

T = TypeVar("T")
#: Runs what costs CPU time: `run(function, *args)`.
Run = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """The findings about one workflow, and an outline of its steps."""

    workflow: str
    #: The file and line, or "saved".
    where: str
    #: As in `Diagnosis`.
    state: str
    findings: tuple[Finding, ...]
    #: One line for each step.
    does: tuple[str, ...]

    @property
    def is_bad(self) -> bool:
        """Whether there is an error."""
        return any(finding.level == "error" for finding in self.findings)

    def as_json(self) -> Json:
        """Return it as JSON."""
        return {
            "workflow": self.workflow,
            "where": self.where,
            "state": self.state,
            "findings": [finding.as_json() for finding in self.findings],
            "does": list(self.does),
        }


async def lint(name: str, where: str, facts: Facts, store: Store | None, *, executor: str, run: Run) -> Linted:
    """Check a workflow by its facts (see `diagnose`), and the templates and the conditions of its steps.

    Errors: `StoreError`.
    """
    linted: Linted
    linted, steps = await run(_check, name, where, facts, executor)
    return linted if store is None else replace(linted, findings=(*linted.findings, *await _conditions(steps, store)))


def _check(name: str, where: str, facts: Facts, executor: str) -> tuple[Linted, tuple[Step, ...]]:
    """Check what needs no database; return the steps, too."""
    diagnosis = diagnose(facts, executor=executor)
    steps = diagnosis.plan.steps if diagnosis.plan else ()
    findings = (*diagnosis.findings, *_templates(steps))
    linted = Linted(workflow=name, where=where, state=diagnosis.state, findings=findings, does=tuple(outline(steps)))
    return linted, steps


def _templates(steps: tuple[Step, ...]) -> Iterator[Finding]:
    """Compile every template.  Whether its variables exist depends on the row."""
    from minutehand.executor.templates.render import check_template

    for step in all_steps(steps):
        for place, text in _texts(step.config, ""):
            try:
                check_template(text)
            except RenderError as error:
                yield Finding(level="error", about="templates", step=step.path, text=f"`{place}`: {error}")


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{place}[{number}]")


async def _conditions(steps: tuple[Step, ...], store: Store) -> list[Finding]:
    """Let the database check the conditions of steps.  Values that are templates count as text."""
    with_conditions = [step for step in all_steps(steps) if step.type == "condition"]
    trees = [await store.evaluate(step.config["conditions"], {}) for step in with_conditions]
    return [
        Finding(level="error", about="conditions", step=step.path, text=f"conditions: {tree['problem']}")
        for step, tree in zip(with_conditions, trees, strict=True)
        if "problem" in tree
    ]


async def lint_saved(
    store: Store, names: list[str] | None = None, *, executor: str = "local", run: Run = run_here
) -> list[Linted]:
    """Check saved workflows: all, or those of these names or ids.  Errors: `StoreError`."""
    return [
        await lint(facts["name"], "saved", facts, store, executor=executor, run=run)
        for facts in await store.workflows(names)
    ]


async def lint_files(
    workflows: Iterable[FileWorkflow], store: Store | None, *, executor: str = "local"
) -> list[Linted]:
    """Check workflows of files; with a store also against its tables.  Errors: `StoreError`."""
    results = []
    installation = None if store is None else await store.installation()
    places: dict[tuple[str | None, ...], str] = {}
    for workflow in workflows:
        result = await _lint_file(workflow, store, installation, executor)
        key = tuple(workflow.row.get(name) for name in ("name", "organization_id", "user_id", "id"))
        other = places.setdefault(key, workflow.where)
        if other != workflow.where:
            result = _with(result, f"the same workflow is also defined at {other}")
        results.append(result)
    return results


async def _lint_file(
    workflow: FileWorkflow, store: Store | None, installation: Installation | None, executor: str
) -> Linted:
    facts: Facts = {"trigger_type": workflow.row.get("trigger_type"), "definition": workflow.row}
    refusal = None
    if store is not None:
        try:
            saved = await store.save_workflow(workflow.row, dry_run=True)
            facts = {**saved, "definition": workflow.row, "installation": installation}
        except BadRequest as error:
            refusal = str(error)
    result = await lint(workflow.row["name"], workflow.where, facts, store, executor=executor, run=run_here)
    return result if refusal is None else _with(result, refusal)


def _with(result: Linted, text: str) -> Linted:
    return replace(result, findings=(*result.findings, Finding(level="error", about="file", text=text)))
