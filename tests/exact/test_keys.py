"""Keys and tenants of every type: one text, from the change to the record, and back to the row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journeys.app import webhook
from tests.journeys.world import World
from tests.servers import Database, on_both_servers
from tests.sql.jobs import workflow

MAKE = """
create domain code as char(6);
create domain filled as text check (value is not null);
create type colour as enum ('deep red', 'blue');
"""
#: Type of a key -> a value as the app writes it, and the key's text.
KEYS = {
    "char(10)": ("J-1", "J-1"),
    "char(3)": ("ABC", "ABC"),
    "code": ("AB 1", "AB 1"),
    "filled": ("f", "f"),
    "varchar(5)": ("a b ", "a b "),
    "text": (" Ä/1? ", " Ä/1? "),
    "colour": ("deep red", "deep red"),
    "uuid": ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "bigint": ("9223372036854775807", "9223372036854775807"),
    "numeric(10,2)": ("5", "5.00"),
    "numeric": ("12345678901234567890.12345", "12345678901234567890.12345"),
    "float8": ("0.1", "0.1"),
    "boolean": ("t", "true"),
    "timestamptz": ("2026-03-01 15:00:00.5+02", "2026-03-01T13:00:00.5+00:00"),
    "timestamp": ("2026-03-01 15:00", "2026-03-01T15:00:00"),
    "date": ("2026-03-01", "2026-03-01"),
    "time": ("15:00", "15:00:00"),
    "interval": ("26 hours", "26:00:00"),
    "bytea": ("\\xDEAD", "\\xdead"),
    "inet": ("10.0.0.1", "10.0.0.1"),
    "macaddr": ("08-00-2B-01-02-03", "08:00:2b:01:02:03"),
    "int4range": ("[1,4]", "[1,5)"),
}
#: Those that a step sees as a number or a truth value.
NUMBERS = ("bigint", "numeric(10,2)", "numeric", "float8", "boolean")
#: What the app's session may have set.
SESSION = """
set timezone = 'America/Toronto'; set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard';
set bytea_output = 'escape'; set extra_float_digits = 0
"""


def watch(database: Database, columns: dict[str, str], **options: Any) -> None:
    """Make a watched, writable table for each name, with an id of that type."""
    for name, kind in columns.items():
        database.sql(f"create table {name}s (id {kind} unique, organization_id text, status text, title text)")
        database.call("automation_trigger_add", p_table=f"{name}s", p_type=name, p_id="id", p_writable=True, **options)


def test_a_row_is_found_written_and_listed_by_a_key_of_every_type(world: World) -> None:
    database = world.app.database
    database.sql(MAKE)
    names = {kind: f"k{number}" for number, kind in enumerate(KEYS)}
    watch(database, {name: kind for kind, name in names.items()})
    database.sql(SESSION)
    for kind, name in names.items():
        body = {"id": f"{{{{ {name}.id }}}}", "title": f"{{{{ {name}.title }}}}"}
        write = {"type": "update_record", "config": {"table": f"{name}s", "values": {"title": "written"}}}
        for number in (1, 2):
            world.app.workflow(
                webhook(f"{world.shop.url}/{name}", body=body), write, name=f"{name} {number}",
                trigger_type=f"{name}_done", settings={"order": "entity"},
            )  # fmt: skip
        database.sql(f"insert into {name}s (id, organization_id, title) values (%s, 'north', 'new')", KEYS[kind][0])
        database.sql(f"update {name}s set status = 'done'")
    world.drain()
    ends = database.sql("select trigger_type, status, code, reason, entity_id from automation_execution_logs")
    assert [end for end in ends if end["status"] != "completed"] == []
    keys = {
        kind: {end["entity_id"] for end in ends if end["trigger_type"] == f"{name}_done"}
        for kind, name in names.items()
    }
    assert keys == {kind: {text} for kind, (_, text) in KEYS.items()}
    assert {database.one(f"select title from {name}s")["title"] for name in names.values()} == {"written"}
    sent = [(request.path, json.loads(request.body)) for request in world.shop.requests]
    assert len(sent) == 2 * len(KEYS)
    for kind, name in names.items():
        if kind not in NUMBERS:
            assert {body["id"] for path, body in sent if path == f"/{name}"} == {KEYS[kind][1]}, kind
    for kind in ("char(10)", "uuid", "timestamptz", "numeric(10,2)", "inet"):
        for spelling in KEYS[kind]:
            listed = world.minutehand("executions", "ls", "--entity", spelling, "-o", "json")
            assert len(json.loads(listed.stdout)) == 2, (kind, spelling)


@on_both_servers
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_every_type_is_one_text(database: Database, kind: str) -> None:
    value, text = KEYS[kind]
    database.sql(MAKE)
    watch(database, {"k": kind})
    workflow(database, "w", trigger_type="k_done", steps=[{"type": "stop"}])
    database.sql(SESSION)
    database.sql("insert into ks (id, organization_id, title) values (%s, 'north', 'new')", value)
    database.sql("update ks set status = 'done'")
    database.sql("reset all")
    assert database.one("select entity_id from automation_execution_logs")["entity_id"] == text
    for spelling in (value, text):
        shown = database.call("automation_dry_run", p_workflow="w", p_row=spelling)
        assert (shown["entity_id"], shown["row"]["title"], shown["since"] is not None) == (text, "new", True)
        queued = database.call("automation_enqueue", p_workflow="w", p_row=spelling)
        row = database.one("select entity_id from automation_execution_logs where id = %s", queued["id"])
        assert row["entity_id"] == text
        listed = database.call("automation_executions", p_filter={"entity": spelling})
        assert len(listed["executions"] if isinstance(listed, dict) else listed) > 0
    # The app's own trigger names the row as it likes.
    inserted = database.one(
        "insert into automation_execution_logs (workflow_id, trigger_type, status, trigger_data)"
        " select id, 'k_done', 'pending', jsonb_build_object('table_name', 'ks', 'record_id', %s::text)"
        " from automation_workflows returning id",
        value,
    )
    database.call("automation_claim", p_token="00000000-0000-4000-8000-000000000001", p_worker="w", p_limit=10)
    row = database.one("select entity_id, status from automation_execution_logs where id = %s", inserted["id"])
    assert row["entity_id"] == text


@pytest.mark.parametrize(
    ("kind", "own", "other", "text"),
    [
        ("char(10)", "north", "south", "north"),
        ("char(5)", "north", "south", "north"),
        ("varchar", "north", "north ", "north"),
        ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("bigint", "7", "8", "7"),
        ("numeric(10,2)", "7", "8", "7.00"),
        ("colour", "deep red", "blue", "deep red"),
        ("date", "2026-03-01", "2026-03-02", "2026-03-01"),
    ],
)  # fmt: skip
def test_a_tenant_of_a_type_starts_its_own_workflows_alone(
    database: Database, kind: str, own: str, other: str, text: str
) -> None:
    database.sql("create type colour as enum ('deep red', 'blue')")
    database.sql(f"create table clients (id int primary key, organization_id {kind}, name text)")
    database.sql(
        f"create table jobs (id int primary key, organization_id {kind}, status text, client_id int references clients)"
    )
    database.sql("insert into clients values (1, %s, 'Ann'), (2, %s, 'Bob')", own, other)
    database.sql("insert into jobs values (1, %s, 'new', 1), (2, %s, 'new', 2), (3, %s, 'new', 2)", own, other, own)
    database.call("automation_trigger_add", p_table="jobs", p_tenant="organization_id", p_writable=True)
    workflow(database, "w", trigger_type="job_done", organization_id=text, steps=[{"type": "stop"}])
    database.sql("update jobs set status = 'done'")
    started = database.sql("select entity_id, organization_id from automation_execution_logs order by 1")
    assert [(row["entity_id"], row["organization_id"]) for row in started] == [("1", text), ("3", text)]
    seen = database.sql(
        "select minutehand.read_contexts(jsonb_build_array(jsonb_build_object('id', id, 'token', id)), now()) -> 0"
        " as context from automation_execution_logs order by entity_id"
    )
    one, three = (row["context"] for row in seen)
    assert (one["stop"], one["links"]["client"]["name"]) == (None, "Ann")
    assert (three["stop"], three["links"]) == (None, {}), "another tenant's client"
    written = database.sql(
        "select minutehand.write_row(w.relation, w.config, 'update', k.key, '{\"status\": \"x\"}', f) as id"
        " from minutehand.watched w, automation_workflows f, unnest(array['1', '2']) as k (key)"
    )
    assert [row["id"] for row in written] == ["1", None]
    made = database.one(
        "select minutehand.write_row(w.relation, w.config, 'create', null, '{\"id\": 9}', f) as id"
        " from minutehand.watched w, automation_workflows f"
    )
    assert made["id"] == "9"


def test_a_link_across_numeric_types_and_char_is_followed(database: Database) -> None:
    database.sql("""
        create table clients (id char(8) primary key, organization_id text, name text);
        create table prices (id numeric(10,2) primary key, organization_id text, label text);
        create table jobs (id int primary key, organization_id text, status text, client_id char(12) references clients,
                           price_id int references prices);
        insert into clients values ('C-1', 'north', 'Ann');
        insert into prices values (5, 'north', 'five');
        insert into jobs values (1, 'north', 'new', 'C-1', 5);
    """)
    database.call("automation_trigger_add", p_table="jobs")
    workflow(database, "w", trigger_type="job_done")
    shown = database.call("automation_dry_run", p_workflow="w", p_row="1")
    assert {name: row["id"] for name, row in shown["links"].items()} == {"client": "C-1", "price": 5}
    assert shown["row"]["client_id"] == "C-1"


@on_both_servers
def test_a_citext_key_uses_its_own_equality(database: Database) -> None:
    available = database.one("select count(*)::int as n from pg_available_extensions where name = 'citext'")["n"]
    if not available:
        pytest.skip("no citext on this server")
    database.sql("create schema extensions; create extension citext with schema extensions")
    watch(database, {"k": "extensions.citext"})
    workflow(database, "w", trigger_type="k_done")
    database.sql("insert into ks (id, organization_id, title) values ('Abc', 'north', 'new')")
    for spelling in ("Abc", "ABC"):
        assert database.call("automation_dry_run", p_workflow="w", p_row=spelling)["entity_id"] == "Abc"


@given(
    keys=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
        min_size=5,
        max_size=5,
        unique=True,
    )
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_key(database: Database, keys: list[str]) -> None:
    round_trip(database, "text", keys)


@given(
    keys=st.lists(
        st.text("abcÄ -_", min_size=1, max_size=6).map(str.rstrip).filter(bool), min_size=1, max_size=5, unique=True
    )
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_without_blanks_at_its_end_is_a_padded_key(database: Database, keys: list[str]) -> None:
    round_trip(database, "char(6)", keys)


@given(
    keys=st.lists(
        st.floats(allow_nan=False, allow_infinity=False, width=64).filter(bool), min_size=1, max_size=5, unique=True
    )
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_float_is_a_key(database: Database, keys: list[float]) -> None:
    round_trip(database, "float8", keys)


def round_trip(database: Database, kind: str, keys: list[Any]) -> None:
    """Each row is found by the key that its change recorded, and no other; then it is written by it."""
    database.sql("drop table if exists ks cascade; delete from automation_events")
    watch(database, {"k": kind}, p_tenant="none")
    for key in keys:
        database.sql("insert into ks (id, title) values (%s, %s)", key, str(key))
    rows = database.sql("""
        select e.new ->> 'title' as title, r.found ->> 'title' as found, minutehand.write_row(
          w.relation, w.config, 'update', e.entity_id, '{"status": "seen"}', null) = e.entity_id as is_written
        from automation_events e cross join minutehand.watched w
        left join lateral minutehand.read_app_rows(w.relation, w.config, array[e.entity_id]) r
          on r.key = e.entity_id
    """)
    assert [row["found"] for row in rows] == [row["title"] for row in rows]
    assert len(rows) == len(keys)
