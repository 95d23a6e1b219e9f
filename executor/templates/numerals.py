"""Numbers in templates keep the digits that their author wrote: Jinja itself reads `1.10` as a binary fraction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import TemplateSyntaxError
from jinja2.lexer import TOKEN_FLOAT, TOKEN_INTEGER, Lexer, Token
from jinja2.sandbox import ImmutableSandboxedEnvironment

from minutehand.store.json import MAX_DIGITS, numeral


class ExactLexer(Lexer):
    """Reads a number with a fraction or an exponent as a `Numeral`."""

    def wrap(
        self, stream: Iterable[tuple[int, str, str]], name: str | None = None, filename: str | None = None
    ) -> Iterator[Token]:
        """Turn what was matched into tokens."""
        for item in stream:
            line, token, text = item
            try:
                if token == TOKEN_FLOAT:
                    value: Any = numeral(text.replace("_", ""))
                    yield Token(line, token, value)
                    continue
                if token == TOKEN_INTEGER and len(text) > MAX_DIGITS:
                    raise ValueError("too many digits")
            except ValueError:
                raise TemplateSyntaxError("a number with too many digits", line, name, filename) from None
            yield from super().wrap((item,), name, filename)


class ExactEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with numbers as they are written."""

    @property
    def lexer(self) -> Lexer:
        """The lexer of every template."""
        return ExactLexer(self)
