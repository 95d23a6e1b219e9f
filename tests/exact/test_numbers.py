"""Numbers: the digits of the database leave in each place, over both backends; a file's are saved as they are."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.templates.render import Renderer
from minutehand.scheduler.workflow_files.parse import read_text
from minutehand.scheduler.workflow_files.strict_yaml import as_yaml
from minutehand.store import Store
from minutehand.store.json import Numeral, dumps, loads, shown_text
from tests.journeys.app import Minutehand, email, webhook
from tests.journeys.world import World
from tests.servers import Database

#: Column -> its type, what the app writes, the digits that leave, and `|money` of them.
COLUMNS = {
    "big": ("numeric", "12345678901234567.89", "12345678901234567.89", "12,345,678,901,234,567.89"),
    "tiny": ("numeric", "0.0000001", "0.0000001", "0.00"),
    "price": ("numeric(12,2)", "900", "900.00", "900.00"),
    "owed": ("numeric", "-0.005", "-0.005", "-0.01"),
    "grain": ("numeric", "1e-30", "0.000000000000000000000000000001", "0.00"),
    "many": ("numeric", "9" * 60 + ".5", "9" * 60 + ".5", f"{int('9' * 60):,}.50"),
    "serial": ("bigint", "9007199254740993", "9007199254740993", "9,007,199,254,740,993.00"),
    "ratio": ("float8", "0.1", "0.1", "0.10"),
    "third": ("float8", "0.3333333333333333", "0.3333333333333333", "0.33"),
    "small": ("float8", "1e-07", "0.0000001", "0.00"),
    "single": ("real", "0.1", "0.1", "0.10"),
    "whole": ("numeric", "7", "7", "7.00"),
    "inside": ("jsonb", '{"a": [1.10, 12345678901234567.89]}', '{"a": [1.10, 12345678901234567.89]}', None),
    "missing": ("numeric", "NaN", "NaN", None),
}
NUMBERS = {name: column for name, column in COLUMNS.items() if column[3] is not None}


def test_the_digits_of_the_database_leave_everywhere(world: World) -> None:
    """One run: a mail, a webhook, a record of another table, the row itself, conditions, what people are shown."""
    types = ", ".join(f"{name} {column[0]}" for name, column in COLUMNS.items())
    world.app.database.sql(f"create table copies (id text primary key, organization_id text, twice numeric, {types})")
    for name, column in COLUMNS.items():
        world.app.database.sql(f"alter table jobs add {name} {column[0]}")
    for table in ("jobs", "copies"):
        world.app.database.call("automation_trigger_add", p_table=table, p_writable=True)
    at = {name: f"{{{{ job.{name} }}}}" for name in COLUMNS}
    lines = "\n".join(f"{name}={{{{ job.{name} }}}} {{{{ job.{name}|money }}}}" for name in NUMBERS)

    def is_(value: str) -> dict[str, Any]:
        return {"field": "big", "operator": "equals", "value": loads(value)}

    def branch(path: str, *conditions: Any) -> dict[str, Any]:
        then = [webhook(f"{world.shop.url}/{path}", body={})]
        return json.loads(dumps({"type": "condition", "config": {"conditions": list(conditions)}, "then": then}))

    steps = [
        email(message=lines),
        webhook(f"{world.shop.url}/whole", body=at | {"text": f"a {at['big']} b", "row": "{{ job }}"}),
        webhook(f"{world.shop.url}/default"),
        {
            "type": "create_record",
            "config": {"table": "copies", "values": at | {"id": "K-1", "twice": "{{ job.price * 2 }}"}},
        },
        {
            "type": "update_record",
            "config": {"table": "jobs", "values": {k: v for k, v in at.items() if k != "missing"}},
        },
        branch("near", is_('"12345678901234567.12"')),
        branch("text", is_('"12345678901234567.89"')),
        branch("less", {"field": "big", "operator": "less_than", "value": "12345678901234567.90"}),
        branch("not", {"field": "big", "operator": "less_than", "value": "12345678901234567.89"}),
    ]
    world.app.workflow(*steps)
    job = world.job(**{name: column[1] for name, column in COLUMNS.items()})
    world.drain()
    assert world.app.end_of(job)[:2] == ("completed", None), world.app.end_of(job)

    ((_, mail),) = world.mails()
    assert mail.replace("\r", "").split("\n") == [f"{n}={column[2]} {column[3]}" for n, column in NUMBERS.items()]
    assert world.hooks() == ["/whole", "/default", "/text", "/less"]
    body = world.shop.requests[0].body.decode()
    row = body.partition('"row": ')[2]
    for name, (_, _, digits, _) in COLUMNS.items():
        written = json.dumps(digits) if name == "missing" else digits
        assert f'"{name}": {written}' in body.partition('"text"')[0]
        assert f'"{name}": {written}' in row
        assert f'"{name}": {written}' in world.shop.requests[1].body.decode()
    assert '"text": "a 12345678901234567.89 b"' in body
    texts = ", ".join(f"{name}::text" for name in COLUMNS)
    (copy,) = world.app.database.sql(f"select {texts}, twice::text from copies")
    (own,) = world.app.database.sql(f"select {texts} from jobs where id = %s", job)
    assert copy == own | {"twice": "1800.00"}
    shown = world.minutehand("executions", "show", str(world.app.execution()["id"]), "-o", "json").stdout
    assert '"big": 12345678901234567.89' in shown
    assert "1.2345678901234568e" not in shown


def test_a_bigint_key_beyond_a_double_finds_its_row_and_no_neighbour(world: World) -> None:
    world.app.database.sql(
        "create table orders (id bigint primary key, organization_id text, status text, total numeric(10,2), seen int)"
    )
    world.app.database.call("automation_trigger_add", p_table="orders", p_writable=True)
    steps = [
        {"type": "update_record", "config": {"table": "orders", "values": {"seen": 1}}},
        {"type": "update_record", "config": {"table": "orders", "id": "{{ order.id }}", "values": {"total": "7.10"}}},
        webhook(world.shop.url, body={"id": "{{ order.id }}", "next": "{{ order.id + 1 }}"}),
    ]
    world.app.workflow(*steps, trigger_type="order_done")
    world.app.database.sql(
        "insert into orders select 9007199254740991 + n, 'north', 'new' from generate_series(0, 3) n"
    )
    world.app.database.sql("update orders set status = 'done' where id = 9007199254740993")
    world.drain()
    assert world.shop.requests[0].body == b'{"id": 9007199254740993, "next": 9007199254740994}'
    rows = world.app.database.sql(
        "select id, total::text, seen from orders where total is not null or seen is not null"
    )
    assert rows == [{"id": 9007199254740993, "total": "7.10", "seen": 1}]


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{{ job.price * 1.1 }}", "990.000"),
        ("{{ job.price / 8 }}", "112.50"),
        ("{{ job.price + 0.1 + 0.2 }}", "900.30"),
        ("{{ 0.1 + 0.2 == 0.3 }}", "true"),
        ("{{ job.big + 1 }}", "12345678901234568.89"),
        ("{{ job.big > 12345678901234567.88 }} {{ job.big == 12345678901234567.9 }}", "true false"),
        ("{{ 1 / 3 }}", "0.3333333333333333333333333333"),
        ("{{ 10 / 4 }} {{ 10 / 5 }} {{ 1e3 }} {{ 1e-7 }}", "2.5 2 1000 0.0000001"),
        ("{{ 12345678901234567.89 }} {{ 1_000.50 }}", "12345678901234567.89 1000.50"),
        ("{{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ -7 // 2 }} {{ 7.50 % 2 }}", "-4 0.5 -4 1.50"),
        ("{{ job.big|round(1) }} {{ job.big|round }} {{ 2.5|round(2) }}", "12345678901234567.9 12345678901234568 2.50"),
        ("{{ -job.price }} {{ (0 - job.price)|abs }} {{ job.big|int }}", "-900.00 900.00 12345678901234567"),
        ("{{ '12.50'|float * 2 }} {{ '12.9'|int }} {{ 'x'|float(1.50) }}", "25.00 12 1.50"),
        ("{{ job.big|money }} {{ 2.345|money }} {{ -0.001|money }}", "12,345,678,901,234,567.89 2.35 0.00"),
        (
            "{{ [job.price, 1.10]|join('+') }} {{ job|tojson }}",
            '900.00+1.10 {"price": 900.00, "big": 12345678901234567.89}',
        ),
        ("{% if job.price == 900 and job.price in [900] %}yes{% endif %}", "yes"),
    ],
)
def test_templates_calculate_without_binary_rounding(template: str, written: str) -> None:
    job = loads('{"price": 900.00, "big": 12345678901234567.89}')
    assert Renderer().render(template, {"job": job}) == written


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ job.nan|money }}", r"^job\.nan\|money is NaN"),
        ("{{ job.nan + 1 }}", r"^job\.nan is NaN"),
        ("{{ job.huge * 2 }}", r"^job\.huge has more than 1,000 digits"),
        ("{{ job.huge|money }}", "has more than 1,000 digits"),
        ("{{ job.deep * job.deep }}", "the result of job.deep has more than 1,000 digits"),
        ("{{ 1e999999999 }}", "a number with too many digits"),
        ("{{ 1|round(5000) }}", "can be rounded to at most 1,000 places"),
        ("{{ 1.5 / 0.0 }}", "divided by zero"),
    ],
)
def test_what_cannot_be_calculated_is_named(template: str, why: str) -> None:
    job = loads(f'{{"nan": "NaN", "huge": {"9" * 131_072}, "deep": {"9" * 700}.5}}')
    with pytest.raises(RenderError, match=why):
        Renderer().render(template, {"job": job})
    assert Renderer().render("{{ job.huge }}", {"job": job}) == "9" * 131_072


FILE = """\
name: Exact
organization_id: north
trigger: job_completed
conditions:
- field: total
  operator: in
  value: [12345678901234567.89, 900.00, 0.0000001, 9007199254740993, -1.10]
