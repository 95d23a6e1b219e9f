"""Who may see the pages and what they may do.  The server checks it, whatever a page shows."""

from __future__ import annotations

import asyncio
import base64
import doctest
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from freezegun import freeze_time

from minutehand.dashboard.auth import logins, loopback
from minutehand.dashboard.auth.supabase_users import KEYS_SECONDS, LOOKUPS, REFETCH_SECONDS, SIGN_INS, SupabaseUsers
from minutehand.dashboard.pages import actions
from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.dashboard.served import Serve, Served, completed
from tests.dashboard.users import Project, for_users, project, role
from tests.journeys.app import App, Gate, Minutehand, wait_until

__all__ = ["for_users", "project"]
LOGINS = "ops:correct-horse-battery viewer:only-looks-at-it=view north:the-north-tenant=view,payloads,retry@north"
OPS, VIEWER, NORTH = (
    httpx.BasicAuth(*pair)
    for pair in (("ops", "correct-horse-battery"), ("viewer", "only-looks-at-it"), ("north", "the-north-tenant"))
)


def test_examples_in_docstrings_are_true() -> None:
    flags = doctest.ELLIPSIS
    assert [doctest.testmod(module, optionflags=flags).failed for module in (logins, loopback, actions)] == [0] * 3


def failed(app: App, organization: str, reason: str = "no luck") -> str:
    """Insert an execution that failed; return its id."""
    query = (
        "insert into automation_execution_logs (status, code, reason, trigger_data, organization_id, entity_id) "
        "values ('failed', 'refused', %s, %s, %s, 'J-1') returning id"
    )
    return str(app.database.one(query, reason, json.dumps({"secret": "payload"}), organization)["id"])


def form_of(page: str) -> str:
    """Return the token in the forms of a page."""
    found = re.search(r'name="token" value="(\w+)"', page)
    assert found, "the page has a form"
    return found[1]


def submit(served: Served, path: str, auth: Any = None, headers: Any = None, **form: Any) -> int:
    """Submit a form as a browser does; return the status."""
    said = {"Origin": served.url, "Sec-Fetch-Site": "same-origin"} | (headers or {})
    return served.client.post(served.url + path, data=form, headers=said, auth=auth).status_code


# --- addresses ---


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (("--host", "0.0.0.0"), {}, "open to others"),
        ((), {"MINUTEHAND_LOGINS": "ops"}, "write name:password"),
        ((), {"MINUTEHAND_LOGINS": "ops:short"}, "shorter than 12"),
        ((), {"MINUTEHAND_LOGINS": "ops:correct-horse-battery=fly"}, "Use view, payloads"),
        ((), {"MINUTEHAND_PROXY_HEADER": "X-User"}, "needs MINUTEHAND_PROXY_FROM"),
        ((), {"MINUTEHAND_PROXY_HEADER": "X-User", "MINUTEHAND_PROXY_FROM": "nowhere"}, "is not valid"),
        (("--no-dashboard",), {"MINUTEHAND_API_TOKEN": None}, "needs a token"),
    ],
)
def test_an_open_or_invalid_configuration_does_not_start(
    minutehand: Minutehand, options: tuple[str, ...], environment: dict[str, str | None], said: str
) -> None:
    done = minutehand("serve", "--port", "0", *options, **environment)
    assert (done.returncode, said in done.stderr) == (78, True), done.stderr
    assert "correct-horse" not in done.stderr
    assert "short " not in done.stderr


def test_loopback_needs_no_login_and_no_token(minutehand: Minutehand) -> None:
    with Serve(minutehand)("--port", "0") as served:
        assert served.get("/").status_code == 200
        assert served.call("01a210b8-93df-7416-bdc9-2c664b7162c9", token="anything").status_code == 403


def test_a_host_name_that_was_rebound_to_loopback_is_refused(served: Served) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
        assert served.client.get(served.url, headers={"Host": host}).status_code in (400, 421), host


