"""Names that do not exist, in conditions, templates and record actions: each is named, everywhere in the same words."""

# ruff: noqa: E501  a case is a line

from __future__ import annotations

import json
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.journeys.app import EMAIL, App, Minutehand, email
from tests.servers import Database

TABLES = """
create schema if not exists auth;
create table auth.users (id text primary key, email text);
create table clients (
  id text primary key, organization_id text, name text, email text, phone text, type text, "homeCity" text, secret text
);
create table vendors (id text primary key, name text);
create table suburbs (id text primary key, organization_id text, name text);
create table jobs (
  id text primary key, organization_id text, client_id text references clients, vendor_id text references vendors,
  user_id text references auth.users, suburb_id text references suburbs, title text, status text default 'scheduled',
  revenue numeric, due date, meta jsonb, tags text[], notes text,
  total numeric generated always as (revenue * 2) stored
);
create table visits (id text primary key, organization_id text, status text, job_id text);
create domain anything as jsonb;
alter table jobs add extra anything;
select public.automation_trigger_add('jobs', p_exclude => '["notes", "client.secret"]');
select public.automation_trigger_add('clients', p_writable => true);
select public.automation_trigger_add('visits');
"""

#: What a step says -> what is said of it; "" where nothing is.
TEMPLATES = {
    "{{ job.title }} {{ job.Title }} {{ jobTitle }} {{ job_title }} {{ client.name }} {{ customer.name }}": "",
    "{{ client_name }} {{ clientName }} {{ client.homeCity }} {{ customer_phone }}": "",
    "{{ appointment_date }}": "error: {{ appointment_date }}: there is no 'appointment_date'",
    "{{ job.meta.a.b }} {{ job.extra.x }} {{ job.tags[0] }} {{ trigger.payload.any.thing }} {{ workflow.name }}": "",
    "{{ now }} {{ now|plus('1 day') }} {{ old.title }} {{ trigger.new_status }} {{ job.total }}": "",
    "{% set total = job.revenue * 2 %}{{ total }}{% for tag in job.tags %}{{ loop.index }}{{ tag.x }}{% endfor %}": "",
    "{% if job.meta is defined %}{{ job.meta.x }}{% endif %}": "",
    "{{ job.titel }}": "error: {{ job.titel }}: jobs has no column 'titel'; did you mean title",
    "{{ clinet.name }}": "error: {{ clinet.name }}: there is no 'clinet'; did you mean client?",
    "{{ client.nmae }}": "error: {{ client.nmae }}: clients has no column 'nmae'; did you mean name?",
    "{{ customer.emial }}": "error: {{ customer.emial }}: clients has no column 'emial'; did you mean email?",
    "{{ trigger.now }}": "error: {{ trigger.now }}: trigger has no 'now'; did you mean {{ now }}?",
    "{{ trigger.status }}": "error: {{ trigger.status }}: trigger has no 'status'; did you mean",
    "{{ old.x }}": "error: {{ old.x }}: jobs has no column 'x'; known: id, organization_id, client_id",
    "{{ clinet_name }}": "error: {{ clinet_name }}: there is no 'clinet_name'; did you mean client.name?",
    "{{ titel }}": "error: {{ titel }}: there is no 'titel'; did you mean job.title?",
    "{{ job.title.short }}": "error: {{ job.title.short }}: job.title has no fields",
    "{{ job.notes }}": "error: {{ job.notes }}: column notes of jobs is excluded",
    "{{ client.secret }}": "error: {{ client.secret }}: column secret of clients is excluded",
    "{{ vendor.name }}": "error: {{ vendor.name }}: vendor is not shown: table vendors has no tenant column",
    "{{ user.email }}": "error: {{ user.email }}: user is not shown: auth.users is in another schema; link a view of it: ",
    "{{ steps.first.result }}": "error: {{ steps.first.result }}: templates do not see the results of earlier steps",
    "{{ step_1.id }}": "error: {{ step_1.id }}: templates do not see the results of earlier steps",
    "{{ job['titel']|upper }}": "error: {{ job.titel }}: jobs has no column 'titel'",
    "{{ 'a' ~ job.titel }}": "error: {{ job.titel }}: jobs has no column",
    "{% for part in job.parts %}{{ part }}{% endfor %}": "error: {{ job.parts }}: jobs has no column 'parts'",
    "{% if job.kind == 'vip' %}x{% endif %}": "error: {{ job.kind }}: jobs has no column 'kind'",
    "{% if job.kind %}{{ job.kind }}{% endif %}": "warning: {{ job.kind }}: jobs has no column 'kind'",
    "{% if clinet.name %}x{% endif %}": "error: {{ clinet.name }}: there is no 'clinet'",
    "{{ job.titel|default('-') }}": "warning: {{ job.titel }}: jobs has no column 'titel'",
    "{{ clinet.name|default('-') }}": "warning: {{ clinet.name }}: there is no 'clinet'",
    "{{ job.titel or job.title }}": "warning: {{ job.titel }}: jobs has no column 'titel'",
    "{{ job.title or job.titel }}": "error: {{ job.titel }}: jobs has no column 'titel'",
    "{{ job.titel if job.title else 'x' }}": "error: {{ job.titel }}: jobs has no column 'titel'",
    "{{ job.titel is defined }}": "warning: {{ job.titel }}: jobs has no column 'titel'",
    "{{ job.due|date(format=job.fromat) }}": "error: {{ job.fromat }}: jobs has no column 'fromat'",
    "{{ '{{' }} {not.a.variable} {{ job.": "",  # what cannot be parsed is another finding
}
#: The field of a trigger's condition, and of a condition step -> what is said of each.
FIELDS = {
    "revenue": ("", ""),
    "new.revenue": ("", ""),
    "old.revenue": ("", ""),
    "meta.any.thing": ("", ""),
    "client.type": (
        "error: conditions: 'client.type': a trigger sees only the columns of jobs, no linked rows; put",
        "",
    ),
    "job.revenue": (
        "error: conditions: 'job.revenue': a trigger's conditions name the columns of jobs alone: write",
        "",
    ),
    "revenu": ("error: conditions: jobs has no column 'revenu'; did you mean revenue?",) * 2,
    "old.revenu": ("error: conditions: jobs has no column 'revenu'; did you mean revenue?",) * 2,
    "title.x": ("error: conditions: column title of jobs has no fields",) * 2,
    "notes": ("error: conditions: column notes of jobs is excluded",) * 2,
    "client.typ": (
        "error: conditions: 'client.typ': a trigger sees only",
        "error: conditions: clients has no column 'typ'; did you mean type?",
    ),
    "clinet.type": (
        "error: conditions: jobs has no column 'clinet'",
        "error: conditions: there is no 'clinet'; did you mean client?",
    ),
    "trigger.payload.x": ("error: conditions: jobs has no column 'trigger'", ""),
}

