"""Supabase projects for tests, without Docker: PostgREST's look-alike over a real server, and edge functions in Deno.

    with running_stack(server) as stack, stack.project() as project:
        client = supabase.create_client(project.url, project.secret_key)
        project.deploy("automation-executor", MINUTEHAND_API_TOKEN="…")

What it is made of: gateway.mjs and rest.mjs (one Node process for all projects of a server), edge_runtime.ts (a Deno
process for each function), bootstrap.sql and legacy_grants.sql (what a hosted project starts with).  A project's
database has our schema applied as a hosted project applies it: from `migrate --print`, by a role that is no superuser.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from minutehand.store import schema
from tests import servers
from tests.journeys.app import wait_until
from tests.supabase import net_standin

HERE = Path(__file__).parent
#: Where the functions lie that the tests deploy.
FUNCTIONS = HERE / "functions"
MODULES = HERE / "node_modules"
#: The role that migrates: hosted `postgres`, which is no superuser (bootstrap.sql).
OWNER = "postgres_hosted"

#: Mark a module or a test with it to run on the newest and on the oldest server (each test must use a project).
on_both_stacks = pytest.mark.parametrize("stack", ["stack18", "stack15"], indirect=True)
#: Mark a module or a test with it to run in a new project and in one from before the end of May 2026.
on_both_grants = pytest.mark.parametrize("project", [False, True], ids=["new-grants", "legacy-grants"], indirect=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of one test's own.  Its tables are made by `owner`: hosted, nobody is a superuser."""

    #: SUPABASE_URL.
    url: str
    #: As a superuser, past all grants, policies and ownership.
    database: servers.Database
    #: As hosted `postgres`, the owner of our schema and of the app's tables.
    owner: servers.Database
    jwt_secret: str
    publishable_key: str
    secret_key: str
    anon_jwt: str
    service_role_jwt: str
    _stack: Stack
    _until_closed: ExitStack

    def user_jwt(self, sub: str, **claims: object) -> str:
        """Sign the token of a signed-in user, which goes as bearer beside the publishable key."""
        return _sign(self.jwt_secret, sub=sub, **{"role": "authenticated", "aud": "authenticated"} | claims)

    def deploy(self, name: str, folder: Path | None = None, *, verify_jwt: bool = False, **settings: str) -> Path:
        """Serve the function in `folder` (else in functions/`name`); gives the file of what it prints.

        `settings` are its secrets.  Deployed once more, the newest answers.
        """
        environment = _function_environment(self) | settings
        url, log = self._until_closed.enter_context(self._stack.function(folder or FUNCTIONS / name, environment))
        self.route(name, url, verify_jwt=verify_jwt)
        return log

    def route(self, name: str, url: str, *, verify_jwt: bool = False) -> None:
        """Let any HTTP server answer for the function `name`; where nobody listens, the function fails to boot."""
        port = int(self.url.rpartition(":")[2])
        self._stack.control("/route", port=port, name=name, url=url, verify_jwt=verify_jwt)

    def install_net(self) -> None:
        """Install the stand-ins of pg_net, Vault and pg_cron."""
        net_standin.install(self.database)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A server and its gateway, which make projects."""

    server: str
    #: For the logs of all processes.
    folder: Path
    _control: httpx.Client
    _until_stopped: ExitStack
    _templates: dict[tuple[bool, bool], str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def project(
        self,
        *,
        legacy_grants: bool = False,
        migrated: bool = True,
        max_rows: int = 1_000,
        statement_timeout_ms: int = 8_000,
        function_idle_ms: int = 150_000,
    ) -> Iterator[Project]:
        """Make a project, with our schema unless told otherwise; the numbers are what a hosted one begins with."""
        limits = {
            "max_rows": max_rows,
            "statement_timeout_ms": statement_timeout_ms,
            "function_idle_ms": function_idle_ms,
        }
        name, keys = f"project_{next(self._numbers)}", _new_keys()
        with servers.temporary_database(self.server, name, self._template(legacy_grants, migrated)) as database:
            host = conninfo_to_dict(self.server)["host"]
            port = self.control("/open", host=host, database=name, **limits, **keys)["port"]
            with ExitStack() as until_closed, _as_owner(database) as owner:
                until_closed.callback(self.control, "/close", port=port)
                yield Project(
                    url=f"http://127.0.0.1:{port}",
                    database=database,
                    owner=owner,
                    **keys,
                    _stack=self,
                    _until_closed=until_closed,
                )

    def _template(self, legacy_grants: bool, migrated: bool) -> str:
        kind = (legacy_grants, migrated)
        if kind not in self._templates:
            made = _hosted_database(self.server, legacy_grants=legacy_grants, migrated=migrated)
            self._templates[kind] = self._until_stopped.enter_context(made)
        return self._templates[kind]

    def control(self, path: str, **what: object) -> Any:
        """Tell the gateway something, and give its answer."""
        reply = self._control.post(path, json=what)
        assert reply.status_code == 200, reply.text
        return reply.json()

    @contextmanager
    def function(self, folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
        """Run `folder`/index.ts; gives its address and the file of what it prints."""
        (deno,) = MODULES.glob("@deno/*/deno")
        command = [deno, "run", "--config", HERE / "deno.json", "--preload", HERE / "edge_runtime.ts", "--cached-only"]
        command += ["--allow-net=127.0.0.1", "--allow-env", folder / "index.ts"]
        given = {"DENO_DIR": str(HERE / ".deno"), "NO_COLOR": "1", "DENO_SERVE_ADDRESS": "tcp:127.0.0.1:0"}
        log = self.folder / f"function-{next(self._numbers)}.log"
        with _running(command, {**given, **environment}, log, r"Listening on (http://\S+[^/\s])") as url:
            yield url, log


@contextmanager
def running_stack(server: str) -> Iterator[Stack]:
    """Start a gateway for the projects of a running server.  Skips the test where its packages are not installed."""
    node = shutil.which("node")
    servers.require(node and MODULES.is_dir(), "needs node, and once: npm ci --prefix tests/supabase --ignore-scripts")
    with ExitStack() as until_stopped:
        folder = Path(until_stopped.enter_context(tempfile.TemporaryDirectory(prefix="mh-stack-")))
        port = until_stopped.enter_context(
            _running(
                [str(node), *_exact_numbers(str(node)), HERE / "gateway.mjs"],
                {},
                folder / "gateway.log",
                r"control on (\d+)",
            )
        )
        control = until_stopped.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120))
        yield Stack(server=server, folder=folder, _control=control, _until_stopped=until_stopped)


@contextmanager
def _running(command: list[Any], environment: dict[str, str], log: Path, ready: str) -> Iterator[str]:
    """Run it, with nothing in its environment but what is given; gives what `ready` finds in its output."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out)
    try:
        wait_until(lambda: re.search(ready, log.read_text()) or process.poll() is not None, f"{ready} in {log}")
        found = re.search(ready, log.read_text())
        assert found, f"{command[-1]} did not start:\n{log.read_text()}"
        yield found[1]
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _hosted_database(server: str, *, legacy_grants: bool, migrated: bool) -> Iterator[str]:
    """Make a database that projects are cloned from, a hosted one as it begins or with our schema; gives its name."""
    name = "_".join(["hosted", *["legacy"] * legacy_grants, *["migrated"] * migrated])
    with servers.temporary_database(server, name) as database:
        for file in ["bootstrap.sql", *["legacy_grants.sql"] * legacy_grants]:
            database.connection.execute((HERE / file).read_bytes())
        if migrated:
            with _as_owner(database) as owner:
                owner.connection.execute(schema.script().encode())
        database.connection.close()  # or it could not be cloned
        yield name


