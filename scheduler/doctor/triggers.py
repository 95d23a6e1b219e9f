"""Checks of what comes in: triggers, their doubles, and what an adopted table would refuse."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, name, ok, warn
from minutehand.store import Json

QUEUE = "public.automation_execution_logs"


def triggers(facts: Facts) -> list[Result]:
    """Look whether tables are watched, and whether their triggers fire."""
    watched = facts.section("triggers")["watched"]
    if not watched:
        return [_unwatched(facts)]

    def tell(item: Json) -> Result:
        return fail(
            f"{item['table']}: our trigger is disabled, its changes start nothing",
            f"alter table {item['table']} enable trigger minutehand_capture;",
        )

    def not_unique(item: Json) -> Result:
        return fail(
            f"{item['table']}: its key {item['id']} is not unique, so rows of different tenants can be taken for one",
            f"create unique index concurrently on {item['table']} ({name(item['id'])});",
        )

    disabled = [item for item in watched if not item["enabled"]]
    ambiguous = [item for item in watched if not item.get("unique", True)]
    return each(disabled, tell) + each(ambiguous, not_unique) or [
        ok(f"watched: {', '.join(item['table'] for item in watched)}")
    ]


def _unwatched(facts: Facts) -> Result:
    fix = "minutehand trigger add TABLE"
    if own := feeders(facts):
        told = ", ".join(f"{item['trigger']} on {item['table']}" for item in own[:3])
        return warn(f"no table is watched: executions come from the app's own triggers ({told})", fix)
    if any(workflow["on"] for workflow in facts.section("workflows").get("workflows", ())):
        return fail("no table is watched, so no change starts a workflow", fix)
    return warn("no table is watched yet", fix)


def feeders(facts: Facts) -> list[Json]:
    """Return the app's own triggers that fill the queue from tables that we do not watch."""
    section = facts.section("triggers")
    watched = {item["table"] for item in section["watched"]} | {QUEUE}
    return [item for item in section["others"] if item["writes"] and item["table"] not in watched]


def duplicates(facts: Facts) -> list[Result]:
    """Look for triggers that do again what ours does: one change, two messages."""
    section = facts.section("triggers")
    watched = {item["table"] for item in section["watched"]} | {QUEUE}
    others = [item for item in section["others"] if item["table"] in watched]
    results = [*each(section["twins"], _twin), *each(others, _other)]
    return results or [ok("no other trigger does what ours does")]


def _twin(item: Json) -> Result:
    return fail(
        f"{item['table']}: {item['trigger']} is our trigger a second time, under another name: sent twice",
        f"drop trigger {name(item['trigger'])} on {item['table']};",
    )


def _other(item: Json) -> Result:
    what = f"{item['table']}: trigger {item['trigger']} ({item['function']})"
    fix = f"drop trigger {name(item['trigger'])} on {item['table']};"
    if item["table"] == QUEUE:
        return warn(f"{what} writes or calls out for each execution, beside our processor: perhaps sent twice", fix)
    if item["writes"]:
        return fail(f"{what} starts executions too: sent twice", fix)
    return warn(f"{what} calls out over HTTP at each change: if that sends, sent twice", fix)


def constraints(facts: Facts) -> list[Result]:
    """Look for constraints that would raise at the app's COMMIT, where no handler of ours stands."""
    deferrable = facts.section("triggers")["deferrable"]
    return each(deferrable, _deferrable) or [ok("none waits for the app's COMMIT to be checked")]


def _deferrable(item: Json) -> Result:
    table, constraint = f"public.{item['table']}", name(item["constraint"])
    if item["kind"] == "f":
        fix = f"alter table {table} alter constraint {constraint} not deferrable;"
    elif item["kind"] == "t":
        fix = f"drop trigger {constraint} on {table};"
    else:
        definition = item["definition"].split(" DEFERRABLE")[0]
        fix = f"alter table {table} drop constraint {constraint}, add constraint {constraint} {definition};"
    return fail(f"{item['table']}: {item['constraint']} is deferrable: what we write can fail the app's COMMIT", fix)


def columns(facts: Facts) -> list[Result]:
    """Look for columns that must be filled and that we cannot fill truly (R3)."""

    def tell(item: Json) -> Result:
        what = "send" if item["table"] == "communication_logs" else "execution"
        return fail(
            f"{item['table']}.{item['column']} must not be null and has no default: no {what} can be written",
            f"alter table public.{item['table']} alter column {name(item['column'])} drop not null;",
        )

    return each(facts.section("columns")["unfilled"], tell) or [ok("no column needs what we do not know")]


def stubs(facts: Facts) -> list[Result]:
    """Look for an app's own checks that say true to everything."""

    def tell(signature: str) -> Result:
        return warn(
            f"{signature} returns true whatever it is asked: what relies on it runs every workflow",
            f"drop function {signature};   -- Minutehand does not call it",
        )

    return each(facts.section("functions")["stubs"], tell) or [ok("no check of the app's says true to everything")]
