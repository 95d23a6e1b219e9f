"""Traces: the spans that an OpenTelemetry collector gets, and the trace headers of outgoing calls."""

from __future__ import annotations

import asyncio
import doctest
import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from minutehand.executor import tracing
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from tests.dashboard.served import TOKENS, Serve, completed
from tests.journeys.app import App, Gate, Minutehand, email, wait_until, webhook
from tests.unit.executions import execution

OK, ERROR = 0, 2


@dataclass
class Collector:
    """Receives spans, as OpenTelemetry's collector does."""

    receiver: HttpReceiver

    @property
    def endpoint(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT."""
        return self.receiver.url

    def spans(self) -> list[dict[str, Any]]:
        """All spans so far, by start time: parents before their children."""
        found = []
        for request in self.receiver.requests:
            assert (request.method, request.path) == ("POST", "/v1/traces")
            for of_resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
                resource = _attributes(of_resource.resource)
                for of_scope in of_resource.scope_spans:
                    found += [_span(span, resource) for span in of_scope.spans]
        return sorted(found, key=lambda span: (span["begin"], -span["end"]))


def _span(span: Any, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": span.name,
        "trace": UUID(bytes=span.trace_id),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "status": span.status.code,
        "begin": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "service": resource["service.name"],
        **{name.removeprefix("minutehand."): value for name, value in _attributes(span).items()},
    }


def _attributes(holder: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in holder.attributes}


@pytest.fixture
def collector(minutehand: Minutehand) -> Iterator[Collector]:
    """A collector that the command exports to."""
    with HttpReceiver() as receiver:
        minutehand.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
        yield Collector(receiver)


def parent_of(request: Any) -> tuple[str, str]:
    """The ids of the trace and the span in a call's `traceparent`."""
    found = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", request.headers["traceparent"])
    assert found
    return found[1], found[2]


def test_an_execution_is_one_trace_over_all_its_attempts_and_processes(app: App, shop, minutehand, collector):
    wait = {"type": "wait", "config": {"for": "1 hour"}}
    app.workflow(webhook(shop.url), wait, email())
    app.complete()
    before = time.time_ns()
    assert minutehand.run_once()["waiting"] == 1
    assert len(collector.spans()) == 3, "what was done has left though it goes on later"
    app.make_due()
    assert minutehand.run_once()["completed"] == 1
    row = app.execution()
    root, first, hook, waited, second, mail = collector.spans()
    assert {span["trace"] for span in collector.spans()} == {row["id"]}
    assert [span["name"] for span in (root, first, second)] == [
        "workflow Thank the client",
        "execution Thank the client",
        "execution Thank the client",
    ]
    assert [span["name"] for span in (hook, waited, mail)] == ["step webhook", "step wait", "step email"]
    assert (root["parent"], root["id"]) == ("", row["id"].hex[16:])
    assert [span["parent"] for span in (first, second)] == [root["id"]] * 2
    assert [span["parent"] for span in (hook, waited, mail)] == [first["id"], first["id"], second["id"]]
    assert [(span["outcome"], span["status"]) for span in (root, first, second, hook)] == [
        ("completed", OK), ("waiting", OK), ("done", OK), ("done", OK),
    ]  # fmt: skip
    assert abs(root["begin"] - row["created_at"].timestamp() * 1e9) < 1e9
    assert root["begin"] <= first["begin"] <= hook["begin"] <= hook["end"] <= first["end"] <= root["end"]
    assert root["end"] > before
    assert (first["execution_id"], first["workflow"]) == (str(row["id"]), "Thank the client")
    assert (first["workflow_version"], first["attempt"], first["entity_id"]) == (1, 1, row["entity_id"])
    assert (hook["step"], hook["step_type"], hook["service"]) == ("1", "webhook", "minutehand")
    (called,) = shop.requests
    assert parent_of(called) == (row["id"].hex, hook["id"])


def test_a_span_has_no_data_of_a_customer(app: App, shop, post, minutehand, collector):
    app.workflow(email(to="{{client.email}}", message="Dear {{client.name}}"), webhook(shop.url + "/secret?key=hush"))
    app.complete()
    shop.then(Answer(status=400, body=b"Lakeview Hotel is unknown"))
    minutehand.run_once()
    assert len(post.messages) == 1
    told = b"".join(request.body for request in collector.receiver.requests)
    assert b"step email" in told
    for kept in (b"hotel@example.com", b"Lakeview", b"hush", b"/secret", b"is unknown"):
        assert kept not in told, kept


@pytest.mark.parametrize(
    ("status", "outcome", "code", "ended"),
    [
        (404, "permanent", "refused", {"workflow": "failed", "execution": "done"}),
        (408, "retry", "busy", {"execution": "retry"}),
        (502, "unknown", "uncertain_send", {"execution": "unknown"}),
    ],
)
def test_a_failure_is_an_error_with_its_code(app: App, shop, minutehand, collector, status, outcome, code, ended):
    completed(app, shop)
    shop.then(Answer(status=status))
    minutehand.run_once()
    spans = {span["name"].split()[0]: span for span in collector.spans()}
    step = spans.pop("step")
    assert (step["outcome"], step["code"], step["status"]) == (outcome, code, ERROR)
    assert {name: span["outcome"] for name, span in spans.items()} == ended, "the whole, if it has ended"
    assert {span["status"] for span in spans.values()} == {OK if word == "done" else ERROR for word in ended.values()}


def test_concurrent_traces_do_not_mix_and_a_stopped_worker_exports_all_spans(app: App, shop, minutehand, collector):
    gate = Gate()
    shop.then(*[Answer(after=gate)] * 5)
    ids = completed(app, shop, 5)
    with minutehand.running("worker") as running:
        wait_until(lambda: len(shop.requests) == 5, "five calls at once")
        gate.set()
        wait_until(lambda: running.heard().count("execution_settled") == 5, "their ends")
        code, _, err = running.end(signal.SIGTERM)
    assert (code, "Traceback" in err) == (0, False)
    spans = collector.spans()
    assert len(spans) == 15
    for id_ in ids:
        own = [span for span in spans if str(span["trace"]) == id_]
        assert [span["name"].split()[0] for span in own] == ["workflow", "execution", "step"]
        assert [span["parent"] for span in own[1:]] == [own[0]["id"], own[1]["id"]]
    assert {parent_of(call)[0] for call in shop.requests} == {UUID(id_).hex for id_ in ids}


def test_an_executor_elsewhere_gets_the_traceparent(app: App, shop, minutehand, collector):
    (id_,) = completed(app, shop)
    shop.then(Answer(body=b'{"success": true}'))
    done = minutehand.run_once("--executor", "http", "--executor-url", shop.url, MINUTEHAND_API_TOKEN="a-token")
    assert done["completed"] == 1, done
    _, turn = collector.spans()
    assert parent_of(shop.requests[0]) == (UUID(id_).hex, turn["id"])


def test_a_server_with_a_worker_beside_it_exports_once(app: App, shop, minutehand, collector):
    minutehand.environment["MINUTEHAND_API_TOKEN"] = TOKENS
    with Serve(minutehand)("--with-worker") as served:
        completed(app, shop)
        wait_until(lambda: "execution_settled" in served.running.heard(), "its end")
        served.running.end(signal.SIGTERM)
    assert [span["name"].split()[0] for span in collector.spans()] == ["workflow", "execution", "step"]


@pytest.mark.parametrize(
    "off", [{"OTEL_EXPORTER_OTLP_ENDPOINT": None}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}]
)
def test_without_a_collector_no_span_is_exported_and_no_header_is_sent(app: App, shop, minutehand, collector, off):
    completed(app, shop)
    minutehand.environment["PYTHONPATH"] = str(_without_the_extra(minutehand))
    done = minutehand("run-once", **off)
    assert (done.returncode, "traces_off" in done.stderr) == (0, False), "it is not even looked for"
    assert collector.receiver.requests == []
    assert "traceparent" not in shop.requests[0].headers


