"""What docs/supabase.md says about the findings of Supabase's advisors is true of this schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Database, on_both_servers

pytestmark = on_both_servers

#: Functions of ours that set no search_path: what the lint `function_search_path_mutable` finds.
MUTABLE = """
select p.oid::regprocedure::text as name, n.nspname as schema, p.prosecdef as is_definer,
       has_function_privilege('mh_visitor', p.oid, 'execute') as is_open
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('public', 'minutehand')
  and not exists (select from unnest(p.proconfig) as c where c like 'search_path=%')
order by 1
"""


@pytest.fixture
def visited(database: Database) -> Iterator[Database]:
    """A database with a role that was granted nothing."""
    with database.connection.transaction(force_rollback=True):
        database.sql("create role mh_visitor")
        yield database


def test_a_function_without_search_path_can_be_called_by_our_own_functions_alone(visited: Database) -> None:
    found = visited.sql(MUTABLE)
    assert found, "the page explains a lint that finds nothing"
    assert {row["schema"] for row in found} == {"minutehand"}
    assert [row["name"] for row in found if row["is_definer"]] == []
    assert [row["name"] for row in found if row["is_open"]] == ["minutehand.fold_case(text)", "minutehand.new_id()"]
    assert not visited.one("select has_schema_privilege('mh_visitor', 'minutehand', 'create') as may")["may"]


def test_tables_without_policy_show_their_rows_to_nobody(visited: Database) -> None:
    """Where the app has the platform's roles, all tables of ours have row level security; none is without."""
    open_tables = visited.sql("""
      select c.relname from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
        and c.relname ~ '^(automation_|communication_logs)'
        and has_table_privilege('mh_visitor', c.oid, 'select, insert, update, delete')""")
    assert open_tables == []
