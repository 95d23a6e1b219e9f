"""Columns that look like secrets leave only where a step names them, and are not shown (R17)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.journeys.app import App, Minutehand, webhook
from tests.servers import Database

USERS = """
create table users (
  id text primary key, organization_id text, email text, password_hash text, "apiKey" text, notes text
);
insert into users values ('U-1', 'north', 'ada@example.com', 'hash-of-ada', 'key-of-ada', 'a note');
alter table jobs add assignee_id text references users default 'U-1', add door_pin text default '4711';
"""
SECRETS = ("hash-of-ada", "key-of-ada", "4711")


@pytest.fixture
def staff(database: Database) -> App:
    """An app whose jobs refer to its users."""
    app = App(database)
    database.sql(USERS)
    return app


def called(app: App, minutehand: Minutehand, shop: HttpReceiver, **config: Any) -> dict[str, Any]:
    """Complete a job, and return what the receiver of its webhook got."""
    app.workflow(webhook(shop.url, **config))
    app.complete()
    assert minutehand.run_once()["completed"] == 1
    body: dict[str, Any] = json.loads(shop.requests[-1].body)
    return body


def test_a_default_body_leaves_them_out_and_the_step_says_so(
    staff: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    body = called(staff, minutehand, shop)
    assert body["context"]["assignee"] == {
        "id": "U-1",
        "organization_id": "north",
        "email": "ada@example.com",
        "notes": "a note",
    }
    assert not [secret for secret in SECRETS if secret in json.dumps(body)]
    (record,) = staff.execution()["actions_executed"]
    assert {"assignee.password_hash", "assignee.apiKey", "job.door_pin"} < set(record["result"]["left_out"])


def test_a_step_that_names_one_sends_it(staff: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    body = called(staff, minutehand, shop, body={"pin": "{{ job.door_pin }}", "hash": "{{ assignee.password_hash }}"})
    assert body == {"pin": "4711", "hash": "hash-of-ada"}


@pytest.mark.parametrize("exclude", ["assignee.notes", "assignee.notes,assignee.apiKey"])
def test_an_excluded_column_of_a_linked_table_does_not_exist(
    staff: App, minutehand: Minutehand, shop: HttpReceiver, exclude: str
) -> None:
    assert minutehand("trigger", "add", "jobs", "--exclude", exclude).returncode == 0
    body = called(staff, minutehand, shop, body={"notes": "{{ assignee.notes or 'none' }}", "all": "{{ assignee }}"})
    assert body["notes"] == "none"
    assert not set(body["all"]) & {name.split(".")[1] for name in exclude.split(",")}


def test_the_exclusions_of_the_linked_table_count(staff: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    assert minutehand("trigger", "add", "users", "--exclude", "notes").returncode == 0
    assert "notes" not in called(staff, minutehand, shop)["context"]["assignee"]


@pytest.mark.parametrize("exclude", ["assignee.nothing", "nobody.notes", "nothing"])
def test_an_excluded_column_that_does_not_exist_is_refused(staff: App, minutehand: Minutehand, exclude: str) -> None:
    ended = minutehand("trigger", "add", "jobs", "--exclude", exclude)
    assert ended.returncode == 2
    assert exclude.split(".")[-1] in ended.stderr or exclude.split(".")[0] in ended.stderr


def test_they_are_hidden_where_an_execution_is_shown(staff: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    condition = {"conditions": [{"field": "door_pin", "operator": "equals", "value": "4711"}]}
    staff.workflow(webhook(shop.url), trigger_config=condition)
    staff.complete()
    minutehand.run_once()
    shown = [
        minutehand("executions", "show", str(staff.execution()["id"]), "-o", form).stdout for form in ("json", "table")
    ]
    assert all("J-2019" in text for text in shown)
    detail = staff.database.call("automation_execution_detail", p_id=str(staff.execution()["id"]))
    assert "4711" in json.dumps(detail), "it is there to be shown"
    assert "4711" not in "".join(shown)
