"""Loopback: whoever is on this machine, and calls us by its name."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import PERMISSIONS, User

#: The names of loopback.  Another one in `Host` is a page elsewhere whose name was turned to us (DNS rebinding).
NAMES = ("localhost", "127.0.0.1", "::1")


class Loopback(Access):
    """Lets in who speaks to us by a name of loopback."""

    async def authenticate(self, request: Request) -> User:
        """See `Access`."""
        if any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip")):
            said = "A proxy brought this from elsewhere: give the dashboard a login, MINUTEHAND_LOGINS.\n"
            raise Denied(PlainTextResponse(said, 421))
        if is_loopback(request.headers.get("host", "")):
            return User(name="this machine", permissions=frozenset(PERMISSIONS))
        raise Denied(PlainTextResponse("This page is for this machine: call it by http://127.0.0.1.\n", 421))


def is_loopback(host: str) -> bool:
    """Say whether a `Host` names loopback.

    >>> [is_loopback(host) for host in ("127.0.0.1:8787", "[::1]:80", "localhost", "127.0.0.1.evil.example")]
    [True, True, True, False]
    """
    try:
        return urlsplit(f"//{host}").hostname in NAMES
    except ValueError:
        return False
