"""Every method of the store, on every backend: the same results, the same errors."""

from __future__ import annotations

import ast
import asyncio
import inspect
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from minutehand.executor.schedules import look_at
from minutehand.store import Actor, Lease, Store, schema
from minutehand.store.errors import AccessDenied, BadRequest, Conflict, NotFound, SchemaMismatch
from minutehand.store.records import Reservation
from tests.contract.backends import Backend
from tests.journeys.app import App, webhook

STEP = webhook("https://example.com/hook")
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(params=["postgres", "supabase"])
def backend(request: pytest.FixtureRequest, project: Any) -> Backend:
    """The app with one workflow, behind each backend."""
    app = App(project.owner)
    app.workflow(STEP, name="Thank the client")
    backends = {
        "postgres": lambda: Store.postgres(project.owner.url),
        "supabase": lambda: Store.supabase(project.url, project.secret_key),
    }
    return Backend(app, backends[request.param])


def test_each_method_has_a_test_here() -> None:
    verbs = {name for name, found in inspect.getmembers(Store, inspect.iscoroutinefunction) if name[0] != "_"}
    tried = {node.attr for node in ast.walk(ast.parse(Path(__file__).read_text())) if isinstance(node, ast.Attribute)}
    assert verbs - tried == {"close"}  # every test closes its store


def test_a_tick_returns_what_is_due(backend: Backend) -> None:
    backend.app.complete_many(3)
    worker = {"id": "h:1", "mode": "run-once", "host": "h", "version": "0"}
    tick = backend.run(lambda store: store.tick(worker))
    assert (tick.schema_version, tick.due, tick.paused, tick.next_seconds) == (schema.version(), 3, False, 0)
    assert backend.database.one("select id, mode from automation_workers") == {"id": "h:1", "mode": "run-once"}


def test_explain_says_why_something_started(backend: Backend) -> None:
    job = backend.app.complete()
    found = backend.run(lambda store: store.explain({"text": job}))
    assert (found["subject"]["kind"], found["subject"]["table"]) == ("row", "jobs")
    assert [(one["workflow"], one["fired"], one["code"]) for one in found["answers"]][:1] == [
        ("Thank the client", True, "no_processor")
    ]


def test_a_processors_problems_are_noted_and_a_schema_says_what_it_lacks(backend: Backend) -> None:
    backend.run(lambda store: store.tick({"id": "h:1", "mode": "run-once", "host": "h", "version": "0"}))
    backend.run(lambda store: store.report_problems("h:1", {"prune": "no right"}))
    assert backend.database.one("select problems from automation_workers")["problems"] == {"prune": "no right"}
    backend.run(lambda store: store.report_problems("h:1", {}))
    assert backend.database.one("select problems from automation_workers")["problems"] is None
    backend.database.sql("alter table automation_workers drop column problems")
    state = backend.run(lambda store: store.schema())
    assert state == {"version": schema.version(), "missing": ["automation_workers.problems"], "hidden": []}


def test_whose_secret_signs_a_tenants_webhooks_is_returned(backend: Backend) -> None:
    signer = backend.run(lambda store: store.webhook_signer(organization="north"))
    assert not signer.single_tenant
    assert signer.tenant is not None
    assert signer.tenant.id == "north"


def test_whether_notifications_arrive_is_tried(backend: Backend) -> None:
    assert backend.run(lambda store: store.can_listen()) is (backend.run(_kind) == "direct")


async def _kind(store: Store) -> str:
    await store.schema_version()
    return store.kind


def test_events_that_a_tick_picked_are_matched(backend: Backend) -> None:
    backend.database.sql("set minutehand.blocked = 'matching'")
    backend.app.complete_many(2)
    backend.database.sql("reset minutehand.blocked")
    tick = backend.run(lambda store: store.tick({"id": "h:1", "mode": "run-once", "host": "h", "version": "0"}))
    assert (len(tick.to_match), tick.due) == (4, 0)
    matched = backend.run(lambda store: store.match(tick.to_match))
    assert matched == {"matched": 4, "executions": 2, "set_aside": 0}


def test_a_schedule_that_a_tick_named_fires(backend: Backend) -> None:
    database, now = backend.database, datetime.now(UTC)
    made = backend.app.workflow(STEP, name="Often", trigger_type="schedule", trigger_config={"every": "1 minute"})
    saved = "update automation_workflow_versions set saved_at = %s where workflow_id = %s"
    database.sql(saved, now - timedelta(minutes=3), made)
    tick = backend.run(lambda store: store.tick())
    assert [(one["id"], one["form"]["seconds"], one["zone"]) for one in tick.schedules] == [(made, 60, "UTC")]
    assert (tick.walks, tick.now is not None) == (False, True)
    look = look_at(tick.schedules[0], tick.now or now)
    answers = [backend.run(lambda store: store.fire([look])) for _ in range(2)]
    assert answers == [{"started": 1, "more": False}, {"started": 0, "more": False}]


