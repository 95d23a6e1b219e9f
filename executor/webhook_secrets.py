"""The secrets that sign webhooks: the operator's own, and one for each tenant, derived from it.

A tenant's secret is HKDF-SHA256 (RFC 5869) of the operator's, without a salt, 32 bytes long, with the info
`minutehand webhook\\0v1\\0<kind>\\0<id>`.  The kind is `organization` or `user`, the id is as the database prints it
(minutehand.webhook_tenant).  So no tenant can sign as another one, or as the operator.
"""

from __future__ import annotations

import base64

from minutehand.store.records import WebhookTenant

_PREFIX = "whsec_"
#: The shortest secret of Standard Webhooks, in bytes.
MIN_BYTES = 24


class BadSecret(Exception):
    """The operator's webhook secret is not `whsec_` followed by base64."""


def signing_keys(setting: str | None, tenant: WebhookTenant | None) -> list[bytes]:
    """Return the keys that sign for a tenant, the newest first; empty if no secret is set.

    `setting` is MINUTEHAND_WEBHOOK_SECRET: one secret, or `new,old` while it is rotated.  Without a tenant the
    operator's own secrets sign.  Errors: `BadSecret`.
    """
    keys = [_decoded(part) for part in (setting or "").split(",") if part.strip()]
    return keys if tenant is None else [_derived(key, tenant) for key in keys]


def secrets_of(setting: str | None, tenant: WebhookTenant | None) -> list[str]:
    """Return what `signing_keys` returns as a receiver takes it: `whsec_…`.  Errors: `BadSecret`."""
    return [_PREFIX + base64.b64encode(key).decode() for key in signing_keys(setting, tenant)]


def is_short(setting: str | None) -> bool:
    """Return whether a secret is shorter than Standard Webhooks asks for.  Errors: `BadSecret`."""
    return any(len(key) < MIN_BYTES for key in signing_keys(setting, None))


def _decoded(secret: str) -> bytes:
    text = secret.strip()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key or not text.startswith(_PREFIX):
        raise BadSecret(
            "the webhook secret (MINUTEHAND_WEBHOOK_SECRET) must be whsec_ followed by base64; a comma separates two"
        )
    return key


def _derived(key: bytes, tenant: WebhookTenant) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # The kind is one of two words and the id comes last: no two tenants have the same info.
    info = f"minutehand webhook\0v1\0{tenant.kind}\0{tenant.id}".encode()
    return HKDF(SHA256(), length=32, salt=None, info=info).derive(key)
