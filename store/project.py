"""How a Supabase project is named: its URL, and a key of its server side."""

from __future__ import annotations


def project(url: str, key: str) -> tuple[str, str]:
    """Return both as they are used.  Errors: `BadConfiguration` when one cannot be what it should."""
    from store.drivers.supabase import project_url, server_key

    return project_url(url), server_key(key)
