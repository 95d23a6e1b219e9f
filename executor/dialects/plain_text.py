"""E-mails whose only text is HTML: recognises them, and makes plain text of them.

The standard library's parser is not used: it takes minutes for 100,000 characters of unclosed tags.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

_TAG = re.compile(
    r"<(?:p|br|div|span|html|body|table|tr|td|h[1-6]|ul|ol|li|a|b|i|u|em|strong|img|center|hr|font)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
#: A part of a template: it is not HTML, whatever it contains.
_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}|\{%[^{}]*%\}")
_MARK = re.compile(r"<!--|-->|<(?P<end>/?)(?P<tag>[A-Za-z][A-Za-z0-9]{0,15})(?P<more>[^<>]*)>")
_HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))""", re.IGNORECASE)
_LINES = frozenset({"p", "br", "div", "tr", "li", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "hr"})
_HIDDEN = frozenset({"head", "style", "script", "title"})


def is_html(text: Any) -> bool:
    """Whether a text contains HTML tags."""
    return isinstance(text, str) and _TAG.search(text) is not None


def without_tags(html: str) -> str:
    """Return an HTML text as plain text, with its lines and links.  Templates stay.

    >>> without_tags('<p>Dear {{ client.name }},</p><p>please <a href="{{ link }}">pay</a> &lt;soon&gt;</p>')
    'Dear {{ client.name }},\\n\\nplease pay ({{ link }}) <soon>'
    """
    parts: list[str] = []

    def keep(match: re.Match[str]) -> str:
        parts.append(match[0])
        return f"\ue000{len(parts) - 1}\ue001"

    source = _TEMPLATE.sub(keep, re.sub("[\ue000\ue001]", "", html))
    lines = (" ".join(line.split()) for line in "".join(_visible_text(source)).split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return re.sub("\ue000([0-9]+)\ue001", lambda match: parts[int(match[1])], text)


def _visible_text(source: str) -> list[str]:
    parts, links, hidden, comment, at = [], [], 0, False, 0
    for mark in _MARK.finditer(source):
        if not (hidden or comment):
            parts.append(_unescape(source[at : mark.start()]))
        at = mark.end()
        if mark["tag"] is None:
            comment = mark[0] == "<!--"
            continue
        tag, ends = mark["tag"].lower(), bool(mark["end"])
        if comment:
            continue
        if tag in _HIDDEN:
            hidden = max(hidden + (-1 if ends else 1), 0)
        elif tag in _LINES:
            parts.append("\n")
        elif tag == "a" and not ends:
            links.append(_HREF.search(mark["more"]))
        elif tag == "a" and links and (link := links.pop()):
            parts.append(f" ({unescape(link[1] or link[2] or link[3] or '')})")
    return parts if hidden or comment else [*parts, _unescape(source[at:])]


def _unescape(text: str) -> str:
    """Return the text between two tags; a line break in it is a space."""
    return unescape(text.replace("\n", " "))
