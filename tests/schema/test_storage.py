"""How the hot tables are vacuumed: set by the migration, but for what an app has said itself."""

from __future__ import annotations

import asyncio

from minutehand.store import schema
from tests.adopted import old_app
from tests.schema.catalog import script
from tests.servers import Database, on_both_servers

pytestmark = on_both_servers
OPTIONS = """
select c.relname as name, o.option_name as key, o.option_value as value
from pg_class c, pg_options_to_table(c.reloptions) o
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
"""


def options(database: Database) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in database.sql(OPTIONS):
        found.setdefault(row["name"], {})[row["key"]] = row["value"]
    return found


OURS = {
    "automation_execution_logs": {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_threshold": "1000"},
    "communication_logs": {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_threshold": "1000"},
    "automation_events": {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_threshold": "1000"},
    "automation_workers": {
        "autovacuum_vacuum_scale_factor": "0",
        "autovacuum_vacuum_threshold": "200",
        "fillfactor": "50",
    },
    "automation_control": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "50"},
}


def test_the_hot_tables_are_vacuumed_early_and_others_as_ever(database: Database) -> None:
    assert options(database) == OURS


def test_what_the_app_says_of_its_own_table_stays(empty_database: Database) -> None:
    old_app(empty_database)
    empty_database.sql(
        "alter table automation_execution_logs set (autovacuum_vacuum_scale_factor = 0.05, fillfactor = 90)"
    )
    asyncio.run(schema.migrate(empty_database.url))
    assert options(empty_database)["automation_execution_logs"] == {
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_vacuum_threshold": "1000",
        "fillfactor": "90",
    }
    empty_database.sql("alter table communication_logs reset (autovacuum_vacuum_threshold)")
    before = options(empty_database)
    asyncio.run(schema.migrate(empty_database.url))
    script(empty_database)
    assert options(empty_database) == before | {"communication_logs": OURS["communication_logs"]}
