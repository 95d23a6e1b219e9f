"""An app on a database with pg_net and Vault, as the tests of direct mode play it."""

from __future__ import annotations

import json
from typing import Any

from tests.servers import Database
from tests.sql.jobs import executions, watched_jobs, workflow
from tests.supabase import net_standin

URL = "https://automations.example.com/functions/v1/automation-executor"
TOKEN = "minutehand_direct_token"
FUNCTION = "handle_job_automation_triggers_direct"


def install(database: Database) -> None:
    """Three watched jobs and a workflow, beside pg_net and Vault."""
    net_standin.install(database)
    watched_jobs(database, count=3)
    workflow(database, settings={"rate_limit": None})


def on(database: Database, **how: Any) -> Any:
    return database.call("automation_direct_on", **({"p_url": URL} | how))


def calls(database: Database) -> list[dict[str, Any]]:
    """What waits to be sent, oldest first, with the body parsed."""
    rows = database.sql("select * from net.http_request_queue order by id")
    return [row | {"body": json.loads(bytes(row["body"]))} for row in rows]


def secret(database: Database) -> str:
    """The token in Vault."""
    return str(database.one("select decrypted_secret as s from vault.decrypted_secrets where name = %s", TOKEN)["s"])


def states(database: Database) -> list[tuple[str, str | None]]:
    return [(row["status"], row["worker"]) for row in executions(database)]
