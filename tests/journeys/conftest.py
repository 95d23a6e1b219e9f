"""Fixtures of the journeys: an app, the receivers of its messages, and the command that sends them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.journeys.app import SECRET, App, Minutehand
from tests.journeys.world import BACKENDS, World
from tests.providers.twilio import TwilioServer
from tests.servers import Database
from tests.supabase.stack import Project


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


@pytest.fixture
def texts() -> Iterator[TwilioServer]:
    """Carries texts, as Twilio does."""
    with TwilioServer() as server:
        yield server


@pytest.fixture(params=BACKENDS)
def world(
    request: pytest.FixtureRequest, shop: HttpReceiver, post: SmtpReceiver, texts: TwilioServer, tmp_path: Path
) -> World:
    """The app and its command on either backend."""
    if request.param == "postgres":
        database: Database = request.getfixturevalue("database")
        minutehand = Minutehand(tmp_path, {"DATABASE_URL": database.url})
        return World("postgres", App(database), minutehand, post, texts, shop)
    project: Project = request.getfixturevalue("project")
    environment = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
    return World("supabase", App(project.owner), Minutehand(tmp_path, environment), post, texts, shop, project)