def test_a_claim_repeated_with_its_lease_brings_the_same_and_spends_nothing(backend: Backend) -> None:
    jobs = {backend.app.complete() for _ in range(3)}
    lease = Lease.new(60)
    first, again = backend.claim(2, lease=lease), backend.claim(2, lease=lease)
    assert [row.id for row in first.executions] == [row.id for row in again.executions]
    assert len(first.executions) == 2
    assert {row.entity_id for row in first.executions} < jobs
    (row, _) = first.executions
    assert (row.attempt, row.workflow.name, row.workflow.definition["steps"]) == (1, "Thank the client", [STEP])
    assert row.trigger_data["new_status"] == "completed"
    assert len(backend.claim().executions) == 1
    assert backend.claim().executions == []


def test_a_claim_can_name_its_executions(backend: Backend) -> None:
    backend.app.complete_many(3)
    wanted = str(backend.app.executions()[2]["id"])
    assert [row.id for row in backend.claim(ids=[wanted]).executions] == [wanted]
    assert backend.claim(ids=[wanted]).executions == []


def test_a_lease_is_renewed_and_what_is_lost_is_not_named(backend: Backend) -> None:
    backend.app.complete_many(2)
    claim = backend.claim()
    token = claim.executions[0].lease.token
    assert backend.run(lambda store: store.renew([token], lease_seconds=120)) == {row.id for row in claim.executions}
    backend.run(lambda store: store.cancel([claim.executions[0].id], reason="changed our mind"))
    assert backend.run(lambda store: store.renew([token, NOBODY], lease_seconds=120)) == {claim.executions[1].id}


def test_outcomes_are_settled_and_a_repeat_is_answered_as_done(backend: Backend) -> None:
    backend.app.complete_many(2)
    first, second = backend.claim().executions
    step = {"stepId": "1", "name": "1 (webhook)", "status": "success", "result": {"type": "webhook"}}
    outcomes: list[dict[str, Any]] = [
        {"id": first.id, "token": first.lease.token, "ended": "done", "steps": [step]},
        {"id": second.id, "token": NOBODY, "ended": "done"},
    ]
    answers = {row.id: row for row in backend.run(lambda store: store.settle(outcomes))}
    assert (answers[first.id].answer, answers[first.id].status) == ("settled", "completed")
    assert answers[second.id].answer == "lost"
    assert backend.run(lambda store: store.settle(outcomes[:1]))[0].answer == "already"
    retry = {"id": second.id, "token": second.lease.token, "ended": "retry", "code": "busy", "retry_after_seconds": 60}
    (answer,) = backend.run(lambda store: store.settle([retry]))
    assert (answer.status, answer.due_seconds) == ("pending", 60)


def test_what_cannot_be_stored_is_stripped_before_the_call(backend: Backend) -> None:
    backend.app.complete()
    (row,) = backend.claim().executions
    step = {"stepId": "1", "status": "failed", "code": "x", "error": "a\x00b\ud800c", "result": {"n": float("nan")}}
    outcome = {"id": row.id, "token": row.lease.token, "ended": "done", "steps": [step]}
    assert backend.run(lambda store: store.settle([outcome]))[0].status == "failed"
    (stored,) = backend.app.execution()["actions_executed"]
    assert (stored["error"], stored["result"]["n"]) == ("ab\ufffdc", None)


def test_steps_are_recorded_and_the_context_is_read(backend: Backend) -> None:
    job = backend.app.complete()
    (row,) = backend.claim(contexts=True).executions
    mine = {"id": row.id, "token": row.lease.token}
    (context,) = backend.run(lambda store: store.advance([mine]))
    assert row.read_at_claim == context
    assert (context.held, context.type, context.stop, context.send) == (True, "job", None, None)
    assert context.row is not None
    assert context.row["id"] == job
    assert context.links["client"]["name"] == "Lakeview Hotel"
    steps = [{"stepId": number, "status": "success", "result": {}} for number in "12"]
    (after,) = backend.run(lambda store: store.advance([mine | {"steps": steps, "resume_step": "3"}]))
    assert after.row == context.row
    assert backend.app.execution()["actions_executed"] == steps
    (lost,) = backend.run(lambda store: store.advance([{"id": row.id, "token": NOBODY}]))
    assert not lost.held


