"""Keeps values on pages from reordering their neighbours: each value between tags gets a `<bdi>` if its text needs one.

A text with letters or controls of another direction changes the order of what stands beside it (Unicode UAX #9).
`Isolate` changes every template when it is compiled, so that no template must think of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup

#: The directions of UAX #9 that affect neighbours; U+200E is of `L`, as letters are.
_DIRECTIONS = frozenset(["R", "AL", "AN", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"])
_BDI = Markup("<bdi>{}</bdi>")


def isolate(value: Any) -> Any:
    r"""Return a text as an isolated element if it may affect its neighbours; all else, HTML too, as it is.

    >>> isolate("a\u202eb"), isolate("Zoë"), isolate(1)
    (Markup('<bdi>a\u202eb</bdi>'), 'Zoë', 1)
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isascii():
        return value
    affects = any(unicodedata.bidirectional(one) in _DIRECTIONS or one == "\u200e" for one in value)
    return _BDI.format(value) if affects else value


class Isolate(Extension):
    """Applies `isolate` to every `{{ … }}` between tags; in a tag and in the page's title there are no elements."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        environment.filters["isolate"] = isolate

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """See `Extension`."""
        tags, in_title = _Tags(), False
        previous = ""
        for token in stream:
            if token.type == "data":
                tags.read(token.value)
            elif token.type == "name" and token.value in ("title", "endblock"):
                in_title = previous == "block" or (in_title and token.value != "endblock")
            isolated = not (tags.inside or in_title)
            if token.type == "variable_begin" and isolated:
                yield token
                yield Token(token.lineno, "lparen", "(")
            elif token.type == "variable_end" and isolated:
                yield from _applied(token)
            else:
                yield token
            previous = token.value if token.type == "name" else previous if token.type == "whitespace" else ""


def _applied(end: Token) -> Iterator[Token]:
    yield Token(end.lineno, "rparen", ")")
    yield Token(end.lineno, "pipe", "|")
    yield Token(end.lineno, "name", "isolate")
    yield end


class _Tags:
    """Whether the text so far ends inside a tag."""

    def __init__(self) -> None:
        self.inside = False
        self._quote = ""

    def read(self, text: str) -> None:
        for character in text:
            if not self.inside:
                self.inside = character == "<"
            elif self._quote:
                self._quote = "" if character == self._quote else self._quote
            elif character in "\"'":
                self._quote = character
            elif character == ">":
                self.inside = False