@contextmanager
def _as_owner(database: servers.Database) -> Iterator[servers.Database]:
    """Connect as the role that migrates; it may make schemas, which is said anew of each clone."""
    names = {"name": sql.Identifier(database.connection.info.dbname), "owner": sql.Identifier(OWNER)}
    database.connection.execute(sql.SQL("grant create on database {name} to {owner}").format(**names))
    url = database.url.replace("//postgres@", f"//{OWNER}@")
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield servers.Database(url, connection)


def _new_keys() -> dict[str, str]:
    secret = secrets.token_hex(32)
    return {
        "jwt_secret": secret,
        "publishable_key": f"sb_publishable_{secrets.token_hex(12)}",
        "secret_key": f"sb_secret_{secrets.token_hex(12)}",
        "anon_jwt": _sign(secret, role="anon", iss="supabase"),
        "service_role_jwt": _sign(secret, role="service_role", iss="supabase"),
    }


def _sign(secret: str, **claims: object) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + 3600, **claims}, secret, algorithm="HS256")


def _function_environment(project: Project) -> dict[str, str]:
    """What the platform gives each function: the new keys by name, and the legacy ones."""
    return {
        "SUPABASE_URL": project.url,
        "SUPABASE_SECRET_KEYS": json.dumps({"default": project.secret_key}),
        "SUPABASE_PUBLISHABLE_KEYS": json.dumps({"default": project.publishable_key}),
        "SUPABASE_SERVICE_ROLE_KEY": project.service_role_jwt,
        "SUPABASE_ANON_KEY": project.anon_jwt,
    }


def _exact_numbers(node: str) -> list[str]:
    """Return the option with which Node before 21 keeps the digits of numbers (JSON.rawJSON), as PostgREST does."""
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return ["--harmony-json-parse-with-source"] if int(version.lstrip("v").partition(".")[0]) < 21 else []
