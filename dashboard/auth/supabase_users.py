"""Users of the Supabase project whose token names a role on the dashboard.

They sign in with e-mail and password.  The project's auth server checks both and returns a token, which is kept in a
strict cookie and verified against the project's public keys at each request.  The role is in `app_metadata`, which only
a server can write.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import jwt
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from minutehand.dashboard.api.problems import RETRY_SECONDS
from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import DEFAULT_PERMISSIONS, User

COOKIE = "minutehand"
#: The permissions of each value of the claim `app_metadata.minutehand_role`.
ROLES: Mapping[str, frozenset[str]] = {
    "admin": DEFAULT_PERMISSIONS,
    "operator": frozenset({"view", "retry", "cancel"}),
    "viewer": frozenset({"view"}),
}
CLAIM = "minutehand_role"
#: The claim of `app_metadata` that adds the permission `secrets` when it is true.
SECRETS_CLAIM = "minutehand_secrets"
#: Seconds for which the project's keys are valid here, and between two fetches for a key that is missing.
KEYS_SECONDS, REFETCH_SECONDS = 600.0, 10.0
#: Seconds that the auth server may take to answer.
TIMEOUT_SECONDS = 10.0
#: Concurrent sign-ins, and the seconds that a wrong password costs.  The auth server limits us as one client, so that
#: guesses must not use up what others need.
SIGN_INS, WRONG_SECONDS = 5, 1.0
#: Requests that wait for a key that is not known here.  Past that, the answer is 503.
LOOKUPS = 20
#: Never `none`, and never HS256 with a public key as its secret.
_ALGORITHMS = ("ES256", "RS256", "EdDSA")


class SignInFailed(Exception):
    """Its text is shown above the form."""


class ProjectKeys(jwt.PyJWKClient):
    """The project's public keys.  While they cannot be fetched, the last ones are used."""

    _failed_at = float("-inf")

    def fetch_data(self) -> Any:
        """See `PyJWKClient`.  After a failure, the next fetch waits for `REFETCH_SECONDS`.  Errors: `PyJWTError`."""
        if time.monotonic() - self._failed_at >= REFETCH_SECONDS:
            try:
                return super().fetch_data()
            except (jwt.PyJWTError, OSError, ValueError):
                self._failed_at = time.monotonic()
        last = self.jwk_set_cache.jwk_set_with_timestamp if self.jwk_set_cache else None
        if last is None:
            raise jwt.PyJWKClientConnectionError("the project's keys cannot be fetched")
        return last.get_jwk_set()

    def known(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key that is valid here, without a fetch; None if there is none of this id."""
        keys = self.jwk_set_cache.get() if self.jwk_set_cache else None
        return next((key for key in keys or () if key.key_id == key_id and key.public_key_use in ("sig", None)), None)


class SupabaseUsers(Access):
    """Admits users of a project whose role allows it."""

    signs_in = True

    def __init__(self, url: str, key: str, *, secret: str | None = None) -> None:
        super().__init__()
        self._url = url
        self._headers = {"apikey": key}
        #: Signs the tokens of a project that has no asymmetric keys yet.
        self._secret = secret
        self._keys = ProjectKeys(
            f"{url}/auth/v1/.well-known/jwks.json",
            headers={"apikey": key, "user-agent": "minutehand"},
            lifespan=KEYS_SECONDS,
            timeout=TIMEOUT_SECONDS,
            cooldown_duration=REFETCH_SECONDS,
        )
        #: Threads of its own, so that a slow auth server, or its name server, delays sign-ins and nothing else.
        self._key_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="project-keys")
        self._sign_in_threads = ThreadPoolExecutor(max_workers=SIGN_INS, thread_name_prefix="sign-in")
        self._looking_up = asyncio.Semaphore(LOOKUPS)
        self._signing_in = asyncio.Semaphore(SIGN_INS)

    async def identify(self, request: Request) -> User:
        """See `Access`."""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        token = credentials if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        user = await self.user_of(token) if token else None
        if user is None:
            raise Denied(self._to_login(request))
        return user

    async def user_of(self, token: str) -> User | None:
        """Return the user of a token; None if it is invalid or expired, or if its user has no role.

        Errors: `Denied` if it cannot be checked now.
        """
        try:
            claims = await self._verified(token)
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
            permissions=permissions | ({"secrets"} if metadata.get(SECRETS_CLAIM) is True else frozenset()),
            tenant=None if tenant in (None, "*") else str(tenant),
        )

    async def _verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token.  Errors: `PyJWTError`, `Denied`."""
        header = jwt.get_unverified_header(token)
        key: Any
        if header.get("alg") == "HS256" and self._secret is not None:
            key, algorithm = self._secret, "HS256"
        elif header.get("alg") in _ALGORITHMS:
            key = await self._signing_key(str(header.get("kid")))
            algorithm = key.algorithm_name  # `decode` refuses a header that names another one
        else:
            raise jwt.InvalidAlgorithmError
        return jwt.decode(
            token, key, algorithms=[algorithm], audience="authenticated", options={"require": ["exp", "sub", "aud"]}
        )

    async def _signing_key(self, key_id: str) -> jwt.PyJWK:
        """Return one of the project's keys.  Errors: `PyJWTError`, `Denied` if too many requests wait for a key."""
        if (known := self._keys.known(key_id)) is not None:
            return known
        if self._looking_up.locked():
            busy = "The auth server is slow, and too many requests wait for it. Try again in a moment.\n"
            raise Denied(PlainTextResponse(busy, 503, headers={"Retry-After": str(RETRY_SECONDS)}))
        async with self._looking_up:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._key_thread, self._keys.get_signing_key, key_id)

    async def sign_in(self, email: str, password: str) -> tuple[str, int]:
        """Return the token that the project issues, and for how many seconds it is valid.  Errors: `SignInFailed`."""
        if self._signing_in.locked():
            raise SignInFailed("Too many people are signing in. Try again in a moment.")
        async with self._signing_in:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._sign_in_threads, self._request_token, email, password)
            token = answer.get("access_token")
            if not isinstance(token, str):
                await asyncio.sleep(WRONG_SECONDS)
                raise SignInFailed("Wrong e-mail or password.")
        if await self.user_of(token) is None:
            raise SignInFailed(f"This user may not see the dashboard: app_metadata.{CLAIM} names no role.")
        return token, int(answer.get("expires_in", 3600))

    def _request_token(self, email: str, password: str) -> dict[str, Any]:
        """Return the auth server's answer; empty if it refused or did not answer."""
        import httpx

        try:
            response = httpx.post(
                f"{self._url}/auth/v1/token?grant_type=password", headers=self._headers,
                json={"email": email, "password": password}, timeout=TIMEOUT_SECONDS, trust_env=False,
            )  # fmt: skip
            answer = response.json() if response.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return {}
        return answer if isinstance(answer, dict) else {}

    @staticmethod
    def _to_login(request: Request) -> Response:
        if request.method != "GET" or request.url.path == "/live":
            return Response("Sign in first.\n", 401, media_type="text/plain")
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?back={quote(back, safe='')}", 303)
