"""Users of the Supabase project whose token names a role on the dashboard.

They sign in with their e-mail and password; the project's own server checks both and gives a token, which is kept in a
strict cookie and checked here against the project's keys at each request.  The role stands in `app_metadata`, which
only a server can write.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import PERMISSIONS, User

COOKIE = "minutehand"
#: What each role may, as the claim `app_metadata.minutehand_role` names it.
ROLES: Mapping[str, frozenset[str]] = {
    "admin": frozenset(PERMISSIONS),
    "operator": frozenset({"view", "retry", "cancel"}),
    "viewer": frozenset({"view"}),
}
CLAIM = "minutehand_role"
#: Seconds that the project's keys are believed, and that it may take to answer.
KEYS_SECONDS, ASK_SECONDS = 600.0, 10.0
#: So many sign in at once; who guesses waits, and its place is taken meanwhile: the project counts us, not them.
SIGN_INS, WRONG_SECONDS = 5, 1.0
#: Only these: a token must not choose to be signed by nobody, or by a public key taken for a secret.
_ALGORITHMS = ("ES256", "RS256", "EdDSA")


class SignInFailed(Exception):
    """Its text says why, for the form."""


class SupabaseUsers(Access):
    """Lets in users of a project whose role allows it."""

    signs_in = True

    def __init__(self, url: str, key: str, *, secret: str | None = None) -> None:
        super().__init__()
        self._url = url
        self._headers = {"apikey": key, "content-type": "application/json"}
        #: Signs the tokens of a project that has no asymmetric keys yet.
        self._secret = secret
        #: By their id; each with the one algorithm that it is for.
        self._keys: dict[str, tuple[str, Any]] = {}
        self._keys_until = 0.0
        self._reading = asyncio.Lock()
        self._signing_in = asyncio.Semaphore(SIGN_INS)

    async def authenticate(self, request: Request) -> User:
        """See `Access`."""
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        token = shown if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        user = await self.user_of(token) if token else None
        if user is None:
            raise Denied(self._to_login(request))
        return user

    async def user_of(self, token: str) -> User | None:
        """Return whose token it is; None where it is none of the project's, is over, or its user has no role."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            key = await self._key_for(header)
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],
                audience="authenticated",
                options={"require": ["exp", "sub", "aud"]},
            )
        except jwt.PyJWTError:
            return None
        metadata = claims.get("app_metadata")
        if not isinstance(metadata, dict):
            return None
        permissions = ROLES.get(str(metadata.get(CLAIM)))
        if permissions is None:
            return None
        tenant = metadata.get("minutehand_tenant")
        return User(
            name=str(claims.get("email") or claims["sub"]),
            permissions=permissions,
            tenant=None if tenant in (None, "*") else str(tenant),
        )

    async def sign_in(self, email: str, password: str) -> tuple[str, int]:
        """Return the token that the project gives, and its seconds.  Errors: `SignInFailed`."""
        if self._signing_in.locked():
            raise SignInFailed("too many sign in at this moment; try again in a little while")
        body = json.dumps({"email": email, "password": password}).encode()
        async with self._signing_in:
            status, said = await asyncio.to_thread(self._ask, "/auth/v1/token?grant_type=password", body)
            token = said.get("access_token")
            if status != 200 or not isinstance(token, str):
                await asyncio.sleep(WRONG_SECONDS)
                raise SignInFailed("the project does not know this e-mail with this password")
        if await self.user_of(token) is None:
            raise SignInFailed(f"this user may not look here: app_metadata.{CLAIM} names no role")
        return token, int(said.get("expires_in", 3600))

    async def _key_for(self, header: Mapping[str, Any]) -> Any:
        if header.get("alg") == "HS256":
            return self._secret
        if header.get("alg") not in _ALGORITHMS:
            return None
        kid = str(header.get("kid"))
        async with self._reading:  # who comes meanwhile is answered from what was read
            # A new key is looked for each 10 s at most.
            is_new = kid not in self._keys and time.monotonic() >= self._keys_until - KEYS_SECONDS + 10
            if is_new or time.monotonic() >= self._keys_until:
                await self._read_keys()
        algorithm, key = self._keys.get(kid, (None, None))
        return key if algorithm == header["alg"] else None

    async def _read_keys(self) -> None:
        import jwt

        status, said = await asyncio.to_thread(self._ask, "/auth/v1/.well-known/jwks.json", None)
        self._keys_until = time.monotonic() + KEYS_SECONDS
        if status == 200:
            self._keys = {
                str(key.get("kid")): (key["alg"], jwt.PyJWK(key).key)
                for key in said.get("keys", [])
                if key.get("alg") in _ALGORITHMS and key.get("use", "sig") == "sig"
            }

    def _ask(self, path: str, body: bytes | None) -> tuple[int, dict[str, Any]]:
        from http.client import HTTPConnection, HTTPException, HTTPSConnection
        from urllib.parse import urlsplit

        parts = urlsplit(self._url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=ASK_SECONDS)
        try:
            connection.request("POST" if body else "GET", parts.path + path, body, self._headers)
            answer = connection.getresponse()
            said = json.loads(answer.read(1_000_000) or b"{}")
            return answer.status, said if isinstance(said, dict) else {}
        except (OSError, HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()

    @staticmethod
    def _to_login(request: Request) -> Response:
        if request.method != "GET" or request.url.path == "/live":
            return Response("Sign in first.\n", 401, media_type="text/plain")
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?back={quote(back, safe='')}", 303)
