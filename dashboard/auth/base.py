"""What all kinds of access share: they identify users, and check that a form came from a page of this server."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from abc import ABC, abstractmethod

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from minutehand.dashboard.auth.identity import User


class Denied(Exception):
    """The request is not answered by its page, but with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Access(ABC):
    """Identifies users, and checks forms."""

    #: Whether users sign in and out on a page of the dashboard.
    signs_in = False

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    async def authenticate(self, request: Request) -> User:
        """Return the user of a request that no other site made.  Errors: `Denied`."""
        check_site(request)
        return await self.identify(request)

    @abstractmethod
    async def identify(self, request: Request) -> User:
        """Return the user of a request.  Errors: `Denied`."""

    def form_token(self, user: User) -> str:
        """Return the token that this process puts into the forms of this user."""
        return hmac.new(self._key, f"{user.name}\0{user.tenant}".encode(), hashlib.sha256).hexdigest()

    def check_form(self, request: Request, user: User, token: str) -> None:
        """Errors: `Denied` unless a page of this process sent the form, shown to this user."""
        check_origin(request)
        if not hmac.compare_digest(token.encode(), self.form_token(user).encode()):
            raise Denied(PlainTextResponse("This page is out of date. Go back, reload it, and try again.\n", 403))


def check_site(request: Request, *, links: bool = True) -> None:
    """Errors: `Denied` if a page of another site made the browser send this.

    Without a login, and with HTTP Basic, a browser would send it as the user.  With `links`, a link that leads here is
    fine.
    """
    headers = request.headers
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not (links and is_link):
        raise Denied(PlainTextResponse("Another site requested this. Open it from the dashboard.\n", 403))


def check_origin(request: Request) -> None:
    """Errors: `Denied` unless a page of this server sent the form."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    _, _, origin = request.headers.get("origin", "").partition("://")
    if site != "same-origin" or not origin or origin != request.headers.get("host"):
        raise Denied(PlainTextResponse("This form was sent from another site.\n", 403))
