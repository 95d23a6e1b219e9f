"""Checks of what comes in: triggers, their doubles, and what an adopted table would refuse."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Subject
from minutehand.scheduler.doctor.finding import Finding, each, fail, name, ok, warn
from minutehand.store import Json

QUEUE = "public.automation_execution_logs"


def triggers(subject: Subject) -> list[Finding]:
    """Look whether tables are watched, and whether their triggers fire."""
    watched = subject.section("triggers")["watched"]
    if not watched:
        return [_unwatched(subject)]

    def tell(item: Json) -> Finding:
        return fail(
            f"{item['table']}: our trigger is disabled, its changes start nothing",
            f"alter table {item['table']} enable trigger minutehand_capture;",
        )

    disabled = [item for item in watched if not item["enabled"]]
    return each(disabled, tell) or [ok(f"watched: {', '.join(item['table'] for item in watched)}")]


def _unwatched(subject: Subject) -> Finding:
    mend = "minutehand trigger add TABLE"
    if own := feeders(subject):
        told = ", ".join(f"{item['trigger']} on {item['table']}" for item in own[:3])
        return warn(f"no table is watched: executions come from the app's own triggers ({told})", mend)
    if subject.section("workflows").get("on"):
        return fail("no table is watched, so no change starts a workflow", mend)
    return warn("no table is watched yet", mend)


def feeders(subject: Subject) -> list[Json]:
    """Return the app's own triggers that fill the queue from tables that we do not watch."""
    facts = subject.section("triggers")
    watched = {item["table"] for item in facts["watched"]} | {QUEUE}
    return [item for item in facts["others"] if item["writes"] and item["table"] not in watched]


def duplicates(subject: Subject) -> list[Finding]:
    """Look for triggers that do again what ours does: one change, two messages."""
    facts = subject.section("triggers")
    watched = {item["table"] for item in facts["watched"]} | {QUEUE}
    others = [item for item in facts["others"] if item["table"] in watched]
    findings = [*each(facts["twins"], _twin), *each(others, _other)]
    return findings or [ok("no other trigger does what ours does")]


def _twin(item: Json) -> Finding:
    return fail(
        f"{item['table']}: {item['trigger']} is our trigger a second time, under another name: sent twice",
        f"drop trigger {name(item['trigger'])} on {item['table']};",
    )


def _other(item: Json) -> Finding:
    what = f"{item['table']}: trigger {item['trigger']} ({item['function']})"
    mend = f"drop trigger {name(item['trigger'])} on {item['table']};"
    if item["table"] == QUEUE:
        return warn(f"{what} writes or calls out for each execution, beside our processor: perhaps sent twice", mend)
    if item["writes"]:
        return fail(f"{what} starts executions too: sent twice", mend)
    return warn(f"{what} calls out over HTTP at each change: if that sends, sent twice", mend)


def constraints(subject: Subject) -> list[Finding]:
    """Look for constraints that would raise at the app's COMMIT, where no handler of ours stands."""
    deferrable = subject.section("triggers")["deferrable"]
    return each(deferrable, _deferrable) or [ok("none waits for the app's COMMIT to be checked")]


def _deferrable(item: Json) -> Finding:
    table, constraint = f"public.{item['table']}", name(item["constraint"])
    if item["kind"] == "f":
        mend = f"alter table {table} alter constraint {constraint} not deferrable;"
    elif item["kind"] == "t":
        mend = f"drop trigger {constraint} on {table};"
    else:
        definition = item["definition"].split(" DEFERRABLE")[0]
        mend = f"alter table {table} drop constraint {constraint}, add constraint {constraint} {definition};"
    return fail(f"{item['table']}: {item['constraint']} is deferrable: what we write can fail the app's COMMIT", mend)


def columns(subject: Subject) -> list[Finding]:
    """Look for columns that must be filled and that we cannot fill truly (R3)."""

    def tell(item: Json) -> Finding:
        what = "send" if item["table"] == "communication_logs" else "execution"
        return fail(
            f"{item['table']}.{item['column']} must not be null and has no default: no {what} can be written",
            f"alter table public.{item['table']} alter column {name(item['column'])} drop not null;",
        )

    return each(subject.section("columns")["unfilled"], tell) or [ok("no column needs what we do not know")]


def stubs(subject: Subject) -> list[Finding]:
    """Look for an app's own checks that say true to everything."""

    def tell(signature: str) -> Finding:
        return warn(
            f"{signature} returns true whatever it is asked: what relies on it runs every workflow",
            f"drop function {signature};   -- Minutehand does not call it",
        )

    return each(subject.section("functions")["stubs"], tell) or [ok("no check of the app's says true to everything")]