#: A record action -> what is said of it.
WRITES: list[tuple[dict[str, Any], str]] = [
    ({"table": "clients", "id": "{{ client.id }}", "values": {"type": "vip"}}, ""),
    ({"table": "jobs", "values": {"title": "x"}}, "error: table 'jobs' is not writable for automations"),
    ({"table": "cleints", "id": "1", "values": {"type": "x"}}, "error: table 'cleints' is not writable for automations; did you mean clients?"),
    ({"table": "automation_workflows", "id": "1", "values": {"name": "x"}}, "error: table 'automation_workflows' is not writable"),
    ({"table": "clients", "id": "1", "values": {"typ": "vip"}}, "error: table clients has no column 'typ'; did you mean type?"),
    ({"table": "clients", "id": "1", "values": {"organization_id": "x"}}, "error: column organization_id of clients names the tenant"),
    ({"table": "clients", "id": "1", "values": {"id": "x"}}, "error: column id is the key of clients"),
    ({"table": "clients", "values": {"type": "vip"}}, "error: `id` is missing: the execution is not about a row of clients"),
    ({"table": "clients", "id": "1", "values": {"type": "{{ job.titel }}"}}, "error: `values.type`: {{ job.titel }}: jobs has no"),
]  # fmt: skip

#: Trigger type -> what is said of it.
TYPES = {
    "Job_Completed": "no watched table emits 'Job_Completed'; did you mean job_completed?",
    "jobs_completed": "no watched table emits 'jobs_completed'; did you mean job_completed?",
    "job.completed": "no watched table emits 'job.completed'; did you mean job_completed?",
    "Job Completed": "no watched table emits 'Job Completed'; did you mean job_completed?",
    "jbo_completed": "no watched table emits 'jbo_completed'; did you mean job_completed?",
    "visits-created": "no watched table emits 'visits-created'; did you mean visit_created?",
    "invoice_paid": "no watched table emits 'invoice_paid'; watch one with: minutehand trigger add TABLE",
}


