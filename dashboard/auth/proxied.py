"""Proxied: a proxy in front of us has asked who it is, and names them in a header."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import PERMISSIONS, User
from minutehand.store.errors import BadConfiguration


class Proxied(Access):
    """Lets in whom the header names, if it comes from an address of the proxy's."""

    def __init__(self, header: str, addresses: str, permissions: frozenset[str] = frozenset(PERMISSIONS)) -> None:
        super().__init__()
        self._header = header
        self._permissions = permissions
        try:
            self._from = tuple(ipaddress.ip_network(part.strip()) for part in addresses.split(",") if part.strip())
        except ValueError as error:
            raise BadConfiguration(f"MINUTEHAND_PROXY_FROM (--proxy-from) cannot be read: {error}") from None
        if not self._from:
            raise BadConfiguration(
                "MINUTEHAND_PROXY_HEADER needs MINUTEHAND_PROXY_FROM: the addresses of the proxy, 10.0.0.5 or "
                "10.0.0.0/24; from elsewhere anybody could write the header"
            )

    async def authenticate(self, request: Request) -> User:
        """See `Access`."""
        peer = request.client.host if request.client else ""
        try:
            known = any(ipaddress.ip_address(peer) in network for network in self._from)
        except ValueError:
            known = False
        if not known:
            raise Denied(PlainTextResponse("This page is behind a proxy.\n", 403))
        names = request.headers.getlist(self._header)
        if len(names) != 1 or not names[0].strip():
            raise Denied(PlainTextResponse(f"The proxy did not say who this is, in {self._header}.\n", 401))
        return User(name=names[0].strip()[:100], permissions=self._permissions)