steps:
- type: webhook
  config:
    url: https://example.com
    body:
      a: 12345678901234567.89
      b: 1.5e-3
"""


def test_a_files_numbers_are_saved_and_exported_as_they_are(database: Database, minutehand: Minutehand) -> None:
    (minutehand.folder / "exact.yaml").write_text(FILE)
    assert minutehand("workflows", "apply", "exact.yaml").returncode == 0
    row = database.one("select trigger_config::text as config, steps::text from automation_workflows")
    assert "[12345678901234567.89, 900.00, 0.0000001, 9007199254740993, -1.10]" in row["config"]
    assert '"a": 12345678901234567.89, "b": 0.0015' in row["steps"]
    exported = minutehand("workflows", "export", "Exact").stdout
    for digits in ("- 12345678901234567.89", "- 900.00", "- 0.0000001", "- 9007199254740993", "b: 0.0015"):
        assert digits in exported
    (minutehand.folder / "again.yaml").write_text(exported)
    assert "unchanged" in minutehand("workflows", "apply", "again.yaml").stdout


numerals = st.decimals(allow_nan=False, allow_infinity=False, places=6).map(Numeral) | st.integers(-(10**40), 10**40)


@given(st.lists(numerals, max_size=5))
def test_a_number_is_read_back_from_yaml_as_it_was(values: list[Any]) -> None:
    (found,) = read_text(as_yaml([{"name": "x", "settings": {"a": values}}]), "x.yaml")
    assert shown_text(found.row["settings"]["a"]) == shown_text(values)


def test_a_row_comes_back_through_template_and_receiver_as_it_was(pg18: str) -> None:
    import psycopg

    with psycopg.connect(pg18) as connection:

        @settings(max_examples=30, deadline=None)
        @given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
        def comes_back(number: Decimal) -> None:
            query = "select to_jsonb(%s::numeric)::text, %s::numeric::text"
            found, shown = connection.execute(query, [number, number]).fetchone() or ("", "")
            body = dumps(Renderer().render_value({"a": "{{ n }}"}, {"n": loads(found)}))
            assert body == f'{{"a":{shown}}}'
            assert Renderer().render("{{ n }}", {"n": loads(found)}) == shown
            again = connection.execute("select ((%s::jsonb) ->> 'a')::numeric::text", [body]).fetchone()
            assert again == (shown,)

        comes_back()


def test_a_condition_step_is_asked_with_all_digits(database: Database) -> None:
    async def held(wanted: str) -> bool:
        store = Store.postgres(database.url)
        try:
            row = {"total": loads("12345678901234567.89")}
            condition = {"field": "total", "operator": "equals", "value": loads(wanted)}
            return (await store.evaluate([condition], row))["held"]
        finally:
            await store.close()

    assert [asyncio.run(held(wanted)) for wanted in ("12345678901234567.89", "12345678901234567.12")] == [True, False]