def test_a_send_is_reserved_once_and_confirmed(backend: Backend) -> None:
    backend.app.complete()
    (row,) = backend.claim().executions
    key = uuid.uuid4().hex
    mine = {"id": row.id, "token": row.lease.token}
    place = {"step": "1", "channel": "email", "recipient": "a@example.com", "key": key, "sender": "app@example.com"}
    (first,) = backend.run(lambda store: store.advance([mine | {"reserve": place}]))
    assert first.send is not None
    assert (first.send.answer, first.type) == ("go", "job")
    confirm = {"key": key, "status": "sent", "external_id": "<1@x>"}
    (again,) = backend.run(lambda store: store.advance([mine | {"confirm": confirm, "reserve": place}]))
    assert again.send is not None
    assert (again.send.answer, again.send.external_id) == ("sent", "<1@x>")


def test_an_uncertain_send_is_resolved(backend: Backend) -> None:
    backend.app.complete()
    (row,) = backend.claim().executions
    outcome = {"id": row.id, "token": row.lease.token, "ended": "unknown", "on_uncertain": "hold", "resume_step": "1"}
    assert backend.run(lambda store: store.settle([outcome]))[0].code == "uncertain_send"
    assert backend.run(lambda store: store.resolve([row.id], "resend")) == [{"id": row.id, "answer": "resolved"}]
    (again,) = backend.claim().executions
    assert (again.id, again.resends) == (row.id, {"1": 1})
    with pytest.raises(BadRequest, match="sent, resend or drop"):
        backend.run(lambda store: store.resolve([row.id], "maybe"))


def test_old_executions_are_pruned(backend: Backend) -> None:
    backend.app.complete()
    backend.app.database.sql(
        "update automation_execution_logs set status = 'completed', created_at = now() - interval '9 d'"
    )
    assert backend.run(lambda store: store.prune(30 * 86_400)) == {"deleted": 0, "more": False}
    assert backend.run(lambda store: store.prune(7 * 86_400)) == {"deleted": 1, "more": False}


def test_limits_are_set_listed_and_removed(backend: Backend) -> None:
    limit = {"scope": "recipient", "tenant": "", "channel": "sms", "n": 2, "per": "1 day", "on_exceed": "drop"}
    backend.run(lambda store: store.set_limit("recipient", n=2, per="1 day", channel="sms", on_exceed="drop"))
    assert backend.run(lambda store: store.limits()) == [limit]
    with pytest.raises(BadRequest, match="is not a period"):
        backend.run(lambda store: store.set_limit("tenant", n=1, per="soon"))
    with pytest.raises(BadRequest, match="the limit is not valid"):
        backend.run(lambda store: store.set_limit("galaxy", n=1))
    assert backend.run(lambda store: store.set_limit("recipient", n=None, channel="sms"))["answer"] == "removed"
    assert backend.run(lambda store: store.set_limit("recipient", n=None, channel="sms")) == {"answer": "missing"}
    assert backend.run(lambda store: store.limits()) == []


def test_what_will_run_is_listed(backend: Backend) -> None:
    assert backend.run(lambda store: store.upcoming())["items"] == []
    backend.run(lambda store: store.enqueue("Thank the client", payload={}, at=datetime(2040, 1, 1, tzinfo=UTC)))
    answer = backend.run(lambda store: store.upcoming(until="2040-02-01", limit=5))
    assert [(item["workflow"], item["at"][:10]) for item in answer["items"]] == [("Thank the client", "2040-01-01")]
    with pytest.raises(BadRequest, match="soon is not a moment"):
        backend.run(lambda store: store.upcoming(until="soon"))


def test_what_holds_for_a_tenant_is_set_listed_and_removed(backend: Backend) -> None:
    assert backend.run(lambda store: store.tenants()) == {"tenants": [], "zone_source": None}
    north = backend.run(lambda store: store.set_tenant("north", {"timezone": "America/Toronto", "settings": {"a": 1}}))
    assert (north["answer"], north["timezone"], north["settings"]) == ("set", "America/Toronto", {"a": 1})
    north = backend.run(lambda store: store.set_tenant("north", {"settings": {"a": None, "b": 2}}))
    assert (north["timezone"], north["settings"]) == ("America/Toronto", {"b": 2}), "what is not named stays"
    for zone in ("Europe/Nowhere", "europe/berlin", "EST5EDT"):
        with pytest.raises(BadRequest, match="is not a time zone"):
            backend.run(partial(Store.set_tenant, tenant="north", changes={"timezone": zone}))
    with pytest.raises(BadRequest, match="a tenant has no zone"):
        backend.run(lambda store: store.set_tenant("north", {"zone": 1}))
    assert [row["tenant"] for row in backend.run(lambda store: store.tenants("north"))["tenants"]] == ["north"]
    assert backend.run(lambda store: store.set_tenant("north", None))["answer"] == "removed"
    assert backend.run(lambda store: store.set_tenant("north", None)) == {"answer": "missing"}


