"""What pages need from the scheduler, which the dashboard may not import.  `dashboard_wiring` provides it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from minutehand.store import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The results of `minutehand doctor`, `workflows lint` and `workflows test`, as rows for a page."""

    #: [{"group", "check", "level", "fact", "fix"}]
    doctor: Callable[[], Awaitable[list[Json]]]
    #: The id of a workflow -> [{"level", "step", "text"}]
    lint: Callable[[str], Awaitable[list[Json]]]
    #: The ids of a workflow and a row -> {"conditions", "stops", "steps": […]} as `workflows test -o json`
    dry_run: Callable[[str, str], Awaitable[Json]]
    #: A workflow's row -> the secrets by which receivers verify its webhooks, newest first; empty where none is set,
    #: and where the operator's own signs, which no page shows.
    webhook_secrets: Callable[[Json], Awaitable[list[str]]]
    #: Where steps run: `local`, or elsewhere.
    executor: str = "local"
