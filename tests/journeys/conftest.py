"""What each journey has: an app, receivers of its messages, and the command that is to carry them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.journeys.app import SECRET, App, Minutehand
from tests.servers import Database


@pytest.fixture
def app(database: Database) -> App:
    """The app, on a database of the test's own."""
    return App(database)


@pytest.fixture
def shop() -> Iterator[HttpReceiver]:
    """Receives webhooks."""
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def post() -> Iterator[SmtpReceiver]:
    """Receives e-mail."""
    with SmtpReceiver() as receiver:
        yield receiver


@pytest.fixture
def minutehand(database: Database, shop: HttpReceiver, post: SmtpReceiver, tmp_path: Path) -> Minutehand:
    """The command, set up for the app's database and the test's receivers."""
    return Minutehand(
        tmp_path,
        {
            "DATABASE_URL": database.url,
            "SMTP_URL": post.url,
            "EMAIL_FROM": "Acme <no-reply@example.com>",
            "MINUTEHAND_WEBHOOK_SECRET": SECRET,
            "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": f"127.0.0.1:{shop.port}",
        },
    )
