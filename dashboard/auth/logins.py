"""Logins: a name and a password each, by HTTP Basic; a program may show the password as a bearer token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import PERMISSIONS, User
from minutehand.store.errors import BadConfiguration

_LOGIN = re.compile(
    r"(?P<name>[^\s:=@]+):(?P<password>[^\s:=@]+)(?:=(?P<permissions>[a-z,]+))?(?:@(?P<tenant>[^\s=@]+))?"
)
#: A guess must be dear.
_LEAST = 12


@dataclass(frozen=True, slots=True)
class Login:
    """One of them."""

    user: User
    password: str = field(repr=False)


class Logins(Access):
    """Lets in who knows one of the passwords."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._all = tuple(parse(part) for part in text.split())

    async def authenticate(self, request: Request) -> User:
        """See `Access`."""
        name, shown = credentials(request.headers.get("authorization", ""))
        digest = _digest(shown)
        # All of them: the time taken tells nothing.
        good = [
            login.user
            for login in self._all
            if hmac.compare_digest(digest, _digest(login.password)) and name in (None, login.user.name)
        ]
        if good and shown:
            return good[0]
        headers = {"WWW-Authenticate": 'Basic realm="Minutehand", charset="UTF-8"'}
        raise Denied(PlainTextResponse("A login is needed: one of MINUTEHAND_LOGINS.\n", 401, headers=headers))


def parse(text: str) -> Login:
    """Read `name:password`, `name:password=view,retry`, `name:password=view@tenant`.

    Errors: `BadConfiguration`, which quotes no password.

    >>> parse("ops:correct-horse=view,retry@north").user
    User(name='ops', permissions=frozenset({...}), tenant='north')
    """
    match = _LOGIN.fullmatch(text)
    if match is None:
        raise BadConfiguration(
            "MINUTEHAND_LOGINS cannot be read: write name:password, or name:password=view,retry, several with spaces "
            "between them; a password has no space and none of : = @"
        )
    allowed = set((match["permissions"] or ",".join(PERMISSIONS)).split(",")) - {""}
    if unknown := allowed - set(PERMISSIONS):
        raise BadConfiguration(
            f"MINUTEHAND_LOGINS: {match['name']} has the permission {sorted(unknown)[0]!r}; there are "
            f"{', '.join(PERMISSIONS)}"
        )
    if len(match["password"]) < _LEAST:
        raise BadConfiguration(
            f"MINUTEHAND_LOGINS: the password of {match['name']} is shorter than {_LEAST} letters; openssl rand -hex 16"
        )
    user = User(name=match["name"], permissions=frozenset(allowed | {"view"}), tenant=match["tenant"])
    return Login(user, match["password"])


def credentials(authorization: str) -> tuple[str | None, str]:
    """Return the name, if one is said, and the password that a header shows; an empty one where it shows none.

    >>> [credentials(said) for said in ("Basic b3BzOnNlY3JldA==", "Bearer secret", "Basic !", "Basic é")]
    [('ops', 'secret'), (None, 'secret'), (None, ''), (None, '')]
    """
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return None, shown.strip()
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(shown, validate=True).decode().partition(":")
        except ValueError:  # no base64, or no text
            return None, ""
        return name, password
    return None, ""


def _digest(text: str) -> bytes:
    """Of equal length, whatever is shown."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
