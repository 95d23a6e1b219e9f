"""`minutehand demo` near somebody's production: nothing that is configured there is read or reached."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.demo_runs import folders, minutehand


class Trap(socketserver.ThreadingTCPServer):
    """Counts who connects, and hangs up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.visits = 0

    def process_request(self, request: object, client_address: object) -> None:
        """Count, and hang up."""
        self.visits += 1
        self.shutdown_request(request)  # type: ignore[arg-type]


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A server on loopback that nobody should connect to."""
    with Trap() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder() -> Iterator[Path]:
    with folders() as made:
        yield made


def production(trap: Trap, folder: Path) -> dict[str, str]:
    """An environment in which everything leads to the trap."""
    host, port = "127.0.0.1", trap.server_address[1]
    return {
        "DATABASE_URL": f"postgresql://app:secret@{host}:{port}/app",
        "SUPABASE_URL": f"http://{host}:{port}",
        "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_0123456789",
        "SMTP_URL": f"smtp://app:secret@{host}:{port}",
        "EMAIL_FROM": "app@example.com",
        "MINUTEHAND_BACKEND": "postgres",
        "MINUTEHAND_WEBHOOK_SECRET": "whsec_c2VjcmV0",
        "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": "1",
        # Whoever looks for it stops with an error.
        "RESEND_API_KEY_FILE": str(folder / "missing"),
        "HTTP_PROXY": f"http://{host}:{port}",
        "ALL_PROXY": f"http://{host}:{port}",
        "PGHOST": host,
        "PGHOSTADDR": host,
        "PGPORT": str(port),
        "PGDATABASE": "app",
        "PGUSER": "app",
        "PGPASSWORD": "secret",
        "PGOPTIONS": "-c search_path=nowhere",
        "PGSERVICE": "app",
    }


def put(settings: dict[str, str], folder: Path) -> None:
    """Write `.env` where the demo is run."""
    (folder / "here" / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def test_the_demo_reaches_nothing_that_the_environment_or_a_dotenv_names(trap: Trap, folder: Path) -> None:
    settings = production(trap, folder)
    put(settings | {"MINUTEHAND_HOME": str(folder / "elsewhere")}, folder)
    done = minutehand(folder, "demo", **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert trap.visits == 0
    assert not (folder / "elsewhere").exists()


def test_the_demo_reaches_nothing_that_a_dotenv_alone_names(trap: Trap, folder: Path) -> None:
    put(production(trap, folder) | {"MINUTEHAND_HOME": str(folder / "elsewhere")}, folder)
    done = minutehand(folder, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert trap.visits == 0
    assert not (folder / "elsewhere").exists()


def test_a_command_that_does_read_them_falls_into_the_trap(trap: Trap, folder: Path) -> None:
    settings = {
        name: value
        for name, value in production(trap, folder).items()
        if not name.startswith("PG") and not name.endswith("_FILE")
    }
    assert minutehand(folder, "status", **settings).returncode == 69
    visits = trap.visits
    assert visits > 0
    put(settings, folder)
    assert minutehand(folder, "status").returncode == 69
    assert trap.visits > visits
