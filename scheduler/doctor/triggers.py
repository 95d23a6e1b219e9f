"""Checks of triggers, duplicates of them, and what an adopted table would refuse."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, name, ok, warn
from minutehand.store import Json

QUEUE = "public.automation_execution_logs"


def triggers(facts: Facts) -> list[Result]:
    """Check that tables are watched and that their triggers are enabled."""
    watched = facts.section("triggers")["watched"]
    if not watched:
        return [_unwatched(facts)]

    def report(item: Json) -> Result:
        return fail(
            f"{item['unwatched']['table']}: {item['unwatched']['problem']}",
            item["unwatched"]["remedy"],
        )

    def not_unique(item: Json) -> Result:
        return fail(
            f"{item['table']}: its key {item['id']} is not unique: rows of different tenants can be confused",
            f"create unique index concurrently on {item['table']} ({name(item['id'])});",
        )

    disabled = [item for item in watched if not item["enabled"]]
    ambiguous = [item for item in watched if not item.get("unique", True)]
    section = facts.section("triggers")
    seen = each(section["uncovered"], _uncovered) + each(section["outdated"], _outdated)
    return each(disabled, report) + each(ambiguous, not_unique) + seen or [
        ok(f"watched tables: {', '.join(item['table'] for item in watched)}")
    ]


def _uncovered(item: Json) -> Result:
    """Name a table whose changes belong to a watched table, and are not seen."""
    if item["why"] == "child":
        return warn(
            f"{item['table']} inherits from {item['parent']}: its own rows start nothing",
            f"minutehand trigger add {item['table']}",
        )
    fix = f"alter table {item['table']} enable trigger {name('!minutehand_capture')};"
    if item["why"] == "missing":
        fix = f"minutehand trigger rm {item['parent']}; minutehand trigger add {item['parent']}   # with its options"
    return fail(f"{item['table']}: our trigger is {item['why']} on this partition of {item['parent']}", fix)


#: Why a trigger is not as `trigger add` would make it now, and whether what is recorded is wrong because of it.
_OUTDATED = {
    "name": (warn, "the app's own triggers fire before ours: a change that one of them makes is recorded first"),
    "moves": (fail, "its partition key has other columns now: a row that moves is told as deleted and created"),
    "virtual": (fail, "its virtual generated columns are others now: conditions of triggers do not see them"),
}


def _outdated(item: Json) -> Result:
    verdict, fact = _OUTDATED[item["why"]]
    return verdict(f"{item['table']}: {fact}", watch_command(item["table"], item["config"]))


def heartbeats(facts: Facts) -> list[Result]:
    """Find columns whose changes fill the events and start nothing."""

    def report(item: Json) -> Result:
        config = item["config"]
        what = f"changed only {', '.join(item['columns'])}, and started nothing: {item['bytes'] / 1e6:.1f} MB of events"
        return warn(
            f"{item['table']}: {item['changes']} of the newest 5,000 changes {what}",
            watch_command(item["table"], config | {"exclude": [*config["exclude"], *item["columns"]]})
            + "   # unless a workflow reads it",
        )

    return each(facts.section("triggers")["heartbeats"], report) or [ok("no column fills the events by itself")]


def links(facts: Facts) -> list[Result]:
    """Find links whose rows are never shown, since their table has no tenant."""

    def report(item: Json) -> Result:
        return warn(hidden_link(item), show_link_command(item))

    return each(facts.section("triggers")["closed_links"], report) or [
        ok("every linked table has a tenant, or is global")
    ]


def hidden_link(item: Json) -> str:
    """Say which link of a watched table is never shown, and why."""
    return f"{item['table']}: {item['link']} is not shown to workflows: table {item['target']} has no tenant column"


def show_link_command(item: Json) -> str:
    """Return the command that shows the linked table to every tenant; it repeats the watch's other settings."""
    config: Json = item["config"]
    return watch_command(item["table"], config | {"global_tables": [*config.get("global_tables", ()), item["target"]]})


