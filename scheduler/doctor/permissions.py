"""Checks of permissions: who may call our functions and read or write our tables."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, name, ok, warn
from minutehand.store import Json


def grants(facts: Facts) -> list[Result]:
    """Check that only the server's role may call our functions."""
    section = facts.section("grants")
    results = [*each(section["callable"], _callable), *each(section["uncallable"], _uncallable)]
    if results:
        return results
    others = [*(["service_role"] if "service_role" in section["roles"] else []), *section["granted"]]
    return [ok(f"only {', '.join(['the owner', *others])} may call our functions")]


def _callable(item: Json) -> Result:
    by = ", ".join(item["by"])
    return fail(
        f"{item['function']} can be called by {by}, with our rights, on every tenant's rows",
        f"revoke execute on function {item['function']} from {by};",
    )


def _uncallable(function: str) -> Result:
    return fail(
        f"{function} cannot be called by service_role: the Supabase backend will not work",
        f"grant execute on function {function} to service_role;",
    )


def row_security(facts: Facts) -> list[Result]:
    """Find tables of ours that the app's users can use without row level security."""

    def report(item: Json) -> Result:
        return fail(
            f"{item['table']} has no row level security, and {', '.join(item['by'])} can use it: all tenants' rows",
            f"alter table public.{item['table']} enable row level security;",
        )

    return each(facts.section("grants")["unprotected"], report) or [
        ok("every table that the app's users can use has row level security")
    ]


def profiles(facts: Facts) -> list[Result]:
    """Find users of the app who may say themselves to which organisation they belong."""

    def report(item: Json) -> Result:
        return fail(
            f"profiles.organization_id: {item['by']} may {item['command']} it; it decides to which organisation a"
            " user's rows belong",
            f"revoke {item['command']} on public.profiles from {item['by']};   -- grant it again on the other columns",
        )

    return each(facts.section("grants")["profiles"], report) or [ok("no user can change the organisation of a profile")]


def policies(facts: Facts) -> list[Result]:
    """Find policies that do not depend on the row: they allow everyone."""
    return each(facts.section("grants")["policies"], _policy) or [ok("every policy depends on the row")]


def _policy(item: Json) -> Result:
    what = f'{item["table"]}: policy "{item["policy"]}" (for {item["command"]})'
    fix = f"drop policy {name(item['policy'])} on public.{item['table']};"
    if item["open"]:
        return fail(f"{what} is true for everyone: any role with a grant can use every tenant's rows", fix)
    return warn(f"{what} uses no column of the row: it cannot separate tenants", fix)