def test_the_zones_of_tenants_are_read_from_a_column_of_the_app(backend: Backend) -> None:
    backend.database.sql("create table companies (organization_id text, zone text)")
    backend.database.sql("insert into companies values ('north', 'America/Toronto'), ('south', null), ('east', 'Mars')")
    said = backend.run(lambda store: store.set_zone_source("companies", "organization_id", "zone"))
    assert (said["table"], said["problem"], said["tenants"]) == ("companies", None, 2)
    rows = backend.run(lambda store: store.tenants())["tenants"]
    assert {row["tenant"]: row["app_timezone"] for row in rows} == {"north": "America/Toronto", "east": "Mars"}
    with pytest.raises(NotFound, match="there is no table nothing"):
        backend.run(lambda store: store.set_zone_source("nothing", "a", "b"))
    with pytest.raises(BadRequest, match="companies has no column key"):
        backend.run(lambda store: store.set_zone_source("companies", "key", "zone"))
    assert backend.run(lambda store: store.set_zone_source(None)) == {"tenants": 0}
    assert backend.run(lambda store: store.tenants())["tenants"] == []


def test_opt_outs_are_added_listed_and_removed(backend: Backend) -> None:
    ann = Actor(via="cli", name="ann@app-1")
    kept = {"channel": "email", "address": "ann@x.example", "tenant": ""}

    def add(address: str, **details: Any) -> Any:
        return backend.run(lambda store: store.set_opt_out(address, actor=ann, **details))

    assert add("Ann <ANN@x.example>", channel="E-Mail", reason="asked") == {"answer": "added", **kept}
    assert add("mailto:ann@x.example", channel="email") == {"answer": "already", **kept}
    assert add("0049 30 901820", tenant="north")["address"] == "+4930901820"
    for address, words in (("ann", "is not a phone number"), ("a@x.example, b@x.example", "more than one address")):
        with pytest.raises(BadRequest, match=words):
            add(address)
    (listed,) = backend.run(lambda store: store.opt_outs(address="ANN@X.EXAMPLE", channel="mail"))
    assert (listed["channel"], listed["address"], listed["reason"]) == ("email", "ann@x.example", "asked")
    assert [row["channel"] for row in backend.run(lambda store: store.opt_outs())] == ["all", "email"]
    assert len(backend.run(lambda store: store.opt_outs(tenant="north", limit=1))) == 1
    assert add("ann@x.example", channel="email", remove=True)["answer"] == "removed"
    assert add("ann@x.example", channel="email", remove=True)["answer"] == "missing"
    audited = backend.database.sql("select action, target from automation_audit order by id")
    assert [(row["action"], row["target"]) for row in audited] == [
        ("opt_out_add", "ann@x.example"), ("opt_out_add", "+4930901820"), ("opt_out_remove", "ann@x.example"),
    ]  # fmt: skip


def test_a_record_is_written_where_an_operator_allowed_it(backend: Backend) -> None:
    job = backend.app.complete()
    (row,) = backend.claim().executions
    step = {"stepId": "1", "status": "success", "result": {}}

    def write(store: Store) -> Any:
        return store.write_record(
            row.id, row.lease.token, step, table="jobs", operation="update", row_id=job, values={"title": "Done"}
        )

    assert backend.run(write)["answer"] == "refused"
    backend.run(lambda store: store.add_trigger("jobs", writable=True))
    assert backend.run(write) == {"answer": "done", "id": job}
    assert backend.database.one("select title from jobs where id = %s", job) == {"title": "Done"}
    assert backend.run(write)["answer"] == "already"


def test_a_workflow_is_started_by_hand(backend: Backend) -> None:
    backend.database.sql("insert into jobs (id, organization_id) values ('J-1', 'north')")
    later = datetime.now(UTC) + timedelta(hours=1)

    def start(store: Store, **more: Any) -> Any:
        return store.enqueue("Thank the client", row="J-1", at=later, key="k", **more)

    assert backend.run(lambda store: start(store, dry_run=True))["dry_run"]
    made = backend.run(start)
    assert (made["existed"], datetime.fromisoformat(made["due"])) == (False, later)
    assert backend.run(start) | {"existed": False} == made


@pytest.mark.parametrize("payload", [{"a": [1, None, "x"]}, [1, 2], {"text": '{"a": 1}'}, {}])
def test_a_payload_arrives_as_it_was_given(backend: Backend, payload: Any) -> None:
    made = backend.run(lambda store: store.enqueue("Thank the client", payload=payload))
    assert backend.run(lambda store: store.execution(str(made["id"])))["trigger_data"]["payload"] == payload


