"""Doctor, as a page."""

from __future__ import annotations

from itertools import groupby

from dashboard.visitor import Forbidden
from dashboard.window import Shown, Visit
from store import Json


async def health(visit: Visit) -> Shown:
    """Show what doctor finds, what does not work first."""
    if visit.visitor.tenant is not None:
        raise Forbidden("to see all tenants")
    found: list[Json] = await visit.look("doctor", visit.window.operator.doctor)
    counts = {level: sum(row["level"] == level for row in found) for level in ("fail", "warn", "ok")}
    groups = [(name, list(rows)) for name, rows in groupby(found, key=lambda row: row["group"])]
    return Shown("health.html", {"groups": groups, "counts": counts})
