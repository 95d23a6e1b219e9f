"""Check the URL and the secret key of a Supabase project."""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from urllib.parse import urlsplit

from minutehand.store.errors import BadConfiguration

#: What to do about a key that cannot be a server key.
WANTED = "put the project's secret key (sb_secret_…, or the legacy service_role key) there: Settings > API Keys"


def project_url(url: str) -> str:
    """Return the project's URL without a path of its API.  Errors: `BadConfiguration`, which never quotes the URL."""
    url = url.strip()
    if url.startswith(("postgres://", "postgresql://")):
        raise BadConfiguration(
            "SUPABASE_URL contains a connection string; that is DATABASE_URL. Write https://….supabase.co here"
        )
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and not parts.username and not re.search(r"\s", url):
            return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/rest/v1')}"
    raise BadConfiguration("SUPABASE_URL is not a valid URL: write https://….supabase.co (Settings > Data API)")


def server_key(key: str) -> str:
    """Return the key if it can be a server key.  Errors: `BadConfiguration`, which never quotes the key.

    A legacy key is a JWT that names its role; a new one begins with its kind.
    """
    key = key.strip()
    if not key.isascii() or not key or re.search(r"[\s\x00-\x1f\x7f]", key):
        raise BadConfiguration(f"SUPABASE_SERVICE_ROLE_KEY is not a key (spaces or line breaks inside?): {WANTED}")
    role = "anon (publishable)" if key.startswith("sb_publishable_") else _role_of(key)
    if role not in (None, "service_role"):
        raise BadConfiguration(f"SUPABASE_SERVICE_ROLE_KEY contains the {role} key, which may do nothing: {WANTED}")
    return key


def _role_of(key: str) -> str | None:
    """Return the role that a JWT names; None if the key is not a JWT.  The project checks its signature."""
    try:
        _, payload, _ = key.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["role"])
    except (ValueError, KeyError, TypeError):
        return None
