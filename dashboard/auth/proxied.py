"""Access for users that a proxy in front of the server has authenticated and names in a header."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import DEFAULT_PERMISSIONS, User
from minutehand.store.errors import BadConfiguration


class Proxied(Access):
    """Admits the user that the header names, if the request comes from an address of the proxy."""

    def __init__(self, header: str, addresses: str, permissions: frozenset[str] = DEFAULT_PERMISSIONS) -> None:
        super().__init__()
        self._header = header
        self._permissions = permissions
        try:
            self._networks = tuple(ipaddress.ip_network(part.strip()) for part in addresses.split(",") if part.strip())
        except ValueError as error:
            raise BadConfiguration(f"MINUTEHAND_PROXY_FROM (--proxy-from) is not valid: {error}") from None
        if not self._networks:
            raise BadConfiguration(
                "MINUTEHAND_PROXY_HEADER needs MINUTEHAND_PROXY_FROM: the addresses of the proxy, such as 10.0.0.5 or "
                "10.0.0.0/24. Otherwise anybody could send the header."
            )

    async def identify(self, request: Request) -> User:
        """See `Access`."""
        peer = request.client.host if request.client else ""
        try:
            is_proxy = any(ipaddress.ip_address(peer) in network for network in self._networks)
        except ValueError:
            is_proxy = False
        if not is_proxy:
            raise Denied(PlainTextResponse("Use the dashboard through its proxy.\n", 403))
        names = request.headers.getlist(self._header)
        if len(names) != 1 or not names[0].strip():
            raise Denied(PlainTextResponse(f"The proxy sent no user in the header {self._header}.\n", 401))
        return User(name=names[0].strip()[:100], permissions=self._permissions)
