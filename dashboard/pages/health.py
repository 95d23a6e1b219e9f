"""Doctor, as a page."""

from __future__ import annotations

from itertools import groupby

from minutehand.dashboard.auth.identity import Forbidden
from minutehand.dashboard.context import Page, PageRequest
from minutehand.store import Json

#: The worst first.
_LEVELS = ("fail", "warn")


async def health(request: PageRequest) -> Page:
    """Show what doctor finds: first what is to be mended, then what is in order."""
    if request.user.tenant is not None:
        raise Forbidden("to see all tenants")
    found: list[Json] = await request.query("doctor", request.dashboard.services.doctor)
    troubles = sorted((row for row in found if row["level"] in _LEVELS), key=lambda row: _LEVELS.index(row["level"]))
    fine = [row for row in found if row["level"] not in _LEVELS]
    groups = [(name, list(rows)) for name, rows in groupby(fine, key=lambda row: row["group"])]
    return Page("health.html", {"troubles": troubles, "groups": groups, "fine": len(fine)})
