"""Templates: found beside this file, filled in with autoescape, read once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from minutehand.dashboard import charts
from minutehand.dashboard.presentation import formatting

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


@cache
def environment() -> Environment:
    """Return the one environment of the pages."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "duration": formatting.duration,
        "short_duration": formatting.short_duration,
        "number": formatting.number,
        "plural": formatting.plural,
        "inline": formatting.inline_value,
        "pretty_json": formatting.pretty_json,
        "time": time,
        "age": age,
        "status_badge": status_badge,
    }
    made.globals |= {
        "label": formatting.label,
        "status_reason": formatting.status_reason,
        "seconds_between": formatting.seconds_between,
        "spark": charts.spark,
        "static": static,
    }
    return made


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return a page."""
    return environment().get_template(template).render(context)


@cache
def static(name: str) -> str:
    """Return a file's address, which changes with its content, so that it may be kept for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def time(text: str | None, form: str = "%d %b %H:%M:%S") -> Markup:
    """Show an instant in UTC, in an element that the browser may show in its own zone."""
    at = formatting.parse_time(text)
    if at is None:
        return Markup("") if text is None else escape(text)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S"), at.strftime(form)
    )


def age(text: str | None, now: Any) -> Markup:
    """Show how long ago an instant was, in one unit."""
    at = formatting.parse_time(text)
    if at is None:
        return Markup("")
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(),
        at.strftime("%Y-%m-%d %H:%M:%S"),
        formatting.short_duration(max(0.0, (now - at).total_seconds())),
    )


def status_badge(status: str, code: str | None = None) -> Markup:
    """Show a status: its sign, its word, and its colour."""
    shown = "uncertain" if code == "uncertain_send" and status == "failed" else status
    known = shown if shown in formatting.SIGNS else "other"
    return Markup('<span class="mark {}"><span aria-hidden="true">{}</span> {}</span>').format(
        known, formatting.SIGNS.get(shown, "•"), shown
    )
