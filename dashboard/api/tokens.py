"""The tokens of API callers, and what each opens.  Of each kind there may be two, while one replaces the other."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from dataclasses import dataclass, field

from minutehand.store.errors import BadConfiguration

_TOKEN = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one variable, newest first."""

    all: tuple[str, ...] = field(repr=False)
    #: The environment variable that they come from.
    variable: str = "MINUTEHAND_API_TOKEN"

    @classmethod
    def parse(cls, text: str | None, variable: str = "MINUTEHAND_API_TOKEN") -> Tokens:
        """Parse `token` or `new,old`; an empty text has no tokens.

        Errors: `BadConfiguration` for characters that a header cannot carry.

        >>> Tokens.parse("new, old").all, Tokens.parse(None).all
        (('new', 'old'), ())
        """
        tokens = tuple(part.strip() for part in (text or "").split(",") if part.strip())
        if not all(map(_TOKEN.fullmatch, tokens)):
            raise BadConfiguration(
                f"{variable} has spaces, line breaks or non-ASCII characters, not allowed in a header: "
                "set one token, or two separated by a comma while you rotate them"
            )
        return cls(tokens, variable)

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
        digest = _digest(token).digest()
        matches = [hmac.compare_digest(digest, _digest(valid).digest()) for valid in self.all]  # no early exit
        return scheme.lower() == "bearer" and any(matches)


@dataclass(frozen=True, slots=True)
class ServeTokens:
    """The tokens that `serve` accepts.  No token is of two kinds."""

    #: Runs an execution, and reads how it ended.
    api: Tokens
    #: Runs an execution, and reads its status alone: roles of the database can read this token and the replies.
    direct: Tokens
    #: Reads /metrics.
    metrics: Tokens

    @classmethod
    def parse(cls, *, api_token: str | None, direct_token: str | None, metrics_token: str | None) -> ServeTokens:
        """Parse the three variables.  Errors: `BadConfiguration`, also for a token that stands in two of them."""
        kinds = [
            Tokens.parse(api_token),
            Tokens.parse(direct_token, "MINUTEHAND_DIRECT_TOKEN"),
            Tokens.parse(metrics_token, "MINUTEHAND_METRICS_TOKEN"),
        ]
        uses = Counter(token for tokens in kinds for token in set(tokens.all))
        both = [tokens.variable for tokens in kinds if any(uses[token] > 1 for token in tokens.all)]
        if both:
            raise BadConfiguration(
                f"{' and '.join(both)} have a token in common: give each its own (openssl rand -hex 32)"
            )
        return cls(*kinds)

    @property
    def any(self) -> bool:
        """Whether anybody can call."""
        return bool(self.api.all or self.direct.all or self.metrics.all)

    @property
    def executor(self) -> bool:
        """Whether anybody can call the executor."""
        return bool(self.api.all or self.direct.all)

    @property
    def direct_digests(self) -> list[str]:
        """The SHA-256 digests of the tokens of direct mode, in hexadecimal."""
        return [_digest(token).hexdigest() for token in self.direct.all]

    @property
    def wider_digests(self) -> list[str]:
        """The SHA-256 digests of the tokens that open more than direct mode's, in hexadecimal."""
        return [_digest(token).hexdigest() for token in (*self.api.all, *self.metrics.all)]


def _digest(token: str) -> hashlib._Hash:
    """Return a digest: all have the same length."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape"))
