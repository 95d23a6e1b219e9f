"""Each page and action of the dashboard, and what runs until it is stopped, as the roles of docs/operations.md."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from minutehand.dashboard.routes import routes
from tests.dashboard.served import Serve
from tests.dashboard.test_access import failed, form_of, submit
from tests.journeys.app import App, Minutehand, wait_until, webhook
from tests.servers import on_both_servers

RUNNER, READER = "minutehand_runner", "minutehand_reader"
#: What each page answers; ID is an execution, FLOW a workflow, BULK a bulk action.
PAGES = {
    "/": "/",
    "/executions": "/executions?q=status:failed",
    "/executions/all": "/executions/all?q=status:failed",
    "/executions.{format:str}": "/executions.csv",
    "/executions/{id}": "/executions/ID",
    "/failures": "/failures",
    "/failures/retry": "/failures/retry?code=refused",
    "/workflows": "/workflows",
    "/workflows/{id}": "/workflows/FLOW?row=J-2019",
    "/health": "/health",
}
#: The actions, with their forms: a person's buttons.
ACTIONS: list[tuple[str, dict[str, str]]] = [
    ("/executions/action", {"action": "retry", "id": "ID"}),
    ("/executions/action", {"action": "cancel", "id": "ID"}),
    ("/workflows/{id}/action", {"action": "pause"}),
    ("/workflows/{id}/action", {"action": "resume"}),
    ("/bulk", {"action": "retry", "filter": '{"code": "refused"}', "spread": "86400"}),
]
#: These need no right, or are tried with a bulk action.
OTHERS = {
    *("/live", "/login", "/logout", "/static/{name}", "/executions/{id}/steps/{step}/html"),
    *("/bulk/{id}", "/bulk/{id}/stop"),
}


@pytest.fixture
def roles(app: App) -> Iterator[App]:
    for role, kind in ((RUNNER, "run"), (READER, "read")):
        app.database.sql(f"create role {role} login")
        app.database.sql(f"select minutehand.grant_role('{role}', '{kind}')")
    yield app
    for role in (RUNNER, READER):
        app.database.sql(f"drop owned by {role}")
        app.database.sql(f"drop role {role}")


def as_role(minutehand: Minutehand, role: str) -> dict[str, Any]:
    """The environment of this role."""
    return {"DATABASE_URL": minutehand.environment["DATABASE_URL"].replace("postgres@", f"{role}@", 1)}


def test_every_page_and_action_has_a_case() -> None:
    known = PAGES.keys() | {path for path, _ in ACTIONS} | OTHERS
    made = routes(None, SimpleNamespace(answer=lambda request: None))  # type: ignore[arg-type]
    assert {route.path for route in made} == known  # type: ignore[attr-defined]


@on_both_servers
def test_the_dashboard_works_as_the_role_that_runs(roles: App, serve: Serve, minutehand: Minutehand) -> None:
    flow, ids = roles.workflow(webhook("https://example.com/")), [failed(roles, "north") for _ in range(3)]
    roles.database.sql("insert into jobs (id, organization_id) values ('J-2019', 'north')")
    with serve(**as_role(minutehand, RUNNER)) as served:

        def put(text: str) -> str:
            return text.replace("ID", ids[0]).replace("FLOW", flow)

        for page in PAGES.values():
            answer = served.get(put(page))
            assert answer.status_code == 200, (page, answer.text)
        assert "postgres " in served.get("/").text.partition("<footer>")[2]
        token = form_of(served.get("/executions?q=status:failed").text)
        for path, form in ACTIONS:
            target = path.replace("{id}", flow)
            status = submit(served, target, token=token, **{name: put(value) for name, value in form.items()})
            assert status == 303, (path, form)
        bulk = roles.database.one("select id from automation_bulk_actions order by created_at desc limit 1")["id"]
        assert served.get(f"/bulk/{bulk}").status_code == 200
        assert submit(served, f"/bulk/{bulk}/stop", token=token) == 303
        assert served.get("/readyz").status_code == 200
        metrics = served.client.get(f"{served.url}/metrics", headers={"Authorization": "Bearer a-metrics-token"})
        assert metrics.status_code == 200
        assert served.call(ids[0]).status_code in (200, 409)
        heard = served.running.heard()
    assert "may not" not in heard, heard


def test_the_role_that_reads_has_the_pages_and_is_told_what_an_action_lacks(
    roles: App, serve: Serve, minutehand: Minutehand
) -> None:
    flow, id_ = roles.workflow(webhook("https://example.com/")), failed(roles, "north")
    roles.database.sql("insert into jobs (id, organization_id) values ('J-2019', 'north')")
    with serve("--read-only", **as_role(minutehand, READER)) as served:
        for page in PAGES.values():
            answer = served.get(page.replace("ID", id_).replace("FLOW", flow))
            assert answer.status_code == 200, (page, answer.text)
    with serve(**as_role(minutehand, READER)) as served:
        token = form_of(served.get("/executions?q=status:failed").text)
        headers = {"Origin": served.url, "Sec-Fetch-Site": "same-origin"}
        form = {"action": "retry", "id": id_, "token": token}
        said = served.client.post(f"{served.url}/executions/action", data=form, headers=headers)
        assert said.status_code == 503
        assert "role minutehand_reader may not call automation_retry" in said.text
        assert "select minutehand.grant_role(&#39;minutehand_reader&#39;)" in said.text


@pytest.mark.parametrize(
    "command", [("start",), ("worker", "--processes", "1"), ("serve", "--with-worker", "--port", "0")]
)
def test_a_process_works_as_the_role_that_runs(roles: App, minutehand: Minutehand, shop: Any, command: Any) -> None:
    roles.workflow(webhook(shop.url))
    roles.complete()
    environment = as_role(minutehand, RUNNER) | {
        "MINUTEHAND_ALERT_URLS": "json://127.0.0.1:9/",
        "MINUTEHAND_KEEP": "90d",
        "MINUTEHAND_API_TOKEN": "a-new-token",
    }
    with minutehand.running(*command, **environment) as running:
        wait_until(lambda: roles.execution()["status"] == "completed", f"{command} to run it")
        code, _, heard = running.end(signal.SIGTERM)
    assert (code, "may not" in heard, "permission" in heard) == (0, False, False), heard
