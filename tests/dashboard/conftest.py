"""What the journeys have, and the command that serves beside them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboard.served import DIRECT_TOKENS, METRICS_TOKENS, TOKENS, Serve, Served
from tests.journeys.app import Minutehand
from tests.journeys.conftest import app, minutehand, post, shop

__all__ = ["app", "minutehand", "post", "serve", "served", "shop"]


@pytest.fixture
def serve(minutehand: Minutehand) -> Serve:
    """Start `serve` with these options, on a free port."""
    minutehand.environment |= {
        "MINUTEHAND_API_TOKEN": TOKENS,
        "MINUTEHAND_DIRECT_TOKEN": DIRECT_TOKENS,
        "MINUTEHAND_METRICS_TOKEN": METRICS_TOKENS,
    }
    return Serve(minutehand)


@pytest.fixture
def served(serve: Serve) -> Iterator[Served]:
    """One that runs."""
    with serve() as running:
        yield running