@pytest.mark.parametrize("logins", [None, LOGINS], ids=["loopback", "logins"])
def test_another_site_cannot_make_a_browser_fetch_pages_or_files(serve: Serve, logins: str | None) -> None:
    def fetch(path: str, site: str, mode: str, dest: str) -> int:
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
        return served.client.get(served.url + path, headers=headers, auth=OPS).status_code

    with serve(MINUTEHAND_LOGINS=logins) as served:
        for path in ("/", "/executions", "/executions.csv", "/executions/x/steps/1/html"):
            for site in ("cross-site", "same-site"):  # a page of localhost:3000 is of the same site
                for how in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("no-cors", "script")):
                    assert fetch(path, site, *how) == 403, (path, site, how)
        link, file = ("navigate", "document"), "/executions.csv"
        assert fetch("/executions", "cross-site", *link) == 200, "a link leads here"
        assert fetch(file, "cross-site", *link) == 403, "a page could start many downloads"
        for site in ("none", "same-origin"):
            assert (fetch("/", site, *link), fetch(file, site, *link)) == (200, 200)
        assert fetch("/", "same-origin", "cors", "empty") == 200


def test_without_the_dashboard_only_the_api_answers(serve: Serve) -> None:
    with serve("--no-dashboard", "--host", "127.0.0.1") as served:
        assert served.get("/").status_code == 404
        assert served.get("/healthz").status_code == 200


# --- logins ---


@pytest.fixture
def guarded(serve: Serve) -> Iterator[Served]:
    """A server with logins."""
    with serve(MINUTEHAND_LOGINS=LOGINS) as running:
        yield running


def test_every_page_needs_a_login(guarded: Served, app: App) -> None:
    paths = ["/", "/executions", f"/executions/{failed(app, 'north')}", "/executions.csv", "/failures", "/workflows",
             "/health", "/live", "/executions/all", "/executions/x/steps/1/html"]  # fmt: skip
    for path in paths:
        answer = guarded.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert submit(guarded, "/executions/action", action="retry", id="x") == 401
    for wrong in (httpx.BasicAuth("ops", "wrong"), httpx.BasicAuth("viewer", "correct-horse-battery"),
                  httpx.BasicAuth("ops", "")):  # fmt: skip
        assert guarded.client.get(guarded.url, auth=wrong).status_code == 401
    assert guarded.client.get(guarded.url, auth=OPS).status_code == 200
    bearer = {"Authorization": "Bearer correct-horse-battery"}
    assert guarded.client.get(guarded.url, headers=bearer).status_code == 200


def test_each_action_needs_its_permission(guarded: Served, app: App) -> None:
    id_ = failed(app, "north")
    app.database.sql(
        "insert into communication_logs (status, execution_id, step, channel, recipient, sent_at) "
        "values ('sent', %s, '1', 'email', 'ann@example.com', now())",
        id_,
    )
    page = guarded.client.get(f"{guarded.url}/executions/{id_}", auth=VIEWER).text
    assert "ann@example.com" not in page
    assert "ann@example.com" in guarded.client.get(f"{guarded.url}/executions/{id_}", auth=OPS).text
    assert 'name="action"' not in page.partition("<main")[2].partition("</main")[0]
    assert "secret" not in page, "it may not see payloads"
    token = form_of(guarded.client.get(f"{guarded.url}/executions/{id_}", auth=OPS).text)
    for verb in ("retry", "cancel", "sent", "resend", "drop", "release"):
        assert submit(guarded, "/executions/action", VIEWER, action=verb, id=id_, token=token) == 403, "another's token"
    file = guarded.client.get(f"{guarded.url}/executions.csv", auth=VIEWER)
    assert (file.status_code, "payload" in file.text) == (200, False), "it holds what the list shows"
    assert app.database.one("select status from automation_execution_logs")["status"] == "failed"
    assert submit(guarded, "/executions/action", OPS, action="retry", id=id_, token=token) == 303
    assert app.database.one("select status from automation_execution_logs")["status"] == "pending"


