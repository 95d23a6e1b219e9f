"""Users and their permissions."""

from __future__ import annotations

from dataclasses import dataclass

#: `view` shows the pages, `payloads` also shows row data, recipients and messages, `secrets` the webhook secret of a
#: tenant; the others each allow an action.
PERMISSIONS = ("view", "payloads", "retry", "cancel", "pause", "resolve", "secrets")
#: What users have whose permissions nobody named: all but `secrets`, which must be named.
DEFAULT_PERMISSIONS = frozenset(PERMISSIONS) - {"secrets"}


class Forbidden(Exception):
    """The user has no permission for this.  Its text is a sentence for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who sent a request."""

    name: str
    permissions: frozenset[str]
    #: The only tenant that the user sees; None: all tenants.
    tenant: str | None = None

    def may(self, permission: str) -> bool:
        """Return whether the user has the permission."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Errors: `Forbidden` if the user lacks the permission."""
        if not self.may(permission):
            raise Forbidden(f"You need the permission {permission}.")

    def sees(self, tenant: str | None) -> bool:
        """Return whether the user may see what belongs to this tenant."""
        return self.tenant in (None, tenant)