def test_failures_are_listed_shown_retried_and_cancelled(backend: Backend) -> None:
    job = backend.app.complete()
    (row,) = backend.claim().executions
    failed = {"id": row.id, "token": row.lease.token, "ended": "failed", "code": "bad_workflow", "reason": "why"}
    backend.run(lambda store: store.settle([failed]))
    (listed,) = backend.run(lambda store: store.executions({"status": "failed", "entity": job}, limit=5))
    assert (listed["id"], listed["workflow"], listed["code"]) == (row.id, "Thank the client", "bad_workflow")
    assert backend.run(lambda store: store.executions({"code": "poisoned"})) == []
    assert backend.run(lambda store: store.execution(row.id[:13]))["reason"] == "why"
    assert backend.run(lambda store: store.retry([row.id]))[0]["answer"] == "retried"
    assert backend.run(lambda store: store.retry([NOBODY]))[0]["answer"] == "missing"
    assert backend.run(lambda store: store.cancel([row.id]))[0]["answer"] == "cancelled"


def test_a_remote_call_is_recorded_before_it_leaves(backend: Backend) -> None:
    job = backend.app.complete()
    (row,) = backend.claim().executions
    mine = [{"id": row.id, "token": row.lease.token}]
    for _ in range(2):  # a repeat under the same lease is no earlier call
        (context,) = backend.run(lambda store: store.begin_calls(mine))
        assert (context.held, context.called) == (True, False)
        assert context.row is not None
        assert context.row["id"] == job
    backend.app.expire_leases()
    backend.run(lambda store: store.tick())
    backend.app.make_due()
    (again,) = backend.claim().executions
    (context,) = backend.run(lambda store: store.begin_calls([{"id": again.id, "token": again.lease.token}]))
    assert context.called


def test_an_old_backlog_is_held_back_and_released(backend: Backend) -> None:
    backend.app.complete_many(2)
    backend.database.sql("update automation_execution_logs set created_at = now() - interval '2 days'")
    tick = backend.run(lambda store: store.tick({"id": "h:1", "mode": "run-once"}, hold_seconds=3600))
    assert (tick.held, tick.holding, tick.due) == (2, False, 0)
    first, second = (str(row["id"]) for row in backend.app.executions())
    assert backend.run(lambda store: store.release([first]))["released"] == 1
    assert backend.run(lambda store: store.release()) == {"released": 1, "more": False, "answers": []}
    assert {row.id for row in backend.claim().executions} == {first, second}


def test_direct_mode_is_turned_on_and_off(backend: Backend, project: Any) -> None:
    def on(store: Store) -> Any:
        return store.direct_on("https://example.com/x", token=None, timeout_ms=5000, no_claim=False, replace=False)

    with pytest.raises(BadRequest, match=r"no pg_net.*create extension"):
        backend.run(on)
    project.install_net()
    made = backend.run(on)
    assert (made["url"], made["secret"], len(made["token"])) == ("https://example.com/x", "made", 64)
    status = backend.run(lambda store: store.direct_status())
    assert (status["on"], status["secret"], status["problems"]) == (True, True, [])
    rotated = backend.run(lambda store: store.direct_rotate(token="other"))
    assert rotated == {"token": "other", "previous": made["token"]}
    assert backend.run(lambda store: store.direct_off()) == {"was_on": True}


def test_a_workflow_is_saved_listed_and_shown(backend: Backend) -> None:
    row = {"name": "Thank the client", "organization_id": "north", "settings": {"rate_limit": None}}
    dry = backend.run(lambda store: store.save_workflow(row, dry_run=True))
    assert (dry["answer"], dry["changed"], dry["problem"]) == ("updated", ["settings"], None)
    assert backend.run(lambda store: store.save_workflow(row))["version"] == 2
    assert backend.run(lambda store: store.save_workflow(row))["answer"] == "unchanged"
    (listed,) = backend.run(lambda store: store.workflows(["Thank the client"]))
    assert (listed["version"], listed["emitted"]) == (2, True)
    assert (listed["definition"] or {})["settings"] == {"rate_limit": None}
    backend.database.sql("insert into automation_workflows (name) select 'w' || n from generate_series(1, 120) n")
    assert len(backend.run(lambda store: store.workflows())) == 121  # more than a page
    shown = backend.run(lambda store: store.workflow("Thank the client"))
    assert [version["version"] for version in shown["versions"]] == [2, 1]
    with pytest.raises(BadRequest, match="has no name"):
        backend.run(lambda store: store.save_workflow({}))


