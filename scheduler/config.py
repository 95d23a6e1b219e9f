"""Settings as frozen records, each with its unit and its default; the command line fills them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Who is told of trouble, and what is some."""

    #: Apprise URLs, separated by spaces.
    alert_urls: str = field(default="", repr=False)
    #: How much of a workflow may fail within 15 minutes, 0 to 1.
    share: float = 0.2
    #: How long the oldest due execution may wait.
    age_seconds: float = 600.0

    @property
    def targets(self) -> tuple[str, ...]:
        """The URLs, each by itself."""
        return tuple(self.alert_urls.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How much one tick runs, and how."""

    #: Executions of one tick.
    batch_size: int = 10
    #: Executions in flight at once.
    concurrency: int = 50
    lease_seconds: int = 120
    max_attempts: int = 5
    #: How long running executions may go on after a stop.
    grace_seconds: float = 20.0
    #: After a time without any processor, what is late by more is held; None: nothing.
    hold_seconds: float | None = 3600.0
    #: Executions that ended and are older are deleted; None: nothing is.
    keep_seconds: float | None = None
    alert: AlertSettings = field(default_factory=AlertSettings)
    #: Told when a run begins, and how it ends.
    ping_url: str | None = field(default=None, repr=False)
    #: Where the steps run: a name of `executor.base.EXECUTORS`.
    executor: str = "local"
    executor_url: str | None = None
    executor_token: str | None = field(default=None, repr=False)
    #: How long an executor elsewhere may take to reply; the platform itself gives up after 150 s.
    executor_timeout_seconds: float = 160.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    """Who may look at the dashboard, and what they may press."""

    logins: str = field(default="", repr=False)
    supabase_users: bool = False
    supabase_jwt_secret: str | None = field(default=None, repr=False)
    proxy_header: str = ""
    proxy_from: str = ""
    read_only: bool = False
    dashboard: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How loud the log is, and in what form."""

    log_level: str = "info"
    log_format: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """Which database was named, and whether somebody is there to see an empty one."""

    database_url: str | None = field(default=None, repr=False)
    supabase_url: str | None = None
    supabase_key: str | None = field(default=None, repr=False)
    home: Path | None = None
    backend: str | None = None
    at_terminal: bool = False
