"""Direct mode never hurts the app (R8): whatever is wrong, its statement commits, and waits once at most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import servers
from tests.servers import Database
from tests.sql.direct import calls, install, on, states
from tests.sql.jobs import move, notices, session

pytestmark = servers.on_both_servers


@pytest.fixture
def app(database: Database) -> Database:
    """An app with watched jobs and a workflow, on a database with pg_net and Vault."""
    install(database)
    return database


HARMS = {
    "extension missing": "drop schema net cascade",
    "its function missing": "drop function net.http_post",
    "its queue missing": "drop table net.http_request_queue",
    "Vault missing": "drop schema vault cascade",
    "secret missing": "delete from vault.secrets",
    "secret empty": "update vault.secrets set secret = ' '",
    "helpers missing": "drop function minutehand.direct_call, minutehand.direct_begin, minutehand.direct_undo",
    "schema missing": "alter schema minutehand rename to elsewhere",
}


@pytest.mark.parametrize("no_claim", [False, True], ids=["", "no-claim"])
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS.keys())
def test_whatever_is_missing_the_app_saves_and_is_warned_once(app: Database, harm: str, no_claim: bool) -> None:
    on(app, p_no_claim=no_claim)
    move(app, "warm")
    app.sql(harm)
    with notices(app) as heard:
        app.sql("update jobs set status = 'done'")
    assert app.one("select count(*) as n from jobs where status = 'done'")["n"] == 3
    assert len(heard) == 1
    assert heard[0].startswith("WARNING: minutehand: nobody was called for a new execution: ") or "recorded" in heard[0]
    if "schema minutehand" not in harm and "direct_undo" not in harm:
        assert states(app)[1:] == [("pending", None)] * 3


@pytest.mark.parametrize("no_claim", [False, True], ids=["", "no-claim"])
def test_a_url_of_null_calls_nobody(app: Database, no_claim: bool) -> None:
    on(app, p_no_claim=no_claim)
    app.sql(
        "do $$ begin perform minutehand.set_direct_triggers(jsonb_build_object("
        f"'url', null, 'timeout_ms', 5000, 'no_claim', {str(no_claim).lower()})); end $$"
    )
    with notices(app) as heard:
        move(app, "done")
    assert len(heard) == 1
    assert states(app) == [("pending", None)]


@contextmanager
def locked(database: Database, table: str) -> Iterator[None]:
    with session(database, autocommit=False) as other:
        other.sql(f"lock table {table} in access exclusive mode")
        yield


@pytest.mark.parametrize("no_claim", [False, True], ids=["", "no-claim"])
def test_a_locked_queue_is_waited_for_once_a_transaction(app: Database, no_claim: bool) -> None:
    on(app, p_no_claim=no_claim)
    app.sql(
        "insert into jobs (id, organization_id, status) select 'B-' || n, 'north', 'x' from generate_series(1, 100) n"
    )
    with locked(app, "net.http_request_queue"), notices(app) as heard:
        app.sql("set statement_timeout = '15s'")
        app.sql("update jobs set status = 'done'")
        assert len(heard) == 1
        app.sql("insert into automation_execution_logs (status) select 'pending' from generate_series(1, 100)")
        app.sql("reset statement_timeout")
    assert len(heard) == 2
    assert states(app) == [("pending", None)] * 203
    move(app, "next")
    assert len(calls(app)) == 1  # the next transaction is whole again


def test_a_role_of_the_app_without_rights_calls_by_ours(app: Database) -> None:
    on(app)
    app.sql("revoke all on schema net, vault from public")
    name = app.one("select 'app_' || current_database() as name")["name"]
    app.sql(f"create role {name}; grant select, update on jobs to {name}")
    try:
        with session(app) as other, notices(other) as heard:
            other.sql(f"set role {name}")
            move(other, "done")
    finally:
        app.sql(f"drop owned by {name}; drop role {name}")
    assert heard == []
    assert len(calls(app)) == 1
