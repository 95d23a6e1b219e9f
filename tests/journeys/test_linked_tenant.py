"""A row of one tenant that refers to a row of another: nothing of the other leaves, and the reason is said."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.journeys.app import App, Minutehand, email, webhook
from tests.servers import Database


@pytest.mark.parametrize(
    "step",
    [
        email(),  # to the client, since the step names nobody
        email(to="{{ client.email }}"),
        {"type": "update_record", "config": {"table": "jobs", "values": {"title": "{{ client.name }}"}}},
    ],
    ids=["the default recipient", "a recipient from a template", "a value of a record"],
)
def test_a_client_of_another_tenant_gets_and_gives_nothing(
    database: Database, minutehand: Minutehand, post: SmtpReceiver, step: dict[str, Any]
) -> None:
    app = App(database)
    database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    app.workflow(step)
    job = app.complete(client="C-3")  # the client of south
    assert minutehand.run_once()["failed"] == 1
    status, code, reason = app.end_of(job)
    assert (status, code) == ("failed", "link_other_tenant")
    assert "client belongs to another tenant" in str(reason)
    assert post.messages == []
    assert "Harbour" not in str(app.executions()) + str(database.sql("select * from jobs"))


def test_the_default_body_of_a_webhook_leaves_it_out(
    database: Database, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    app = App(database)
    app.workflow(webhook(shop.url))
    app.complete(client="C-3")
    minutehand.run_once()
    (request,) = shop.requests
    assert b"Harbour" not in request.body
