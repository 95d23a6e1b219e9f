"""Chooses the kind of access by the settings."""

from __future__ import annotations

from collections.abc import Callable

from minutehand.dashboard.auth.base import Access
from minutehand.dashboard.auth.loopback import is_loopback
from minutehand.store.errors import BadConfiguration


def choose_access(
    host: str,
    *,
    logins: str,
    proxy_header: str,
    proxy_from: str,
    supabase_users: Callable[[], Access] | None,
) -> Access:
    """Return the access for this address.  Errors: `BadConfiguration` if others can reach it and no login is set."""
    if proxy_header:
        from minutehand.dashboard.auth.proxied import Proxied

        return Proxied(proxy_header, proxy_from)
    if logins:
        from minutehand.dashboard.auth.logins import Logins

        return Logins(logins)
    if supabase_users is not None:
        return supabase_users()
    if is_loopback(f"[{host}]" if ":" in host else host):
        from minutehand.dashboard.auth.loopback import Loopback

        return Loopback()
    raise BadConfiguration(
        f"{host} is open to others, and no login is set. Set MINUTEHAND_LOGINS (name:password), "
        "MINUTEHAND_SUPABASE_USERS=1 (the project's users, by role) or MINUTEHAND_PROXY_HEADER. Or leave out --host to "
        "serve this machine only, or add --no-dashboard to answer API calls only."
    )
