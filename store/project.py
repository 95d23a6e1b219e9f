"""Check the URL and the secret key of a Supabase project."""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from urllib.parse import urlsplit

from minutehand.store.errors import BadConfiguration
from minutehand.store.pasted_url import is_placeholder, unwrapped

#: What to do about a key that cannot be a server key.
WANTED = "put the project's secret key (sb_secret_…, or the legacy service_role key) there: Settings > API Keys"


#: The paths of the APIs behind a project's URL.
_API = re.compile(r"(?:/(?:rest|auth|functions|storage|realtime|graphql)(?:/v1(?:/.*)?)?)?/*$")
#: The dashboard's pages of a project.
_DASHBOARD = re.compile(
    r"https?://(?:supabase\.com/dashboard|app\.supabase\.(?:com|io))/project/([a-z0-9]{20})(?:[/?#].*)?"
)
#: The project's hosts, and its bare reference.
_PROJECT = re.compile(r"(?:https?://)?(?:db\.)?([a-z0-9]{20})(?:\.supabase\.co)?(?::5432|:6543)?(?:/.*)?")
#: What an address of a project names: its hosts, and the user at its poolers.
_REFERENCE = re.compile(r"(?:db\.)?([a-z0-9]{20})\.supabase\.co|[\w-]+\.([a-z0-9]{20})")
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+(?::\d+)?(?:/\S*)?|localhost(?::\d+)?(?:/\S*)?"
)


def project_url(url: str) -> str:
    """Return the project's URL without a path of its API.  Errors: `BadConfiguration`, which never quotes the URL.

    >>> project_url("https://supabase.com/dashboard/project/abcdefghijklmnopqrst/settings/api")
    'https://abcdefghijklmnopqrst.supabase.co'
    """
    url = unwrapped(url)
    if re.match(r"(?:jdbc:)?postgres(?:ql)?(?:\+\w+)?:", url, re.I):
        raise BadConfiguration(
            "SUPABASE_URL contains a connection string; that is DATABASE_URL. Write https://….supabase.co here"
        )
    if is_placeholder(url, inside=True):
        raise BadConfiguration("SUPABASE_URL is still a placeholder: write the project's own URL, Settings > Data API")
    if project := _DASHBOARD.fullmatch(url) or _PROJECT.fullmatch(url):
        return f"https://{project[1]}.supabase.co"
    if re.match(r"https?://(?:[\w-]+\.)?supabase\.(?:com|io)(?:/|$)", url):
        raise BadConfiguration("SUPABASE_URL is a page of the dashboard: write the project's own URL, "
                               "https://….supabase.co (Settings > Data API)")  # fmt: skip
    if _HOST.fullmatch(url):
        url = ("http://" if re.match(r"localhost|127\.", url) else "https://") + url
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and not parts.username and not re.search(r"\s", url):
            return f"{parts.scheme}://{parts.netloc}{_API.sub('', parts.path)}"
    raise BadConfiguration("SUPABASE_URL is not a valid URL: write https://….supabase.co (Settings > Data API)")


def project_reference(host: str, user: str = "") -> str | None:
    """Return the reference of the Supabase project that an address names; None if it names none.

    >>> project_reference("aws-0-eu.pooler.supabase.com", "postgres.abcdefghijklmnopqrst")
    'abcdefghijklmnopqrst'
    >>> project_reference("db.example.com", "postgres")
    """
    for name in (host, user):
        if found := _REFERENCE.fullmatch(name):
            return found[1] or found[2]
    return None


def server_key(key: str) -> str:
    """Return the key if it can be a server key.  Errors: `BadConfiguration`, which never quotes the key.

    A legacy key is a JWT that names its role; a new one begins with its kind.
    """
    key = unwrapped(key)
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
