"""Which step comes next: the order of steps, branches, and what ends an execution early.  Nothing else decides this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from minutehand.executor.actions.contract import Step
from minutehand.store import Json

END: Final = "end"


def remaining_steps(steps: tuple[Step, ...], recorded: Mapping[str, Json]) -> Iterator[Step]:
    """Yield the steps that are to run, in their order.  The caller adds the record of each before it takes the next."""
    while (step := next_step(steps, recorded)) is not None:
        yield step


def next_step(steps: tuple[Step, ...], recorded: Mapping[str, Json]) -> Step | None:
    """Return the first step that has no record and is to run; None when there is none.

    A condition's record says which branch is taken.  The steps after a failed one run, unless it has `stop_on_error`,
    is a condition, whose branch is unknown then, or a wait: what follows was not to leave at once.
    """
    found = _next(steps, recorded)
    return None if found == END else found


def _next(steps: tuple[Step, ...], recorded: Mapping[str, Json]) -> Step | Literal["end"] | None:
    for step in steps:
        record = recorded.get(step.key)
        if record is None or waiting_of(step, record) is not None:
            return step
        if _ends(step, record):
            return END
        found = _next(branch(step, record), recorded)
        if found is not None:
            return found
    return None


def waiting_of(step: Step, record: Json | None) -> Json | None:
    """Return the result of a wait that is noted and not over, whose step runs again; None: it is no such wait."""
    result = record.get("result") if record is not None and step.type == "wait" else None
    return result if isinstance(result, dict) and "again" in result else None


def branch(step: Step, record: Json) -> tuple[Step, ...]:
    """Return the branch that a condition's record takes; any other step has none."""
    result = record.get("result")
    held = isinstance(result, dict) and result.get("held") is True
    return step.then if held else step.otherwise


def _ends(step: Step, record: Json) -> bool:
    if record.get("status") == "failed":
        return step.stop_on_error or step.type in ("condition", "wait")
    return step.type == "stop"
