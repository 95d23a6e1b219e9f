"""What each chaos test has: receivers, and the scene on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.harness import Post, Scene, Shop
from tests.journeys.app import App, Minutehand
from tests.servers import Database


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Receives webhooks, slowly."""
    with Shop() as receiver:
        yield receiver


@pytest.fixture
def post() -> Iterator[Post]:
    """Receives e-mail."""
    with Post() as receiver:
        yield receiver


@pytest.fixture
def scene(database: Database, shop: Shop, post: Post, tmp_path: Path) -> Scene:
    """The scene on a PostgreSQL that stays up."""
    return Scene(App(database), Minutehand(tmp_path, {"DATABASE_URL": database.url}), shop, post)
