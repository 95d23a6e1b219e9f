"""Bad input ends with a code and a reason, and a healthy execution in the same batch completes (R16)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.executor.local import LocalExecutor
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.demo.receivers import Answer, Trouble
from minutehand.scheduler.engine.summary import Summary
from minutehand.store import Store
from tests.engines import engine_over
from tests.journeys.app import App, email, webhook

BIG = "x" * 1_000_000

Ends = Callable[..., dict[str, tuple[str, str | None, str]]]


@pytest.fixture
def ends(app, minutehand, shop) -> Ends:
    """Complete a job for all workflows and a healthy one, in one batch; returns status, code and reason by workflow."""

    def run(*arguments: str, client: str = "C-1", **environment: str | None) -> dict[str, tuple[str, str | None, str]]:
        app.workflow(webhook(f"{shop.url}/healthy"), name="Healthy")
        app.complete(client=client)
        minutehand.run_once("--batch-size", "100", *arguments, **environment)
        results = ends_of(app)
        assert results.pop("Healthy") == ("completed", None, "")
        assert "/healthy" in [request.path for request in shop.requests]
        return results

    return run


@pytest.fixture
def inner() -> Iterator[socket.socket]:
    """A server that workflows must not reach; `accept` raises BlockingIOError while nobody has connected."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def ends_of(app: App) -> dict[str, tuple[str, str | None, str]]:
    rows = app.database.sql(
        "select w.name, l.status, l.code, coalesce(l.reason, '') as reason from automation_execution_logs l"
        " join automation_workflows w on w.id = l.workflow_id"
    )
    assert len({row["name"] for row in rows}) == len(rows)
    return {row["name"]: (row["status"], row["code"], row["reason"]) for row in rows}


MALFORMED: dict[str, Any] = {
    "step 1: expected an object, got a number": [7],
    "step 1: expected an object, got null": [None],
    "step 2: expected an object, got a list": [email(), [[[]]]],
    "step 1: `config` must be an object, got a list": [{"type": "email", "config": [1]}],
    "step 2: it has no type": [email(), {"config": {}}],
    "step 3: its type must be text of at most 200 characters": [email(), email(), {"type": {"type": "email"}}],
    "step 4: a text has more than": [email(), email(), email(), {"type": BIG[:400_000]}],
    "step 2 (Beam up): there is no action `teleport`": [email(), {"type": "teleport", "name": "Beam up"}],
    "step 1 (email): `subject` is missing": [{"type": "email", "config": {"subject": 1, "message": {}}}],
    "step 1 (email): `to` must be": [email(to={})],
    "step 1 (webhook): `url`: the URL must be http:// or https://": [webhook("ftp://example.com")],
    "step 1 (webhook): `headers` must be an object": [webhook("http://example.com", headers=3)],
    "step 1 (email): its id is longer than": [email() | {"id": "x" * 201}],
    "step 2 (email): several steps have the id 'a'": [email() | {"id": "a"}, email() | {"id": "a"}],
    "step 101 (email): a workflow may have at most 100 steps": [email()] * 101,
}


NO_LIST: dict[str, Any] = {
    "steps: expected a list, got a number": 7,
    "steps: expected a list, got text that is not JSON": "email",
    "steps: expected a list, got true or false": True,
    "steps: expected a list, got an object": {"type": "email"},
}


def test_steps_that_are_no_list_start_nothing_and_are_named(app, minutehand, ends):
    for words, steps in NO_LIST.items():
        app.workflow(steps=steps, name=words)
    assert ends() == {}
    listed = {row["name"]: row for row in json.loads(minutehand("workflows", "ls", "-o", "json").stdout)}
    assert {words: listed[words]["problems"] for words in NO_LIST} == {
        words: [f"will never run: {words}"] for words in NO_LIST
    }