def test_a_form_from_another_site_or_without_its_token_is_refused(guarded: Served, app: App) -> None:
    id_ = failed(app, "north")
    token = form_of(guarded.client.get(f"{guarded.url}/executions/{id_}", auth=OPS).text)
    said = {"action": "retry", "id": id_, "token": token}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert submit(guarded, "/executions/action", OPS, headers, **said) == 403, headers
    assert guarded.client.post(guarded.url + "/executions/action", data=said, auth=OPS).status_code == 403, "no Origin"
    for wrong in ("", "0" * 64, "é"):
        assert submit(guarded, "/executions/action", OPS, **{**said, "token": wrong}) == 403
    assert submit(guarded, "/executions/action", OPS, **{**said, "back": "x" * 70_000}) == 413
    assert app.database.one("select status from automation_execution_logs")["status"] == "failed"


def test_a_tenant_sees_and_changes_only_its_own(guarded: Served, app: App) -> None:
    own, other = failed(app, "north", "mine"), failed(app, "south", "of others")
    workflow = app.workflow(name="South's", organization_id="south")

    def get(path: str) -> httpx.Response:
        return guarded.client.get(guarded.url + path, auth=NORTH)

    for path in ("/executions", "/failures", "/executions.csv", "/executions.jsonl", "/executions?q=entity:J-1",
                 f"/executions/{own}", "/workflows", "/"):  # fmt: skip
        page = get(path)
        assert page.status_code == 200, path
        assert "of others" not in page.text, path
        assert other not in page.text, path
        assert "South&#39;s" not in page.text, path
    assert get(f"/executions/{other}").status_code == 404
    assert get(f"/workflows/{workflow}").status_code == 404
    assert get(f"/executions/{other}/steps/1/html").status_code == 404
    assert get("/health").status_code == 403
    token = form_of(get(f"/executions/{own}").text)
    submit(guarded, "/executions/action", NORTH, action="retry", id=other, token=token)
    submit(guarded, "/bulk", NORTH, action="retry", filter='{"status": "failed", "tenant": "south"}', token=token)
    submit(guarded, "/bulk", NORTH, action="retry", filter='{"status": "failed"}', token=token)
    submit(guarded, f"/workflows/{workflow}/action", NORTH, action="pause", token=token)
    statuses = "select status from automation_execution_logs where id = %s"
    wait_until(lambda: app.database.one(statuses, own)["status"] == "pending", "its own to be retried")
    rows = {str(row["id"]): row["status"] for row in app.database.sql("select * from automation_execution_logs")}
    assert rows == {own: "pending", other: "failed"}, "whatever the form says, it is its own that is retried"
    assert app.database.sql("select * from automation_control") == []


def test_a_read_only_dashboard_changes_nothing(serve: Serve, app: App) -> None:
    id_ = failed(app, "north")
    with serve("--read-only") as served:
        page = served.get(f"/executions/{id_}").text
        assert "Read only" in page
        assert 'name="action"' not in page.partition("<main")[2].partition("</main")[0]
        assert submit(served, "/executions/action", action="retry", id=id_, token="x") == 403
    assert app.database.one("select status from automation_execution_logs")["status"] == "failed"


def test_a_tenant_finds_its_own_by_the_beginning_of_an_id_and_no_other(guarded: Served, app: App) -> None:
    ids = {"north": "02b30000-0000-7000-8000-000000000001", "south": "02b30000-0000-7000-8000-000000000002"}
    for tenant, id_ in ids.items():
        app.database.sql("update automation_execution_logs set id = %s where id = %s", id_, failed(app, tenant))
    see = lambda path, auth: guarded.client.get(guarded.url + path, auth=auth)  # noqa: E731
    for path in ("/executions/02b300", "/executions/02B30000-0000-7000-8000"):
        assert ids["north"] in (page := see(path, NORTH).text)
        assert ids["south"] not in page
        operators = see(path, OPS)
        assert (operators.status_code, all(id_ in operators.text for id_ in ids.values())) == (422, True)
    assert see(f"/executions/{ids['south']}", NORTH).status_code == 404
    assert see(f"/executions/{ids['south']}/steps/0/html", NORTH).status_code == 404


