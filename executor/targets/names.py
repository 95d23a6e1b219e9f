"""The setting of targets, MINUTEHAND_NOTIFY_URLS: URLs with or without a name, and which tenant may use which.

`URL` has no name and is used by steps that name no target.  `north=URL` is for the tenant `north` and for workflows
without a tenant, `ops@north=URL` for the tenant behind the @, and `ops@*=URL` for all.  Several URLs may have one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: A name is only what stands before a URL: anything else may be a piece of a URL, which holds a secret.
_NAMED = re.compile(
    r"(?P<name>[^\W_][\w.-]{0,59})(?:@(?P<tenant>[^\s=@,]{1,100}))?=(?P<url>[A-Za-z][\w+.-]*://.*)", re.DOTALL
)
#: A comma between two targets: behind it another one is named.
_COMMA = re.compile(r",(?=[^\W_][\w.-]*(?:@[^\s=@,]+)?=[A-Za-z][\w+.-]*://)")
#: The tenant of a target that all tenants may use.
ALL = "*"


@dataclass(frozen=True, slots=True)
class NamedUrl:
    """One target of the setting."""

    #: Its place in the setting, from 1.
    number: int
    name: str | None
    #: Whose it is; `*`: everybody's.
    tenant: str
    url: str = field(repr=False)

    @property
    def label(self) -> str:
        """Return how reports name it: `north`, `ops@*`; empty without a name."""
        return "" if self.name is None else self.name if self.tenant == self.name else f"{self.name}@{self.tenant}"


def split_targets(text: str) -> tuple[str, ...]:
    """Return the targets of the setting: separated by spaces, also with commas; a comma inside a URL stays.

    >>> split_targets("ops@*=slack://a/b, north=json://x?to=c,d,south=json://y json://z")
    ('ops@*=slack://a/b', 'north=json://x?to=c,d', 'south=json://y', 'json://z')
    """
    words = (word.rstrip(",") for word in text.split())
    return tuple(target for word in words for target in _COMMA.split(word) if target)


def read_targets(entries: Iterable[str]) -> list[NamedUrl]:
    """Return the targets of `split_targets`.

    >>> [(one.name, one.tenant) for one in read_targets(["json://x?a=b", "north=json://y", "ops@*=json://z"])]
    [(None, '*'), ('north', 'north'), ('ops', '*')]
    """
    targets = []
    for number, entry in enumerate(entries, 1):
        if found := _NAMED.fullmatch(entry):
            targets.append(NamedUrl(number, found["name"], found["tenant"] or found["name"], found["url"]))
        else:
            targets.append(NamedUrl(number, None, ALL, entry))
    return targets


def tenant_of(workflow: Mapping[str, Any]) -> str | None:
    """Return whose a workflow's row is: its organisation, else its user."""
    tenant = workflow.get("organization_id") or workflow.get("user_id")
    return None if tenant is None else str(tenant)


def may_use(label: str, tenant: str | None) -> bool:
    """Return whether workflows of a tenant may use the target of this label."""
    name, _, owner = label.partition("@")
    return tenant is None or (owner or name) in (ALL, tenant) or not label


def target_problem(labels: Iterable[str], name: str | None, tenant: str | None) -> str | None:
    """Say why a step of this tenant cannot use a target; the same words for one that does not exist and another's.

    >>> target_problem(["north", ""], "north", None), target_problem(["north", ""], "north", "south")[:61]
    (None, "MINUTEHAND_NOTIFY_URLS has no target 'north' for tenant south")
    >>> target_problem(["north", ""], None, "south")
    """
    labels = list(labels)
    if name is None:
        return (
            None
            if "" in labels
            else "the step names no `target`, and each target of MINUTEHAND_NOTIFY_URLS has a name: name one"
        )
    if any(label.partition("@")[0] == name and may_use(label, tenant) for label in labels):
        return None
    if tenant is None:
        return f"MINUTEHAND_NOTIFY_URLS has no target {name[:60]!r}; an operator adds {name[:60]}=URL"
    own = name[:60] if name == tenant else f"{name[:60]}@{tenant[:60]}"
    hint = f"an operator adds {own}=URL, or {name[:60]}@*=URL for all"
    return f"MINUTEHAND_NOTIFY_URLS has no target {name[:60]!r} for tenant {tenant[:60]}; {hint}"
