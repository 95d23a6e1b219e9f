"""A step's record in `actions_executed`: the app's own shape, with a code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from minutehand.executor.actions.contract import Step
from minutehand.executor.outcome import Send, StepResult, Verdict
from minutehand.store import Json
from minutehand.store.json import shown_text

#: Characters of each text of a message that a record keeps: enough to recognise it, and history stays small.
MAX_RECORDED_TEXT = 1_000

_STATUSES = {Verdict.DONE: "success", Verdict.SKIPPED: "skipped"}


def step_record(step: Step, result: StepResult, began: datetime | None = None, ended: datetime | None = None) -> Json:
    """Return the record of a step that ended; its `send` goes to `communication_logs`."""
    status = _STATUSES.get(result.verdict, "failed")
    record: Json = {
        "stepId": step.key,
        "name": step.name,
        "status": status,
        "result": {"type": step.type, **result.result},
    }
    if step.notes:
        record["result"]["notes"] = list(step.notes)
    if began is not None and ended is not None:
        record |= {"startedAt": _time(began), "finishedAt": _time(ended)}
    if status != "success":
        record["code"] = result.code
    if result.reason:
        record["error" if status == "failed" else "reason"] = result.reason
    if (send := note(result.send)) is not None:
        record["send"] = send
    return record


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def note(send: Send | None) -> Json | None:
    """Return a send as a step's record contains it."""
    if send is None:
        return None
    return {
        "channel": send.channel,
        "recipient": send.recipient,
        "sender": send.sender,
        "key": send.key,
        "external_id": send.external_id,
    }


def excerpt(content: Mapping[str, Any]) -> Json:
    """Return what a record keeps of a message's content: the beginning of each text, without HTML."""
    return {name: _kept(value) for name, value in content.items() if name != "html"}


def _kept(value: Any) -> Any:
    if isinstance(value, dict | list):
        text = shown_text(value)
        return value if len(text) <= MAX_RECORDED_TEXT else text[:MAX_RECORDED_TEXT] + "…"
    if isinstance(value, str) and len(value) > MAX_RECORDED_TEXT:
        return value[:MAX_RECORDED_TEXT] + "…"
    return value