def watch_command(table: str, config: Json) -> str:
    """Return the command that watches a table with these settings."""
    words = ["minutehand trigger add", table, "--id", config["id"], "--type", config["type"]]
    words += ["--status", config["status"], "--tenant", config["tenant"] or "none"]
    if config["exclude"]:
        words += ["--exclude", ",".join(config["exclude"])]
    if config["user"] != "user_id":
        words += ["--user", config["user"]]
    if config.get("soft_delete"):
        words += ["--soft-delete", config["soft_delete"]]
    for column, target in config["links"].items():
        words += ["--link", f"{column}={target}"]
    if config.get("global_tables"):
        words += ["--global", ",".join(config["global_tables"])]
    return " ".join(words + ["--writable"] * bool(config["writable"]))


def _unwatched(facts: Facts) -> Result:
    fix = "minutehand trigger add TABLE"
    if own := feeders(facts):
        names = ", ".join(f"{item['trigger']} on {item['table']}" for item in own[:3])
        return warn(f"no tables are watched: executions come from the app's own triggers ({names})", fix)
    if any(workflow["on"] for workflow in facts.section("workflows").get("workflows", ())):
        return fail("no tables are watched: no change starts a workflow", fix)
    return warn("no tables are watched yet", fix)


def feeders(facts: Facts) -> list[Json]:
    """Return the app's own triggers that create executions from tables that we do not watch."""
    section = facts.section("triggers")
    watched = {item["table"] for item in section["watched"]} | {QUEUE}
    return [item for item in section["others"] if item["writes"] and item["table"] not in watched]


def duplicates(facts: Facts) -> list[Result]:
    """Find triggers that repeat what ours does: one change, two messages."""
    section = facts.section("triggers")
    watched = {item["table"] for item in section["watched"]} | {QUEUE}
    others = [item for item in section["others"] if item["table"] in watched]
    results = [*each(section["twins"], _twin), *each(others, _other)]
    return results or [ok("no other trigger repeats what ours does")]


def _twin(item: Json) -> Result:
    return fail(
        f"{item['table']}: {item['trigger']} is our trigger again, under another name: messages are sent twice",
        f"drop trigger {name(item['trigger'])} on {item['table']};",
    )


def _other(item: Json) -> Result:
    what = f"{item['table']}: trigger {item['trigger']} ({item['function']})"
    fix = f"drop trigger {name(item['trigger'])} on {item['table']};"
    if item["table"] == QUEUE:
        return warn(
            f"{what} writes or makes HTTP calls for each execution, besides our processor: messages may be sent twice",
            fix,
        )
    if item["writes"]:
        return fail(f"{what} also creates executions: messages are sent twice", fix)
    return warn(f"{what} makes an HTTP call for each change: if that sends messages, they are sent twice", fix)


def constraints(facts: Facts) -> list[Result]:
    """Find constraints that are checked at the app's COMMIT, where we cannot catch their errors."""
    deferrable = facts.section("triggers")["deferrable"]
    return each(deferrable, _deferrable) or [ok("no constraint of our tables is deferrable")]


def _deferrable(item: Json) -> Result:
    table, constraint = f"public.{item['table']}", name(item["constraint"])
    if item["kind"] == "f":
        fix = f"alter table {table} alter constraint {constraint} not deferrable;"
    elif item["kind"] == "t":
        fix = f"drop trigger {constraint} on {table};"
    else:
        definition = item["definition"].split(" DEFERRABLE")[0]
        fix = f"alter table {table} drop constraint {constraint}, add constraint {constraint} {definition};"
    return fail(f"{item['table']}: {item['constraint']} is deferrable: our writes can make the app's COMMIT fail", fix)


def columns(facts: Facts) -> list[Result]:
    """Find NOT NULL columns that we cannot fill truthfully (R3)."""

    def report(item: Json) -> Result:
        what = "send" if item["table"] == "communication_logs" else "execution"
        return fail(
            f"{item['table']}.{item['column']} is NOT NULL without a default: no {what} can be written",
            f"alter table public.{item['table']} alter column {name(item['column'])} drop not null;",
        )

    return each(facts.section("columns")["unfilled"], report) or [ok("we can fill every NOT NULL column")]


def stubs(facts: Facts) -> list[Result]:
    """Find checks of the app that return true for everything."""

    def report(signature: str) -> Result:
        return warn(
            f"{signature} returns true for everything: callers that rely on it run every workflow",
            f"drop function {signature};   -- Minutehand does not call it",
        )

    return each(facts.section("functions")["stubs"], report) or [ok("no check of the app returns true for everything")]
