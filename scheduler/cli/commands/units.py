"""`minutehand units`: the files that make other programs run it."""

from __future__ import annotations

from pathlib import Path

import click

from minutehand.scheduler.units import KINDS, hidden_part, program_path, units


@click.command(
    "units",
    short_help="Print files for systemd, cron, pg_cron, Docker, ….",
    epilog="Example: minutehand units systemd --write /etc/systemd/system",
)
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write them into this folder instead; nothing, where one is there already and differs.",
)
def units_command(kind: str, folder: Path | None) -> None:
    """Print the files that make others run Minutehand.

    \b
    systemd   a worker, and a timer that runs `run-once` each minute: enable one of them
    cron      `run-once` each minute
    pg_cron   SQL for direct mode, where there is no machine: the database keeps house and rings
    docker    a Dockerfile
    procfile  for Heroku, Railway and the like
    actions   a scheduled workflow of GitHub: every 5 minutes at the soonest, and late

    For systemd and cron the path of this program is filled in.
    """
    program = program_path() if kind in ("systemd", "cron") else "minutehand"
    files = units(kind, program)
    if kind == "systemd" and (hidden := hidden_part(program)):
        click.echo(f"minutehand: a service cannot see {hidden}: install Minutehand outside of home folders", err=True)
    if folder is not None:
        write(files, folder)
        return
    texts = files.values() if len(files) == 1 else [f"# {name}\n{text}" for name, text in files.items()]
    click.echo("\n".join(texts), nl=False)


def write(files: dict[str, str], folder: Path) -> None:
    """Write all of them, and tell their paths; or none, when one is there already with other words.

    Errors: `UsageError`.
    """
    try:
        for name, text in files.items():
            if (folder / name).exists() and (folder / name).read_bytes() != text.encode():
                raise click.UsageError(f"{folder / name} is there already, and differs: move it away, or keep it")
        for name, text in files.items():
            (folder / name).write_text(text)
            click.echo(folder / name)
    except OSError as error:
        raise click.UsageError(f"cannot write {error.filename}: {error.strerror}") from error
