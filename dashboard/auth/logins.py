"""Access by a name and a password, by HTTP Basic; a program may send the password as a bearer token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import DEFAULT_PERMISSIONS, PERMISSIONS, User
from minutehand.store.errors import BadConfiguration

_LOGIN = re.compile(
    r"(?P<name>[^\s:=@]+):(?P<password>[^\s:=@]+)(?:=(?P<permissions>[a-z,]+))?(?:@(?P<tenant>[^\s=@]+))?"
)
#: Characters of a password, so that guessing takes too long.
MIN_PASSWORD = 12


@dataclass(frozen=True, slots=True)
class Login:
    """A user with a password."""

    user: User
    password: str = field(repr=False)


class Logins(Access):
    """Admits users by their password."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._all = tuple(parse(part) for part in text.split())

    async def identify(self, request: Request) -> User:
        """See `Access`."""
        name, password = credentials(request.headers.get("authorization", ""))
        digest = _digest(password)
        # Compares with all of them, so that the time does not show which one matches.
        matches = [
            login.user
            for login in self._all
            if hmac.compare_digest(digest, _digest(login.password)) and name in (None, login.user.name)
        ]
        if matches and password:
            return matches[0]
        headers = {"WWW-Authenticate": 'Basic realm="Minutehand", charset="UTF-8"'}
        raise Denied(PlainTextResponse("Log in with a name and password of MINUTEHAND_LOGINS.\n", 401, headers=headers))


def parse(text: str) -> Login:
    """Read `name:password`, `name:password=view,retry`, `name:password=view@tenant`.

    Errors: `BadConfiguration`; its text never contains a password.

    >>> parse("ops:correct-horse=view,retry@north").user
    User(name='ops', permissions=frozenset({...}), tenant='north')
    """
    match = _LOGIN.fullmatch(text)
    if match is None:
        raise BadConfiguration(
            "MINUTEHAND_LOGINS is not valid: write name:password or name:password=view,retry, separated by spaces. "
            "A password contains no space, colon, = or @."
        )
    allowed = DEFAULT_PERMISSIONS if match["permissions"] is None else set(match["permissions"].split(",")) - {""}
    if unknown := allowed - set(PERMISSIONS):
        raise BadConfiguration(
            f"MINUTEHAND_LOGINS: {match['name']} has the unknown permission {sorted(unknown)[0]!r}. "
            f"Use {', '.join(PERMISSIONS)}."
        )
    if len(match["password"]) < MIN_PASSWORD:
        raise BadConfiguration(
            f"MINUTEHAND_LOGINS: the password of {match['name']} is shorter than {MIN_PASSWORD} characters. "
            "Make one with: openssl rand -hex 16"
        )
    user = User(name=match["name"], permissions=frozenset(allowed | {"view"}), tenant=match["tenant"])
    return Login(user, match["password"])


def credentials(authorization: str) -> tuple[str | None, str]:
    """Return the name, if there is one, and the password of an `Authorization` header; empty if it has none.

    >>> [credentials(header) for header in ("Basic b3BzOnNlY3JldA==", "Bearer secret", "Basic !", "Basic é")]
    [('ops', 'secret'), (None, 'secret'), (None, ''), (None, '')]
    """
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return None, value.strip()
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:  # not base64, or not text
            return None, ""
        return name, password
    return None, ""


def _digest(text: str) -> bytes:
    """Return a digest, so that the compared values have one length."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
