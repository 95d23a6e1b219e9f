"""The settings as frozen records, each with its unit and its only default; the command line fills them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from minutehand.executor.targets.names import read_targets, split_targets


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Who is notified of incidents, and when one opens."""

    #: Apprise URLs, separated by spaces.
    alert_urls: str = field(default="", repr=False)
    #: An incident: this share of a workflow's executions failed within 15 minutes (0 to 1).
    share: float = 0.2
    #: An incident: the oldest due execution has waited longer.
    age_seconds: float = 600.0

    @property
    def targets(self) -> tuple[str, ...]:
        """The URLs, split; a name before one (`ops=URL`) is left out: alerts go to all."""
        return tuple(one.url for one in read_targets(split_targets(self.alert_urls)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How executions are run."""

    #: Executions that one tick claims.
    batch_size: int = 10
    #: Executions in flight at once.
    concurrency: int = 50
    #: How long a claim lasts without renewal.
    lease_seconds: int = 120
    #: Attempts of one step before it has failed.
    max_attempts: int = 5
    #: How long running executions may continue after a stop.
    grace_seconds: float = 20.0
    #: After a time without any processor, executions that are later than this are held as stale; None: none.
    hold_seconds: float | None = 3600.0
    #: Executions that ended and are older are deleted; None: none.
    keep_seconds: float | None = None
    alert: AlertSettings = field(default_factory=AlertSettings)
    #: The monitor that heartbeat pings go to.
    ping_url: str | None = field(default=None, repr=False)
    #: Where the steps run: a name of `executor.base.EXECUTORS`.
    executor: str = "local"
    executor_url: str | None = None
    executor_token: str | None = field(default=None, repr=False)
    #: How long `function` and `http` may take to respond; Supabase ends an edge function after 150 s.
    executor_timeout_seconds: float = 160.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    """Who may use the dashboard, and whether they may change anything."""

    logins: str = field(default="", repr=False)
    supabase_users: bool = False
    supabase_jwt_secret: str | None = field(default=None, repr=False)
    proxy_header: str = ""
    proxy_from: str = ""
    read_only: bool = False
    dashboard: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The level and the format of the log."""

    log_level: str = "info"
    log_format: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """Which database to use."""

    database_url: str | None = field(default=None, repr=False)
    supabase_url: str | None = None
    supabase_key: str | None = field(default=None, repr=False)
    home: Path | None = None
    backend: str | None = None
    #: A person runs the command: without any other setting it uses the embedded database.
    at_terminal: bool = False
