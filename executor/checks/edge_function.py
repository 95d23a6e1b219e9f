"""What the edge function of docs/edge-function can run: the one declaration in Python, by which workflows are judged.

The function reads steps in the normal form alone, and fills in `{{ client.name }}`; docs/exact.md has the list.  A test
holds these equal to the function's own (steps.ts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from minutehand.executor.dialects.step_types import TYPES, normal_type
from minutehand.executor.durations import BadDuration, parse_duration

#: The types of steps that it runs, and the keys of their configs.
ABILITIES: dict[str, tuple[str, ...]] = {
    "email": ("to", "subject", "message", "html", "reply_to", "unsubscribe", "marketing", "on_uncertain"),
    "sms": ("to", "message", "on_uncertain"),
    "webhook": ("url", "method", "headers", "body", "on_uncertain"),
    "wait": ("for", "until"),
    "condition": ("conditions",),
    "stop": (),
}
#: Other spellings of a type, that it knows too.
SPELLINGS = {
    **dict.fromkeys(("send_email", "mail", "send_mail"), "email"),
    **dict.fromkeys(("send_sms", "text", "send_text", "text_message"), "sms"),
    **dict.fromkeys(("send_webhook", "call_webhook"), "webhook"),
    "delay": "wait",
    "branch": "condition",
}
#: Keys of a step beside its config; the last ones have no effect.
STEP_KEYS = ("id", "name", "type", "config", "then", "else", "stop_on_error", "give_up_after")
COSMETIC_KEYS = ("position", "label", "description", "icon", "color", "order")

_VARIABLE = re.compile(
    r"\{\{\s*(?!(?:true|false|none|not|and|or|if|else|in|is|loop)\b)[A-Za-z_]\w*(?:\.\w+)*\s*\}\}", re.I
)
#: A length before or after a date, or an hour of it.
_OFFSET = re.compile(r"\s[-+\u2212\u2013]\s*\d|\bat\s+\d")
_TAG = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%[-+]?\s*[A-Za-z_].*?(?:%\}|\Z)", re.DOTALL)


def edge_problems(steps: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield what the edge function refuses of Minutehand's own steps: the step's path, and why.

    >>> list(edge_problems([{"type": "notify", "config": {"message": "x"}}]))
    [('1', 'notify cannot run in the edge function, which runs email, sms, webhook, wait, condition and stop')]
    >>> list(edge_problems([{"type": "sms", "config": {"message": "{{ job.title|upper }}"}}]))
    [('1', 'the edge function fills in {{ client.name }} alone, not {{ job.title|upper }} of `message`')]
    """
    for number, raw in enumerate(steps if isinstance(steps, list) else [], 1):
        if isinstance(raw, dict) and raw.get("type") != "trigger":
            yield from ((f"{prefix}{number}", text) for text in _of_step(raw))
            for key in ("then", "else"):
                yield from edge_problems(raw.get(key), f"{prefix}{number}.{key}.")


def _of_step(raw: dict[str, Any]) -> Iterator[str]:
    config = raw["config"] if isinstance(raw.get("config"), dict) else {}
    written = str(config.get("actionType") or config.get("action_type") or raw.get("type"))
    type_ = SPELLINGS.get(written, written)
    if type_ not in ABILITIES and normal_type(type_) not in TYPES:
        return  # a step of the app's own: its function is not the one of docs/
    if type_ not in ABILITIES:
        *types, last = ABILITIES
        yield f"{type_[:60]} cannot run in the edge function, which runs {', '.join(types)} and {last}"
        return
    unread = [key for key, value in raw.items() if key not in STEP_KEYS + COSMETIC_KEYS and value is not None]
    known = (*ABILITIES[type_], "actionType", "action_type")
    unread += [key for key, value in config.items() if type_ != "stop" and key not in known and value is not None]
    yield from (f"the edge function does not read `{key[:60]}`" for key in unread)
    if type_ == "wait":
        yield from _of_wait(config)
    for key, value in config.items():
        if tag := _other_tag(value):
            yield f"the edge function fills in {{{{ client.name }}}} alone, not {tag[:80]} of `{key}`"


def _of_wait(config: dict[str, Any]) -> Iterator[str]:
    """Yield what it does not read of a wait: it counts no calendar, and nothing before or after a date."""
    length, until = config.get("for"), config.get("until")
    if isinstance(length, str) and "{" not in length:
        try:
            parse_duration(length)
        except BadDuration:
            yield f"the edge function reads one number of seconds, minutes, hours, days or weeks, not {length[:60]!r}"
    if isinstance(until, str) and _OFFSET.search(_VARIABLE.sub("", until)):
        yield f"the edge function reads a date and time alone, not {until[:80]!r}"


def _other_tag(value: Any) -> str | None:
    """Return the first tag of a JSON value that is not a variable."""
    if isinstance(value, dict | list):
        found = (_other_tag(item) for item in (value.values() if isinstance(value, dict) else value))
        return next((tag for tag in found if tag), None)
    tag = _TAG.search(_VARIABLE.sub("", value)) if isinstance(value, str) else None
    return tag[0] if tag else None
