"""Jinja templates with autoescape, their filters, and the addresses of static files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from minutehand.dashboard import charts
from minutehand.dashboard.isolation import Isolate, isolate
from minutehand.dashboard.presentation import formatting
from minutehand.executor import durations

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


@cache
def environment() -> Environment:
    """Return the environment of all templates."""
    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        extensions=[Isolate],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "duration": durations.format_duration,
        "short_duration": durations.format_short,
        "number": formatting.number,
        "plural": formatting.plural,
        "inline": formatting.inline_value,
        "pretty_json": formatting.pretty_json,
        "time": time,
        "age": age,
        "status_badge": status_badge,
        "notes": formatting.step_notes,
    }
    env.globals |= {
        "label": formatting.label,
        "label_html": label_html,
        "status_reason": formatting.status_reason,
        "attempt_text": formatting.attempt_text,
        "seconds_between": formatting.seconds_between,
        "spark": charts.spark,
        "static": static,
    }
    return env


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return the HTML of a page."""
    return environment().get_template(template).render(context)


@cache
def static(name: str) -> str:
    """Return the address of a static file.  It changes with the content, so browsers may keep the file for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def label_html(row: Mapping[str, Any]) -> Markup:
    """Return `formatting.label` with each value isolated from the others."""
    return Markup(formatting.label(row, write=lambda text: str(escape(isolate(text)))))


def time(text: str | None, format_: str = "%d %b %H:%M:%S") -> Markup:
    """Show a time in UTC, as an element that the script extends with the browser's time zone."""
    at = formatting.parse_time(text)
    if at is None:
        return Markup("") if text is None else escape(text)
    return _time_element(at, at.strftime(format_))


def age(text: str | None, now: datetime) -> Markup:
    """Show how long ago a time was, in one unit."""
    at = formatting.parse_time(text)
    if at is None:
        return Markup("")
    return _time_element(at, durations.format_short(max(0.0, (now - at).total_seconds())))


def _time_element(at: datetime, text: str) -> Markup:
    title = at.strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(at.isoformat(), title, text)


def status_badge(status: str, code: str | None = None) -> Markup:
    """Show a status by its sign, its word and its colour."""
    word = "uncertain" if code == "uncertain_send" and status == "failed" else status
    css_class = word if word in formatting.SIGNS else "other"
    return Markup('<span class="mark {}"><span aria-hidden="true">{}</span> {}</span>').format(
        css_class, formatting.SIGNS.get(word, "•"), word
    )
