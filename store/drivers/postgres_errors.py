"""The errors of psycopg, of PostgreSQL and of the poolers before it, as errors of the store."""

from __future__ import annotations

import re

import psycopg

from minutehand.store.errors import AccessDenied, BadConfiguration, StoreError, Unreachable, at, from_sqlstate

#: Without a SQLSTATE, or with the 08P01 of a pooler, only the text says what is wrong: its class, and what to do.
_REFUSALS: tuple[tuple[str, type[StoreError], str], ...] = (
    (
        "transaction blocks not allowed in statement pooling mode",
        BadConfiguration,
        "This pooler runs each statement alone (pool_mode = statement). Set pool_mode = transaction for this database, "
        "or connect to PostgreSQL directly",
    ),
    (
        "(?i)tenant or user not found|tenant/user .* not found",
        BadConfiguration,
        "Behind Supabase's pooler the user is postgres.<project-ref>, and each region has its own host: copy the "
        "string that the dashboard shows under Connect into DATABASE_URL. A project that is paused or deleted is "
        "answered alike",
    ),
    (
        r"(?i)(?:resolve host|translate host name).*db\.[a-z0-9]{20}\.supabase\.co",
        Unreachable,
        "A project that is paused or deleted has no such host, and this one is reached by IPv6 alone: look whether the "
        "project runs, or use the Session pooler that the dashboard shows under Connect",
    ),
    (
        "unsupported startup parameter",
        BadConfiguration,
        "Remove it from DATABASE_URL, or add it to ignore_startup_parameters of the pooler",
    ),
    (
        "authentication failed|no password supplied|no pg_hba.conf entry|not permitted to log in|no such user",
        AccessDenied,
        "Check DATABASE_URL",
    ),
    ("does not exist|no such database", BadConfiguration, "Check DATABASE_URL"),
    (
        "no more connections allowed|query_wait_timeout|server_login_retry",
        Unreachable,
        "The pooler has no connection to give; the same call may work later",
    ),
)


def explain(place: str, error: psycopg.Error) -> StoreError:
    """Map an error of psycopg to a `StoreError`; `place` is the result of `where`."""
    text = " ".join(str(error).split())
    if error.sqlstate not in (None, "08P01"):
        return at(place, from_sqlstate(error.sqlstate, error.diag.message_primary or text, error.diag.message_hint))
    if denied := re.search('permission denied for database "(.*?)"', text):
        role = error.pgconn.user.decode() if error.pgconn else "its role"
        return AccessDenied(
            f"{place}: role {role} may not connect: as the owner of the database, run: "
            f'grant connect on database "{denied[1]}" to "{role}"'
        )
    for pattern, kind, advice in _REFUSALS:
        if re.search(pattern, text):
            return kind(f"{place}: {text}. {advice}.", passing=kind is Unreachable)
    return Unreachable(f"{place}: {text}. Check DATABASE_URL.")
