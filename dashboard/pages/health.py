"""The results of `minutehand doctor` as a page."""

from __future__ import annotations

from itertools import groupby

from minutehand.dashboard.auth.identity import Forbidden
from minutehand.dashboard.context import Page, PageRequest
from minutehand.store import Json

#: Levels that need attention, the worst first.
_LEVELS = ("fail", "warn")


async def health(request: PageRequest) -> Page:
    """Show the checks that need attention, then those that pass."""
    if request.user.tenant is not None:
        raise Forbidden("Only users who see all tenants may see this page.")
    checks: list[Json] = await request.query("doctor", request.dashboard.services.doctor)
    problems = sorted((row for row in checks if row["level"] in _LEVELS), key=lambda row: _LEVELS.index(row["level"]))
    passing = [row for row in checks if row["level"] not in _LEVELS]
    groups = [(name, list(rows)) for name, rows in groupby(passing, key=lambda row: row["group"])]
    return Page("health.html", {"problems": problems, "groups": groups, "passing": len(passing)})
