"""Checks of the tables that executions read and write: what is missing, locked or hidden, and who is in the way."""

from __future__ import annotations

from minutehand.executor.durations import format_short
from minutehand.scheduler.cli.output import counted
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, literal, name, ok, warn
from minutehand.scheduler.doctor.triggers import watch_command
from minutehand.store import Json


def tables(facts: Facts) -> list[Result]:
    """Read each watched table and each link as an execution does."""
    section = facts.section("tables")
    results = each(section["own"], lambda item: _hidden(item, section["role"]))
    results += each(section["problems"], lambda item: _unusable(item, section))
    results += each(section["orphans"], _orphan)
    read = counted(section["read"], "watched table or link", "watched tables and links")
    return results or [ok(f"{read} can be read")]


def _unusable(item: Json, section: Json) -> Result:
    what = f"{item['table']}: {item['link']}" if item["link"] else item["table"]
    blockers = [lock for lock in section["locks"] if lock["granted"]] if item["code"] == "table_locked" else []
    reason = item["reason"].removesuffix("; minutehand doctor says by which")
    return fail("; ".join([f"{what}: {reason}", *map(_blocker, blockers[:3])]), _fix(item, section["role"], blockers))


def _blocker(lock: Json) -> str:
    since = "" if lock["seconds"] is None else f" for {format_short(lock['seconds'])}"
    program = f" ({lock['application']})" if lock["application"] else ""
    return f"pid {lock['pid']}{program} has locked {lock['table']}{since}"


def _fix(item: Json, role: str, blockers: list[Json]) -> str:
    target, config = item["target"], item["config"]
    match item["code"]:
        case "table_locked":
            pids = ", ".join(str(lock["pid"]) for lock in blockers) or "0"
            return f"select * from pg_stat_activity where pid in ({pids});   -- wait for it, or end it"  # noqa: S608
        case "column_missing" if not item["link"]:
            keys = ("id", "tenant", "status", "soft_delete")
            renamed = {key: "COLUMN" for key in keys if config.get(key) in item["missing"]}
            return watch_command(item["table"], config | renamed)
        case "column_missing" | "table_missing":
            return watch_command(item["table"], config) + "   # with the table's new name, or the column's"
        case "no_permission" if "belongs to role" in item["reason"] or item["kind"] == "view":
            return f"alter {item['kind']} {target} owner to {name(role)};"
        case "no_permission":
            return f"grant select on {target} to {name(role)};"
        case "rows_hidden":
            return f"alter role {name(role)} bypassrls;   -- or: alter table {target} no force row level security;"
    return f"select * from {target} limit 1;   -- as role {role}: PostgreSQL says what is wrong"  # noqa: S608


def _hidden(item: Json, role: str) -> Result:
    table = f"public.{item['table']}"
    fix = (
        f"alter table {table} no force row level security;" if item["forced"] else f"alter role {name(role)} bypassrls;"
    )
    return fail(f"{item['table']}: row level security hides our own rows from role {role}: nothing runs", fix)


def _orphan(item: Json) -> Result:
    waiting = counted(item["pending"], "execution waits", "executions wait")
    if item["candidate"] is None:
        fact = f"{waiting} for table {item['table']}, which is not watched"
        return warn(fact, f"minutehand trigger add {item['table']}   # or cancel them: minutehand executions cancel")
    old, new = literal(item["table"]), literal(item["candidate"])
    return warn(
        f"{waiting} for table {item['table']}, which is not watched; if it is {item['candidate']} now, they can follow",
        "update automation_execution_logs set trigger_data = jsonb_set(trigger_data::jsonb, '{table_name}',"  # noqa: S608
        f" to_jsonb({new}::text)) where status = 'pending' and trigger_data::jsonb ->> 'table_name' = {old};",
    )


def replica_identity(facts: Facts) -> list[Result]:
    """Find tables that a publication keeps from being updated."""

    def report(item: Json) -> Result:
        fact, _, fix = item["reason"].partition(": alter table ")
        return fail(fact, f"alter table {fix};")

    return each(facts.section("tables")["replica"], report) or [ok("no publication keeps a table from being updated")]