@pytest.fixture
def shop_app(database: Database) -> App:
    """An app with watched tables, links and columns of several types."""
    database.sql(TABLES)
    app = App.__new__(App)
    app.database = database
    return app


def lint(minutehand: Minutehand) -> dict[str, list[str]]:
    """Lint all saved workflows; returns `level: text` of what is neither a note nor of the switches, by workflow."""
    done = minutehand("workflows", "lint", "-o", "json")
    assert done.returncode in (0, 3), done.stderr
    return {
        one["workflow"]: [f"{f['level']}: {f['text']}" for f in one["findings"] if f["about"] in ("fields", "trigger")]
        for one in json.loads(done.stdout)
    }


def compare(found: dict[str, list[str]], wanted: dict[str, str]) -> None:
    """Compare what was found with the one thing that each workflow is to be told."""
    for name, words in wanted.items():
        texts = [text.replace("`message`: ", "") for text in found[name]]
        assert [text[: len(words)] for text in texts] == ([words] if words else []), (name, texts)


def test_every_name_that_does_not_exist_is_named(shop_app: App, minutehand: Minutehand) -> None:
    wanted = {}
    for number, (template, words) in enumerate(TEMPLATES.items()):
        name = f"template {number:02} {template[:40]}"
        shop_app.workflow({"type": "notify", "config": {"message": template}}, name=name)
        wanted[name] = words
    for field, (in_trigger, in_step) in FIELDS.items():
        leaf = {"field": field, "operator": "is_not_empty"}
        note: dict[str, Any] = {"type": "notify", "config": {"message": "x"}}
        for form, conditions in (
            ("list", [leaf]),
            ("not", {"not": [leaf]}),
            ("or", {"operator": "OR", "rules": [leaf]}),
        ):
            name = f"trigger {field} {form}"
            shop_app.workflow(note, name=name, trigger_config={"conditions": conditions})
            wanted[name] = in_trigger
            step = {"type": "condition", "config": {"conditions": conditions}, "then": [note]}
            name = f"step {field} {form}"
            shop_app.workflow(step, name=name)
            wanted[name] = in_step
    for number, (config, words) in enumerate(WRITES):
        name = f"write {number}"
        shop_app.workflow({"type": "update_record", "config": config}, name=name)
        wanted[name] = words
    compare(lint(minutehand), wanted)


def test_trigger_types_that_are_nearly_right_are_corrected(shop_app: App, minutehand: Minutehand) -> None:
    for type_ in TYPES:
        shop_app.workflow({"type": "notify", "config": {"message": "x"}}, name=type_, trigger_type=type_)
    compare(lint(minutehand), {type_: f"warning: will never run: {words}" for type_, words in TYPES.items()})


