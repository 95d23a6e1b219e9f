"""Fixtures of every test: servers, and databases cloned for one test.

Tests are plain functions; what is async is run with `asyncio.run`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from tests import servers

_numbers = itertools.count(1)
_OPERATORS = ("DATABASE_URL", "SUPABASE_", "SMTP_URL", "EMAIL_FROM", "MINUTEHAND_", "PG")


def pytest_configure() -> None:
    """Forget the operator's environment: nobody's customers get a test message."""
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