def test_malformed_workflows_fail_by_name_and_send_nothing(app, ends, post):
    for words, steps in MALFORMED.items():
        app.workflow(steps=steps, name=words)
    results = ends()
    assert {name for name, (status, code, _) in results.items() if (status, code) == ("failed", "bad_workflow")} == set(
        MALFORMED
    )
    for words, (_, _, reason) in results.items():
        assert reason.startswith(words)
        assert len(reason) < 1000
    assert post.messages == []


CONDITIONS = {
    "number": 7,
    "text": "completed",
    "list": [7],
    "group": {"all": 7},
    "nested": [[[[{}]]]],
    "operator": [{"field": "status", "operator": "resembles", "value": 1}],
    "big": [BIG[:100_000]],
}


def test_malformed_conditions_match_nothing_and_are_reported(app, ends, minutehand):
    for name, conditions in CONDITIONS.items():
        app.workflow(email(), name=name, trigger_config={"conditions": conditions})
    assert ends() == {}
    output = minutehand("status").stdout
    for name in CONDITIONS:
        assert f"workflow '{name}' will never run: conditions" in output


def test_an_invalid_trigger_config_affects_no_other_workflow(app, ends):
    for name, config in {"number": 7, "list": [], "text": "x", "null": None}.items():
        app.workflow(email(), name=name, trigger_config=config)
    ends()


HOSTILE = {
    "loops": "{% for i in range(9999999999) %}{% for j in range(9999999999) %}x{% endfor %}{% endfor %}",
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ self.__init__.__globals__ }}",
    "repeat": "{{ 'x' * 999999999 }}",
    "recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "include": "{% include '/etc/passwd' %}",
    "parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "power": "{{ 9 ** 9 ** 9 }}",
    "unclosed": "{{",
}


def test_hostile_templates_fail_their_step_and_send_nothing(app, ends, post):
    for name, message in HOSTILE.items():
        app.workflow(email(message=message), name=name)
    results = ends()
    assert {name: end[:2] for name, end in results.items()} == dict.fromkeys(HOSTILE, ("failed", "bad_template"))
    assert post.messages == []


REPLIES = (b"a\x00b", b'{"a": "\\u0000 \\ud800"}', b"\xed\xa0\x80", b"\xff\xfe", BIG.encode())


@pytest.mark.parametrize(("status", "end"), [(200, ("completed", None)), (404, ("failed", "refused"))])
def test_a_reply_that_cannot_be_stored_still_settles(app, ends, shop, status, end):
    for number, body in enumerate(REPLIES):
        app.workflow(webhook(f"{shop.url}/odd"), name=str(number))
        shop.then(Answer(status=status, body=body))
    # One at a time, so that the healthy execution, which is last, gets the last answer.
    results = ends("--concurrency", "1")
    assert [results[str(number)][:2] for number in range(len(REPLIES))] == [end] * len(REPLIES)


