"""Time zones: the workflow's, its tenant's, everybody's, UTC."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, pending, session, workflow

pytestmark = on_both_servers
WORKER = Jsonb({"id": "w", "mode": "worker", "host": "h", "version": "0"})


@pytest.mark.parametrize(
    ("settings", "tenant", "zone"),
    [
        ({}, "north", "America/Toronto"),
        ({}, "south", "Europe/Berlin"),
        ({}, "east", "Asia/Kathmandu"),
        ({}, "west", "Asia/Tokyo"),
        ({}, "nobody", "Asia/Tokyo"),
        ({}, "", "Asia/Tokyo"),
        ({"timezone": "Australia/Lord_Howe"}, "north", "Australia/Lord_Howe"),
        ({"timezone": "UTC"}, "north", "UTC"),
        ({"timezone": "utc"}, "north", "UTC"),
        ({"timezone": "organization"}, "north", "America/Toronto"),
        ({"timezone": "business"}, "north", "America/Toronto"),
        ({"timezone": "customer_local"}, "north", "America/Toronto"),
        ({"timezone": "Mars/Base"}, "north", "America/Toronto"),
        ({"timezone": 7}, "north", "America/Toronto"),
        ([], "north", "America/Toronto"),
        ("text", "north", "America/Toronto"),
        (None, "north", "America/Toronto"),
    ],
)
def test_the_nearest_that_says_so_decides(database: Database, settings: Any, tenant: str, zone: str) -> None:
    database.sql(
        """
        insert into automation_tenants (tenant, timezone, app_timezone) values
          ('north', 'America/Toronto', 'Europe/Paris'), ('south', null, 'Europe/Berlin'), ('west', null, 'Mars'),
          ('east', 'Nowhere', 'Asia/Kathmandu'), ('', 'Asia/Tokyo', null)
        """
    )
    assert database.one("select minutehand.workflow_zone(%s, %s) as zone", Jsonb(settings), tenant)["zone"] == zone


@pytest.mark.parametrize(
    ("zone", "is_refused"),
    [
        ("Europe/Berlin", False),
        ("America/Argentina/Buenos_Aires", False),
        ("Etc/GMT+5", False),
        ("recipient", False),
        ("Customer_Local", False),
        (None, False),
        ("", False),
        ("europe/berlin", True),
        ("Europe/Berlni", True),
        ("EST", True),
        ("FOO+3", True),
        ("Foo/Bar+3", True),
        ("posix/Europe/Berlin", True),
        (2, True),
        (["Europe/Berlin"], True),
    ],
)
def test_what_is_no_zone_is_refused_by_name(database: Database, zone: Any, is_refused: bool) -> None:
    found = database.one("select minutehand.setting_problems(%s) as found", Jsonb({"timezone": zone}))["found"]
    assert [one.split(":")[0].startswith("settings.timezone is") for one in found] == [True] * is_refused


def test_a_claim_says_the_zone_of_the_version_that_matched(database: Database) -> None:
    mine = workflow(database, settings=Jsonb({"timezone": "Asia/Tokyo"}))
    pending(database, mine)
    database.sql("update automation_workflows set settings = '{}' where id = %s", mine)
    pending(database, mine, workflow_version=2)
    database.sql("insert into automation_tenants (tenant, timezone) values ('user-1', 'Europe/Berlin')")
    found = claim(database)["workflows"].values()
    assert {one["version"]: one["zone"] for one in found} == {1: "Asia/Tokyo", 2: "Europe/Berlin"}


def test_ticks_read_the_zones_of_the_app_in_pages_and_again(database: Database) -> None:
    database.sql(
        "create table companies (id text primary key, tz text);"
        "insert into companies select 'c' || lpad(n::text, 5, '0'), 'Asia/Tokyo' from generate_series(1, 7) n"
    )
    database.call("automation_zone_source", p_table="companies", p_key="id", p_column="tz", p_now=NOW)
    database.sql("update companies set tz = 'Europe/Berlin' where id = 'c00002'")
    database.sql("update companies set tz = null where id = 'c00003'")
    database.sql("delete from automation_tenants where tenant = 'c00007'")
    seen = []
    for _ in range(3):
        database.sql("select minutehand.read_zones(3, %s)", NOW)
        seen.append(database.one("select read_up_to from minutehand.zone_source")["read_up_to"])
    assert seen == ["c00003", "c00006", None]
    rows = database.sql("select tenant, app_timezone from automation_tenants")
    zones = {row["tenant"]: row["app_timezone"] for row in rows}
    assert zones == {
        **{f"c0000{n}": "Asia/Tokyo" for n in range(1, 8)},
        "c00002": "Europe/Berlin",
        "c00003": None,
    }


def test_a_table_that_cannot_be_read_costs_its_zones_and_says_so(database: Database) -> None:
    mine = workflow(database)
    pending(database, mine)
    database.sql("create table companies (id text, tz text); insert into companies values ('user-1', 'Asia/Tokyo')")
    database.call("automation_zone_source", p_table="companies", p_key="id", p_column="tz", p_now=NOW)
    with session(database) as holder, holder.connection.transaction():
        holder.sql("lock table companies in access exclusive mode")
        database.call("automation_tick", p_worker=WORKER, p_now=NOW)
        (problem,) = [one["problem"] for one in database.sql("select problem from minutehand.zone_source")]
        assert "lock timeout" in problem
        assert database.one("select problems from automation_workers")["problems"] == {"time zones": problem}
        (found,) = claim(database)["workflows"].values()
        assert found["zone"] == "Asia/Tokyo", "what was read before holds"
    database.sql("alter table companies rename tz to zone")
    database.call("automation_tick", p_worker=WORKER, p_now=NOW + timedelta(minutes=2))
    assert database.one("select problem from minutehand.zone_source")["problem"] == 'column "tz" does not exist'
    database.sql("alter table companies rename zone to tz")
    database.call("automation_tick", p_worker=WORKER, p_now=NOW + timedelta(minutes=4))
    assert database.one("select problem from minutehand.zone_source")["problem"] is None
