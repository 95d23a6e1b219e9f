"""The list of checks, in the order in which they are printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minutehand.scheduler.doctor import database, direct, permissions, queue, tables, triggers, vacuum, workflows
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, fail


@dataclass(frozen=True, slots=True)
class Check:
    """A check: a pure function from the facts to results."""

    group: str
    name: str
    run: Callable[[Facts], list[Result]]
    #: The sections of the database's facts that it reads.
    sections: tuple[str, ...] = ()


CHECKS = (
    Check("database", "backend", database.backend),
    Check("database", "clock", database.clock),
    Check("database", "schema", database.schema, ("schema",)),
    Check("database", "identity", database.identity, ("identity",)),
    Check("database", "functions", database.functions, ("functions",)),
    Check("permissions", "grants", permissions.grants, ("grants",)),
    Check("permissions", "row security", permissions.row_security, ("grants",)),
    Check("permissions", "policies", permissions.policies, ("grants",)),
    Check("permissions", "profiles", permissions.profiles, ("grants",)),
    Check("triggers", "triggers", triggers.triggers, ("triggers",)),
    Check("triggers", "duplicates", triggers.duplicates, ("triggers",)),
    Check("triggers", "heartbeats", triggers.heartbeats, ("triggers",)),
    Check("triggers", "links", triggers.links, ("triggers",)),
    Check("triggers", "tables", tables.tables, ("tables",)),
    Check("triggers", "replica identity", tables.replica_identity, ("tables",)),
    Check("triggers", "constraints", triggers.constraints, ("triggers",)),
    Check("triggers", "columns", triggers.columns, ("columns",)),
    Check("triggers", "stubs", triggers.stubs, ("functions",)),
    Check("workflows", "workflows", workflows.workflows, ("workflows",)),
    Check("queue", "processor", queue.processor, ("processors",)),
    Check("queue", "other processors", queue.other_processors, ("processors",)),
    Check("queue", "backlog", queue.backlog, ("queue",)),
    Check("queue", "sends", queue.sends, ("queue",)),
    Check("queue", "events", queue.events, ("queue",)),
    Check("queue", "dead rows", vacuum.dead_rows, ("vacuum",)),
    Check("queue", "old transactions", vacuum.old_transactions, ("vacuum",)),
    Check("sending", "e-mail", queue.email, ("workflows",)),
    Check("sending", "opt-outs", queue.opt_outs, ("queue",)),
    Check("sending", "pace", queue.pace, ("queue",)),
    Check("sending", "webhooks", queue.webhooks, ("workflows",)),
    Check("sending", "direct mode", direct.direct_mode, ("direct",)),
)


def run_checks(facts: Facts) -> list[tuple[Check, Result]]:
    """Run every check that has its facts.  A section that the database could not read is reported once."""
    reported: list[tuple[Check, Result]] = []
    unread: set[str] = set()
    for check in CHECKS:
        if facts.database is None and check.sections and check.name != "schema":
            continue  # nothing to check without the schema
        broken = [name for name in check.sections if "unreadable" in facts.section(name)]
        fresh = [name for name in broken if name not in unread]
        unread.update(broken)
        results = [_unreadable(facts, name) for name in fresh] if broken else check.run(facts)
        reported += [(check, result) for result in results]
    return reported


def _unreadable(facts: Facts, section: str) -> Result:
    why = facts.section(section)["unreadable"]
    return fail(
        f"can't read this part: {why}", f"{facts.migrate}   # if something is missing; otherwise run doctor again"
    )
