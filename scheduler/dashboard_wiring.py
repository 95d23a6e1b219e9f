"""Opens the dashboard for the command line, and gives its pages what they need from the scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from minutehand import __version__
from minutehand.dashboard.auth.base import Access
from minutehand.dashboard.context import DashboardContext
from minutehand.dashboard.page_threads import PageThreads
from minutehand.dashboard.services import Services
from minutehand.executor.actions.contract import BadStep
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.webhook_secrets import BadSecret, secrets_of
from minutehand.scheduler.config import BackendSettings, DashboardSettings, RunSettings
from minutehand.scheduler.database import Database, supabase_project
from minutehand.store import Json
from minutehand.store.errors import BadRequest


def open_access(host: str, backend: BackendSettings, settings: DashboardSettings) -> Access:
    """Return the access of the dashboard at this address.  Errors: `BadConfiguration`."""
    from minutehand.dashboard.auth.factory import choose_access

    def supabase_users() -> Access:
        from minutehand.dashboard.auth.supabase_users import SupabaseUsers
        from minutehand.store.project import project_url

        url, key = supabase_project(backend)
        return SupabaseUsers(project_url(url), key, secret=settings.supabase_jwt_secret)

    return choose_access(
        host,
        logins=settings.logins,
        proxy_header=settings.proxy_header,
        proxy_from=settings.proxy_from,
        supabase_users=supabase_users if settings.supabase_users else None,
    )


def open_dashboard(
    database: Database, access: Access, run: RunSettings, executor: ExecutorSettings, *, read_only: bool = False
) -> DashboardContext:
    """Return the dashboard over a database."""
    store, threads = database.store, PageThreads()

    async def doctor() -> list[Json]:
        from minutehand.scheduler.cli.commands.doctor import as_json
        from minutehand.scheduler.doctor.checks import run_checks
        from minutehand.scheduler.doctor.facts import gather

        facts = await gather(database, run, executor)
        result = await threads.run(lambda: as_json(facts, run_checks(facts)))
        found: list[Json] = result["checks"]  # type: ignore[assignment]
        return found

    async def lint(workflow: str) -> list[Json]:
        from minutehand.scheduler.workflow_files.lint import lint_saved

        results = await lint_saved(store, [workflow], run=threads.run)
        return [finding for linted in results for finding in linted.as_json()["findings"]]

    async def dry_run_on_row(workflow: str, row: str) -> Json:
        from minutehand.executor.dry_run import dry_run
        from minutehand.scheduler.workflow_files.dry_run_text import dry_run_json

        facts, loop = await store.dry_run(workflow, row=row), asyncio.get_running_loop()

        def on_loop(ask: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Awaitable[Any]]:
            """Let a question be asked on the server's loop, which has the connections."""

            async def asked(*args: Any, **more: Any) -> Any:
                return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(ask(*args, **more), loop))

            return asked

        def in_thread() -> Json:
            results = dry_run(facts, executor, on_loop(store.evaluate), on_loop(store.may_send))
            return dry_run_json(facts, asyncio.run(results))

        try:
            return await threads.run(in_thread)
        except BadStep as error:
            raise BadRequest(f"it cannot run: {error}") from None

    async def webhook_secrets(workflow: Json) -> list[str]:
        signer = await store.webhook_signer(organization=workflow["organization_id"], user=workflow["user_id"])
        try:
            return secrets_of(executor.webhook_secret, signer.tenant) if signer.tenant else []
        except BadSecret:
            return []  # each webhook step says so

    services = Services(
        doctor=doctor, lint=lint, dry_run=dry_run_on_row, webhook_secrets=webhook_secrets, executor=run.executor
    )
    return DashboardContext(
        store, access, __version__, services, read_only=read_only, database=database.where, threads=threads
    )
