"""The settings of the executors `function` (the project's edge function) and `http` (any URL)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from minutehand.executor.http.client import BadTarget, parse_url
from minutehand.executor.settings import ExecutorSettings, Remote
from minutehand.scheduler.database import supabase_project
from minutehand.store.errors import BadConfiguration

if TYPE_CHECKING:
    from minutehand.scheduler.config import BackendSettings, RunSettings

#: The app's edge function.
FUNCTION = "/automation-executor"


def with_remote(
    run: RunSettings, executor: ExecutorSettings, backend: BackendSettings
) -> tuple[RunSettings, ExecutorSettings]:
    """Return the settings with the remote executor, and with a lease that outlasts its calls.

    Errors: `BadConfiguration` when a setting is missing or invalid.
    """
    remote = _function(run, backend) if run.executor == "function" else _http(run)
    lease_seconds = max(run.lease_seconds, remote.lease_seconds)
    return replace(run, lease_seconds=lease_seconds), replace(executor, remote=remote)


def check_sender(executor: ExecutorSettings) -> None:
    """Refuse an `EMAIL_FROM` that no mail program would read as one address.  Errors: `BadConfiguration`."""
    from minutehand.executor.providers import NotConfigured
    from minutehand.executor.providers.checks import sender_if_set

    try:
        sender_if_set(executor)
    except NotConfigured as error:
        raise BadConfiguration(str(error)) from None


def functions_of(backend: BackendSettings) -> dict[str, Any]:
    """Return the URL and the headers of the project's edge functions, as fields of `ExecutorSettings`.

    Empty if no project is configured; an action that needs one reports it.  Errors: `BadConfiguration`.
    """
    from minutehand.store.project import project_url, server_key

    if not (backend.supabase_url and backend.supabase_key):
        return {}
    url, key = project_url(backend.supabase_url), server_key(backend.supabase_key)
    # Supabase's own clients send both headers.
    return {
        "functions_url": f"{url}/functions/v1",
        "functions_headers": {"apikey": key, "authorization": f"Bearer {key}"},
    }


def _function(run: RunSettings, backend: BackendSettings) -> Remote:
    supabase_project(backend)
    project = functions_of(backend)
    url = project["functions_url"] + FUNCTION
    return Remote(url=url, headers=project["functions_headers"], timeout_seconds=_timeout(run))


def _http(run: RunSettings) -> Remote:
    from minutehand.dashboard.api.tokens import Tokens

    if not run.executor_url:
        raise BadConfiguration("the executor http needs its address: set MINUTEHAND_EXECUTOR_URL (or --executor-url)")
    try:
        parse_url(run.executor_url)
    except BadTarget as error:
        raise BadConfiguration(f"MINUTEHAND_EXECUTOR_URL (--executor-url): {error}") from None
    token = Tokens.parse(run.executor_token).first
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return Remote(url=run.executor_url, headers=headers, timeout_seconds=_timeout(run))


def _timeout(run: RunSettings) -> float:
    if run.executor_timeout_seconds < 1:
        raise BadConfiguration("MINUTEHAND_EXECUTOR_TIMEOUT (--executor-timeout) must be 1 s or more")
    return run.executor_timeout_seconds
