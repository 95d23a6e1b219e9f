"""Attacks by somebody who can write workflows, clients and executions (R17): each ends, and affects no other.

More: bad input in test_bad_input.py, templates in tests/unit/test_render_hostile.py, addresses in
tests/contract/test_email.py, replies in tests/contract/test_provider_responses.py, HTTP in tests/unit/test_http.py.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.journeys.app import App, Minutehand, email, webhook
from tests.journeys.test_bad_input import ends_of, inner
from tests.servers import on_both_servers

__all__ = ["inner"]  # a fixture
MOST = 2_147_483_647
DEEP = '{"a":' * 3_000 + "1" + "}" * 3_000
DIGITS = '{"a": 1' + "0" * 6_000 + "}"

#: Columns of an execution that our processors never write, and how it ends.
EXECUTIONS: dict[str, tuple[dict[str, Any], tuple[str, str | None]]] = {
    "attempt": ({"attempt": MOST}, ("completed", None)),
    "attempts below zero": ({"attempt": -MOST, "max_attempts": -MOST}, ("completed", None)),
    "depth": ({"chain_depth": MOST}, ("completed", None)),
    "never due": ({"scheduled_at": "infinity"}, ("pending", None)),
    "ever due": ({"scheduled_at": "-infinity", "started_at": "2020-01-01"}, ("completed", None)),
    "resends a text": ({"resends": Jsonb("x")}, ("completed", None)),
    "resends a list": ({"resends": Jsonb(["x"])}, ("completed", None)),
    "resends an object": ({"resends": Jsonb({"1": {"a": "x"}})}, ("completed", None)),
    "records an object": ({"actions_executed": Jsonb({"a": 1})}, ("completed", None)),
    "records a number": ({"actions_executed": Jsonb(7)}, ("completed", None)),
    "records of nonsense": ({"actions_executed": Jsonb([{"stepId": {"a": 1}}, 3, None])}, ("completed", None)),
    "records a deep one": ({"actions_executed": f'[{{"stepId": "x", "result": {DEEP}}}]'}, ("completed", None)),
    "data deep": ({"trigger_data": DEEP}, ("completed", None)),
    "data of 6,000 digits": ({"trigger_data": DIGITS}, ("completed", None)),
    "data of 10 MB": ({"trigger_data": Jsonb({"a": "x" * 10_000_000})}, ("completed", None)),
    "place": ({"resume_step": "x" * 100_000}, ("completed", None)),
    "version": ({"workflow_version": MOST}, ("failed", "other_tenant")),
    "another's event": ({"event_id": MOST}, ("failed", "other_tenant")),
    "lost": (
        {
            "status": "processing",
            "lost_leases": MOST,
            "lease_token": "00000000-0000-4000-8000-000000000001",
            "lease_expires_at": "2020-01-01",
        },
        ("failed", "poisoned"),
    ),
}


@pytest.fixture
def healthy(app: App, shop: HttpReceiver) -> str:
    """A workflow beside the others that must complete."""
    return app.workflow(webhook(f"{shop.url}/healthy", body="x"), name="Healthy")


def run(app: App, minutehand: Minutehand, shop: HttpReceiver, **environment: str) -> dict[str, tuple[str, Any, str]]:
    """Run everything that is due in one batch, and return how each execution ended, by workflow."""
    minutehand.run_once("--batch-size", "100", **environment)
    results = ends_of(app)
    assert results.pop("Healthy") == ("completed", None, "")
    assert [request.path for request in shop.requests].count("/healthy") == 1
    return results


def execution(app: App, workflow: str, **columns: Any) -> None:
    """Insert an execution, as anybody who can write the log can."""
    row = {"workflow_id": workflow, "trigger_type": "job_completed", "status": "pending", **columns}
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    app.database.sql(f"insert into automation_execution_logs ({names}) values ({places})", *row.values())


@on_both_servers
def test_an_execution_of_nonsense_stops_no_other(app, minutehand, shop, healthy):
    for name, (columns, _) in EXECUTIONS.items():
        workflow = app.workflow(webhook(f"{shop.url}/odd", body="x"), name=name, trigger_type="never")
        execution(app, workflow, **columns)
    app.complete()
    results = run(app, minutehand, shop)
    assert {name: end[:2] for name, end in results.items()} == {name: end for name, (_, end) in EXECUTIONS.items()}


def test_a_tenant_neither_reads_nor_writes_another_tenants_rows(app, minutehand, shop, healthy):
    database = app.database
    database.sql("create schema auth; create table auth.users (id text primary key, email text)")
    database.sql("insert into auth.users values ('U-1', 'secret@example.com')")
    database.sql("create view every_job as select * from jobs")
    database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    database.sql(
        "insert into jobs (id, organization_id, title) values ('J-2', 'north', 'SECRET'), ('J-3', 'north', 'SECRET')"
    )
    database.sql("delete from jobs where id = 'J-2'")
    database.sql("update jobs set title = 'x', status = 'in_review' where id = 'J-3'")
    events = database.sql("select * from automation_events where operation <> 'INSERT' order by id")

    def attack(name: str, *steps: Any, **columns: Any) -> None:
        south = app.workflow(
            *steps, name=name, trigger_type="never", organization_id="south", settings={"unresolved": "blank"}
        )
        execution(app, south, **columns)

    told = webhook(f"{shop.url}/told", body="{{ job.title }} {{ old.title }} {{ client.email }}")
    for event in events:
        for organization in ("south", "north", None):
            more = {"organization_id": organization} if organization else {}
            data = Jsonb({"table_name": "jobs", "record_id": event["entity_id"]})
            attack(
                f"event {event['operation']} {organization}",
                told,
                event_id=event["id"],
                entity_id=event["entity_id"],
                trigger_data=data,
                **more,
            )
    attack("row", told, trigger_data=Jsonb({"job_id": "J-3"}))
    attack("as north", told, organization_id="north", trigger_data=Jsonb({"job_id": "J-3"}))
    attack("as north, known", told, organization_id="north", workflow_version=1, entity_id="J-3")
    for table in (
        "auth.users",
        "automation_control",
        "public.automation_workflows",
        "pg_catalog.pg_authid",
        "every_job",
        'jobs"; --',
    ):
        attack(
            f"update {table}",
            {"type": "update_record", "config": {"table": table, "id": "U-1", "values": {"email": "x"}}},
        )
        attack(
            f"create {table}",
            {"type": "create_record", "config": {"table": table, "values": {"id": "x", "scope": "all"}}},
        )
    attack(
        "update J-3", {"type": "update_record", "config": {"table": "jobs", "id": "J-3", "values": {"title": "taken"}}}
    )
    for column, value in {"organization_id": "north", "id": "J-9", "status; drop table jobs": "x"}.items():
        attack(
            f"set {column}",
            {"type": "update_record", "config": {"table": "jobs", "id": "J-3", "values": {column: value}}},
        )
    attack(
        "give",
        {"type": "create_record", "config": {"table": "jobs", "values": {"id": "J-8", "organization_id": "north"}}},
    )

    app.complete()
    before = database.sql("select * from jobs order by id")
    results = run(app, minutehand, shop)
    assert b"SECRET" not in b"".join(request.body for request in shop.requests)
    ends = {name: end[:2] for name, end in results.items()}
    assert {name for name, end in ends.items() if end == ("completed", None)} == set()
    assert {end for name, end in ends.items() if name.startswith(("update ", "create ", "set ", "give"))} <= {
        ("failed", "not_writable"),
        ("failed", "row_gone"),
    }
    assert {ends[name] for name in ends if name.startswith(("event", "row", "as"))} <= {
        ("failed", "other_tenant"),
        ("skipped", "row_gone"),
    }
    assert database.sql("select * from jobs order by id") == before
    assert database.one("select email from auth.users")["email"] == "secret@example.com"
    assert database.sql("select * from automation_control") == []
    assert (
        database.sql("select * from communication_logs where organization_id = 'north' and channel <> 'webhook'") == []
    )


NAME = "{{ 7*7 }}{% for %}<script>alert(1)</script>\r\nBcc: evil@example.com\r\n\r\nX"
OTHERS: dict[str, Any] = {
    "header break": webhook("{shop}", headers={"x-a": "{{ client.name }}"}),
    "header name": webhook("{shop}", headers={"x-a\r\nx-b": "1"}),
    "host": webhook("{shop}", headers={"Host": "internal"}),
    "cause": webhook("{shop}", headers={"X-Minutehand-Cause": "00000000-0000-4000-8000-000000000001"}),
    "webhook id": webhook("{shop}", headers={"webhook-ID": "1"}),
    "proxy": webhook("{shop}", headers={"Proxy-Authorization": "x"}),
    "mapped": webhook("http://[::ffff:127.0.0.1]:{port}/"),
    "metadata": webhook("http://169.254.169.254/latest/meta-data/"),
    "number": webhook("http://2130706433:{port}/"),
    "octal": webhook("http://0177.0.0.1:{port}/"),
    "user": webhook("http://example.com@127.0.0.1:{port}/"),
    "name": webhook("http://localhost:{port}/"),
    "by a client": webhook("{{ client.host }}"),
    "host by a client": webhook("http://{{ client.name }}:{port}/"),
    "function path": {"type": "function", "config": {"name": "../rest/v1/jobs"}},
    "function": {"type": "function", "config": {"name": "delete-everything"}},
    "function template": {"type": "function", "config": {"name": "{{ client.host }}"}},
    "zero width": email(to="hotel\u200b@example.com"),
    "turned around": email(to="\u202emoc.elpmaxe@letoh"),
    "to a header": email(to="a@example.com\r\nBcc: b@example.com"),
    "a text of 400 kB": email(message="x" * 400_000),
    "long condition": {"type": "condition", "config": {"conditions": [{"field": "title", "value": "x" * 400_000}]}},
    "many values": {
        "type": "condition",
        "config": {"conditions": [{"field": "title", "operator": "in", "value": list(range(60_000))}]},
    },
    "long list": {
        "type": "condition",
        "config": {"conditions": [{"field": "title", "operator": "in", "value": list(range(15_000))}]},
    },
    "wait for ever": {"type": "wait", "config": {"for": "999999999 weeks"}},
    "own targets": {"type": "notify", "config": {"message": "x", "urls": ["json://127.0.0.1:{port}"]}},
}
GOOD: dict[str, Any] = {
    "mail": email(subject="For {{ client.name }}", message="Dear {{ client.name }}", on_uncertain={"a": 1}),
    "call records": webhook("{shop}", body="x") | {"id": "(call)"},
    "its own records": webhook("{shop}", body="x") | {"id": "actions_executed"},
    "another's key": webhook("{shop}", body="x", headers={"authorization": "Bearer mine"}),
}
SETTINGS: tuple[Any, ...] = (
    None,
    7,
    [],
    "x",
    {"on_uncertain": [1], "rate_limit": {"n": -1, "per": "x" * 10_000}, "breaker": "off", "unresolved": {"x": 1}},
    {"on_uncertain": {"webhook": {"a": 1}}, "rate_limit": [[[]]], "breaker": {"n": 1e300, "per": {}}, "unresolved": 7},
    {"rate_limit": {"n": 1e300, "per": -1, "on_exceed": {}}, "breaker": {"n": "NaN", "per": "-infinity"}},
)


def placed(value: Any, shop: HttpReceiver, port: int = 0) -> Any:
    """Fill in the address of the receiver, and the port of a server that must not be reached."""
    if isinstance(value, str) and len(value) < 100:
        return value.replace("{shop}", shop.url).replace("{port}", str(port))
    if isinstance(value, dict):
        return {key: placed(item, shop, port) for key, item in value.items()}
    return [placed(item, shop, port) for item in value] if isinstance(value, list) and len(value) < 100 else value


def test_hostile_workflows_and_clients_affect_no_other(app, minutehand, shop, post, inner, healthy):
    database = app.database
    database.sql("alter table clients add host text, add extra jsonb")
    inside = f"http://127.0.0.1:{inner.getsockname()[1]}/"
    client = ("C-9", "north", NAME, "hotel@example.com", inside, f"[{DEEP}, {DIGITS}]")
    database.sql("insert into clients values (%s, %s, %s, %s, %s, %s)", *client)
    for name, step in (OTHERS | GOOD).items():
        app.workflow(placed(step, shop, inner.getsockname()[1]), name=name)
    for number, settings in enumerate(SETTINGS):
        app.workflow(webhook(f"{shop.url}/settings", body="x"), name=f"settings {number}", settings=settings)
    database.sql("insert into jobs (id, organization_id, client_id) values ('J-9', 'north', 'C-9')")
    database.sql("update jobs set status = 'completed'")
    results = run(app, minutehand, shop, MINUTEHAND_FUNCTIONS="book-visit")
    with pytest.raises(BlockingIOError):
        inner.accept()
    good = {*GOOD, *(f"settings {number}" for number in range(len(SETTINGS)))}
    assert {name: results[name] for name in good} == dict.fromkeys(good, ("completed", None, ""))
    assert {name: results[name][0] for name in OTHERS} == dict.fromkeys(OTHERS, "failed")
    assert all(len(results[name][2]) < 1_000 for name in OTHERS)
    (mail,) = post.messages
    assert mail.recipients == ("hotel@example.com",)
    assert mail.message["bcc"] is None
    assert mail.message["subject"].strip().startswith("For {{ 7*7 }}{% for %}<script>")
    html = mail.message.get_body(("html",)).get_content()
    assert "&lt;script&gt;" in html
    assert "<script" not in html


TEN_MEGABYTES: dict[str, tuple[Any, tuple[str, str | None]]] = {
    "mail": (email(message="{{ job.notes }}"), ("failed", "value_too_large")),
    "context": (webhook("{shop}"), ("completed", None)),  # without it
    "growth": (email(message="{% for a in job.list %}{{ job.notes }}{% endfor %}"), ("failed", "value_too_large")),
    "condition": (
        {
            "type": "condition",
            "config": {"conditions": [{"field": "notes", "operator": "contains", "value": "y"}]},
            "then": [{"type": "stop"}],
        },
        ("failed", "value_too_large"),
    ),
}


def test_a_row_of_ten_megabytes_is_read_but_neither_sent_nor_stored(app, minutehand, shop, post, healthy):
    app.database.sql("alter table jobs add notes text, add list jsonb")
    for name, (step, _) in TEN_MEGABYTES.items():
        app.workflow(placed(step, shop), name=name)
    app.database.sql(
        "insert into jobs (id, organization_id, client_id, notes, list)"
        " values ('J-9', 'north', 'C-1', repeat('x', 10000000), '[1, 2, 3, 4, 5, 6, 7]')"
    )
    app.database.sql("update jobs set status = 'completed'")
    results = run(app, minutehand, shop)
    assert {name: end[:2] for name, end in results.items()} == {name: end for name, (_, end) in TEN_MEGABYTES.items()}
    assert post.messages == []
    kept = app.database.one("select max(octet_length(actions_executed::text)) as most from automation_execution_logs")
    assert kept["most"] < 10_000


def test_a_message_to_a_hundred_is_recorded(app, minutehand, post, shop, healthy):
    words = random.Random(1)
    to = [f"{words.getrandbits(128):x}@{words.getrandbits(128):x}.example" for _ in range(100)]
    app.workflow(email(to=to), name="Hundred")
    app.complete()
    assert run(app, minutehand, shop)["Hundred"] == ("completed", None, "")
    assert len(post.messages[0].recipients) == 100
