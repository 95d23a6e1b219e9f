"""What pages ask of the rooms above this one: the command line gives it when it opens the dashboard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from minutehand.store import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The looks that `minutehand doctor`, `workflows lint` and `workflows test` take, as rows for a page."""

    #: [{"group", "check", "level", "fact", "fix"}]
    doctor: Callable[[], Awaitable[list[Json]]]
    #: A workflow's id -> [{"level", "step", "text"}]
    lint: Callable[[str], Awaitable[list[Json]]]
    #: A workflow's id and a row's -> {"conditions", "stops", "steps": […]} as `workflows test -o json`
    dry_run: Callable[[str, str], Awaitable[Json]]