def test_what_is_not_certain_is_a_warning_and_a_created_row_has_no_past(shop_app: App, minutehand: Minutehand) -> None:
    def notify(message: str) -> dict[str, Any]:
        return {"type": "notify", "config": {"message": message}}

    cases: dict[str, tuple[dict[str, Any], str, str]] = {
        "payload": ({"trigger_type": "manual"}, "{{ trigger.payload.name }} {{ trigger.x }} {{ visit.id }}", ""),
        "manual": ({"trigger_type": "manual"}, "{{ clinet.name }}", "warning: {{ clinet.name }}: there is no 'clinet'"),
        "blank": (
            {"settings": {"unresolved": "blank"}}, "{{ job.titel }}", "warning: {{ job.titel }}: jobs has no column 'titel'"
        ),
        "created": (
            {"trigger_type": "job_created"}, "{{ old.title }}", "error: {{ old.title }}: a created row has no values from before"
        ),
        "deleted": ({"trigger_type": "job_deleted"}, "{{ old.title }}", ""),
        "visit": ({"trigger_type": "visit_created"}, "{{ client.name }}", "error: {{ client.name }}: there is no 'client'"),
    }  # fmt: skip
    for name, (columns, message, _) in cases.items():
        shop_app.workflow(notify(message), name=name, **columns)
    to_nobody = {"type": "email", "config": {"subject": "x", "message": "x"}}
    shop_app.workflow(to_nobody, name="to nobody", trigger_type="visit_created")
    shop_app.workflow(*[notify(f"{{{{ job.a{n} }}}}") for n in range(40)], name="many")
    found = lint(minutehand)
    compare(found, {name: words for name, (_, _, words) in cases.items()})
    compare(found, {"to nobody": "note: it has no `to`, and visits has no link `client`"})
    assert len(found["many"]) == 11
    assert found["many"][-1] == "warning: more of its names are not known; only the first are listed"


def test_a_call_without_a_body_says_what_it_sends(shop_app: App, minutehand: Minutehand) -> None:
    shop_app.workflow({"type": "webhook", "config": {"url": "https://example.com/x"}}, name="all")
    shop_app.workflow({"type": "webhook", "config": {"url": "https://example.com/x", "body": {}}}, name="own")
    shop_app.database.sql("alter table jobs add door_pin text; alter table suburbs add password_hash text")
    compare(
        lint(minutehand),
        {
            "all": "note: without `body` it sends the whole job, client, suburb, old and trigger, "
            "without job.door_pin, suburb.password_hash",
            "own": "",
        },
    )


def test_every_command_and_page_says_it_in_the_same_words(
    shop_app: App, minutehand: Minutehand, database: Database
) -> None:
    shop_app.workflow(email(subject="{{ job.titel }}"))
    words = "step 1: `subject`: {{ job.titel }}: jobs has no column 'titel'; did you mean title or tags?"
    words = words.split(";")[0]
    for command in (
        ("workflows", "lint"),
        ("workflows", "ls"),
        ("workflows", "show", "Thank the client"),
        ("status",),
        ("doctor",),
    ):
        done = minutehand(*command)
        assert words in " ".join(done.stdout.split()), (command, done.stdout)
        assert f"step 1: {words}" not in " ".join(done.stdout.split()), (command, done.stdout)
    with_doctor = json.loads(minutehand("doctor", "-o", "json").stdout)
    assert [row["level"] for row in with_doctor["checks"] if words in row["fact"]] == ["fail"]
    row = {**EMAIL, "subject": "{{ job.titel }}"}
    (minutehand.folder / "flow.json").write_text(
        json.dumps({"name": "From a file", "organization_id": "north", "trigger": "job_completed",
                    "steps": [{"type": "email", "config": row}]})
    )  # fmt: skip
    done = minutehand("workflows", "apply", "flow.json")
    assert done.returncode == 2
    assert words in done.stderr
    assert database.one("select count(*)::int as n from automation_workflows")["n"] == 1


def test_a_name_that_appears_later_is_known_at_once(shop_app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    shop_app.workflow({"type": "notify", "config": {"message": "{{ job.titel }}"}})
    assert lint(minutehand)["Thank the client"]
    shop_app.database.sql("alter table jobs add titel text")
    assert lint(minutehand)["Thank the client"] == []