def test_a_private_address_is_refused_by_number_and_by_name(app, ends, inner):
    hosts = ("127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "10.0.0.1", "169.254.169.254")
    for host in hosts:
        app.workflow(webhook(f"http://{host}:{inner.getsockname()[1]}/"), name=host)
    results = ends()
    assert {end[0] for end in results.values()} == {"failed"}
    assert {results[host][1] for host in hosts if host[0] in "1[l"} == {"private_address"}
    assert {results[host][1] for host in ("0x7f.1", "2130706433")} <= {"private_address", "bad_url", "bad_workflow"}
    with pytest.raises(BlockingIOError):
        inner.accept()


def test_a_redirect_is_not_followed(app, ends, shop, inner):
    shop.then(Answer(status=307, headers={"Location": f"http://127.0.0.1:{inner.getsockname()[1]}/"}))
    app.workflow(webhook(f"{shop.url}/moved"), name="Moved")
    assert ends("--concurrency", "1")["Moved"][:2] == ("failed", "redirect")
    with pytest.raises(BlockingIOError):
        inner.accept()


def test_a_receiver_that_never_answers_is_tried_again_later(app, shop):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        app.workflow(webhook(f"http://127.0.0.1:{mute.getsockname()[1]}/"), name="Mute")
        app.workflow(webhook(shop.url), name="Healthy")
        app.complete()
        settings = ExecutorSettings(action_timeout_seconds=2, allow_private_addresses=True)
        assert run_here(app, settings).ends["retried"] == 1
    results = ends_of(app)
    assert results["Mute"][:2] == ("pending", "uncertain_send")
    assert "may have arrived" in results["Mute"][2]
    assert results["Healthy"][0] == "completed"


def test_an_smtp_problem_is_a_retry_a_failure_or_uncertain(app, ends, post):
    replies = {
        "451 later": ("pending", "smtp_busy"),
        "554 never": ("failed", "smtp_refused"),
        "": ("pending", "unreachable"),
    }
    wanted = {}
    for reply, end in replies.items():
        for at in ("MAIL", "RCPT", "DATA", "CONTENT"):
            post.then(Trouble(at=at, reply=reply))
            app.workflow(email(), name=f"{at} {reply}")
            wanted[f"{at} {reply}"] = end
    wanted["CONTENT "] = ("failed", "uncertain_send")
    results = ends("--concurrency", "1")
    assert {name: end[:2] for name, end in results.items()} == wanted
    assert sorted(send["status"] for send in app.sends_by("email")) == ["failed"] * 11 + ["uncertain"]
    assert post.messages == []


def test_a_mail_server_that_is_away_is_tried_again(app, minutehand, ends, post):
    app.workflow(email(), name="Mail")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        results = ends(SMTP_URL=f"smtp://me:hush@127.0.0.1:{taken.getsockname()[1]}")
    status, code, reason = results["Mail"]
    assert (status, code) == ("pending", "unreachable")
    assert "hush" not in reason
    app.make_due()
    assert minutehand.run_once()["completed"] == 1
    assert len(post.messages) == 1


def test_an_email_without_settings_fails_and_names_them(app, ends):
    app.workflow(email(), name="Mail")
    status, code, reason = ends(SMTP_URL=None)["Mail"]
    assert (status, code) == ("failed", "not_configured")
    assert "SMTP_URL" in reason


FOREIGN: tuple[tuple[Any, tuple[str, str], str], ...] = (
    (None, ("failed", "no_recipient"), "the row has no client"),
    (7, ("failed", "unreadable"), "trigger_data: expected an object, got a number"),
    ("x", ("failed", "unreadable"), "trigger_data: expected an object, got text that is not JSON"),
    ([], ("failed", "no_recipient"), "the row has no client"),
    ({"record_id": {"a": 1}}, ("failed", "no_recipient"), "the row has no client"),
    ({"table_name": "pg_authid", "record_id": "1"}, ("failed", "no_recipient"), "the row has no client"),
    ({"job_id": BIG}, ("failed", "no_recipient"), "the row has no client"),
    ({"table_name": "jobs", "record_id": "J-0"}, ("skipped", "row_gone"), "job J-0 is gone"),
)


def test_invalid_rows_that_others_inserted_end_with_a_reason(app, ends):
    for number, (data, _, _) in enumerate(FOREIGN):
        workflow = app.workflow(email(message="Hello"), name=str(number), trigger_type="never")
        app.database.sql(
            "insert into automation_execution_logs (workflow_id, trigger_type, status, trigger_data)"
            " values (%s, 'job_completed', 'pending', %s)",
            workflow,
            Jsonb(data),
        )
    results = ends()
    assert {name: end[:2] for name, end in results.items()} == {str(n): end for n, (_, end, _) in enumerate(FOREIGN)}
    assert all(reason in results[str(number)][2] for number, (_, _, reason) in enumerate(FOREIGN))


def run_here(app: App, settings: ExecutorSettings, **more: Any) -> Summary:
    """Run one tick in this process, with settings that have no option."""

    async def go() -> Summary:
        store = Store.postgres(app.database.url)
        try:
            async with LocalExecutor(store, settings) as executor:
                engine = engine_over(store, executor.execute, **more)
                return await engine.run(await store.tick())
        finally:
            await store.close()

    return asyncio.run(go())
