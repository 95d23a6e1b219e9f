"""The tokens that callers show: narrow, and two at a time while one is rotated."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from minutehand.store.errors import BadConfiguration

_TOKEN = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What MINUTEHAND_API_TOKEN holds, newest first."""

    all: tuple[str, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str | None) -> Tokens:
        """Read `token` or `new,old`; none at all is no token.

        Errors: `BadConfiguration` for what no header can carry.

        >>> Tokens.parse("new, old").all, Tokens.parse(None).all
        (('new', 'old'), ())
        """
        found = tuple(part.strip() for part in (text or "").split(",") if part.strip())
        if not all(map(_TOKEN.fullmatch, found)):
            raise BadConfiguration(
                "MINUTEHAND_API_TOKEN holds a space, a line break or a letter beyond ASCII, which no header carries: "
                "set one word, or two with a comma between them while one is rotated"
            )
        return cls(found)

    @property
    def first(self) -> str | None:
        """The newest."""
        return self.all[0] if self.all else None

    def let_in(self, authorization: str) -> bool:
        """Say whether an `Authorization` header shows one of them; the time taken tells nothing.

        >>> tokens = Tokens.parse("new,old")
        >>> [tokens.let_in(text) for text in ("Bearer old", "bearer new", "Bearer newer", "new", "")]
        [True, True, False, False, False]
        """
        scheme, _, shown = authorization.partition(" ")
        digest = _digest(shown)
        good = [hmac.compare_digest(digest, _digest(token)) for token in self.all]  # all: none is a short cut
        return scheme.lower() == "bearer" and any(good)


def _digest(token: str) -> bytes:
    """Of equal length, whatever is shown."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
