"""A schema as text, to be compared with another."""

from __future__ import annotations

import json

import psycopg

from minutehand.store import schema
from tests.servers import Database


def script(database: Database) -> None:
    """Apply the printed schema, as psql or an SQL editor does."""
    with psycopg.connect(database.url, autocommit=True) as client:
        client.execute(schema.script().encode())


#: Everything that a schema is, as text, without what differs from one database to the next (oids, times).
CATALOG = """
with ours as (
  select oid, nspname from pg_namespace where nspname in ('public', 'minutehand')
)
select 'function' as kind, p.oid::regprocedure::text as name,
       jsonb_build_array(pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'), p.proacl::text) as what
from pg_proc p join ours on ours.oid = p.pronamespace
union all
select 'relation', c.oid::regclass::text, jsonb_build_array(c.relkind, c.relrowsecurity, c.relacl::text, c.reloptions,
       case c.relkind when 'v' then pg_get_viewdef(c.oid) when 'i' then pg_get_indexdef(c.oid) end)
from pg_class c join ours on ours.oid = c.relnamespace
union all
select 'column', c.oid::regclass || '.' || a.attname, jsonb_build_array(a.attnum, format_type(a.atttypid, a.atttypmod),
       a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'v')
join ours on ours.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attnum > 0 and not a.attisdropped
union all
select 'constraint', conrelid::regclass || '.' || conname, jsonb_build_array(pg_get_constraintdef(k.oid))
from pg_constraint k join ours on ours.oid = k.connamespace where conrelid <> 0
union all
select 'trigger', tgrelid::regclass || '.' || tgname, jsonb_build_array(pg_get_triggerdef(t.oid), tgenabled)
from pg_trigger t join pg_class c on c.oid = t.tgrelid join ours on ours.oid = c.relnamespace where not tgisinternal
union all
select 'policy', polrelid::regclass || '.' || polname, jsonb_build_array(polcmd,
       polroles::regrole[]::text, pg_get_expr(polqual, polrelid)) from pg_policy
union all
select 'schema', nspname, jsonb_build_array(nspacl::text) from pg_namespace where nspname in ('public', 'minutehand')
order by 1, 2
"""


def catalog(database: Database) -> dict[str, str]:
    """The schema, one line an object, so that a difference names itself."""
    rows = database.sql(CATALOG)
    return {f"{row['kind']} {row['name']}": json.dumps(row["what"], default=str) for row in rows}
