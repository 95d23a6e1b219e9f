"""Whether the processors can run a workflow's steps: have they a provider, a target, the function?

It is judged by what the processors' heartbeats report (executor/services.py), not by the settings of the command that
asks.
"""

from __future__ import annotations

from collections.abc import Iterator

from minutehand.executor.actions.contract import Step
from minutehand.executor.actions.notify import name_of
from minutehand.executor.dialects import all_steps
from minutehand.executor.targets.names import target_problem
from minutehand.store import Json

#: A processor that reported longer ago is asked only where there is no other.
RECENT_SECONDS = 900
_KINDS = ("email", "sms", "notify", "function")


def reporting(installation: Json) -> list[Json]:
    """Return the processors whose reports count: the recent ones, else the last one."""
    processors: list[Json] = installation.get("processors") or []
    return [one for one in processors if one["seconds"] <= RECENT_SECONDS] or processors[:1]


def reported_problem(installation: Json, kind: str) -> str | None:
    """Return what a processor lacks for steps of this kind; None: none lacks anything, or none has reported."""
    return next(filter(None, (_lacks(one["serves"], kind) for one in reporting(installation))), None)


def service_problems(installation: Json, steps: tuple[Step, ...], tenant: str | None) -> Iterator[tuple[str, str]]:
    """Yield the path of each step that a processor cannot run, and why; the first step of each reason alone."""
    seen = set()
    own = installation.get("own")
    for step in all_steps(steps):
        if step.type not in _KINDS:
            continue
        for processor in reporting(installation):
            if (problem := _lacks_of_step(processor["serves"], step, tenant)) and problem not in seen:
                seen.add(problem)
                yield step.path, f"{problem} (on {processor['mode']} of {processor['host']})"
        problem = _lacks_of_step(own, step, tenant) if own and not installation.get("processors") else None
        if problem and problem not in seen:
            seen.add(problem)
            yield step.path, f"{problem} (by the settings of this command: no processor has reported yet)"


def _lacks_of_step(serves: Json, step: Step, tenant: str | None) -> str | None:
    """Return why a processor with these services cannot run a step; another executor runs its steps elsewhere."""
    if serves.get("executor") != "local":
        return None
    name = str(step.config.get("name"))
    if step.type == "function" and name not in serves.get("functions", ()):
        return f"workflows may not call the function {name[:100]}; an operator adds it to MINUTEHAND_FUNCTIONS"
    problem = _lacks(serves, step.type)
    if step.type == "notify" and problem is None and "targets" in serves:
        return target_problem(serves["targets"], name_of(step.config), tenant)
    return problem


def _lacks(serves: Json, kind: str) -> str | None:
    problem: str | None = (serves.get("problems") or {}).get(kind) if serves.get("executor") == "local" else None
    return problem
