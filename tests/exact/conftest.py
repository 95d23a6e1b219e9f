"""Fixtures of the exact cases: the app, its receivers, the command of the journeys, and one in the test's process."""

from tests.journeys.conftest import app, minutehand, post, shop, texts, world
from tests.unit.conftest import call

__all__ = ["app", "call", "minutehand", "post", "shop", "texts", "world"]
