"""Actions that write rows, branch, wait and notify, from the UPDATE to the end of the execution."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.journeys.app import App, Minutehand, email, webhook


@pytest.fixture
def app(app: App) -> App:
    """The app; workflows may write its jobs and notes."""
    app.database.sql(
        "create table notes (id bigint generated always as identity primary key, organization_id text, job_id text,"
        " body text)"
    )
    for table in ("jobs", "notes"):
        app.database.call("automation_trigger_add", p_table=table, p_writable=True)
    return app


def step(type_: str, **config: Any) -> dict[str, Any]:
    """A step in normal form."""
    return {"type": type_, "config": config}


def codes(app: App) -> list[str | None]:
    """The codes of the only execution's steps, in order; None for a step that succeeded."""
    return [record.get("code") for record in app.execution()["actions_executed"]]


def test_records_are_written_and_templates_see_them_at_once(
    app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    app.workflow(
        step("update_record", table="jobs", values={"title": "Invoiced: {{job.title}}"}),
        step("create_record", table="notes", values={"job_id": "{{job.id}}", "body": "for {{client.name}}"}),
        webhook(shop.url, body={"title": "{{job.title}}"}),
    )
    job = app.complete()
    assert minutehand.run_once()["completed"] == 1
    assert json.loads(shop.requests[0].body) == {"title": "Invoiced: Boiler repair"}
    (note,) = app.database.sql("select organization_id, job_id, body from notes")
    assert note == {"organization_id": "north", "job_id": job, "body": "for Lakeview Hotel"}


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"table": "auth.users", "id": "1", "values": {"email": "mine@example.com"}}, "not_writable"),
        ({"table": "automation_workflows", "id": "1", "values": {"name": "mine"}}, "not_writable"),
        ({"table": "automation_limits", "id": "1", "values": {"n": 1000000}}, "not_writable"),
        ({"table": "clients", "id": "C-1", "values": {"email": "mine@example.com"}}, "not_writable"),
        ({"table": "jobs", "id": "S-1", "values": {"title": "mine"}}, "row_gone"),
        ({"table": "jobs", "values": {"organization_id": "south"}}, "not_writable"),
        ({"table": "jobs", "values": {"id": "J-0"}}, "not_writable"),
        ({"table": "jobs", "values": {"nonsense": "1"}}, "not_writable"),
        ({"table": "jobs", "values": {"client_id": "nobody"}}, "bad_value"),
        ({"table": "jobs", "id": "{{client.id}}", "values": {"title": "x"}}, "row_gone"),
    ],
)
def test_what_a_workflow_may_not_write_fails_its_step_and_changes_nothing(
    app: App, minutehand: Minutehand, shop: HttpReceiver, config: dict[str, Any], code: str
) -> None:
    app.database.sql("insert into jobs (id, organization_id, title) values ('S-1', 'south', 'theirs')")
    app.workflow(step("update_record", **config), webhook(shop.url))
    app.complete()
    before = {table: app.database.sql(f"select * from {table} order by id") for table in ("jobs", "clients")}
    assert minutehand.run_once()["failed"] == 1
    assert codes(app) == [code, None]
    assert {table: app.database.sql(f"select * from {table} order by id") for table in before} == before
    assert len(shop.requests) == 1, "the following run all the same"


@pytest.mark.parametrize(("title", "path"), [("Boiler repair", "/boiler"), ("Garden", "/other")])
def test_a_condition_runs_its_branch_and_then_the_following_steps(
    app: App, minutehand: Minutehand, shop: HttpReceiver, title: str, path: str
) -> None:
    branch = step("condition", conditions=[{"field": "title", "operator": "contains", "value": "{{'boiler'}}"}])
    branch |= {"then": [webhook(shop.url + "/boiler")], "else": [webhook(shop.url + "/other")]}
    app.workflow(branch, webhook(shop.url + "/after"))
    app.database.sql("insert into jobs (id, organization_id, title) values ('J-1', 'north', %s)", title)
    app.database.sql("update jobs set status = 'completed'")
    assert minutehand.run_once()["completed"] == 1
    assert [request.path for request in shop.requests] == [path, "/after"]


def test_an_error_in_a_condition_runs_neither_branch_nor_the_following_steps(
    app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    branch = step("condition", conditions=[{"field": "title", "operator": "resembles", "value": "x"}])
    app.workflow(branch | {"then": [webhook(shop.url)], "else": [webhook(shop.url)]}, webhook(shop.url))
    job = app.complete()
    assert minutehand.run_once()["failed"] == 1
    assert shop.requests == []
    assert codes(app) == ["bad_step"]
    assert "resembles" in str(app.end_of(job)[2])


def test_a_stop_in_a_branch_ends_the_execution(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    branch = step("condition", conditions=[{"field": "status", "value": "completed"}]) | {"then": [{"type": "stop"}]}
    app.workflow(webhook(shop.url + "/before"), branch, webhook(shop.url + "/after"))
    app.complete()
    assert minutehand.run_once()["completed"] == 1
    assert [request.path for request in shop.requests] == ["/before"]


def test_a_wait_spends_no_attempt_and_the_row_is_read_again_after_it(
    app: App, minutehand: Minutehand, post: SmtpReceiver
) -> None:
    app.workflow(email(subject="first"), step("wait", **{"for": "2 days"}), email(subject="{{job.title}}"))
    app.complete()
    assert minutehand.run_once()["waiting"] == 1
    assert minutehand.run_once()["claimed"] == 0
    execution = app.database.one(
        "select status, attempt, scheduled_at - now() between '47 h' and '48 h' as in_two_days"
        " from automation_execution_logs"
    )
    assert execution == {"status": "pending", "attempt": 0, "in_two_days": True}
    app.database.sql("update jobs set title = 'as it is now'")
    app.make_due()
    assert minutehand.run_once()["completed"] == 1
    assert [str(mail.message["subject"]) for mail in post.messages] == ["first", "as it is now"]


def test_notify_reaches_the_operators_targets(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(step("notify", title="A job", message="{{job.id}} is {{job.status}}"))
    job = app.complete()
    targets = f"json://127.0.0.1:{shop.port}/one json://bob:hush@127.0.0.1:{shop.port}/two"
    done = minutehand("run-once", "-o", "json", MINUTEHAND_NOTIFY_URLS=targets)
    assert json.loads(done.stdout)["completed"] == 1, done.stdout
    assert {request.path.strip("/") for request in shop.requests} == {"one", "two"}
    assert {json.loads(request.body)["message"] for request in shop.requests} == {f"{job} is completed"}
    (send,) = app.sends()
    assert (send["channel"], send["recipient"], send["status"]) == ("notify", "the team", "sent")
    assert "hush" not in done.stderr + str(app.execution()) + str(app.sends())


def test_a_function_that_is_not_allowed_is_not_called(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(step("function", name="delete-everything"))
    job = app.complete()
    variables = {
        "SUPABASE_URL": shop.url,
        "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_x",
        "MINUTEHAND_FUNCTIONS": "book-visit",
    }
    minutehand.run_once(**variables)
    assert app.end_of(job)[:2] == ("failed", "not_allowed")
    assert shop.requests == []
