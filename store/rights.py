"""What a role lacks in the database, and the statement that grants it (sql/internal/roles.sql)."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from minutehand.store.errors import AccessDenied, MissingRight

#: What the caller's role is to a function of ours.  Everybody may read the catalog.
_FUNCTION = """
select current_user::text as role, quote_literal(current_user) as literal, quote_ident(current_user) as ident,
       p.proowner::regrole::text as owner, p.provolatile <> 'v' as only_reads,
       coalesce(obj_description(p.oid, 'pg_proc'), '') like '%%for the owner' as is_owners,
       has_function_privilege(p.oid, 'execute') as may_call, has_schema_privilege('public', 'usage') as may_use
from pg_catalog.pg_proc p
where p.pronamespace = 'public'::regnamespace and p.proname = %s
limit 1
"""
#: What the caller's role is to the schema.
_SCHEMA = """
select current_user::text as role, quote_ident(current_user) as ident, current_database()::text as database,
       quote_ident(current_database()) as database_ident, n.nspowner::regrole::text as owner,
       (select nspowner::regrole::text from pg_catalog.pg_namespace where nspname = 'public') as public_owner,
       pg_has_role(n.nspowner, 'usage') as owns, has_schema_privilege('public', 'create') as may_create,
       has_database_privilege(current_database(), 'create') as may_create_schema
from (select 1) one
left join pg_catalog.pg_namespace n on n.nspname = 'minutehand'
"""


async def refusal(connection: psycopg.AsyncConnection[Any], function: str, error: psycopg.Error) -> MissingRight:
    """Return the error of a call that PostgreSQL refused (SQLSTATE 42501): the role, what it lacks, and what grants it.

    The words of PostgreSQL depend on its locale, so that the catalog says which right is missing.
    """
    message, hint = error.diag.message_primary or str(error), error.diag.message_hint
    found = await _one(connection, _FUNCTION, [function])
    if found is None or hint:
        return MissingRight(f"{message}: {hint}" if hint else message)
    role, owner = found["role"], found["owner"]
    if not found["may_use"]:
        return MissingRight(
            f"role {role} may not use schema public: as its owner, run: "
            f"grant usage on schema public to {found['ident']}"
        )
    if found["may_call"]:
        return MissingRight(f"{message}: {function} runs as role {owner}, which needs that right")
    if found["is_owners"]:
        return MissingRight(
            f"role {role} may not call {function}, which is for the owner: run the command as role {owner}"
        )
    kind = ", 'read'" if found["only_reads"] else ""
    return MissingRight(
        f"role {role} may not call {function}: as role {owner}, run: "
        f"select minutehand.grant_role({found['literal']}{kind})"
    )


async def check_owner(connection: psycopg.AsyncConnection[Any], command: str) -> None:
    """Check that the role may change or create the schema.  Errors: `AccessDenied`, which names the role to take."""
    found = await _one(connection, _SCHEMA)
    assert found is not None
    role = found["role"]
    if found["owner"] is not None:
        if not found["owns"]:
            raise AccessDenied(
                f"role {role} does not own schema minutehand, and {command} is for its owner: run the command as role "
                f"{found['owner']}"
            )
        return
    missing = [] if found["may_create"] else ["create on schema public"]
    missing += [] if found["may_create_schema"] else [f"create on database {found['database_ident']}"]
    if missing:
        grants = " ".join(f"grant {right} to {found['ident']};" for right in missing)
        raise AccessDenied(
            f"role {role} may not create tables in database {found['database']}: run the command as the role that owns "
            f"the app's tables, or as the owner of the database run: {grants}"
        )


async def _one(connection: psycopg.AsyncConnection[Any], query: str, values: list[str] | None = None) -> Any:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query.encode(), values, prepare=False)
        return await cursor.fetchone()
