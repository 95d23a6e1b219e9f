"""`minutehand units`: print the files for systemd, cron and others that run Minutehand."""

from __future__ import annotations

from pathlib import Path

import click

from minutehand.scheduler.cli.terminal import echo, echo_data
from minutehand.scheduler.units import KINDS, hidden_part, program_path, units


@click.command(
    "units",
    short_help="Print files for systemd, cron, pg_cron, Docker and others.",
    epilog="Example: minutehand units systemd --write /etc/systemd/system",
)
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write the files into this folder instead; existing files that differ are kept, and nothing is written.",
)
def units_command(kind: str, folder: Path | None) -> None:
    """Print the files that make another program run Minutehand.

    \b
    systemd   a worker, and a timer that runs `run-once` every minute: enable one of them
    cron      `run-once` every minute
    pg_cron   SQL for direct mode, without a machine: the database does the housekeeping and calls an executor
    docker    a Dockerfile
    procfile  for Heroku, Railway and others
    actions   a scheduled GitHub workflow: at most every 5 minutes, and often late

    The files for systemd and cron contain the path of this program.
    """
    program = program_path() if kind in ("systemd", "cron") else "minutehand"
    files = units(kind, program)
    if kind == "systemd" and (hidden := hidden_part(program)):
        echo(f"minutehand: a service cannot read {hidden}: install Minutehand outside of home folders", err=True)
    if folder is not None:
        write(files, folder)
        return
    texts = files.values() if len(files) == 1 else [f"# {name}\n{text}" for name, text in files.items()]
    echo_data("\n".join(texts))


def write(files: dict[str, str], folder: Path) -> None:
    """Write all files and print their paths; none if one of them exists with another content.

    Errors: `UsageError`.
    """
    try:
        for name, text in files.items():
            if (folder / name).exists() and (folder / name).read_bytes() != text.encode():
                raise click.UsageError(f"{folder / name} exists and differs: move it away, or keep it")
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
            echo(folder / name)
    except OSError as error:
        raise click.UsageError(f"cannot write {error.filename}: {error.strerror}") from error
