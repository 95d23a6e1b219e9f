"""Who looks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

#: What may be allowed: to see, to see payloads, and to press.
PERMISSIONS = ("view", "payloads", "retry", "cancel", "pause", "resolve")


class Forbidden(Exception):
    """The user may not do this; its text names the permission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One who was let in."""

    name: str
    permissions: frozenset[str]
    #: Sees this tenant alone; None: all.
    tenant: str | None = None

    def may(self, permission: str) -> bool:
        """Say whether it is allowed."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Errors: `Forbidden` when it is not."""
        if not self.may(permission):
            raise Forbidden(permission)
