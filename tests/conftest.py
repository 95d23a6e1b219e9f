"""Fixtures of every test: servers, and databases cloned for one test.

Tests are plain functions; what is async is run with `asyncio.run`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import hypothesis
import pytest

from minutehand.store.embedded import Embedded
from tests import servers
from tests.supabase.stack import Project, Stack, running_stack

_numbers = itertools.count(1)
_OPERATORS = ("DATABASE_URL", "SUPABASE_", "SMTP_URL", "EMAIL_FROM", "MINUTEHAND_", "PG")


def pytest_configure() -> None:
    """Forget the operator's environment: nobody's customers get a test message.  No example counts on a moment."""
    hypothesis.settings.register_profile(
        "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
    )
    hypothesis.settings.load_profile("busy")
    for name in list(os.environ):
        if name.startswith(_OPERATORS) and name != "MINUTEHAND_TEST_REQUIRE_ALL":
            del os.environ[name]


@pytest.fixture(scope="session")
def pg18() -> Iterator[str]:
    """URL of an embedded PostgreSQL 18."""
    with servers.running_server() as url:
        yield url


@pytest.fixture(scope="session")
def pg15() -> Iterator[str]:
    """URL of a PostgreSQL 15 of the distribution."""
    servers.require(servers.OLDEST.is_dir(), f"no PostgreSQL 15 in {servers.OLDEST}")
    with servers.running_server(servers.OLDEST) as url:
        yield url


@pytest.fixture
def server(request: pytest.FixtureRequest) -> str:
    """URL of the server that this test runs on: 18, or what `servers.on_both_servers` asks for."""
    return str(request.getfixturevalue(getattr(request, "param", "pg18")))


@pytest.fixture
def database(server: str) -> Iterator[servers.Database]:
    """A migrated database of the test's own."""
    template = servers.migrated_template(server)
    with servers.temporary_database(server, f"test_{next(_numbers)}", template) as made:
        yield made


@pytest.fixture
def empty_database(server: str) -> Iterator[servers.Database]:
    """A database of the test's own with nothing in it."""
    with servers.temporary_database(server, f"test_{next(_numbers)}") as made:
        yield made


@pytest.fixture(scope="session")
def stack18() -> Iterator[Stack]:
    """Supabase projects on a PostgreSQL 18 of their own: their roles are the whole server's."""
    with servers.running_server() as url, running_stack(url) as stack:
        yield stack


@pytest.fixture(scope="session")
def stack15() -> Iterator[Stack]:
    """Supabase projects on a PostgreSQL 15."""
    servers.require(servers.OLDEST.is_dir(), f"no PostgreSQL 15 in {servers.OLDEST}")
    with servers.running_server(servers.OLDEST) as url, running_stack(url) as stack:
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    """What projects are made with: on 18, or what `tests.supabase.stack.on_both_stacks` asks for."""
    made: Stack = request.getfixturevalue(getattr(request, "param", "stack18"))
    return made


@pytest.fixture
def project(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A Supabase project of the test's own; `tests.supabase.stack.on_both_grants` asks for the older grants too."""
    with stack.project(legacy_grants=getattr(request, "param", False)) as made:
        yield made


@pytest.fixture
def own_server() -> Iterator[Embedded]:
    """A server that a test may stop."""
    with servers.temporary_folder() as folder:
        server = Embedded(folder / "home")
        try:
            yield server
        finally:
            server.stop()
