"""Checks of the ground: the backend, the clock, whose packages these are, the schema and its functions."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Subject
from minutehand.scheduler.doctor.finding import Finding, each, fail, ok, warn

#: Leases and due times are the database's; this machine's clock matters for schedules and logs.
MOST_CLOCK_SECONDS = 5.0
_BACKENDS = {
    "direct": "straight to the server, LISTEN works",
    "session": "session pooler, LISTEN works; each connection takes one of the pool's",
    "transaction": "transaction pooler, no LISTEN: workers poll",
    "rest": "REST, no LISTEN: workers poll; 8 s a statement",
}


def backend(subject: Subject) -> list[Finding]:
    """Say which backend is used, and what it can."""
    return [ok(f"{subject.backend}: {_BACKENDS[subject.kind]}")]


def clock(subject: Subject) -> list[Finding]:
    """Compare this machine's clock with the database's."""
    ahead = subject.clock_seconds
    if subject.facts is None:
        return []
    if abs(ahead) <= MOST_CLOCK_SECONDS:
        return [ok("this machine's clock is the database's")]
    side = "ahead of" if ahead > 0 else "behind"
    fact = f"the database's clock is {abs(ahead):.0f} s {side} this machine's; the database's decides what is due"
    return [warn(fact, "timedatectl set-ntp true")]


def schema(subject: Subject) -> list[Finding]:
    """Compare the database's schema with this program's."""
    newest = max(subject.migrations)
    if subject.facts is None:
        why = subject.refusal.split(". ")[0]
        return [fail(f"the database has not this program's schema ({newest}): {why}", subject.migrate)]
    done = subject.section("schema")["migrations"]
    if unknown := sorted(set(done) - set(subject.migrations)):
        fact = f"the database is newer: it has {', '.join(unknown)}, this program knows {newest}"
        return [fail(fact, "pipx upgrade minutehand")]
    if edited := sorted(name for name, stored in done.items() if stored != subject.migrations[name]):
        fact = f"{', '.join(edited)} came from another file than this program's"
        return [fail(fact, "pipx install --force minutehand   # a released version has the released files")]
    if behind := sorted(set(subject.migrations) - set(done)):
        half = any(name < max(done, default="") for name in behind)
        fact = f"the database is {'half migrated' if half else 'older'}: {', '.join(behind)} not applied"
        return [fail(fact, subject.migrate)]
    return _missing(subject) or [ok(f"{newest}, all tables and columns there")]


def _missing(subject: Subject) -> list[Finding]:
    missing = subject.section("schema")["missing"]
    if not missing:
        return []
    named = f"{', '.join(missing[:10])}{' …' if missing[10:] else ''}"
    fact = f"{named} missing: applied but in part, or dropped since; migrate says which record to delete first"
    return [fail(fact, subject.migrate)]


def functions(subject: Subject) -> list[Finding]:
    """Look whether the functions are those that `migrate` installed."""
    facts = subject.section("functions")
    replaced = each(
        facts["replaced"], lambda it: fail(f"{it} is not as installed: somebody replaced it", subject.migrate)
    )
    missing = each(facts["missing"], lambda it: fail(f"{it} is gone: somebody dropped it", subject.migrate))
    if not facts["installed"]:
        return [warn("it is not recorded which functions were installed", subject.migrate)]
    return [*replaced, *missing] or [ok(f"all {facts['installed']} are as installed")]