def test_an_execution_that_names_another_tenants_event_does_not_show_it(guarded: Served, app: App) -> None:
    app.workflow({"type": "stop"}, name="South's", organization_id="south")
    app.database.sql("insert into jobs (id, organization_id, status) values ('S-1', 'south', 'scheduled')")
    app.database.sql("update jobs set status = 'completed' where id = 'S-1'")
    event = app.database.one("select id from automation_events where entity_id = 'S-1' order by id desc limit 1")["id"]
    id_ = failed(app, "north")
    app.database.sql("update automation_execution_logs set event_id = %s, replay_of = id where id = %s", event, id_)
    page = guarded.client.get(f"{guarded.url}/executions/{id_}", auth=NORTH)
    assert (page.status_code, "S-1" in page.text) == (200, False)
    theirs = app.database.one("select id from automation_execution_logs where organization_id = 'south'")["id"]
    assert "S-1" in guarded.client.get(f"{guarded.url}/executions/{theirs}", auth=OPS).text


def test_errors_show_a_tenant_neither_the_database_nor_other_workflows(guarded: Served, app: App) -> None:
    app.workflow(name="South's", organization_id="south")
    app.workflow(name="Twice", organization_id="south")
    app.workflow(name="Twice", organization_id="south")
    told = {
        guarded.client.get(f"{guarded.url}{path}", auth=NORTH).text.partition("</h1>")[2].partition("</p>")[0]
        for path in (
            "/workflows/South's",
            "/workflows/Nothing",
            "/workflows/Twice",
            f"/executions/{failed(app, 'south')}",
        )
    }
    assert told == {"<p>It does not exist, or it belongs to somebody else."}
    assert "2 workflows" in guarded.client.get(f"{guarded.url}/workflows/Twice", auth=OPS).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/executions/%00", 422),
        ("/workflows/%00", 422),
        ("/executions?q=entity:a%00b", 422),
        ("/executions?q=since:2026-03-01T10:00%2B23:59", 422),
        ("/executions/0", 404),
    ],
)
def test_an_invalid_address_is_an_error_page(serve: Serve, app: App, path: str, status: int) -> None:
    with serve() as served:
        answer = served.get(path)
        assert (answer.status_code, "<h1>" in answer.text) == (status, True)


def test_credentials_that_are_not_text_are_refused(guarded: Served) -> None:
    for shown in ("Basic \xe9\xe9".encode("latin-1"), b"Basic /zr/", "Bearer \xe9.\xe9.a".encode("latin-1")):
        assert guarded.client.get(guarded.url, headers={b"Authorization": shown}).status_code == 401


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"filter": "{"}, 422),
        ({"filter": "[" * 15_000}, 422),
        ({"filter": '{"status": 7}'}, 422),
        ({"filter": '["status"]'}, 422),
        ({}, 422),
        ({"filter": '{"status": "failed"}', "spread": "soon"}, 422),
        ({"filter": '{"status": "failed"}', "spread": "nan"}, 303),
        ({"filter": '{"status": "failed"}', "spread": "-5"}, 303),
        ({"filter": '{"since": "yesterday noon"}'}, 409),
    ],
    ids=["torn", "deep", "number", "list", "none", "word", "nan", "past", "time"],
)
def test_an_invalid_bulk_form_is_refused(serve: Serve, app: App, form: dict[str, str], status: int) -> None:
    failed(app, "north")
    with serve() as served:
        token = form_of(served.get("/executions/all?q=status:failed").text)
        assert submit(served, "/bulk", action="retry", token=token, **form) == status


def bulk_action(served: Served, auth: Any = None, **form: str) -> str:
    """Start a bulk action; return the path of its page."""
    page = served.client.get(f"{served.url}/executions/all?q=status:failed", auth=auth)
    fields = {"action": "retry", "filter": '{"code": "refused"}', "token": form_of(page.text), **form}
    headers = {"Origin": served.url, "Sec-Fetch-Site": "same-origin"}
    return served.client.post(f"{served.url}/bulk", data=fields, headers=headers, auth=auth).headers["location"]