def test_workflows_are_switched_and_deleted(backend: Backend) -> None:
    backend.app.complete_many(2)
    (off,) = backend.run(lambda store: store.switch_workflows(["Thank the client"], False))
    assert (off["answer"], off["changed"], off["on"], off["pending"]) == ("disabled", {"is_active": False}, False, 2)
    (on,) = backend.run(lambda store: store.switch_workflows([off["id"]], True, dry_run=True))
    assert (on["answer"], on["changed"], on["on"], on["version"]) == ("enabled", {"is_active": True}, False, 2)
    with pytest.raises(NotFound, match='no workflow "Nothing"'):
        backend.run(lambda store: store.switch_workflows(["Nothing"], True))
    assert backend.run(lambda store: store.delete_workflow("Thank the client", dry_run=True))["pending"] == 2
    assert backend.run(lambda store: store.delete_workflow("Thank the client"))["cancelled"] == 2
    with pytest.raises(NotFound):
        backend.run(lambda store: store.delete_workflow("Thank the client"))


def test_a_dry_run_shows_what_a_run_would_see(backend: Backend) -> None:
    job = backend.app.complete()
    seen = backend.run(lambda store: store.dry_run("Thank the client", row=job))
    assert seen["row"] is not None
    assert seen["old"] is not None
    assert (seen["row"]["id"], seen["old"]["status"], seen["stops"]) == (job, "scheduled", [])
    started = seen["execution"]
    assert started is not None
    assert started["status"] == "pending"
    assert len(backend.app.executions()) == 1


def test_doctor_gets_its_facts(backend: Backend) -> None:
    facts = backend.run(lambda store: store.doctor())
    assert isinstance(facts, dict)
    assert len(facts) > 3


def test_metrics_and_watched_tables_are_returned(backend: Backend) -> None:
    backend.app.complete()
    metrics = backend.run(lambda store: store.metrics())
    assert (metrics["due"], metrics["workflows"][0]["on"]) == (1, True)
    assert backend.run(lambda store: store.schema_version()) == schema.version()
    assert [table["table"] for table in backend.run(lambda store: store.triggers())] == ["jobs"]
    (known,) = backend.run(lambda store: store.installation())["tables"]
    assert (known["table"], known["links"][0]["name"]) == ("jobs", "client")
    assert backend.run(lambda store: store.remove_trigger("jobs"))["removed"]
    assert backend.run(lambda store: store.triggers()) == []
    added = backend.run(lambda store: store.add_trigger("jobs", tenant="organization_id", exclude=["title"]))
    assert (added["exclude"], added["writable"]) == (["title"], False)


def test_a_pause_stops_claims_until_it_ends(backend: Backend) -> None:
    backend.app.complete_many(2)
    paused = backend.run(lambda store: store.pause(scope="workflow", target="Thank the client", reason="wrong prices"))
    assert (paused["held"], paused["existed"], paused["reason"]) == (2, False, "wrong prices")
    assert backend.claim().executions == []
    resumed = backend.run(lambda store: store.resume(scope="workflow", target="Thank the client"))
    assert (resumed["existed"], resumed["held"], resumed["still_paused"]) == (True, 2, [])
    assert len(backend.claim().executions) == 2
    with pytest.raises(NotFound, match='no workflow "Nothing"'):
        backend.run(lambda store: store.pause(scope="workflow", target="Nothing"))


def test_on_a_copy_nothing_is_claimed_until_a_person_says_which_it_is(backend: Backend) -> None:
    backend.claim()
    assert backend.run(lambda store: store.identity())["state"] == "same"
    backend.database.sql("update minutehand.database_identity set table_oid = 1")
    backend.app.complete_many(2)
    assert backend.claim(redirects=True).executions == []
    result = backend.run(lambda store: store.identify("test", email_to="me@example.com"))
    assert (result["was"], result["held"], result["due"]) == ("copy", 2, "held")
    backend.run(lambda store: store.tick())
    backend.app.complete()
    assert backend.claim().executions == []
    (execution,) = backend.claim(redirects=True).executions
    assert execution.test == {"email_to": "me@example.com", "sms_to": None}
    assert backend.run(lambda store: store.identify("production", skip_due=True))["was"] == "test"
    assert backend.run(lambda store: store.identity())["state"] == "same"


