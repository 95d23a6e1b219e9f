"""Whose secret signs webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from minutehand.store.records.json import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTenant:
    """The tenant whose secret signs webhooks."""

    #: `organization` or `user`.
    kind: str
    #: As the database prints it.
    id: str

    @classmethod
    def from_row(cls, row: Json | None) -> Self | None:
        """Parse the answer of `minutehand.webhook_tenant`; None: the operator's own secret signs."""
        return None if row is None else cls(kind=row["kind"], id=row["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSigner:
    """Whose secret signs the webhooks of some workflows (`automation_webhook_tenant`)."""

    #: Every watched table was added with `--tenant none`: the operator's own secret signs everything.
    single_tenant: bool
    #: None: the operator's own secret signs.
    tenant: WebhookTenant | None

    @classmethod
    def from_row(cls, row: Json) -> Self:
        """Parse the result."""
        return cls(single_tenant=row["single_tenant"], tenant=WebhookTenant.from_row(row["tenant"]))
