"""Checks of vacuum: dead rows that slow every claim, and who keeps PostgreSQL from removing them."""

from __future__ import annotations

from minutehand.executor.durations import format_short
from minutehand.scheduler.cli.output import counted
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, literal, ok, warn
from minutehand.store import Json

#: Fewer dead rows than these cost nothing; more than a fifth of a table, and vacuum does not keep up.
LEAST_DEAD = 10_000
LEAST_DEAD_SHARE = 0.2
#: Nothing of ours takes so long in one transaction.
MOST_TRANSACTION_SECONDS = 600
#: So far may who reads a slot be behind.
MOST_TRANSACTIONS_BEHIND = 100_000


def dead_rows(facts: Facts) -> list[Result]:
    """Look whether vacuum is on, and keeps up."""
    section = facts.section("vacuum")
    results = []
    if not section["autovacuum"]:
        fix = "alter system set autovacuum = on;   -- by a superuser; then: select pg_reload_conf();"
        results.append(warn("autovacuum is off on this server: dead rows stay", fix))
    results += each([item for item in section["tables"] if item["off"]], _off)
    results += each(
        [item for item in section["tables"] if _is_bloated(item)], lambda item: _bloated(item, section["hidden"])
    )
    return results or [ok("vacuum keeps up")]


def _is_bloated(item: Json) -> bool:
    return bool(item["dead"] >= LEAST_DEAD and item["dead"] > LEAST_DEAD_SHARE * (item["rows"] + item["dead"]))


def _off(item: Json) -> Result:
    return warn(
        f"{item['table']} is never vacuumed by itself: autovacuum_enabled is off",
        f"alter table public.{item['table']} reset (autovacuum_enabled);",
    )


def _bloated(item: Json, hidden: int) -> Result:
    since = "never vacuumed" if item["seconds"] is None else f"last vacuumed {format_short(item['seconds'])} ago"
    fact = f"{item['table']}: {item['dead']} dead rows beside {item['rows']}, {since}: claims get slower"
    if hidden:
        fact += f"; whose old transaction holds them cannot be seen ({counted(hidden, 'session')} of other roles)"
    return warn(fact, f"vacuum (verbose) public.{item['table']};")


def old_transactions(facts: Facts) -> list[Result]:
    """Look for what keeps dead rows from being removed: old transactions, prepared ones, slots that nobody reads."""
    section = facts.section("vacuum")
    running = [item for item in section["transactions"] if item["seconds"] > MOST_TRANSACTION_SECONDS]
    prepared = [item for item in section["prepared"] if item["seconds"] > MOST_TRANSACTION_SECONDS]
    slots = [item for item in section["slots"] if item["transactions"] > MOST_TRANSACTIONS_BEHIND]
    results = [*each(running, _running), *each(prepared, _prepared), *each(slots, _slot)]
    return results or [ok("no old transaction keeps dead rows")]


def _running(item: Json) -> Result:
    who = f"{item['role']} ({item['application'] or 'no application name'}, pid {item['pid']})"
    age = format_short(item["seconds"])
    return warn(
        f"a transaction of {who} is {age} old, {item['state']}: rows that died since then cannot be removed",
        f"select pg_terminate_backend({item['pid']});   -- rolls it back",
    )


def _prepared(item: Json) -> Result:
    age = format_short(item["seconds"])
    return warn(
        f"prepared transaction {item['gid']} of {item['owner']} is {age} old:"
        " rows that died since then cannot be removed",
        f"rollback prepared {literal(item['gid'])};   -- or commit it",
    )


def _slot(item: Json) -> Result:
    reader = "whose reader lags" if item["active"] else "which nobody reads"
    return warn(
        f"replication slot {item['slot']}, {reader}, is {item['transactions']} transactions behind:"
        " dead rows and WAL stay",
        f"select pg_drop_replication_slot({literal(item['slot'])});   -- if it is needed no more",
    )
