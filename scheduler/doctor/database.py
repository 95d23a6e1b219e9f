"""Checks of the database: the backend, the clock, the schema and its functions."""

from __future__ import annotations

from minutehand.executor.text.copies import STOPPED
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, ok, warn
from minutehand.store.place import words
from minutehand.store.records import Identity

#: Leases and due times use the database's clock; this machine's clock matters for schedules and logs.
MAX_CLOCK_SECONDS = 5.0
#: Each kind of connection, and what else it means.
_KINDS = {
    "direct": ("direct connection", ""),
    "session": ("session pooler", "; each connection uses one of the pool"),
    "transaction": ("transaction pooler", "; no statement is prepared"),
    "rest": ("REST", "; statements may take 8 s"),
}


def backend(facts: Facts) -> list[Result]:
    """Report the backend and its abilities."""
    kind, more = _KINDS[facts.kind]
    listen = "LISTEN works" if facts.listens else "no LISTEN: workers poll"
    return [ok(f"{words(facts.backend, facts.database_name)}: {kind}, {listen}{more}")]


def clock(facts: Facts) -> list[Result]:
    """Compare this machine's clock with the database's."""
    ahead = facts.clock_seconds
    if facts.database is None:
        return []
    if abs(ahead) <= MAX_CLOCK_SECONDS:
        return [ok("this machine's clock agrees with the database's")]
    side = "ahead of" if ahead > 0 else "behind"
    fact = f"the database's clock is {abs(ahead):.0f} s {side} this machine's; the database's clock decides what is due"
    return [warn(fact, "timedatectl set-ntp true")]


def schema(facts: Facts) -> list[Result]:
    """Compare the database's schema with this program's."""
    newest = max(facts.migrations)
    if facts.database is None:
        why = facts.refusal.split(". ")[0]
        return [fail(f"the database does not have this program's schema ({newest}): {why}", facts.migrate)]
    done = facts.section("schema")["migrations"]
    if unknown := sorted(name for name in done if name > newest):
        fact = f"the database is newer: it has {', '.join(unknown)}, this program knows {newest}"
        return [fail(fact, "pipx upgrade minutehand")]
    if edited := sorted(name for name in done if done[name] != facts.migrations.get(name, done[name])):
        fact = f"{', '.join(edited)} came from a different file than this program's"
        return [fail(fact, "pipx install --force minutehand   # a released version has the released files")]
    if behind := sorted(set(facts.migrations) - set(done)):
        half = any(name < max(done, default="") for name in behind)
        fact = f"the database is {'half migrated' if half else 'older'}: {', '.join(behind)} not applied"
        return [fail(fact, facts.migrate)]
    return _missing(facts) or [ok(f"{newest}, all tables and columns are present")]


def _missing(facts: Facts) -> list[Result]:
    missing = facts.section("schema")["missing"]
    if not missing:
        return []
    named = f"{', '.join(missing[:10])}{' …' if missing[10:] else ''}"
    fact = f"{named} missing: applied only in part, or dropped later; migrate says which record to delete first"
    return [fail(fact, facts.migrate)]


def identity(facts: Facts) -> list[Result]:
    """Tell a copy or a restore of the database from the one that Minutehand works on."""
    section = Identity(**facts.section("identity"))  # type: ignore[typeddict-item]
    production, test = "minutehand resume --this-is-production", "minutehand copy --test-mode"
    if section["state"] in STOPPED:
        return [fail(f"{section['reason']}: nothing runs", f"{production}   # or, for tests: {test}")]
    if section["state"] == "moved":
        return [warn(str(section["reason"]), production)]
    if section["state"] == "test":
        return [warn(str(section["reason"]), f"{production}   # if it is none")]
    if section["state"] == "new":
        return [ok("nothing was claimed here yet: the first claim records which database it is")]
    return [ok(f"it is the database that was recorded on {str(section['since'])[:10]} as {section['recorded']}")]


def functions(facts: Facts) -> list[Result]:
    """Check that the functions are those that `migrate` installed."""
    section = facts.section("functions")
    replaced = each(section["replaced"], lambda it: fail(f"{it} is not as installed: it was replaced", facts.migrate))
    missing = each(section["missing"], lambda it: fail(f"{it} is missing: it was dropped", facts.migrate))
    if not section["installed"]:
        return [warn("no record of which functions were installed", facts.migrate)]
    return [*replaced, *missing] or [ok(f"all {section['installed']} are as installed")]
