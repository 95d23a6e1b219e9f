"""A table that cannot be read or written now is its own executions' affair: they wait, with a code (R18)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import on_both_servers
from tests.sql.jobs import session
from tests.sql.queue_rows import success
from tests.sql.unusable import LINKED, WATCHED, App, Fault, app_on, ask, claim, settle

pytestmark = on_both_servers

READERS = ("automation_context", "automation_advance", "automation_begin_calls", "automation_record_step")
JOBS, INVOICES = ("J-1", "J-2", "J-3"), ("I-1", "I-2", "I-3")
LATER = "2099-01-01T00:00:00Z"


@pytest.fixture
def app(server: str) -> Iterator[App]:
    """An app whose executions are pending."""
    with app_on(server) as made:
        made.change()
        yield made


def statuses(app: App) -> dict[str, tuple[str, str | None]]:
    rows = app.admin.sql("select entity_id, status, code from automation_execution_logs")
    return {row["entity_id"]: (row["status"], row["code"]) for row in rows}


@pytest.mark.parametrize("fault", WATCHED, ids=str)
@pytest.mark.parametrize("verb", READERS)
def test_only_the_tables_own_executions_wait_and_they_complete_when_it_is_mended(
    app: App, fault: Fault, verb: str
) -> None:
    with app.broken(fault):
        lease, rows = claim(app)
        assert sorted(rows.values()) == [*INVOICES, *JOBS]
        answers = ask(app, verb, lease, rows)
        for row in INVOICES:
            assert (answers[row]["stop"], answers[row]["row"]["id"]) == (None, row)
        for row in JOBS:
            stop = answers[row]["stop"]
            assert (stop["ended"], stop["code"]) == ("deferred", fault.code), stop
            assert [word for word in fault.words if app.say(word) not in stop["reason"]] == [], stop
            assert answers[row]["held"]
        settle(app, lease, rows, answers)
        assert statuses(app) == {
            **dict.fromkeys(INVOICES, ("completed", None)),
            **dict.fromkeys(JOBS, ("pending", fault.code)),
        }
        assert (
            app.ours.one("select sum(attempt) as n from automation_execution_logs where status = 'pending'")["n"] == 0
        )
        assert claim(app)[1] == {}, "nothing is given back without a delay"
    lease, rows = claim(app, LATER)
    answers = ask(app, verb, lease, rows)
    assert {row: (answer["stop"], answer["row"] is not None) for row, answer in answers.items()} == dict.fromkeys(
        JOBS, (None, True)
    )


@pytest.mark.parametrize("fault", LINKED, ids=str)
@pytest.mark.parametrize("verb", READERS)
def test_a_linked_table_is_hidden_with_a_reason_that_may_pass(app: App, fault: Fault, verb: str) -> None:
    with app.broken(fault):
        lease, rows = claim(app)
        answers = ask(app, verb, lease, rows)
        assert {row: answer["stop"] for row, answer in answers.items()} == dict.fromkeys([*INVOICES, *JOBS])
        for row in JOBS:
            hidden = answers[row]["hidden"]["client"]
            assert (hidden["code"], hidden["passing"]) == (fault.code, True), hidden
            assert [word for word in fault.words if app.say(word) not in hidden["reason"]] == [], hidden
            assert (answers[row]["row"]["id"], answers[row]["links"]) == (row, {})
        for row in INVOICES:
            assert answers[row]["hidden"] == {}
    answers = ask(app, verb, lease, rows)
    for row in JOBS:
        assert answers[row]["links"]["client"]["id" if "client_no" not in fault.break_it else "email"]
        assert answers[row]["hidden"] == {}


def test_a_row_without_the_link_is_not_told_of_it(app: App) -> None:
    app.admin.sql("update jobs set client_id = null where id = 'J-1'")
    app.admin.sql(app.say("revoke select on clients from {owner}"))
    lease, rows = claim(app)
    answers = ask(app, "automation_advance", lease, rows)
    assert (answers["J-1"]["hidden"], set(answers["J-2"]["hidden"])) == ({}, {"client"})


def test_one_call_waits_for_locks_once_however_many_rows_and_tables_are_locked(app: App) -> None:
    app.admin.sql(
        "create table vendors (id text primary key); alter table jobs add vendor_id text references vendors;"
        " create table sites (id text primary key); alter table jobs add site_id text references sites;"
        " create table profiles (id text primary key, organization_id text);"
        " insert into vendors values ('V'); insert into sites values ('S');"
        " update jobs set vendor_id = 'V', site_id = 'S'; update clients set organization_id = null"
    )
    app.admin.sql(app.say("grant all on vendors, sites, profiles to {owner}"))
    app.admin.sql("insert into jobs select 'K-' || n, 'north', 'open', 'C-1' from generate_series(1, 44) n")
    app.admin.sql("update jobs set status = 'late', vendor_id = 'V', site_id = 'S' where id like 'K-%'")
    lease, rows = claim(app)
    assert len(rows) == 50
    for locked, hidden in (
        ("clients, vendors, sites, profiles", {"client", "vendor", "site"}),
        ("jobs, clients", None),
    ):
        with session(app.admin, autocommit=False) as holder:
            holder.sql(f"lock table {locked} in access exclusive mode")
            began = time.monotonic()
            answers = ask(app, "automation_advance", lease, rows)
            took = time.monotonic() - began
            holder.connection.rollback()
        assert 0.2 < took < 1.5, f"{took:.2f} s"
        assert answers["I-1"]["stop"] is None
        if hidden is None:
            assert answers["J-1"]["stop"]["code"] == "table_locked"
        else:
            assert (answers["J-1"]["stop"], set(answers["J-1"]["hidden"])) == (None, hidden)


def test_profiles_that_cannot_be_read_stop_nobody_who_does_not_need_them(app: App) -> None:
    app.admin.sql(
        "create table profiles (id text primary key, organization_id text);"
        "insert into profiles values ('ann', 'north'), ('bob', 'north');"
        "update automation_workflows set user_id = 'ann' where name = 'job';"
        "alter table jobs add user_id text; update jobs set user_id = 'ann', organization_id = null where id = 'J-1'"
    )
    lease, rows = claim(app)
    answers = ask(app, "automation_advance", lease, rows)
    assert (answers["J-1"]["stop"]["ended"], answers["J-1"]["stop"]["code"]) == ("deferred", "no_permission")
    assert [answers[row]["stop"] for row in (*INVOICES, "J-2", "J-3")] == [None] * 5


@pytest.mark.parametrize("about", [{"table_name": "visits", "record_id": "V-1"}, {"visit_id": "V-1"}, {}])
def test_what_the_app_inserted_about_a_table_that_nobody_watches_runs(app: App, about: dict[str, Any]) -> None:
    claim(app)
    app.ours.sql(
        "insert into automation_execution_logs (workflow_id, organization_id, status, trigger_data)"
        " select id, organization_id, 'pending', %s from automation_workflows where name = 'job'",
        app_json(about),
    )
    lease, rows = claim(app)
    (answer,) = ask(app, "automation_context", lease, rows).values()
    assert (answer["stop"], answer["row"]) == (None, None)


def app_json(value: dict[str, Any]) -> Any:
    from psycopg.types.json import Jsonb

    return Jsonb(value)


def write(app: App, lease: str, one: str, values: dict[str, Any], **said: Any) -> Any:
    arguments = {"p_step": success("1"), "p_table": "jobs", "p_operation": "update", "p_id": "J-1", **said}
    return app.ours.call("automation_write_record", p_execution_id=one, p_token=lease, p_values=values, **arguments)


WRITES = (
    *(fault for fault in WATCHED if "tenant" not in fault.name and fault.code not in ("rows_hidden",)
      and "not watched" not in fault.name and "schema" not in fault.name),
    Fault(
        name="the right to write is revoked", break_it="revoke update on jobs from {owner}",
        mend_it="grant update on jobs to {owner}", code="no_permission", words=("jobs", "{owner}", "update"),
    ),
    Fault(
        name="a publication needs a replica identity",
        break_it="create publication feed for table jobs; alter table jobs replica identity nothing",
        mend_it="alter table jobs replica identity default", code="no_replica_identity",
        words=("jobs", "feed", "alter table public.jobs replica identity default"),
    ),
    Fault(
        name="the row is locked", break_it="update jobs set title = 'x' where id = 'J-1'", mend_it="select 1",
        code="table_locked", words=("jobs",), holds=True,
    ),
)  # fmt: skip


@pytest.mark.parametrize("fault", WRITES, ids=str)
def test_a_write_is_deferred_and_done_when_the_table_is_mended(app: App, fault: Fault) -> None:
    lease, rows = claim(app)
    (one,) = [found for found, row in rows.items() if row == "I-1"]
    with app.broken(fault):
        began = time.monotonic()
        answer = write(app, lease, one, {"title": "written"})
        assert time.monotonic() - began < 2
        assert (answer["answer"], answer["code"]) == ("deferred", fault.code), answer
        said = [word for word in fault.words if "renamed to" not in word and app.say(word) not in answer["reason"]]
        assert said == [], answer
    assert write(app, lease, one, {"title": "written"}) == {"answer": "done", "id": "J-1"}


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("alter table jobs add check (title <> 'written')", "bad_value"),
        ("create policy no on jobs as restrictive for update using (true) with check (title <> 'written');"
         "create policy yes on jobs using (true); alter table jobs enable row level security", "bad_value"),
        ("create function no() returns trigger language plpgsql as"
         " $$begin raise exception 'no' using errcode = 'AP001'; end$$;"
         "create trigger no before update on jobs for each row execute function no()", "bad_value"),
        ("create function no() returns trigger language plpgsql as $$begin assert false, 'no'; end$$;"
         "create trigger no before update on jobs for each row execute function no()", "bad_value"),
        ("alter table jobs alter title drop expression if exists", None),
    ],
)  # fmt: skip
def test_the_apps_own_rules_still_refuse_for_good(app: App, rule: str, code: str | None) -> None:
    app.admin.sql(rule)
    lease, rows = claim(app)
    answer = write(app, lease, next(iter(rows)), {"title": "written"})
    assert (answer["answer"], answer.get("code")) == ("refused" if code else "done", code), answer