def test_a_bulk_action_is_seen_and_stopped_on_another_server(serve: Serve, app: App) -> None:
    for _ in range(3):
        failed(app, "north")
    with serve() as first, serve() as second:
        path = bulk_action(first, spread="86400")
        wait_until(lambda: "1 of 3 done" in second.get(path).text, "its first step")
        assert submit(second, f"{path}/stop", token=form_of(second.get(path).text)) == 303
        assert "Stopped." in first.get(path).text


def test_a_bulk_action_survives_its_server(serve: Serve, app: App, minutehand: Minutehand) -> None:
    ids = [failed(app, "north") for _ in range(3)]
    with serve() as served:
        path = bulk_action(served, spread="86400")
    app.database.sql("update automation_bulk_actions set created_at = now() - interval '2 days'")
    minutehand("run-once", "--batch-size", "1")
    with serve() as served:
        page = served.get(path).text
    assert "3 of 3 done" in page
    assert "Finished." in page
    rows = app.database.sql("select past from automation_execution_logs")
    assert [len(row["past"] or []) >= 1 for row in rows] == [True] * len(ids)


def test_a_tenant_sees_only_its_own_bulk_actions(guarded: Served, app: App) -> None:
    failed(app, "north")
    failed(app, "south")
    of_all, own = bulk_action(guarded, OPS, spread="86400"), bulk_action(guarded, NORTH, spread="86400")
    assert guarded.client.get(guarded.url + of_all, auth=NORTH).status_code == 404
    page = guarded.client.get(guarded.url + own, auth=NORTH)
    assert (page.status_code, "of 1 done" in page.text) == (200, True)
    assert guarded.client.get(guarded.url + own, auth=OPS).status_code == 200


def test_at_most_ten_bulk_actions_run_at_once(serve: Serve, app: App) -> None:
    for _ in range(15):
        failed(app, "north")
    with serve() as served:
        token = form_of(served.get("/executions/all?q=status:failed").text)
        form = {"action": "retry", "filter": '{"code": "refused", "entity": "J-1"}', "spread": "86400", "token": token}
        assert [submit(served, "/bulk", **form) for _ in range(11)] == [303] * 10 + [409]


def test_stopping_a_bulk_retry_needs_the_permission_retry(serve: Serve, app: App) -> None:
    failed(app, "north")
    failed(app, "north")
    logins = "ops:correct-horse-battery stop:cancels-only-this=view,cancel"
    cancels = httpx.BasicAuth("stop", "cancels-only-this")
    with serve("--host", "0.0.0.0", MINUTEHAND_LOGINS=logins) as served:
        asked = served.client.get(f"{served.url}/executions/all?q=status:failed", auth=OPS)
        form = {"action": "retry", "filter": '{"code": "refused"}', "spread": "86400", "token": form_of(asked.text)}
        headers = {"Origin": served.url, "Sec-Fetch-Site": "same-origin"}
        place = served.client.post(f"{served.url}/bulk", data=form, headers=headers, auth=OPS).headers["location"]
        token = form_of(served.client.get(served.url + place, auth=cancels).text)
        assert submit(served, f"{place}/stop", cancels, token=token) == 403
        assert submit(served, f"{place}/stop", OPS, token=form_of(asked.text)) == 303


# --- a proxy, and the users of the project ---


