"""The list of checks, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minutehand.scheduler.doctor import database, direct, permissions, queue, triggers, vacuum, workflows
from minutehand.scheduler.doctor.facts import Subject
from minutehand.scheduler.doctor.finding import Finding, fail


@dataclass(frozen=True, slots=True)
class Check:
    """One look: a pure function from what was gathered to what is to be said."""

    group: str
    name: str
    look: Callable[[Subject], list[Finding]]
    #: The sections of the database's facts that it reads.
    sections: tuple[str, ...] = ()


CHECKS = (
    Check("ground", "backend", database.backend),
    Check("ground", "clock", database.clock),
    Check("ground", "schema", database.schema, ("schema",)),
    Check("ground", "functions", database.functions, ("functions",)),
    Check("walls", "grants", permissions.grants, ("grants",)),
    Check("walls", "row security", permissions.row_security, ("grants",)),
    Check("walls", "policies", permissions.policies, ("grants",)),
    Check("intake", "triggers", triggers.triggers, ("triggers",)),
    Check("intake", "duplicates", triggers.duplicates, ("triggers",)),
    Check("intake", "constraints", triggers.constraints, ("triggers",)),
    Check("intake", "columns", triggers.columns, ("columns",)),
    Check("intake", "stubs", triggers.stubs, ("functions",)),
    Check("workflows", "workflows", workflows.workflows, ("workflows",)),
    Check("workflows", "switches", workflows.switches, ("workflows",)),
    Check("workflows", "settings", workflows.settings, ("workflows",)),
    Check("workflows", "statuses", workflows.statuses, ("workflows",)),
    Check("queue", "processor", queue.processor, ("processors",)),
    Check("queue", "other processors", queue.other_processors, ("processors",)),
    Check("queue", "backlog", queue.backlog, ("queue",)),
    Check("queue", "sends", queue.sends, ("queue",)),
    Check("queue", "events", queue.events, ("queue",)),
    Check("queue", "dead rows", vacuum.dead_rows, ("vacuum",)),
    Check("queue", "old transactions", vacuum.old_transactions, ("vacuum",)),
    Check("sending", "e-mail", queue.email, ("workflows",)),
    Check("sending", "direct mode", direct.direct_mode, ("direct",)),
)


def examine(subject: Subject) -> list[tuple[Check, Finding]]:
    """Let every check look that can; a section that the database could not read is told once."""
    told: list[tuple[Check, Finding]] = []
    unread: set[str] = set()
    for check in CHECKS:
        if subject.facts is None and check.sections and check.name != "schema":
            continue  # there is nothing to look at before the schema is there
        broken = [name for name in check.sections if "unreadable" in subject.section(name)]
        fresh = [name for name in broken if name not in unread]
        unread.update(broken)
        findings = [_unreadable(subject, name) for name in fresh] if broken else check.look(subject)
        told += [(check, finding) for finding in findings]
    return told


def _unreadable(subject: Subject, section: str) -> Finding:
    why = subject.section(section)["unreadable"]
    return fail(f"cannot be looked at: {why}", f"{subject.migrate}   # if something is missing; else doctor again")
