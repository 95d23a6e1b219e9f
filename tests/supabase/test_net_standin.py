"""The stand-ins of pg_net, Vault and pg_cron do what the extensions do, also what they do badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from tests.journeys.app import wait_until
from tests.servers import Database, on_both_servers
from tests.supabase import net_standin

pytestmark = on_both_servers

#: Every argument, by name.
FULL = """
select net.http_post(
  url := %s, body := '{"a": 1}', params := '{"q": "1"}', headers := '{"x-a": "b"}', timeout_milliseconds := 5000) as id
"""


@pytest.fixture
def net(empty_database: Database) -> Database:
    """A plain database with the stand-ins, without Supabase's roles."""
    net_standin.install(empty_database)
    return empty_database


@pytest.fixture
def shop() -> Iterator[HttpReceiver]:
    """Receives the requests."""
    with HttpReceiver() as receiver:
        yield receiver


def post(database: Database, url: str | None, **more: Any) -> int:
    """Queue a request."""
    return int(database.one("select net.http_post(%s, timeout_milliseconds := 500) as id", url)["id"])


def response(database: Database, number: int) -> dict[str, Any]:
    """What became of a request."""
    wait_until(lambda: database.sql("select id from net._http_response where id = %s", number), f"response {number}")
    return database.one("select * from net._http_response where id = %s", number)


def test_a_request_leaves_after_the_commit_with_what_was_given(net: Database, shop: HttpReceiver) -> None:
    with net_standin.delivering(net):
        with net.connection.transaction():
            number = net.one(FULL, f"{shop.url}/x")["id"]
            assert shop.requests == []
        told = response(net, number)
    (request,) = shop.requests
    assert (request.path, json.loads(request.body)) == ("/x?q=1", {"a": 1})
    assert (request.headers["x-a"], request.headers["content-type"]) == ("b", "application/json")
    assert (told["status_code"], told["timed_out"], told["error_msg"]) == (200, False, None)


def test_a_rolled_back_request_never_leaves(net: Database, shop: HttpReceiver) -> None:
    with net_standin.delivering(net):
        with net.connection.transaction(force_rollback=True):
            post(net, shop.url)
        response(net, post(net, f"{shop.url}/kept"))
    assert [request.path for request in shop.requests] == ["/kept"]


def test_what_was_queued_before_is_delivered_too(net: Database, shop: HttpReceiver) -> None:
    numbers = [post(net, shop.url) for _ in range(3)]
    with net_standin.delivering(net):
        assert [response(net, number)["status_code"] for number in numbers] == [200, 200, 200]


def test_a_refused_connection_is_noted_and_not_retried(net: Database) -> None:
    with net_standin.delivering(net):
        told = response(net, post(net, "http://127.0.0.1:1"))
    assert (told["status_code"], told["error_msg"]) == (None, "Couldn't connect to server")
    assert net.sql("select id from net.http_request_queue") == []


def test_a_late_answer_is_noted_as_timed_out(net: Database, shop: HttpReceiver) -> None:
    never = threading.Event()
    shop.then(Answer(after=never))
    with net_standin.delivering(net):
        told = response(net, post(net, shop.url))
    never.set()
    assert (told["timed_out"], told["status_code"]) == (True, None)


def test_a_null_url_raises_in_the_callers_transaction(net: Database) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation):
        post(net, None)


def test_another_content_type_is_refused(net: Database) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="Content-Type"):
        net.sql("select net.http_post('http://x', headers := '{\"content-type\": \"text/plain\"}')")


def test_vault_keeps_a_secret_and_changes_only_what_is_given(net: Database) -> None:
    made = net.one("select vault.create_secret('one', 'token', 'ours') as id")["id"]
    net.sql("select vault.update_secret(%s, 'two')", made)
    found = net.one("select name, description, decrypted_secret from vault.decrypted_secrets where id = %s", made)
    assert found == {"name": "token", "description": "ours", "decrypted_secret": "two"}
    with pytest.raises(psycopg.errors.UniqueViolation):
        net.sql("select vault.create_secret('other', 'token')")


def test_a_job_of_the_same_name_is_replaced_and_an_unknown_one_not_unscheduled(net: Database) -> None:
    for schedule in ("* * * * *", "30 seconds"):
        net.sql("select cron.schedule('sweep', %s, 'select 1')", schedule)
    assert net.sql("select jobname, schedule from cron.job") == [{"jobname": "sweep", "schedule": "30 seconds"}]
    net.sql("select cron.unschedule('sweep')")
    with pytest.raises(psycopg.errors.RaiseException, match="could not find"):
        net.sql("select cron.unschedule('sweep')")
