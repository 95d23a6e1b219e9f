"""Which way of being let in the settings ask for.  Nothing is open by default but loopback."""

from __future__ import annotations

from collections.abc import Callable

from minutehand.dashboard.auth.base import Access
from minutehand.dashboard.auth.loopback import is_loopback
from minutehand.store.errors import BadConfiguration


def choose(
    host: str,
    *,
    logins: str,
    proxy_header: str,
    proxy_from: str,
    users: Callable[[], Access] | None,
) -> Access:
    """Return who is let in at this address.  Errors: `BadConfiguration` when nobody could be told from anybody."""
    if proxy_header:
        from minutehand.dashboard.auth.proxied import Proxied

        return Proxied(proxy_header, proxy_from)
    if logins:
        from minutehand.dashboard.auth.logins import Logins

        return Logins(logins)
    if users is not None:
        return users()
    if is_loopback(f"[{host}]" if ":" in host else host):
        from minutehand.dashboard.auth.loopback import Loopback

        return Loopback()
    raise BadConfiguration(
        f"{host} is open to others, and nobody would have to say who they are: set MINUTEHAND_LOGINS (name:password), "
        "MINUTEHAND_SUPABASE_USERS=1 (the project's users, by their role), or MINUTEHAND_PROXY_HEADER; or leave out "
        "--host, and it is for this machine alone; or --no-dashboard, and it answers calls only"
    )
