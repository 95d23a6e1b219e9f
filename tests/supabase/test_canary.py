"""What the gateway mends of @supabase/lite stays mended: an upgrade that breaks one of it fails here, by name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from supabase import AsyncClient

from tests.journeys.app import wait_until
from tests.supabase.client import ask, call, knows
from tests.supabase.stack import Project, Stack, on_both_stacks

pytestmark = on_both_stacks

#: What an app could have; all of it is for service_role alone.
APP = """
create table closed (id int);
revoke all on closed from public, anon, authenticated, service_role;
create table things (
  id int primary key, j jsonb, t timestamptz default '2026-01-02 03:04:05.6+00', n numeric default 1.50,
  b bytea default 'x', word text default 'given', many int check (many < 10)
);
alter table things enable row level security;
create table mine (id int primary key, owner uuid);
alter table mine enable row level security;
create policy own on mine for select to authenticated using (owner = auth.uid());
insert into mine values (1, '00000000-0000-4000-8000-000000000001'), (2, '00000000-0000-4000-8000-000000000002');
grant select on mine to anon, authenticated;
create function kind_of(p jsonb) returns text language sql as 'select jsonb_typeof(p)';
create function fail(p_code text) returns void language plpgsql as $$
begin
  raise exception 'no' using errcode = p_code, detail = 'd', hint = 'h';
end
$$;
create function slow() returns void language sql as 'select pg_sleep(30)';
create function rows() returns setof int language sql as 'select generate_series(1, 20)';
create table queue (id int primary key, taken boolean default false);
insert into queue select generate_series(1, 60);
create function take() returns jsonb language sql security definer set search_path = '' as $$
  with free as (select id from public.queue where not taken order by id limit 2 for update skip locked),
       mine as (update public.queue q set taken = true from free where q.id = free.id returning q.id)
  select jsonb_agg(id) from mine
$$;
revoke execute on all functions in schema public from public, anon, authenticated;
grant all on things to service_role;
grant execute on function kind_of, fail, slow, rows, take to service_role;
notify pgrst, 'reload schema';
"""

NEWER = """
create function newer() returns int language sql as 'select 1';
grant execute on function newer to service_role
"""


@pytest.fixture
def app(stack: Stack) -> Iterator[Project]:
    """A project with the app's objects."""
    with with_objects(stack) as project:
        yield project


@contextmanager
def with_objects(stack: Stack, statement_timeout_ms: int = 8_000) -> Iterator[Project]:
    """A project with the app's objects, which its API knows."""
    with stack.project(migrated=False, max_rows=7, statement_timeout_ms=statement_timeout_ms) as project:
        assert not knows(project, "rows")  # the cache is filled, so what is known afterwards is known by the reload
        project.owner.sql(APP)
        wait_until(lambda: knows(project, "rows"), "the reload")
        yield project


def refused(project: Project, function: str, **arguments: object) -> APIError:
    """Call what must fail."""
    with pytest.raises(APIError) as error:
        call(project, function, **arguments)
    return error.value


def get(project: Project, path: str, key: str, bearer: str | None = None) -> httpx.Response:
    """Ask as plain HTTP does."""
    headers = {"apikey": key} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    return httpx.get(f"{project.url}/rest/v1/{path}", headers=headers)


def test_a_table_is_closed_to_whom_it_is_not_granted(app: Project) -> None:
    for key, status in ((app.publishable_key, 401), (app.secret_key, 403), (app.anon_jwt, 401)):
        reply = get(app, "closed", key)
        assert (reply.status_code, reply.json()["code"]) == (status, "42501")


def test_nothing_is_granted_by_the_gateway_itself(app: Project) -> None:
    get(app, "mine", app.publishable_key)  # a table with row level security was seen
    query = "select string_agg(relname, ',') as open from pg_class where relacl::text ~ 'anon=[^/]*w'"
    assert app.database.one(query)["open"] is None


def test_a_user_sees_his_own_rows_and_a_visitor_none(app: Project) -> None:
    token = app.user_jwt("00000000-0000-4000-8000-000000000001")
    assert [row["id"] for row in get(app, "mine", app.publishable_key, token).json()] == [1]
    assert [row["id"] for row in get(app, "mine", app.anon_jwt, token).json()] == [1]
    assert get(app, "mine", app.publishable_key).json() == []


