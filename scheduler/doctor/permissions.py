"""Checks of the walls: who may call our functions and read or write our tables."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, name, ok, warn
from minutehand.store import Json


def grants(facts: Facts) -> list[Result]:
    """Look whether anybody but the server's role may call our functions."""
    section = facts.section("grants")
    results = [*each(section["callable"], _callable), *each(section["uncallable"], _uncallable)]
    if results:
        return results
    if "service_role" in section["roles"]:
        return [ok("service_role calls our functions, and nobody else does")]
    return [ok("the owner alone calls our functions")]


def _callable(item: Json) -> Result:
    by = ", ".join(item["by"])
    return fail(
        f"{item['function']} may be called by {by}: with our rights, on every tenant's rows",
        f"revoke execute on function {item['function']} from {by};",
    )


def _uncallable(function: str) -> Result:
    return fail(
        f"{function} may not be called by service_role: the Supabase backend cannot work",
        f"grant execute on function {function} to service_role;",
    )


def row_security(facts: Facts) -> list[Result]:
    """Look for tables of ours that the app's users reach without row level security."""

    def tell(item: Json) -> Result:
        return fail(
            f"{item['table']} has no row level security, and {', '.join(item['by'])} may use it: all tenants' rows",
            f"alter table public.{item['table']} enable row level security;",
        )

    return each(facts.section("grants")["unprotected"], tell) or [ok("no table is open without row level security")]


def policies(facts: Facts) -> list[Result]:
    """Look for policies that let everyone in: those that look at nothing of the row."""
    return each(facts.section("grants")["policies"], _policy) or [ok("every policy looks at the row")]


def _policy(item: Json) -> Result:
    what = f'{item["table"]}: policy "{item["policy"]}" (for {item["command"]})'
    fix = f"drop policy {name(item['policy'])} on public.{item['table']};"
    if item["open"]:
        return fail(f"{what} is true for everyone: whoever has a grant may use every tenant's rows", fix)
    return warn(f"{what} looks at no column of the row: it cannot tell one tenant's from another's", fix)
