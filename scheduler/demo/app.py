"""The app of the demo: it has its own tables, changes its rows by plain UPDATEs, and never calls Minutehand.

It is not part of Minutehand, so it connects to the database itself, as every app does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from minutehand.store import Json
from minutehand.store.errors import BadConfiguration, Conflict, Unreachable

_FILES = Path(__file__).parent
#: How long to wait for another program that uses the demo's database, such as a second demo.
_LOCK_SECONDS = 30
_RESET = """
drop schema if exists minutehand cascade;
drop schema if exists public cascade;
create schema public;
grant usage on schema public to public;
"""
_ADD_WORKFLOW = """
insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps)
values (%(name)s, %(organization_id)s, %(trigger_type)s, %(trigger_config)s, %(steps)s)
"""


class App:
    """The app, connected to the database at `url` of the server with its data in the folder `data`; one at a time.

    Errors: `Unreachable`; `BadConfiguration` when another server answers; `Conflict` when another program is connected.
    """

    def __init__(self, url: str, data: Path) -> None:
        self._url = url
        self._data = data
        #: The warnings of the database, such as a change that the trigger could not record.
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=10, row_factory=dict_row)
        except psycopg.OperationalError as error:
            raise Unreachable(f"the demo's PostgreSQL does not answer: {' '.join(str(error).split())}") from error
        try:
            self._refuse_another_server()
            self._connection.add_notice_handler(self._note)
            self._do(f"set lock_timeout = '{_LOCK_SECONDS}s'")
            self._do("select pg_advisory_lock(hashtextextended('minutehand demo', 0))")
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def reset(self) -> None:
        """Drop everything that an earlier demo left."""
        self._do(_RESET)

    def create_tables(self) -> None:
        """Create the app's tables and rows."""
        self._do((_FILES / "app.sql").read_text(encoding="utf-8"))

    def add_workflows(self, receiver_url: str) -> list[Json]:
        """Save the workflows of the app's users; their webhooks go to `receiver_url`."""
        text = (_FILES / "workflows.json").read_text(encoding="utf-8").replace("http://receiver", receiver_url)
        workflows: list[Json] = json.loads(text)
        for workflow in workflows:
            wrapped = {key: Jsonb(workflow[key]) for key in ("trigger_config", "steps")}
            self._do(_ADD_WORKFLOW, workflow | wrapped)
        return workflows

    def job(self, job_id: str) -> Json:
        """Return a job's row."""
        (row,) = self._do("select * from jobs where id = %(id)s", {"id": job_id})
        return row

    def set_status(self, job_id: str, status: str) -> None:
        """Change a job, as a user of the app does."""
        self._do("update jobs set status = %(status)s where id = %(id)s", {"id": job_id, "status": status})

    def _do(self, statement: str, values: Json | None = None) -> list[Json]:
        try:
            cursor = self._connection.execute(statement.encode(), values)
        except psycopg.errors.LockNotAvailable as error:
            raise Conflict(
                f"another program uses the demo's database ({self._data}): stop it, and run the demo again"
            ) from error
        return cursor.fetchall() if cursor.description else []

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(str(notice.message_primary))

    def _refuse_another_server(self) -> None:
        """Raise `BadConfiguration` for a database that is not the demo's: it would be dropped."""
        (answer,) = self._do("select current_setting('data_directory') as folder")
        if Path(answer["folder"]).resolve() != self._data.resolve():
            raise BadConfiguration(
                f"this is not the demo's own PostgreSQL in {self._data}: unset PGHOSTADDR and PGSERVICE"
            )