def test_each_action_of_a_person_is_kept_with_who_it_was(backend: Backend) -> None:
    ann = Actor(via="cli", name="ann@app-1")
    job = backend.app.complete()
    (one,) = (str(row["id"]) for row in backend.app.executions())
    row = {"name": "Thank the client", "organization_id": "north", "settings": {"rate_limit": None}}

    def set_state(status: str, code: str | None = None) -> None:
        backend.database.sql("update automation_execution_logs set status = %s, code = %s", status, code)

    backend.run(lambda store: store.save_workflow(row, actor=ann))
    backend.run(lambda store: store.pause(scope="all", reason="prices", actor=ann))
    backend.run(lambda store: store.resume(scope="all", actor=ann))
    backend.run(lambda store: store.set_limit("tenant", n=5, actor=ann))
    set_state("failed")
    backend.run(lambda store: store.retry([one], actor=ann))
    set_state("failed", "uncertain_send")
    backend.run(lambda store: store.resolve([one], "sent", actor=ann))
    set_state("skipped", "stale")
    backend.run(lambda store: store.release([one], actor=ann))
    backend.run(lambda store: store.cancel([one], actor=ann))
    backend.run(lambda store: store.enqueue("Thank the client", row=job, actor=ann))
    audited = backend.database.sql("select action, actor from automation_audit order by id")
    actions = ["workflow_save", "pause", "resume", "limit_set", "retry", "resolve", "release", "cancel", "enqueue"]
    assert [line["action"] for line in audited] == actions
    assert all(line["actor"] == {"via": "cli", "name": "ann@app-1"} for line in audited)
    history = backend.run(lambda store: store.execution(one))["attempt_history"]
    assert [(entry["by"], entry["actor"]) for entry in history] == [
        (by, "ann@app-1") for by in ("retry", "sent", "release")
    ]


async def _may_send(workflow: str, recipient: str, store: Store) -> Reservation:
    return await store.may_send(workflow, {}, "email", recipient, {"window": None})


def test_whether_a_message_might_leave_is_asked_of_the_database(backend: Backend) -> None:
    backend.database.sql("insert into automation_opt_outs (channel, address) values ('email', 'ann@example.com')")
    nobody = "00000000-0000-0000-0000-000000000000"
    for recipient, answer in (("bob@example.com", "go"), ("ann@example.com", "refused")):
        asked = backend.run(partial(_may_send, nobody, recipient))
        assert (asked.answer, asked.opted_out) == (answer, ("ann@example.com",) if answer == "refused" else ())


def test_conditions_are_evaluated_by_the_database(backend: Backend) -> None:
    condition = {"field": "status", "operator": "equals", "value": "In Progress"}
    result = backend.run(lambda store: store.evaluate([condition], {"status": "in_progress"}))
    assert result["held"] is True
    assert backend.run(lambda store: store.evaluate([condition], {"status": "done"}, {"status": "x"}))["held"] is False


def test_frozen_time_is_passed_on(backend: Backend) -> None:
    def with_time(store: Store) -> Any:
        store._now = lambda: datetime(2031, 1, 1, tzinfo=UTC)
        return store.metrics()

    assert backend.run(with_time)["now"].startswith("2031-01-01T00:00:00")


