"""A fake auth server of a Supabase project, and a dashboard for its users."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, Request
from tests.dashboard.served import Serve, Served
from tests.journeys.app import Gate


class Project(HttpReceiver):
    """An auth server that answers for its keys and for sign-ins."""

    def __init__(self) -> None:
        super().__init__()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.claims: dict[str, Any] = {}
        #: Requests wait for it, where it is set.
        self.gate: Gate | None = None

    def token(self, key: Any = None, alg: str = "ES256", kid: str = "k1", **claims: Any) -> str:
        """Return a token of a user of the project."""
        payload = {"sub": "u-1", "email": "ann@example.com", "aud": "authenticated", "exp": time.time() + 60, **claims}
        return jwt.encode(payload, key or self.key, algorithm=alg, headers={"kid": kid})

    @property
    def sign_ins(self) -> int:
        """Sign-ins that were asked for."""
        return sum("/token" in request.path for request in self.requests)

    def _take(self, request: Request) -> Answer:
        super()._take(request)
        if request.path.endswith("jwks.json"):
            key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
            body: Any = {"keys": [key | {"kid": "k1", "alg": "ES256", "use": "sig"}]}
        elif json.loads(request.body)["password"] == "right":
            body = {"access_token": self.token(**self.claims), "expires_in": 60}
        else:
            return Answer(status=400, body=b'{"error_code": "invalid_credentials"}', after=self.gate)
        return Answer(body=json.dumps(body).encode(), after=self.gate)


def role(name: str, **more: str) -> dict[str, Any]:
    """Return the claim that gives a user a role."""
    return {"app_metadata": {"minutehand_role": name, **more}}


@pytest.fixture
def project() -> Iterator[Project]:
    """A fake auth server."""
    with Project() as made:
        yield made


@pytest.fixture
def for_users(serve: Serve, project: Project) -> Iterator[Served]:
    """A server for the users of the project."""
    settings = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_x"}
    with serve("--supabase-users", "--backend", "postgres", **settings) as running:
        yield running