def test_only_the_proxy_may_name_the_user(serve: Serve) -> None:
    with serve(MINUTEHAND_PROXY_HEADER="X-User", MINUTEHAND_PROXY_FROM="127.0.0.1") as served:
        assert served.get("/").status_code == 401
        named = served.client.get(served.url, headers={"X-User": "ann"})
        assert (named.status_code, "ann" in named.text) == (200, True)
        twice = httpx.Headers([("X-User", "ann"), ("X-User", "root")])
        assert served.client.get(served.url, headers=twice).status_code == 401
        onward = {"X-User": "ann", "X-Forwarded-For": "203.0.113.9"}
        assert served.client.get(served.url, headers=onward).status_code == 200, (
            "whom the proxy serves is not the proxy"
        )
    with serve(MINUTEHAND_PROXY_HEADER="X-User", MINUTEHAND_PROXY_FROM="10.9.9.0/24") as served:
        assert served.client.get(served.url, headers={"X-User": "ann"}).status_code == 403
        forged = {"X-User": "ann", "X-Forwarded-For": "10.9.9.1"}
        assert served.client.get(served.url, headers=forged).status_code == 403, "a header is no address"


def test_loopback_refuses_requests_that_a_proxy_forwarded(serve: Serve) -> None:
    with serve() as served:
        for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
            assert served.client.get(served.url, headers={header: "203.0.113.9"}).status_code == 421
        assert served.get("/").status_code == 200


def get_as(served: Served, token: str, path: str = "/executions") -> httpx.Response:
    """Get a page with this token."""
    return served.client.get(served.url + path, headers={"Authorization": f"Bearer {token}"})


def test_the_role_of_a_user_sets_the_permissions(for_users: Served, project: Project, app: App) -> None:
    id_ = failed(app, "north")
    assert get_as(for_users, project.token(**role("viewer"))).status_code == 200
    assert "Retry" not in get_as(for_users, project.token(**role("viewer")), f"/executions/{id_}").text
    assert "Retry" in get_as(for_users, project.token(**role("operator")), f"/executions/{id_}").text
    south = project.token(**role("admin", minutehand_tenant="south"))
    assert get_as(for_users, south, f"/executions/{id_}").status_code == 404


def test_invalid_tokens_are_refused(for_users: Served, project: Project) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    unsigned = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none", "kid": "k1"}, {"sub": "u", "aud": "authenticated", "exp": 9e9, **role("admin")})
    )
    public = project.key.public_key()
    from cryptography.hazmat.primitives import serialization as ser

    pem = public.public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    for token in (
        project.token(other, **role("admin")),
        project.token(**role("admin"), exp=time.time() - 1),
        project.token(**role("admin"), aud="anon"),
        project.token(),
        project.token(user_metadata={"minutehand_role": "admin"}),
        project.token(**role("emperor")),
        f"{unsigned}.",
        _signed_with_public_key(pem, role("admin")),
        _with_algorithm("RS256", project.token(**role("admin"))),
        _with_algorithm("EdDSA", project.token(**role("admin"))),
        "nonsense",
    ):
        answer = get_as(for_users, token)
        assert (answer.status_code, answer.headers.get("location", "").partition("?")[0]) == (303, "/login"), token


def _with_algorithm(algorithm: str, token: str) -> str:
    """Return the token with a header that names another algorithm than that of its key."""
    head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "k1"}).encode()).decode().rstrip("=")
    return ".".join((head, *token.split(".")[1:]))


def test_unknown_keys_cause_one_fetch(for_users: Served, project: Project) -> None:
    get_as(for_users, project.token(**role("admin")))
    before = len(project.requests)
    tokens = [project.token(kid=f"unknown-{number}", **role("admin")) for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert {answer.status_code for answer in pool.map(lambda token: get_as(for_users, token), tokens)} == {303}
    assert (before, len(project.requests) - before <= 1) == (1, True)


def test_the_last_keys_are_used_while_the_auth_server_is_away() -> None:
    with Project() as project:
        users = SupabaseUsers(project.url, "sb_secret_x")
        token = project.token(**role("viewer"), exp=time.time() + 10 * KEYS_SECONDS)
        assert asyncio.run(users.user_of(token)) is not None
    with freeze_time(real_asyncio=True) as frozen:
        frozen.tick(KEYS_SECONDS + 1)
        assert asyncio.run(users.user_of(token)) is not None
        assert asyncio.run(users.user_of(project.token(kid="unknown", **role("viewer")))) is None
    assert asyncio.run(SupabaseUsers(project.url, "sb_secret_x").user_of(token)) is None


def test_wrong_passwords_are_slow_and_limited(for_users: Served, project: Project) -> None:
    def guess(number: int) -> int:
        said = {"email": "ann@example.com", "password": f"wrong-{number}"}
        return for_users.client.post(
            f"{for_users.url}/login", data=said, headers={"Origin": for_users.url}, timeout=60
        ).status_code

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(guess, range(30))) == {401}
    assert 1 <= project.sign_ins <= 10