@pytest.mark.parametrize(
    ("verb", "kind", "words"),
    [
        (lambda store: store.execution(NOBODY), NotFound, "there is no execution .*executions ls"),
        (lambda store: store.enqueue("Nothing", row="1"), NotFound, 'no workflow "Nothing"'),
        (lambda store: store.enqueue("Thank the client"), BadRequest, "nothing to run .*--payload"),
        (lambda store: store.add_trigger("nowhere"), NotFound, "there is no table nowhere"),
        (lambda store: store.executions({"since": "yesterday-ish"}), BadRequest, "timestamp"),
    ],
)
def test_an_error_is_the_same_on_every_backend(backend: Backend, verb: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        backend.run(verb)
    assert type(caught.value) is kind


def test_a_lock_is_a_conflict(backend: Backend) -> None:
    with backend.database.connection.transaction():
        backend.database.sql("lock table jobs in exclusive mode")
        with pytest.raises(Conflict, match="lock timeout"):
            backend.run(lambda store: store.add_trigger("jobs", exclude=["title"]))


def test_a_missing_function_and_a_missing_right_say_what_to_do(backend: Backend) -> None:
    backend.database.sql("drop function automation_triggers() cascade")
    backend.database.sql("notify pgrst, 'reload schema'")

    def until_known(store: Store) -> Any:
        return _until(SchemaMismatch, store.triggers)

    assert "minutehand migrate" in backend.run(until_known)


async def _until(kind: type[Exception], verb: Any) -> str:
    """Ask until the error comes that a schema cache has yet to learn of."""
    async with asyncio.timeout(60):
        while True:
            try:
                await verb()
            except kind as error:
                return str(error)
            await asyncio.sleep(0.05)


def test_a_key_needs_the_grants_of_service_role(project: Any) -> None:
    project.owner.sql("revoke execute on function automation_metrics(boolean, timestamptz) from service_role")
    with pytest.raises(AccessDenied, match="run: grant execute on function automation_metrics to service_role"):
        Backend(App(project.owner), lambda: Store.supabase(project.url, project.secret_key)).run(
            lambda store: store.metrics()
        )


def test_incidents_are_claimed_notified_and_listed(backend: Backend) -> None:
    token = str(uuid.uuid4())
    backend.app.database.sql(
        "insert into automation_events (occurred_at, table_name, operation, types, match_attempts, error) "
        "values (now(), 'jobs', 'UPDATE', '{job_completed}', 5, 'a bad one')"
    )
    taken = backend.run(lambda store: store.alerts_claim(token, share=0.2, age_seconds=600))
    found = {incident["kind"]: incident for incident in taken}
    assert found["set_aside"]["what"] == "opened"
    backend.run(lambda store: store.alerts_notified(token, {found["set_aside"]["id"]: "opened"}))
    listed = backend.run(lambda store: store.incidents())
    assert {row["kind"]: row["notified"] for row in listed}["set_aside"] == "opened"
    assert len(backend.run(lambda store: store.incidents(all_=True, limit=1))) == 1


def test_the_queries_of_the_dashboard(backend: Backend) -> None:
    jobs = [backend.app.complete() for _ in range(3)]
    failed, *_ = rows = backend.claim().executions
    outcomes = [
        {"id": row.id, "token": row.lease.token, "ended": "failed", "code": "refused", "reason": f"said {number}"}
        for number, row in enumerate(rows)
    ]
    backend.run(lambda store: store.settle(outcomes))
    first = backend.run(lambda store: store.search({"status": "failed"}, limit=2))
    rest = backend.run(lambda store: store.search({"status": "failed"}, limit=2, before=first["next"]))
    assert [row["entity_id"] for row in (*first["rows"], *rest["rows"])] == jobs[::-1]
    assert rest["next"] is None
    assert first["rows"][0]["label"]["new_status"] == "completed"
    assert list(first["definitions"]) == [f"{failed.workflow.id}:1"]
    assert backend.run(lambda store: store.count({"code": "refused"})) == {
        "count": 3,
        "capped": False,
        "looked_back_to": None,
    }
    story = backend.run(lambda store: store.execution_detail(failed.id))
    assert story["event"] is not None
    assert story["event"]["new"] is not None
    assert (story["event"]["new"]["status"], story["tenant"]) == ("completed", "north")
    assert story["conditions"] is None or story["conditions"]["held"]
    with pytest.raises(NotFound):
        backend.run(lambda store: store.execution_detail("00000000-0000-4000-8000-000000000000"))
    (group,) = backend.run(lambda store: store.failures())["groups"]
    assert (group["count"], group["message"], group["rows"]) == (3, "said #", 3)
    seen = backend.run(lambda store: store.overview())
    assert len(seen["ticks"]) == 60
    assert seen["workflows"][0]["counts"] == {"failed": 3}
    assert (seen["figures"]["last_hour"], [one["count"] for one in seen["groups"]]) == ({"failed": 3}, [3])
    south = backend.run(lambda store: store.overview(tenant="south"))
    assert (south["workflows"], south["groups"], south["figures"]["last_hour"]) == ([], [], {})
    assert backend.run(lambda store: store.overview(tenant="north"))["figures"]["last_hour"] == {"failed": 3}
    begin = datetime.now(UTC) - timedelta(hours=1)
    assert sum(bar["failed"] for bar in backend.run(lambda store: store.overview(bars_from=begin))["bars"]) == 3
    with pytest.raises(BadRequest, match=r"1,000 buckets"):
        backend.run(lambda store: store.overview(bars_from=begin, bar_seconds=1))
    (version,) = backend.run(lambda store: store.workflow_versions(failed.workflow.id))
    assert (version["version"], version["definition"]["name"]) == (1, failed.workflow.name)


def test_a_bulk_action_goes_on_step_by_step(backend: Backend) -> None:
    for _ in range(3):
        backend.app.complete()
    bulk = backend.run(
        lambda store: store.bulk_start(
            "cancel", {"status": "pending"}, spread_seconds=0, actor=Actor(via="dashboard", name="ops"), note="all"
        )
    )
    assert (bulk["total"], bulk["status"]) == (3, "running")
    stepped = backend.run(lambda store: store.bulk_step(bulk["id"], limit=2))
    assert stepped is not None
    assert stepped["done"] == 2
    assert backend.run(lambda store: store.bulk_stop(bulk["id"]))["status"] == "stopped"
    assert backend.run(lambda store: store.bulk_get(bulk["id"]))["done"] == 2
    assert backend.run(lambda store: store.bulk_step()) is None
    with pytest.raises(NotFound):
        backend.run(lambda store: store.bulk_get("nothing"))
