"""The tokens of API callers: one, or two while one replaces the other."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from minutehand.store.errors import BadConfiguration

_TOKEN = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of MINUTEHAND_API_TOKEN, newest first."""

    all: tuple[str, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str | None) -> Tokens:
        """Parse `token` or `new,old`; an empty text has no tokens.

        Errors: `BadConfiguration` for characters that a header cannot carry.

        >>> Tokens.parse("new, old").all, Tokens.parse(None).all
        (('new', 'old'), ())
        """
        tokens = tuple(part.strip() for part in (text or "").split(",") if part.strip())
        if not all(map(_TOKEN.fullmatch, tokens)):
            raise BadConfiguration(
                "MINUTEHAND_API_TOKEN has spaces, line breaks or non-ASCII characters, not allowed in a header: "
                "set one token, or two separated by a comma while you rotate them"
            )
        return cls(tokens)

    @property
    def first(self) -> str | None:
        """The newest token."""
        return self.all[0] if self.all else None

    def accept(self, authorization: str) -> bool:
        """Return whether an `Authorization` header has one of the tokens, in constant time.

        >>> tokens = Tokens.parse("new,old")
        >>> [tokens.accept(text) for text in ("Bearer old", "bearer new", "Bearer newer", "new", "")]
        [True, True, False, False, False]
        """
        scheme, _, token = authorization.partition(" ")
        digest = _digest(token)
        matches = [hmac.compare_digest(digest, _digest(valid)) for valid in self.all]  # no early exit
        return scheme.lower() == "bearer" and any(matches)


def _digest(token: str) -> bytes:
    """Return a digest: all have the same length."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