def test_a_key_of_another_project_is_refused_in_hosted_words(app: Project, stack: Stack) -> None:
    with stack.project(migrated=False) as other:
        for key in (other.secret_key, other.service_role_jwt, "nonsense"):
            reply = get(app, "mine", key)
            assert (reply.status_code, reply.json()["message"]) == (401, "Invalid API key")
        assert get(app, "mine", app.publishable_key, other.user_jwt("u")).status_code == 401
    assert httpx.get(f"{app.url}/rest/v1/mine").json()["message"] == "No API key found in request"


def test_an_expired_token_is_refused(app: Project) -> None:
    reply = get(app, "mine", app.publishable_key, app.user_jwt("u", exp=int(time.time()) - 60))
    assert (reply.status_code, reply.json()["code"]) == (401, "PGRST303")


@pytest.mark.parametrize(
    ("value", "kind"), [({"a": [1]}, "object"), ([1], "array"), ("x", "string"), (7, "number"), (True, "boolean")]
)
def test_a_jsonb_argument_arrives_as_what_it_is(app: Project, value: object, kind: str) -> None:
    assert call(app, "kind_of", p=value) == kind


@pytest.mark.parametrize(
    ("code", "status"), [("P0001", 400), ("MH404", 400), ("40001", 500), ("55P03", 500), ("53300", 503), ("PT418", 418)]
)
def test_an_error_keeps_its_sqlstate_and_what_it_says(app: Project, code: str, status: int) -> None:
    headers = {"apikey": app.secret_key}
    reply = httpx.post(f"{app.url}/rest/v1/rpc/fail", headers=headers, json={"p_code": code})
    told = reply.json()
    assert reply.status_code == status
    assert (told["code"], told["message"], told["details"], told["hint"]) == (code, "no", "d", "h")


def test_a_broken_check_keeps_its_sqlstate(app: Project) -> None:
    reply = httpx.post(f"{app.url}/rest/v1/things", headers={"apikey": app.secret_key}, json={"id": 1, "many": 10})
    assert (reply.status_code, reply.json()["code"]) == (400, "23514")


def test_a_statement_that_takes_too_long_is_ended(stack: Stack) -> None:
    with with_objects(stack, statement_timeout_ms=2_000) as project:
        assert refused(project, "slow").code == "57014"


def test_values_look_as_postgrest_writes_them(app: Project) -> None:
    headers = {"apikey": app.secret_key, "Prefer": "return=representation"}
    (row,) = httpx.post(f"{app.url}/rest/v1/things", headers=headers, json={"id": 1, "j": "text"}).json()
    assert row["t"] == "2026-01-02T03:04:05.6+00:00"
    assert (row["j"], row["n"], row["b"]) == ("text", 1.5, "\\x78")


def test_a_trigger_sees_the_headers_of_a_write(app: Project) -> None:
    app.owner.sql(
        "alter table things alter column word set default current_setting('request.headers')::json ->> 'x-mine'"
    )
    for name, value in (("x-mine", "this"), ("x-other", "that")):
        headers = {"apikey": app.secret_key, name: value}
        httpx.post(f"{app.url}/rest/v1/things", headers=headers, json={"id": len(value) + len(name)})
    assert [row["word"] for row in app.owner.sql("select word from things order by id")] == ["this", None]


def test_a_bulk_insert_fills_what_a_row_lacks_with_null(app: Project) -> None:
    rows = [{"id": 1, "word": "mine"}, {"id": 2}]
    headers = {"apikey": app.secret_key}
    assert httpx.post(f"{app.url}/rest/v1/things", params={"columns": "id,word"}, headers=headers, json=rows).is_success
    stored = app.owner.sql("select word from things order by id")
    assert [row["word"] for row in stored] == ["mine", None]


def test_a_reply_is_cut_at_the_most_rows(app: Project) -> None:
    assert len(call(app, "rows")) == 7


def test_an_unknown_function_is_told_by_postgrests_own_code(app: Project) -> None:
    assert refused(app, "nowhere").code == "PGRST202"


def test_a_new_function_is_known_after_the_reload(app: Project) -> None:
    assert call(app, "kind_of", p=1) == "number"  # the cache is filled
    app.owner.sql(NEWER)
    assert refused(app, "newer").code == "PGRST202"
    app.owner.sql("notify pgrst, 'reload schema'")
    wait_until(lambda: knows(app, "newer"), "the new function")


def test_calls_at_once_skip_each_others_locked_rows(app: Project) -> None:
    async def take_all(client: AsyncClient) -> list[Any]:
        replies = await asyncio.gather(*[client.rpc("take").execute() for _ in range(30)])
        return [reply.data for reply in replies]

    taken = ask(app, app.secret_key, take_all)
    assert sorted(number for numbers in taken for number in numbers) == list(range(1, 61))
