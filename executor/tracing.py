"""Traces for OpenTelemetry (the extra `otel`): one for each execution, over all its attempts and processes.

    workflow <name>              from creation to end; exported when the end is settled
    ├── execution <name>         one attempt, in one process
    │   ├── step <type>
    │   └── step <type>          its `traceparent` travels with the calls it makes
    └── execution <name>         the next attempt: after a retry, a wait, a crash

The trace's id is the execution's, so one leads to the other, and no process has to pass it on.  Attributes are ids and
our own words, never a customer's data.  Without an exporter this costs an `if`, and OpenTelemetry is not imported.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

    from minutehand.executor.actions.contract import Step
    from minutehand.store import Execution

#: Seconds that the last spans have to leave: a stop does not wait long for a collector that is unreachable.
FLUSH_SECONDS = 1.5

#: Reports how a span ended: an outcome, and a code if it failed.
Report = Callable[..., None]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
#: Outcomes that are errors of their span.
_ERRORS = frozenset({"failed", "lost", "permanent", "retry", "unknown"})


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether OpenTelemetry's own variables ask for traces: they name an endpoint and do not switch traces off.

    >>> is_wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}), is_wanted({})
    (True, False)
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environ.get(name) for name in _ENDPOINTS)


@asynccontextmanager
async def exported(*, wanted: bool) -> AsyncIterator[None]:
    """Export spans while the block runs, to the endpoint of OpenTelemetry's variables; a nested block adds nothing."""
    global _traces
    if not wanted or _traces is not None or (traces := _begin()) is None:
        yield
        return
    _traces = traces
    try:
        yield
    finally:
        _traces = None
        await traces.end()


def attempt(execution: Execution) -> AbstractContextManager[Report]:
    """Trace one attempt of an execution; yields a function that reports its end."""
    return _UNTRACED if _traces is None else _traces.attempt(execution)


def step(step: Step) -> AbstractContextManager[Report]:
    """Trace one step of the attempt under way; yields a function that reports its end."""
    return _UNTRACED if _traces is None else _traces.step(step)


def ended(execution: Execution, status: str, code: str | None) -> None:
    """Export the root span of an execution that has ended."""
    if _traces is not None:
        _traces.whole(execution, status, code)


def traceparent() -> dict[str, str]:
    """Return the header that joins a receiver's spans to the trace (W3C Trace Context); empty without a trace."""
    if _traces is None:
        return {}
    from opentelemetry import trace

    seen = trace.get_current_span().get_span_context()
    if not seen.is_valid:
        return {}
    return {"traceparent": f"00-{seen.trace_id:032x}-{seen.span_id:016x}-{seen.trace_flags:02x}"}


class _Traces:
    def __init__(self, provider: TracerProvider, root: Callable[[tuple[int, int] | None], None]) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("minutehand")
        #: Sets the ids of the next span without a parent.
        self._set_root = root

    async def end(self) -> None:
        """Export the remaining spans within `FLUSH_SECONDS`; a thread that waits for a collector is left behind."""
        loop, left = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed: no one waits
                loop.call_soon_threadsafe(left.set)

        threading.Thread(target=shut_down, daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await left.wait()

    def attempt(self, execution: Execution) -> AbstractContextManager[Report]:
        attributes = _ids_of(execution) | {"minutehand.attempt": execution.attempt}
        return self._span(f"execution {execution.workflow.name}", attributes, _below_root(execution))

    def step(self, step: Step) -> AbstractContextManager[Report]:
        return self._span(f"step {step.type}", {"minutehand.step": step.key, "minutehand.step_type": step.type}, None)

    def whole(self, execution: Execution, status: str, code: str | None) -> None:
        from opentelemetry.context import Context

        self._set_root(_root_of(execution))
        try:
            span = self._tracer.start_span(
                f"workflow {execution.workflow.name}",
                context=Context(),
                attributes=_ids_of(execution),
                start_time=created_at(execution.id),
            )
        finally:
            self._set_root(None)
        _report(span, status, code)
        span.end()

    @contextmanager
    def _span(self, name: str, attributes: dict[str, Any], parent: Context | None) -> Iterator[Report]:
        """A span below `parent`, or below the current one.  Of an exception only the type is recorded."""
        with self._tracer.start_as_current_span(
            name, context=parent, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield lambda outcome, code=None: _report(span, outcome, code)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                raise


_traces: _Traces | None = None
_UNTRACED: AbstractContextManager[Report] = nullcontext(lambda outcome, code=None: None)


def _begin() -> _Traces | None:
    from minutehand.executor.log import structlog

    log = structlog.get_logger()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError:
        log.warning("traces_off", reason="the extra is missing: pip install 'minutehand[otel]'")
        return None

    class Ids(RandomIdGenerator):
        """Random ids, except for the root of an execution's trace."""

        root: tuple[int, int] | None = None

        def set_root(self, root: tuple[int, int] | None) -> None:
            self.root = root

        def generate_trace_id(self) -> int:
            return self.root[0] if self.root else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.root[1] if self.root else super().generate_span_id()

    ids = Ids()
    try:
        resource = Resource({"service.name": "minutehand"}).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ValueError:  # its message could hold a value of the variables
        log.warning(
            "traces_off", reason="OpenTelemetry rejects its variables: check OTEL_EXPORTER_OTLP_… and OTEL_BSP_…"
        )
        return None
    return _Traces(provider, ids.set_root)


def _root_of(execution: Execution) -> tuple[int, int]:
    """Return the ids of a trace and of its root span: the execution's id, and its second half."""
    number = UUID(execution.id).int
    return number, number & (2**64 - 1)


def _below_root(execution: Execution) -> Context:
    from opentelemetry import trace

    trace_id, span_id = _root_of(execution)
    sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    root = trace.SpanContext(trace_id=trace_id, span_id=span_id, is_remote=True, trace_flags=sampled)
    return trace.set_span_in_context(trace.NonRecordingSpan(root))


def _ids_of(execution: Execution) -> dict[str, Any]:
    known = {
        "minutehand.execution_id": execution.id,
        "minutehand.workflow_id": execution.workflow.id,
        "minutehand.workflow": execution.workflow.name,
        "minutehand.workflow_version": execution.workflow.version,
    }
    return known | ({} if execution.entity_id is None else {"minutehand.entity_id": execution.entity_id})


def _report(span: Any, outcome: str, code: str | None) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("minutehand.outcome", outcome)
    if code:
        span.set_attribute("minutehand.code", code)
    if outcome in _ERRORS:
        span.set_status(StatusCode.ERROR, code)


def created_at(execution_id: str) -> int | None:
    """Return when an execution was created, in nanoseconds since 1970, if its id holds that (UUIDv7, RFC 9562 §5.7).

    >>> created_at("019423f0-5c00-7000-8000-000000000000"), created_at("c56a4180-65aa-42ec-a945-5fd21dec0538")
    (1735769742336000000, None)
    """
    id_ = UUID(execution_id)
    return (id_.int >> 80) * 1_000_000 if id_.version == 7 else None
