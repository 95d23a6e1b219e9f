"""Checks of the walls: who may call our functions and read or write our tables."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Subject
from minutehand.scheduler.doctor.finding import Finding, each, fail, name, ok, warn
from minutehand.store import Json


def grants(subject: Subject) -> list[Finding]:
    """Look whether anybody but the server's role may call our functions."""
    facts = subject.section("grants")
    findings = [*each(facts["callable"], _callable), *each(facts["uncallable"], _uncallable)]
    if findings:
        return findings
    if "service_role" in facts["roles"]:
        return [ok("service_role calls our functions, and nobody else does")]
    return [ok("the owner alone calls our functions")]


def _callable(item: Json) -> Finding:
    by = ", ".join(item["by"])
    return fail(
        f"{item['function']} may be called by {by}: with our rights, on every tenant's rows",
        f"revoke execute on function {item['function']} from {by};",
    )


def _uncallable(function: str) -> Finding:
    return fail(
        f"{function} may not be called by service_role: the Supabase backend cannot work",
        f"grant execute on function {function} to service_role;",
    )


def row_security(subject: Subject) -> list[Finding]:
    """Look for tables of ours that the app's users reach without row level security."""

    def tell(item: Json) -> Finding:
        return fail(
            f"{item['table']} has no row level security, and {', '.join(item['by'])} may use it: all tenants' rows",
            f"alter table public.{item['table']} enable row level security;",
        )

    return each(subject.section("grants")["unprotected"], tell) or [ok("no table is open without row level security")]


def policies(subject: Subject) -> list[Finding]:
    """Look for policies that let everyone in: those that look at nothing of the row."""
    return each(subject.section("grants")["policies"], _policy) or [ok("every policy looks at the row")]


def _policy(item: Json) -> Finding:
    what = f'{item["table"]}: policy "{item["policy"]}" (for {item["command"]})'
    mend = f"drop policy {name(item['policy'])} on public.{item['table']};"
    if item["open"]:
        return fail(f"{what} is true for everyone: whoever has a grant may use every tenant's rows", mend)
    return warn(f"{what} looks at no column of the row: it cannot tell one tenant's from another's", mend)