@pytest.mark.parametrize("what", ["sign-ins", "unknown keys"])
def test_a_slow_auth_server_delays_neither_sends_nor_users_who_signed_in(
    serve: Serve, project: Project, app: App, shop: HttpReceiver, what: str
) -> None:
    settings = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_x"}
    with serve("--with-worker", "--supabase-users", "--backend", "postgres", **settings) as served:
        ann = project.token(**role("admin"))
        assert get_as(served, ann).status_code == 200
        with freed(Gate()) as gate, ThreadPoolExecutor(120) as pool:
            project.gate = gate

            def attack(number: int) -> int:
                if what == "unknown keys":
                    return get_as(served, project.token(kid=f"unknown-{number}", **role("admin"))).status_code
                form = {"email": "ann@example.com", "password": f"wrong-{number}"}
                return served.client.post(f"{served.url}/login", data=form, headers={"Origin": served.url}).status_code

            # The keys are fetched again for an unknown one once they are older than this.
            time.sleep(REFETCH_SECONDS if what == "unknown keys" else 0)
            answers = [pool.submit(attack, number) for number in range(120)]
            wait_until(gate.reached.is_set, "the auth server's first request")
            completed(app, shop, 3)
            wait_until(lambda: len(shop.requests) == 3, "the sends")
            assert get_as(served, ann).status_code == 200
            assert served.get("/healthz").status_code == 200
            most = SIGN_INS if what == "sign-ins" else LOOKUPS
            wait_until(lambda: sum(not answer.done() for answer in answers) <= most, "the refusal of the others")
            gate.set()
            statuses = {answer.result() for answer in answers}
        assert statuses == ({401} if what == "sign-ins" else {303, 503})
        assert project.sign_ins <= SIGN_INS


@contextmanager
def freed(gate: Gate) -> Iterator[Gate]:
    """Open the gate at the end of the block, whatever happens in it."""
    try:
        yield gate
    finally:
        gate.set()


def _signed_with_public_key(pem: bytes, claims: dict[str, Any]) -> str:
    """Return a token signed by HS256 with the public key as its secret."""
    import hashlib
    import hmac

    said = {"sub": "u", "aud": "authenticated", "exp": 9_999_999_999, **claims}
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "k1"}, said)
    )
    mac = base64.urlsafe_b64encode(hmac.new(pem, head + b"." + body, hashlib.sha256).digest()).rstrip(b"=")
    return b".".join((head, body, mac)).decode()


def test_signing_in_and_out(for_users: Served, project: Project) -> None:
    with httpx.Client(base_url=for_users.url, headers={"Origin": for_users.url}, timeout=60) as browser:
        assert browser.get("/executions?q=status:failed").headers["location"] == (
            "/login?back=%2Fexecutions%3Fq%3Dstatus%3Afailed"
        )
        said = {"email": "ann@example.com", "password": "wrong", "back": "/failures"}
        assert browser.post("/login", data=said).status_code == 401
        said["password"] = "right"
        assert "may not see the dashboard" in browser.post("/login", data=said).text
        project.claims = role("admin")
        assert browser.post("/login", data=said, headers={"Origin": "https://evil.example"}).status_code == 403
        done = browser.post("/login", data=said)
        assert (done.status_code, done.headers["location"]) == (303, "/failures")
        cookie = done.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "ann@example.com" in browser.get("/failures").text
        browser.post("/logout")
        assert browser.get("/failures").status_code == 303
