"""`minutehand workflows new|apply|export|lint`: workflows as files."""

from __future__ import annotations

import asyncio
import re
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from minutehand.executor.text.display import escaped
from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.encoding import read_stdin
from minutehand.scheduler.cli.options import backend_options, executor_option, output_option
from minutehand.scheduler.cli.output import print_json, print_rows
from minutehand.scheduler.cli.terminal import echo, echo_data, echo_text
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import open_store
from minutehand.store import Json, Store
from minutehand.store.records import WorkflowRow

if TYPE_CHECKING:
    from minutehand.scheduler.workflow_files.lint import Linted
    from minutehand.scheduler.workflow_files.parse import FileWorkflow

#: Passes `lint`, and works unchanged in an app with a table of jobs.
EXAMPLE = """\
# A workflow: when it fires, and what it does then.  Check it:  minutehand workflows lint FILE --organization ID
# Save it: minutehand workflows apply FILE --organization ID    test it: minutehand workflows test NAME --row ID
name: Thank the client

# Whose it is: only changes of this organisation's rows start it (or of this user's: user_id).  Or say it to `apply`.
# organization_id: north

# <type>_created, _updated, _deleted, _status_changed, or <type>_<status>; a table's type is its name in the singular.
trigger: job_completed

# Which of these changes; all must hold.  Without conditions: each.
conditions:
  - field: title
    operator: is_not_empty

steps:
  - type: email           # to the client, unless it says `to`
    name: Thanks
    config:
      subject: "{{ job.title }}: done"
      message: |
        Dear {{ client.name }},

        your job {{ job.id }} is done. Thank you!

  - type: wait
    config: {for: 2 days}

  - type: condition       # goes on with `then` or `else`
    config:
      conditions:
        - {field: status, operator: equals, value: completed}
    then:
      - type: sms
        config:
          message: "Dear {{ client.name }}, was all well with {{ job.title }}?"
    else:
      - type: stop

# Once an hour for the same row and status is the default.
settings:
  rate_limit: {n: 1, per: 1 day}
"""


@click.command("new", epilog="Example: minutehand workflows new > thanks.yaml")
def new() -> None:
    """Print an example workflow with comments, to start from."""
    echo_data(EXAMPLE)


_organization = click.option(
    "--organization", metavar="ID", help="Organisation of workflows that name neither organisation nor user."
)
_user = click.option(
    "--user", metavar="ID", help="User of workflows that name neither; may be combined with --organization."
)


@click.command(
    "apply",
    short_help="Save workflows from files.",
    epilog="Example: minutehand workflows apply thanks.yaml --organization north",
)
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@_organization
@_user
@click.option("--dry-run", is_flag=True, help="Check everything; save nothing.")
@output_option("table", "json")
@executor_option
@backend_options
def apply(
    files: tuple[str, ...],
    organization: str | None,
    user: str | None,
    dry_run: bool,
    output: str,
    executor: str,
    backend: BackendSettings,
) -> int:
    """Save the workflows of FILE (- is stdin) by name, and print which were created, updated or unchanged.

    They are linted first.  If any workflow has an error, nothing is saved, and the exit code is 2.  Workflows that are
    in none of the files do not change.
    """
    from minutehand.scheduler.workflow_files.lint import lint_files
    from minutehand.scheduler.workflow_files.text import lint_text

    workflows = [one for file in files for one in _read(file, organization, user)]

    async def go() -> tuple[list[Linted], list[Json]]:
        async with open_store(backend) as store:
            linted = await lint_files(workflows, store, executor=executor)
            if any(one.is_bad for one in linted):
                return linted, []
            return linted, [
                await store.save_workflow(one.row, dry_run=dry_run, actor=cli_actor()) | {"where": one.where}
                for one in workflows
            ]

    linted, saved = asyncio.run(go())
    reported = [one for one in linted if any(finding.level != "note" for finding in one.findings)]
    if reported:
        echo_text(lint_text(reported), err=True)
    if not saved:
        echo("minutehand: nothing was saved", err=True)
        return 2
    rows = [one | {"answer": _WOULD[one["answer"]] if dry_run else one["answer"]} for one in saved]
    print_rows(rows if output == "table" else saved, ("answer", "name", "version", "where"), output, empty="")
    return 0


_WOULD = {"created": "would create", "updated": "would update", "unchanged": "unchanged"}


@click.command(
    "export", short_help="Export workflows as files.", epilog="Example: minutehand workflows export --dir workflows"
)
@click.argument("names", metavar="[NAME]…", nargs=-1)
@click.option("--dir", "folder", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False),
              help="Write one file per workflow into this folder.  [default: all to stdout]")  # fmt: skip
