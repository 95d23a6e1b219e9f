"""Checks of the ground: the backend, the clock, whose packages these are, the schema and its functions."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, ok, warn

#: Leases and due times are the database's; this machine's clock matters for schedules and logs.
MOST_CLOCK_SECONDS = 5.0
_BACKENDS = {
    "direct": "straight to the server, LISTEN works",
    "session": "session pooler, LISTEN works; each connection takes one of the pool's",
    "transaction": "transaction pooler, no LISTEN: workers poll",
    "rest": "REST, no LISTEN: workers poll; 8 s a statement",
}


def backend(facts: Facts) -> list[Result]:
    """Say which backend is used, and what it can."""
    return [ok(f"{facts.database_name} ({facts.backend}): {_BACKENDS[facts.kind]}")]


def clock(facts: Facts) -> list[Result]:
    """Compare this machine's clock with the database's."""
    ahead = facts.clock_seconds
    if facts.database is None:
        return []
    if abs(ahead) <= MOST_CLOCK_SECONDS:
        return [ok("this machine's clock is the database's")]
    side = "ahead of" if ahead > 0 else "behind"
    fact = f"the database's clock is {abs(ahead):.0f} s {side} this machine's; the database's decides what is due"
    return [warn(fact, "timedatectl set-ntp true")]


def schema(facts: Facts) -> list[Result]:
    """Compare the database's schema with this program's."""
    newest = max(facts.migrations)
    if facts.database is None:
        why = facts.refusal.split(". ")[0]
        return [fail(f"the database has not this program's schema ({newest}): {why}", facts.migrate)]
    done = facts.section("schema")["migrations"]
    if unknown := sorted(name for name in done if name > newest):
        fact = f"the database is newer: it has {', '.join(unknown)}, this program knows {newest}"
        return [fail(fact, "pipx upgrade minutehand")]
    if edited := sorted(name for name in done if done[name] != facts.migrations.get(name, done[name])):
        fact = f"{', '.join(edited)} came from another file than this program's"
        return [fail(fact, "pipx install --force minutehand   # a released version has the released files")]
    if behind := sorted(set(facts.migrations) - set(done)):
        half = any(name < max(done, default="") for name in behind)
        fact = f"the database is {'half migrated' if half else 'older'}: {', '.join(behind)} not applied"
        return [fail(fact, facts.migrate)]
    return _missing(facts) or [ok(f"{newest}, all tables and columns there")]


def _missing(facts: Facts) -> list[Result]:
    missing = facts.section("schema")["missing"]
    if not missing:
        return []
    named = f"{', '.join(missing[:10])}{' …' if missing[10:] else ''}"
    fact = f"{named} missing: applied but in part, or dropped since; migrate says which record to delete first"
    return [fail(fact, facts.migrate)]


def functions(facts: Facts) -> list[Result]:
    """Look whether the functions are those that `migrate` installed."""
    section = facts.section("functions")
    replaced = each(
        section["replaced"], lambda it: fail(f"{it} is not as installed: somebody replaced it", facts.migrate)
    )
    missing = each(section["missing"], lambda it: fail(f"{it} is gone: somebody dropped it", facts.migrate))
    if not section["installed"]:
        return [warn("it is not recorded which functions were installed", facts.migrate)]
    return [*replaced, *missing] or [ok(f"all {section['installed']} are as installed")]
