"""What a response of a remote executor means.

Two parties answer: the callee, in JSON with `success` (the app's contract), and the platform in front of it, with its
own codes.  Only an execution that certainly did not begin is retried; one that may have begun is unknown (R13).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from minutehand.executor.http.response import HttpResponse, retry_after_seconds
from minutehand.executor.outcome import StepResult
from minutehand.executor.text.unicode_checks import storable
from minutehand.store.json import shown_text

#: Characters of a callee's error message that are kept.
MAX_MESSAGE = 300
#: Step records in one response: as many as a workflow may have steps.
MAX_STEPS = 100
#: An item's inner status when the message was not sent, though the item's own status may be `success`.
_NOT_DONE = ("failed", "skipped", "deferred")


def judge_remote_response(response: HttpResponse, now: datetime) -> StepResult:
    """Return what a response means for the execution that was called for.

    Only `success: true` is done, only `success: false` is the callee's failure; any other 2xx is unknown.
    401, 403, 404 and BOOT_ERROR come before the function's first line, and IDLE_TIMEOUT (504) and 546 after it
    (Supabase: guides/functions/status-codes, error-codes).

    >>> from datetime import UTC
    >>> def judged(status, body, **headers):
    ...     response = HttpResponse(status=status, headers=headers, body=body, truncated=False)
    ...     return judge_remote_response(response, datetime.now(UTC)).verdict.value
    >>> judged(200, b'{"success": true}'), judged(200, b'{"success": false}'), judged(200, b"<html>")
    ('done', 'permanent', 'unknown')
    >>> judged(429, b""), judged(408, b"")
    ('deferred', 'retry')
    >>> judged(503, b'{"code": "BOOT_ERROR"}'), judged(504, b'{"code": "IDLE_TIMEOUT"}'), judged(422, b"")
    ('retry', 'unknown', 'permanent')
    """
    if _header(response, "x-relay-error") == "true":
        return StepResult.unknown(f"the platform's relay broke off ({_describe(response)}); the executor may have run")
    if 200 <= response.status < 300:
        return _judge_success(response)
    return _judge_refusal(response, retry_after_seconds(response.headers, now))


def reported_steps(response: HttpResponse) -> tuple[dict[str, Any], ...]:
    """Return the items of the response's `results` or `actions_executed` as step records.

    An item counts if it has the app's shape: `stepId` and `status`.  A skipped or deferred item did not send, so it has
    failed (R14).

    >>> items = b'{"results": [{"stepId": "a", "status": "success", "result": {"status": "skipped"}}, {"no": "id"}]}'
    >>> [(step["stepId"], step["status"], step["error"]) for step in
    ...  reported_steps(HttpResponse(status=200, headers={}, body=items, truncated=False))]
    [('a', 'failed', 'skipped')]
    """
    answer = response.json_object() or {}
    items = answer.get("results", answer.get("actions_executed"))
    if not isinstance(items, list):
        return ()
    return tuple(record for item in items[:MAX_STEPS] if (record := _record(item)) is not None)


def _judge_success(response: HttpResponse) -> StepResult:
    answer = response.json_object()
    if answer is not None and answer.get("success") is True:
        return StepResult.done()
    if answer is not None and answer.get("success") is False:
        return StepResult.permanent("executor_failed", f"the executor says: {_message(response)}")
    if response.truncated:
        what = "more than 64 KiB, or broke off"
    elif not response.body.strip():
        what = "nothing"
    else:
        what = "no JSON object" if answer is None else "JSON without `success`"
    return StepResult.unknown(f"the executor answered {response.status} with {what}: it may have run")


def _judge_refusal(response: HttpResponse, wait: float | None) -> StepResult:
    described = _describe(response)
    match response.status:
        case 401 | 403:
            fix = "check its key, or for an sb_secret_… key deploy the function with verify_jwt = false"
            return StepResult.retry("executor_denied", f"the executor refused the key ({described}): {fix}")
        case 404 if "success" not in (response.json_object() or {}):
            fix = "deploy the function automation-executor, or correct the executor's URL"
            return StepResult.retry("no_executor", f"no executor found ({described}): {fix}")
        case 409:
            return StepResult.retry(
                "held_elsewhere", f"the executor reports that another processor has the execution ({described})"
            )
        case 503 if _platform_code(response) == "BOOT_ERROR":
            return StepResult.retry(
                "executor_broken", f"the function does not start ({described}): see its log and deploy"
            )
        case 408 | 425:
            return StepResult.retry("busy", f"the executor answered {described}", retry_after_seconds=wait)
        case status if status == 429 or (status == 503 and wait is not None):
            reason = f"the executor asked to slow down: it answered {described}"
            return StepResult.deferred("busy", reason, retry_after_seconds=wait)
        case status if 300 <= status < 400:
            return StepResult.permanent("redirect", "redirects are not followed: use the executor's final URL")
        case status if 400 <= status < 500:
            return StepResult.permanent("refused", f"the executor refused the execution ({described})")
    return StepResult.unknown(f"the executor answered {described}; it may have run")


def _record(item: object) -> dict[str, Any] | None:
    if not isinstance(item, dict) or not _is_key(item.get("stepId")) or not isinstance(item.get("status"), str):
        return None
    record = {name: item[name] for name in ("stepId", "stepIndex", "name", "result") if name in item}
    result = item.get("result")
    inner = result.get("status") if isinstance(result, dict) else None
    if item["status"] not in ("success", "completed", "sent") or inner in _NOT_DONE:
        error = item.get("error") or (inner if inner in _NOT_DONE else item["status"])
        return record | {"status": "failed", "error": _text(error)}
    return record | {"status": "success"}


def _is_key(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _describe(response: HttpResponse) -> str:
    """Return the status, the platform's code and the message, for people."""
    return " ".join(filter(None, (str(response.status), _platform_code(response), _message(response))))


def _platform_code(response: HttpResponse) -> str:
    """Return the platform's error code: `sb-error-code`, else the body's `code`."""
    code = _header(response, "sb-error-code") or (response.json_object() or {}).get("code")
    return code[:40] if isinstance(code, str) else ""


def _message(response: HttpResponse) -> str:
    """Return the response's error message: `error`, `message`, else the beginning of its text."""
    answer = response.json_object()
    if answer is None:
        return _text(response.excerpt)
    error = answer.get("error")
    described = error.get("message") if isinstance(error, dict) else error
    return _text(described or answer.get("message") or answer.get("reason") or "")


def _text(value: object) -> str:
    text = value if isinstance(value, str) else shown_text(value)
    return storable(" ".join(text.split()))[:MAX_MESSAGE]


def _header(response: HttpResponse, name: str) -> str:
    return next((value.strip() for key, value in response.headers.items() if key.lower() == name), "")
