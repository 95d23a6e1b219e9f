"""Templates of URLs: each value is encoded, so that it is one part of the path, the query or the fragment (R14, R17).

A template that is the whole URL is left as it is: who writes the value says where the request goes.  A value within
scheme, host or port is refused, when the workflow is read (`check_url_template`) and when it is rendered (`UrlParts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import quote, unquote

from jinja2 import nodes

from minutehand.executor.actions.contract import BadStep, RenderError
from minutehand.executor.http.url import LONE_PERCENT

#: What comes before the path: nothing of it may be a value.  An address in `mailto:` is checked when it is rendered.
_ORIGIN = re.compile(r"\s*(?:mailto:|[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)", re.IGNORECASE)
#: Filters that put texts together.
_JOINING = ("join", "replace", "truncate")
#: Different beginnings of one URL's template, by its `if`s.
_MAX_WAYS = 64
#: A beginning that is a value: the whole URL.
_WHOLE = "\0"

_IN_HOST = (
    "a template stands in the scheme, host or port: write them out, or give the whole URL in one template, "
    "as in {{ job.callback_url }}"
)
_JOINED = (
    "the URL is put together inside of {{ }}, where its parts are not encoded: write its text outside of them, "
    "as in https://example.com/{{ job.id }}"
)


class BadUrl(RenderError):
    """A value does not fit into the URL; the message says why."""

    code = "bad_url"


class Raw(str):
    """A text that is not encoded: `{{ value|raw }}`."""

    __slots__ = ()


@dataclass(slots=True)
class UrlParts:
    """Where the values of one render stand in its output."""

    #: Start, end, and whether the value is written as it is.
    values: list[tuple[int, int, bool]] = field(default_factory=list)

    def add(self, start: int, value: str) -> None:
        """Note a value that is written at `start`."""
        if value:
            self.values.append((start, start + len(value), isinstance(value, Raw)))

    def encode(self, text: str) -> str:
        """Return the output with its values encoded.  Errors: `BadUrl`."""
        if not self.values:
            return text
        (start, end, _), *more = self.values
        if not more and not text[:start].strip() and not text[end:].strip():
            return text[start:end]
        origin = _ORIGIN.match(text)
        is_mail = origin is not None and origin[0].lower().endswith("mailto:")
        if origin is None or start < origin.end() + (not is_mail):
            raise BadUrl(_IN_HOST)
        return self._encode(text, origin.end(), is_mail=is_mail)

    def _encode(self, text: str, at: int, *, is_mail: bool) -> str:
        parts, is_value, query = [text[:at]], [False], False
        ends = [at, *(place for start, end, _ in self.values for place in (start, end)), len(text)]
        raw = {start: is_raw for start, _, is_raw in self.values}
        for number, (start, end) in enumerate(pairwise(ends)):
            piece = text[start:end]
            is_value.append(number % 2 == 1 and not raw[start])
            if is_value[-1]:
                parts.append(quote(piece, safe="@" if is_mail and not query else "", errors="replace"))
            else:
                parts.append(LONE_PERCENT.sub("%25", piece))
                query = query or "?" in piece
        if not is_mail:
            _check_segments(parts[1:], is_value[1:])
        return "".join(parts)


def _check_segments(parts: list[str], is_value: list[bool]) -> None:
    """Refuse a part of the path that values make `.` or `..`, which leads to another path.  Errors: `BadUrl`."""
    marks = "".join(("v" if is_value[number] else "t") * len(part) for number, part in enumerate(parts))
    path, at = re.split(r"[?#]", "".join(parts), maxsplit=1)[0], 0
    for segment in path.split("/"):
        if "v" in marks[at : at + len(segment)] and unquote(segment.partition(";")[0]) in (".", ".."):
            raise BadUrl(f"a value makes {segment!r} a part of the path, which leads to another path")
        at += len(segment) + 1


def check_url_template(tree: nodes.Template) -> None:
    """Refuse a template of a URL in which a value may stand before the path.  Errors: `BadStep`."""
    if _WHOLE in _walk(tree.body, frozenset({""})) and (
        next(tree.find_all(nodes.Concat), None) or any(f.name in _JOINING for f in tree.find_all(nodes.Filter))
    ):
        raise BadStep(_JOINED)


#: How the URL may begin at one place of its template; None: with all that comes before the path.
_Ways = frozenset[str | None]


def _walk(body: Iterable[nodes.Node], ways: _Ways) -> _Ways:
    for node in body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                text = child.data if isinstance(child, nodes.TemplateData) else None
                ways = frozenset(_after(way, text) for way in ways)
        elif isinstance(node, nodes.If):
            branches = [node.body, *(other.body for other in node.elif_), node.else_]
            ways = frozenset().union(*(_walk(branch, ways) for branch in branches))
        elif isinstance(node, nodes.For):
            once = _walk(node.body, ways)
            ways = _walk(node.else_, ways) | once | _walk(node.body, once)
        if len(ways) > _MAX_WAYS:
            raise BadStep("the URL begins in too many ways: write scheme and host before the first {% if %}")
    return ways


def _after(way: str | None, text: str | None) -> str | None:
    """Return how the URL begins after a text, or after a value (None).  Errors: `BadStep`."""
    if way is None or (text is not None and not text.strip()):
        return way
    if text is None:
        if way:
            raise BadStep(_IN_HOST)
        return _WHOLE
    if way == _WHOLE:
        raise BadStep(_IN_HOST)
    way += text
    origin = _ORIGIN.match(way)
    is_whole = origin is not None and (origin.end() < len(way) or origin[0].lower().endswith("mailto:"))
    return None if is_whole else way
