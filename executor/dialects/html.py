"""E-mails whose only text is HTML, as the app's own senders took them: told apart, and made readable as plain text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

_TAG = re.compile(
    r"<(?:p|br|div|span|html|body|table|tr|td|h[1-6]|ul|ol|li|a|b|i|u|em|strong|img|center|hr|font)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
#: A template's own part, which is no HTML whatever stands in it; unclosed ones end at the next brace.
_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}|\{%[^{}]*%\}")
_LINES = frozenset({"p", "br", "div", "tr", "li", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "hr"})
_HIDDEN = frozenset({"head", "style", "script", "title"})


def is_html(text: Any) -> bool:
    """Whether a text holds tags, and so would look broken as plain text."""
    return isinstance(text, str) and _TAG.search(text) is not None


def without_tags(html: str) -> str:
    """The words of an HTML text, its lines and its links: `<a href="U">pay</a>` is `pay (U)`.  Templates stay."""
    parts: list[str] = []

    def keep(match: re.Match[str]) -> str:
        parts.append(match[0])
        return f"\ue000{len(parts) - 1}\ue001"

    reader = _Words()
    reader.feed(_TEMPLATE.sub(keep, re.sub("[\ue000\ue001]", "", html)))
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.words).splitlines())
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return re.sub("\ue000(\\d+)\ue001", lambda match: parts[int(match[1])], text)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._links: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _LINES:
            self.words.append("\n")
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LINES:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(self._hidden - 1, 0)
        elif tag in _LINES:
            self.words.append("\n")
        elif tag == "a" and self._links and (link := self._links.pop()):
            self.words.append(f" ({link})")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(" ".join(data.splitlines()) if data.strip() else " ")