def test_without_the_extra_a_log_line_says_so_and_the_run_continues(app: App, shop, minutehand, collector):
    completed(app, shop)
    done = minutehand("run-once", PYTHONPATH=str(_without_the_extra(minutehand)))
    (told,) = [line for line in map(json.loads, done.stderr.splitlines()) if line["event"] == "traces_off"]
    assert (told["level"], "minutehand[otel]" in told["reason"]) == ("warning", True)
    assert (done.returncode, app.execution()["status"]) == (0, "completed")


def _without_the_extra(minutehand: Minutehand) -> Any:
    """A folder that makes OpenTelemetry look as if it were not installed."""
    folder = minutehand.folder / "opentelemetry"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('not here')\n")
    return minutehand.folder


def test_invalid_variables_do_not_stop_the_run(app: App, shop, minutehand, collector):
    completed(app, shop)
    done = minutehand("run-once", OTEL_BSP_MAX_QUEUE_SIZE="-1")
    assert (done.returncode, app.execution()["status"]) == (0, "completed")
    (told,) = [line for line in map(json.loads, done.stderr.splitlines()) if line["event"] == "traces_off"]
    assert "OTEL_BSP_" in told["reason"]


def test_a_hanging_collector_delays_nothing(app: App, shop, minutehand, collector):
    gate = Gate()
    collector.receiver.then(Answer(after=gate))
    completed(app, shop)
    done = minutehand("run-once")  # before the gate opens
    assert gate.reached.is_set()
    gate.set()
    assert (done.returncode, app.execution()["status"], "Traceback" in done.stderr) == (0, "completed", False)


def test_a_nested_block_adds_no_span_and_an_exception_is_recorded_by_type(monkeypatch):
    one = execution("019423f0-5c00-7000-8000-000000000001")

    async def go() -> None:
        async with tracing.exported(wanted=True):
            async with tracing.exported(wanted=True):
                pass
            with suppress(LookupError), tracing.attempt(one):
                assert one.id.replace("-", "") in tracing.traceparent()["traceparent"]
                raise LookupError("hush")

    with HttpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        asyncio.run(go())
        (span,) = Collector(receiver).spans()
        assert span["error.type"] == "LookupError"
        assert b"hush" not in receiver.requests[0].body
    assert tracing.traceparent() == {}


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(tracing) == doctest.TestResults(0, 2)
