"""Checks of vacuum: dead rows that slow every claim, and what keeps PostgreSQL from removing them."""

from __future__ import annotations

from minutehand.executor.durations import format_short
from minutehand.scheduler.cli.output import counted
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, literal, ok, warn
from minutehand.store import Json

#: With fewer dead rows claims are not slower.  Above a fifth of the table, vacuum does not keep up.
MIN_DEAD = 10_000
MIN_DEAD_SHARE = 0.2
#: No transaction of ours takes this long.
MAX_TRANSACTION_SECONDS = 600
#: How far the reader of a replication slot may be behind.
MAX_TRANSACTIONS_BEHIND = 100_000


def dead_rows(facts: Facts) -> list[Result]:
    """Check that autovacuum is on and keeps up."""
    section = facts.section("vacuum")
    results = []
    if not section["autovacuum"]:
        fix = "alter system set autovacuum = on;   -- by a superuser; then: select pg_reload_conf();"
        results.append(warn("autovacuum is off on this server: dead rows are not removed", fix))
    results += each([item for item in section["tables"] if item["off"]], _off)
    results += each(
        [item for item in section["tables"] if _is_bloated(item)], lambda item: _bloated(item, section["hidden"])
    )
    return results or [ok("vacuum keeps up")]


def _is_bloated(item: Json) -> bool:
    return bool(item["dead"] >= MIN_DEAD and item["dead"] > MIN_DEAD_SHARE * (item["rows"] + item["dead"]))


def _off(item: Json) -> Result:
    return warn(
        f"{item['table']} is never vacuumed automatically: autovacuum_enabled is off",
        f"alter table public.{item['table']} reset (autovacuum_enabled);",
    )


def _bloated(item: Json, hidden: int) -> Result:
    since = "never vacuumed" if item["seconds"] is None else f"last vacuumed {format_short(item['seconds'])} ago"
    fact = f"{item['table']}: {item['dead']} dead rows, {item['rows']} live rows, {since}: claims get slower"
    if hidden:
        fact += f"; the old transaction that keeps them may be hidden ({counted(hidden, 'session')} of other roles)"
    return warn(fact, f"vacuum (verbose) public.{item['table']};")


def old_transactions(facts: Facts) -> list[Result]:
    """Find what keeps dead rows from being removed: old transactions, prepared ones, unread replication slots."""
    section = facts.section("vacuum")
    running = [item for item in section["transactions"] if item["seconds"] > MAX_TRANSACTION_SECONDS]
    prepared = [item for item in section["prepared"] if item["seconds"] > MAX_TRANSACTION_SECONDS]
    slots = [item for item in section["slots"] if item["transactions"] > MAX_TRANSACTIONS_BEHIND]
    results = [*each(running, _running), *each(prepared, _prepared), *each(slots, _slot)]
    return results or [ok("no old transaction keeps dead rows")]


def _running(item: Json) -> Result:
    who = f"{item['role']} ({item['application'] or 'no application name'}, pid {item['pid']})"
    age = format_short(item["seconds"])
    return warn(
        f"a transaction of {who} is {age} old, {item['state']}: newer dead rows cannot be removed",
        f"select pg_terminate_backend({item['pid']});   -- rolls it back",
    )


def _prepared(item: Json) -> Result:
    age = format_short(item["seconds"])
    return warn(
        f"prepared transaction {item['gid']} of {item['owner']} is {age} old: newer dead rows cannot be removed",
        f"rollback prepared {literal(item['gid'])};   -- or commit it",
    )


def _slot(item: Json) -> Result:
    reader = "whose reader lags" if item["active"] else "which nobody reads"
    return warn(
        f"replication slot {item['slot']}, {reader}, is {item['transactions']} transactions behind:"
        " dead rows and WAL are kept",
        f"select pg_drop_replication_slot({literal(item['slot'])});   -- if it is no longer needed",
    )
