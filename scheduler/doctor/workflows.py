"""Checks of the workflows: which of them can never fire, and why."""

from __future__ import annotations

from difflib import get_close_matches

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import read_steps
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, literal, ok, warn
from minutehand.scheduler.doctor.triggers import feeders
from minutehand.store import Json

#: A workflow of this type is started by hand, no change is waited for.
BY_HAND = "manual"
# Told to a person, never run.
_SHOW = "select * from automation_workflows where id = {id};"
_SWITCH = "update automation_workflows set {setting} where id = {id};"


def workflows(facts: Facts) -> list[Result]:
    """Look for workflows that are on and can never fire, or can do nothing when they do."""
    on = facts.section("workflows")["on"]
    judged = [(workflow, problem(workflow, facts)) for workflow in on]
    broken = [(workflow, why) for workflow, why in judged if why]
    told = each(
        broken,
        lambda pair: fail(f'"{pair[0]["name"]}" can never do its work: {pair[1]}', _show(pair[0])),
    )
    return told or [ok(f"{len(on)} on, {facts.section('workflows')['off']} off")]


def problem(workflow: Json, facts: Facts) -> str | None:
    """Return why a workflow cannot work, or None."""
    if workflow["problem"]:
        return str(workflow["problem"])
    if not _is_heard(workflow, facts):
        return f"no watched table has changes of type {workflow['trigger_type']}"
    if workflow["steps"] is None or facts.executor != "local":
        return None  # too long to be looked at here, or read by somebody else
    try:
        return None if read_steps(workflow) else "it has no step that can be run"
    except BadStep as error:
        return str(error)


def _is_heard(workflow: Json, facts: Facts) -> bool:
    """Say whether its trigger type can come; where nothing is watched, the check of the triggers says so once."""
    watched = facts.section("triggers").get("watched")
    return bool(workflow["heard"] or workflow["trigger_type"] == BY_HAND or not watched or feeders(facts))


def _show(workflow: Json) -> str:
    return _SHOW.format(id=literal(str(workflow["id"])))


def switches(facts: Facts) -> list[Result]:
    """Look for workflows whose switches disagree: one says on, another keeps it off."""
    return each(facts.section("workflows")["torn"], _torn) or [ok("no workflow is on by one switch, off by another")]


def _torn(workflow: Json) -> Result:
    on = {"is_active": True, "status": "active", "enabled": True}
    off = {key: value for key, value in workflow["switches"].items() if _is_off(key, value)}
    said = ", ".join(f"{key} = {_sql(value)}" for key, value in off.items())
    setting = ", ".join(f"{key} = {_sql(on[key])}" for key in off)
    return warn(
        f'"{workflow["name"]}" is off by {said}, though the rest of its switches say on',
        _SWITCH.format(setting=setting, id=literal(str(workflow["id"]))),
    )


def _is_off(key: str, value: object) -> bool:
    return str(value).lower() != "active" if key == "status" else value is False


def _sql(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else literal(str(value))


def settings(facts: Facts) -> list[Result]:
    """Look for settings that cannot be read, so that workflows run without them."""
    unread = [workflow for workflow in facts.section("workflows")["on"] if workflow["unread"]]
    told = each(unread, lambda it: warn(f'"{it["name"]}" runs, but without order: {it["unread"]}', _show(it)))
    return told or [ok("every setting is understood")]


def statuses(facts: Facts) -> list[Result]:
    """Look for statuses that workflows wait for and no row is known to have."""
    section = facts.section("workflows")
    unmatched = [(workflow, item) for workflow in section["on"] for item in workflow["unmatched"]]
    results = each(unmatched, lambda pair: _unmatched(*pair, section["words"].get(pair[1]["type"], [])))
    return results or [ok("every status that a workflow waits for is known")]


def _unmatched(workflow: Json, item: Json, known: list[str]) -> Result:
    near = near_words(item["word"], known)
    seen = f"near it: {', '.join(near)}" if near else f"there are: {', '.join(known[:8])}"
    return warn(
        f'"{workflow["name"]}" waits for the status "{item["word"]}", which no {item["type"]} is known to have; {seen}',
        _show(workflow),
    )


def near_words(word: str, known: list[str]) -> list[str]:
    """Return the words that may have been meant, nearest first.

    >>> near_words("complete", ["Completed", "Scheduled"])
    ['Completed']
    """
    folded = {other.lower(): other for other in known}
    return [folded[match] for match in get_close_matches(word.lower(), folded, n=3)]