@backend_options
def export(names: tuple[str, ...], folder: Path | None, backend: BackendSettings) -> int:
    """Export all workflows, or those with these names or ids, as YAML.  Applying the output changes nothing.

    Steps keep the format that the app uses.  A workflow that cannot be read is reported and skipped; the exit code is
    then 3.
    """
    from minutehand.scheduler.workflow_files.parse import as_file
    from minutehand.scheduler.workflow_files.strict_yaml import as_yaml

    async def go() -> list[WorkflowRow]:
        async with open_store(backend) as store:
            return await store.workflows(list(names) or None)

    rows = asyncio.run(go())
    keys = [_key(row) for row in rows]
    written = [
        as_file(row["definition"], with_id=keys.count(_key(row)) > 1) for row in rows if row["definition"] is not None
    ]
    if folder is None:
        echo_data(escaped(as_yaml(written), keep="\n"))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        for name, one in zip(_file_names(written), written, strict=True):
            (folder / name).write_text(as_yaml([one]), encoding="utf-8")
            echo(str(folder / name))
    skipped = [row for row in rows if row["definition"] is None]
    for row in skipped:
        echo(f"minutehand: {row['name']} was skipped: {row['problem']}", err=True)
    return 3 if skipped else 0


def _key(row: WorkflowRow) -> tuple[str, str]:
    """The key by which `apply` finds a saved workflow."""
    return row["name"], row["organization_id"] or row["user_id"] or ""


def _file_names(workflows: list[Json]) -> list[str]:
    names: list[str] = []
    for one in workflows:
        stem = re.sub(r"[^a-z0-9]+", "-", one["name"].lower()).strip("-")[:80] or "workflow"
        names.append(next(name for number in count(1) if (name := _numbered(stem, number)) not in names))
    return names


def _numbered(stem: str, number: int) -> str:
    return f"{stem}.yaml" if number == 1 else f"{stem}-{number}.yaml"


@click.command(
    "lint",
    short_help="Check workflows, and show what each step would do.",
    epilog="Example: minutehand workflows lint thanks.yaml",
)
@click.argument("subjects", metavar="[NAME|FILE]…", nargs=-1)
@_organization
@_user
@output_option("table", "json")
@executor_option
@backend_options
def lint(
    subjects: tuple[str, ...],
    organization: str | None,
    user: str | None,
    output: str,
    executor: str,
    backend: BackendSettings,
) -> int:
    """Check all saved workflows, or the given ones, or those of files, and show what each step would do.

    Files need no database; if one is configured, their conditions and statuses are checked too.  Exit 3 if any
    workflow has an error.
    """
    from minutehand.scheduler.workflow_files.lint import lint_files, lint_saved
    from minutehand.scheduler.workflow_files.text import lint_text

    files = [subject for subject in subjects if _is_file(subject)]
    names = [subject for subject in subjects if not _is_file(subject)]
    workflows = [one for file in files for one in _read(file, organization, user)]

    async def go(store: Store | None) -> list[Linted]:
        linted = await lint_files(workflows, store, executor=executor)
        if store is not None and (names or not files):
            linted += await lint_saved(store, names or None, executor=executor)
        return linted

    async def with_store() -> list[Linted]:
        async with open_store(backend) as store:
            return await go(store)

    offline = not names and files and not _has_database(backend)
    linted = asyncio.run(go(None) if offline else with_store())
    if output == "json":
        print_json([one.as_json() for one in linted])
    else:
        echo_text(lint_text(linted))
    if offline:
        echo("minutehand: no database is configured, so conditions and statuses were not checked", err=True)
    return 3 if any(one.is_bad for one in linted) else 0


def _read(file: str, organization: str | None, user: str | None) -> list[FileWorkflow]:
    """Read a file's workflows; those without a tenant get the given one."""
    tenant = {key: it for key, it in (("organization_id", organization), ("user_id", user)) if it}
    workflows = _parsed(file)
    for one in workflows:
        if all(one.row.get(name) is None for name in ("organization_id", "user_id", "id")):
            one.row.update(tenant)
    return workflows


def _parsed(file: str) -> list[FileWorkflow]:
    from minutehand.scheduler.workflow_files.parse import read_file, read_text
    from minutehand.scheduler.workflow_files.strict_yaml import BadFile

    try:
        return read_text(read_stdin(), "stdin") if file == "-" else read_file(Path(file))
    except BadFile as error:
        raise click.UsageError(str(error)) from None


def _is_file(subject: str) -> bool:
    return subject == "-" or subject.endswith((".yaml", ".yml", ".json")) or Path(subject).is_file()


def _has_database(backend: BackendSettings) -> bool:
    return any((backend.database_url, backend.supabase_url, backend.home, backend.backend))
