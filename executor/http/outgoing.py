"""The body and the identifying headers of calls to receivers that recognise idempotency keys (R11, R13)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.tracing import traceparent
from minutehand.store.secret_names import without_secrets

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import StepRun

#: The largest body; a row may be larger than anyone expected.
MAX_BODY_BYTES = 5_000_000
#: Characters of a body that a record or a dry run shows.
MAX_SHOWN = 2000


class Body(NamedTuple):
    """The body of a step's call."""

    data: bytes
    content_type: str
    #: What the step's record and a dry run keep of it: the beginning of the step's own body, or `left_out`.
    shown: dict[str, Any]


def step_body(run: StepRun) -> Body:
    """Return the body that the step gives, else the app's contract without columns that look like secrets.

    Errors: `BadStep`, `RenderError`.
    """
    given = run.step.config.get("body")
    if given is not None:
        data, content_type = encode_body(run.render_value(given))
        return Body(data, content_type, body_excerpt(data))
    context, left_out = without_secrets(run.context)
    left_out += [name for name in run.hidden if "." in name]  # a column that is too large
    body = {"workflowId": run.workflow_id, "executionId": run.execution_id, "context": context}
    return Body(*encode_body(body), {"left_out": left_out} if left_out else {})


def encode_body(value: Any) -> tuple[bytes, str]:
    """Return a value as bytes, and its content type: text unchanged, everything else as JSON.

    Errors: `BadStep` when it cannot be written, or is too large.
    """
    try:
        if isinstance(value, str):
            body, content_type = value.encode(), "text/plain; charset=utf-8"
        else:
            body, content_type = json.dumps(value, ensure_ascii=False, allow_nan=False).encode(), "application/json"
    except (TypeError, ValueError, RecursionError):  # NaN, lone surrogates; the error's text could hold the value
        raise BadStep("`body` cannot be written as JSON in UTF-8: it has NaN, Infinity or broken characters") from None
    if len(body) > MAX_BODY_BYTES:
        raise BadStep(f"`body` has {len(body):,} bytes; at most {MAX_BODY_BYTES:,} are allowed")
    return body, content_type


def body_excerpt(body: bytes) -> dict[str, str]:
    """Return the beginning of the step's own body, for records; the default body needs no copy.

    >>> len(body_excerpt(b"x" * 5000)["body"])
    2001
    """
    text = body.decode()
    return {"body": text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"}


def identity_headers(key: str, execution_id: str) -> dict[str, str]:
    """Return headers by which a receiver detects a repeat, names the cause of its writes, and joins the trace."""
    return {"idempotency-key": key, "webhook-id": key, "x-minutehand-cause": execution_id, **traceparent()}
