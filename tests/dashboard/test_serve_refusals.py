"""Who and what `minutehand serve` refuses, and what it says."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.dashboard.served import PATH, completed, problem
from tests.supabase.net_standin import install


def test_either_token_is_good_and_nothing_else(app, shop, served):
    (one,) = completed(app, shop)
    assert served.call(json={"test": True}, token="an-old-token").json() == {"success": True, "version": "0.1.0"}
    for token in (None, "", "a-new-toke", "a-new-token,an-old-token", "ä"):
        headers = {"Authorization": f"Bearer {token}".encode("latin-1")} if token else {}
        refusal = served.call(one, token=None, headers=headers)
        assert refusal.headers["www-authenticate"] == "Bearer"
        assert "token" in problem(refusal, 401)["detail"]
    assert problem(served.call(one, token=None, headers={"Authorization": "Basic a-new-token"}), 401)
    assert problem(served.call(token=None, json={"test": True}), 401)
    assert problem(served.call(token=None, content=b"x" * 1000), 401)
    assert shop.requests == []


@pytest.mark.parametrize("token", ["a-new-\n token", "a-new-token\n x: y", "a-new-token "], ids=repr)
def test_a_token_with_a_line_break_opens_nothing(served, token):
    request = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 14\r\n\r\n"
        + '{"test": true}'
    )
    with socket.create_connection(served.address, timeout=60) as raw:
        raw.sendall(request.encode())
        status = int(raw.recv(4096).split()[1])
    assert status in ((200,) if token.strip() == "a-new-token" else (400, 401))


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "not valid JSON"),
        (b"executionId=1", 400, "not valid JSON"),
        (b'{"executionId": ', 400, "not valid JSON"),
        (b"\xff\xfe", 400, "not valid JSON"),
        (b"[" * 60_000, 400, "not valid JSON"),
        (b"[]", 422, "executionId"),
        (b"{}", 422, "executionId"),
        (b'{"executionId": null}', 422, "executionId"),
        (b'{"executionId": 7}', 422, "executionId"),
        (b'{"executionId": {"a": 1}}', 422, "executionId"),
        (b'{"executionId": "test-1"}', 422, "executionId"),
        (b'{"executionId": "01a209d4"}', 422, "executionId"),
        (b'{"executionId": "00000000-0000-4000-8000-000000000000"}', 404, "does not exist"),
        (b"{" + b" " * 64 * 1024 + b"}", 413, "64 KiB"),
        (b'"' + b"x" * 2_000_000 + b'"', 413, "64 KiB"),
    ],
)
def test_a_body_that_cannot_be_understood_is_refused_with_what_to_send(served, content, status, words):
    assert words in problem(served.call(content=content), status)["detail"]


def test_a_large_body_of_unknown_length_is_refused_too(served):
    assert problem(served.call(content=(b"x" * 1000 for _ in range(2000))), 413)
    assert problem(served.call(content=(b"x" * 100_000 for _ in range(20))), 413)
    assert served.call(content=iter([b'{"test"', b": true}"])).status_code == 200


def test_another_method_or_page_is_refused(served):
    response = httpx.get(served.url + PATH)
    assert (problem(response, 405)["title"], response.headers["allow"]) == ("Method Not Allowed", "POST")
    problem(served.get("/nowhere"), 404)
    problem(served.get("/functions/v1/other"), 404)


# --- what each token opens --------------------------------------------------------------------------------------------

#: What a reply to direct mode's token may hold; a problem (RFC 9457) has a text of its own.
STATUS_ALONE = {"success", "executionId", "status"}


@pytest.mark.parametrize("token", ["a-direct-token", "an-old-direct-token"])
def test_with_the_direct_token_a_reply_is_the_status_alone(app, shop, served, token):
    first, second = completed(app, shop, 2)
    for _ in range(2):  # the second time it has ended
        answer = served.call(first, token=token)
        assert (answer.status_code, answer.json()) == (
            200,
            {"success": True, "executionId": first, "status": "completed"},
        )
    app.database.sql("insert into automation_control (scope, reason) values ('all', 'hush')")
    refusal = served.call(second, token=token)
    assert set(problem(refusal, 409)) - {"title", "detail"} == STATUS_ALONE | {"executionStatus"}
    assert "paused" not in refusal.text
    assert "hush" not in refusal.text
    assert served.call(json={"test": True}, token=token).json() == {"success": True}
    assert problem(served.call("00000000-0000-4000-8000-000000000000", token=token), 404)


@pytest.mark.parametrize("end", ["failed", "pending", "processing", "skipped", "cancelled"])
def test_whatever_became_of_it_the_direct_token_reads_no_reason(app, shop, served, end):
    (one,) = completed(app, shop)
    app.database.sql(
        "update automation_execution_logs set status = %s, code = 'a_code', reason = 'hush', error_message = 'hush',"
        ' actions_executed = \'[{"status": "failed", "error": "hush"}]\', scheduled_at = now() + interval \'1 day\'',
        end,
    )
    answer = served.call(one, token="a-direct-token")
    assert "hush" not in answer.text
    assert "a_code" not in answer.text
    assert "hush" in served.call(one).text or end in ("pending", "processing")


KINDS = {"api": "a-new-token", "direct": "a-direct-token", "metrics": "a-metrics-token"}


@pytest.mark.parametrize(("kind", "opens"), [("api", "call"), ("direct", "call"), ("metrics", "metrics")])
def test_each_kind_of_token_opens_its_own_endpoint_and_no_page(served, kind, opens):
    headers = {"Authorization": f"Bearer {KINDS[kind]}"}
    call = served.client.post(served.url + PATH, json={"test": True}, headers=headers)
    metrics = served.client.get(served.url + "/metrics", headers=headers)
    assert (call.status_code, metrics.status_code) == ((200, 401) if opens == "call" else (401, 200))
    for reply in (call, metrics):
        if reply.status_code == 401:
            assert "MINUTEHAND_" in problem(reply, 401)["detail"]
    elsewhere = {"params": {"token": KINDS[kind]}, "headers": {"Cookie": f"token={KINDS[kind]}"}}
    assert httpx.get(served.url + "/metrics", **elsewhere).status_code == 401  # type: ignore[arg-type]
    assert httpx.post(served.url + PATH, json={"test": True}, **elsewhere).status_code == 401  # type: ignore[arg-type]


def test_without_a_metrics_token_nobody_reads_metrics(serve):
    with serve(MINUTEHAND_METRICS_TOKEN=None) as served:
        for token in ("a-new-token", "a-direct-token", "-"):
            refusal = served.client.get(served.url + "/metrics", headers={"Authorization": f"Bearer {token}"})
            assert "MINUTEHAND_METRICS_TOKEN" in problem(refusal, 401)["detail"]


@pytest.mark.parametrize(
    "environment",
    [
        {"MINUTEHAND_DIRECT_TOKEN": "other,an-old-token"},
        {"MINUTEHAND_METRICS_TOKEN": "a-new-token"},
        {"MINUTEHAND_METRICS_TOKEN": "a-direct-token"},
    ],
    ids=str,
)
def test_a_token_of_two_kinds_is_refused_by_the_names_of_both(minutehand, serve, environment):
    done = minutehand("serve", "--port", "0", **environment)
    assert (done.returncode, done.stderr.count("MINUTEHAND_"), "in common" in done.stderr) == (78, 2, True), done.stderr
    assert "an-old-token" not in done.stderr


def test_the_token_in_vault_is_refused_as_a_wider_one(minutehand, serve, database):
    install(database)
    for token in ("an-old-token", "a-metrics-token"):
        database.call("automation_direct_on", p_url="http://127.0.0.1:9/", p_token=token)
        done = minutehand("serve", "--port", "0")
        assert (done.returncode, "MINUTEHAND_DIRECT_TOKEN" in done.stderr) == (78, True), done.stderr
    database.call("automation_direct_rotate", p_token="a-direct-token")
    with serve():
        pass
