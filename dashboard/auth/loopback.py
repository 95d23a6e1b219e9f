"""Access for anybody on this machine, without a login."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import DEFAULT_PERMISSIONS, User

#: Host names of loopback.  Another `Host` belongs to a site whose DNS name points to this machine (DNS rebinding).
NAMES = ("localhost", "127.0.0.1", "::1")


class Loopback(Access):
    """Admits requests that name loopback as their host."""

    async def identify(self, request: Request) -> User:
        """See `Access`."""
        if any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip")):
            text = "A proxy forwarded this request. Set a login for the dashboard: MINUTEHAND_LOGINS.\n"
            raise Denied(PlainTextResponse(text, 421))
        if is_loopback(request.headers.get("host", "")):
            return User(name="this machine", permissions=DEFAULT_PERMISSIONS)
        raise Denied(PlainTextResponse("Without a login, the dashboard answers only at http://127.0.0.1.\n", 421))


def is_loopback(host: str) -> bool:
    """Return whether a `Host` header names loopback.

    >>> [is_loopback(host) for host in ("127.0.0.1:8787", "[::1]:80", "localhost", "127.0.0.1.evil.example")]
    [True, True, True, False]
    """
    try:
        return urlsplit(f"//{host}").hostname in NAMES
    except ValueError:
        return False
