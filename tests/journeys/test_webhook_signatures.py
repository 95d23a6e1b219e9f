"""Webhooks are signed with the secret of the workflow's tenant; receivers verify them with the public library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from minutehand.scheduler.demo.receivers import Request
from tests.journeys.app import SECRET, webhook
from tests.journeys.world import World


def secrets(world: World, *whose: str, **environment: str) -> list[str]:
    """What the command prints for the receiver."""
    done = world.minutehand("webhook-secret", "show", *whose, **environment)
    assert done.returncode == 0, done.stderr
    return list(done.stdout.split())


def verifies(request: Request, secret: str) -> bool:
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


def watch_holidays(world: World) -> None:
    """A table of no tenant beside the jobs."""
    world.app.database.sql("create table holidays (id text primary key, status text)")
    assert world.minutehand("trigger", "add", "holidays", "--tenant", "none").returncode == 0


def test_each_tenants_webhooks_verify_with_its_own_secret_alone(world: World) -> None:
    app, hook = world.app, webhook(f"{world.shop.url}/{{{{ workflow.name }}}}")
    watch_holidays(world)
    tenants: dict[str, dict[str, Any]] = {
        "north": {"organization_id": "north"},
        "south": {"organization_id": "south"},
        "ann": {"organization_id": None, "user_id": "north"},  # a user whose id is an organization's
        "operator": {"organization_id": None},
    }
    for name, columns in tenants.items():
        app.workflow(hook, name=name, trigger_type="holiday_created", **columns)
    app.database.sql("insert into holidays values ('H-1', 'x')")
    assert world.drain()["completed"] == 4
    known = {
        "north": secrets(world, "--organization", "north"),
        "south": secrets(world, "--organization", "south"),
        "ann": secrets(world, "--user", "north"),
        "operator": secrets(world),
    }
    assert known["operator"] == [SECRET]
    requests = {request.path.strip("/"): request for request in world.shop.requests}
    for name, request in requests.items():
        assert [other for other, (secret,) in known.items() if verifies(request, secret)] == [name]


def test_what_others_write_into_executions_and_rows_changes_no_signature(world: World) -> None:
    workflow = world.app.workflow(webhook(world.shop.url))
    job = world.job()
    world.app.database.sql("update automation_execution_logs set user_id = 'mallory'")
    world.insert_log(workflow, status="pending", user_id="mallory", trigger_data={"job_id": job})
    world.insert_log(workflow, status="pending", organization_id="south", trigger_data={"job_id": job})
    world.drain()
    (secret,) = secrets(world, "--organization", "north")
    assert world.shop.requests
    assert all(verifies(request, secret) for request in world.shop.requests)


def test_with_a_single_tenant_the_operators_secret_signs_everything(world: World) -> None:
    world.minutehand("trigger", "rm", "jobs")
    added = world.minutehand("trigger", "add", "jobs", "--tenant", "none")
    assert "MINUTEHAND_WEBHOOK_SECRET itself signs all webhooks from now on" in added.stderr
    world.app.workflow(webhook(world.shop.url), user_id="ann")
    world.job()
    world.drain()
    (request,) = world.shop.requests
    assert verifies(request, SECRET)
    assert secrets(world, "--organization", "north") == [SECRET]
    # The first table with tenants changes that, and says so.
    world.app.database.sql("create table visits (id text primary key, organization_id text, status text)")
    added = world.minutehand("trigger", "add", "visits")
    assert "each tenant's own secret signs its webhooks" in added.stderr
    assert "signs" not in world.minutehand("trigger", "add", "visits", "--type", "call").stderr
    world.job()
    world.drain()
    assert verifies(world.shop.requests[-1], *secrets(world, "--organization", "north"))
    assert not verifies(world.shop.requests[-1], SECRET)


def test_while_the_secret_is_rotated_the_old_and_the_new_one_verify(world: World) -> None:
    (old,) = secrets(world, "--organization", "north")
    new = "whsec_" + "bmV3" * 8
    world.minutehand.environment["MINUTEHAND_WEBHOOK_SECRET"] = f"{new},{SECRET}"
    both = secrets(world, "--organization", "north")
    assert both == [*secrets(world, "--organization", "north", MINUTEHAND_WEBHOOK_SECRET=new), old]
    world.app.workflow(webhook(world.shop.url))
    world.job()
    world.drain()
    (request,) = world.shop.requests
    assert all(verifies(request, secret) for secret in both)
    assert not verifies(request, SECRET)


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "words"),
    [
        (("--organization", "a", "--user", "b"), {}, 2, "not both"),
        ((), {"MINUTEHAND_WEBHOOK_SECRET": None}, 78, "set MINUTEHAND_WEBHOOK_SECRET"),
        ((), {"MINUTEHAND_WEBHOOK_SECRET": "hush"}, 78, "must be whsec_"),
        ((), {"MINUTEHAND_WEBHOOK_SECRET": "whsec_aGk=,hush"}, 78, "must be whsec_"),
    ],
)
def test_what_the_command_cannot_show_it_says(
    world: World, arguments: tuple[str, ...], environment: dict[str, Any], code: int, words: str
) -> None:
    done = world.minutehand("webhook-secret", "show", *arguments, **environment)
    assert (done.returncode, words in done.stderr, "hush" in done.stderr) == (code, True, False), done.stderr


def test_an_id_is_taken_as_the_database_writes_it(world: World) -> None:
    shown = json.loads(world.minutehand("webhook-secret", "show", "--organization", "north", "-o", "json").stdout)
    assert shown == {
        "schema": 1,
        "tenant": {"kind": "organization", "id": "north"},
        "single_tenant": False,
        "secrets": secrets(world, "--organization", "north"),
    }
