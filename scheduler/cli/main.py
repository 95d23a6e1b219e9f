"""The command line: `minutehand`.  Commands are imported when they are called, so that a cron run starts fast.

Exit codes: 0 done, or nothing to do; 1 a bug; 2 usage; 3 a check failed; 4 executions failed and `--fail-on` was set;
69 the database is unreachable; 78 bad configuration; 130 interrupted; 143 a second SIGTERM.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module
from traceback import format_exception
from types import TracebackType
from typing import Any

import click

from minutehand.scheduler.cli.encoding import check_arguments, prepare_streams, use_utf8
from minutehand.scheduler.cli.terminal import echo, echo_text, joined
from minutehand.scheduler.exit_codes import exit_code
from minutehand.scheduler.process import garbage
from minutehand.store.errors import EmbeddedUnavailable, StoreError

#: The module and attribute of each command.  `logs` is an alias of `executions`.
COMMANDS = {
    "demo": "minutehand.scheduler.cli.commands.demo:demo",
    "migrate": "minutehand.scheduler.cli.commands.migrate:migrate",
    "run-once": "minutehand.scheduler.cli.commands.run_once:run_once",
    "start": "minutehand.scheduler.cli.commands.start:start",
    "worker": "minutehand.scheduler.cli.commands.worker:worker",
    "serve": "minutehand.scheduler.cli.commands.serve:serve",
    "trigger": "minutehand.scheduler.cli.commands.trigger:trigger",
    "direct": "minutehand.scheduler.cli.commands.direct:direct",
    "enqueue": "minutehand.scheduler.cli.commands.enqueue:enqueue",
    "workflows": "minutehand.scheduler.cli.commands.workflows:workflows",
    "explain": "minutehand.scheduler.cli.commands.explain:explain",
    "upcoming": "minutehand.scheduler.cli.commands.upcoming:upcoming",
    "executions": "minutehand.scheduler.cli.commands.executions:executions",
    "logs": "minutehand.scheduler.cli.commands.executions:executions",
    "webhook-secret": "minutehand.scheduler.cli.commands.webhook_secret:webhook_secret",
    "tenants": "minutehand.scheduler.cli.commands.tenants:tenants",
    "limits": "minutehand.scheduler.cli.commands.limits:limits",
    "opt-outs": "minutehand.scheduler.cli.commands.opt_outs:opt_outs",
    "pause": "minutehand.scheduler.cli.commands.pause:pause",
    "resume": "minutehand.scheduler.cli.commands.pause:resume",
    "copy": "minutehand.scheduler.cli.commands.copy:copy",
    "status": "minutehand.scheduler.cli.commands.status:status",
    "alerts": "minutehand.scheduler.cli.commands.alerts:alerts",
    "doctor": "minutehand.scheduler.cli.commands.doctor:doctor",
    "prune": "minutehand.scheduler.cli.commands.prune:prune",
    "uninstall": "minutehand.scheduler.cli.commands.uninstall:uninstall",
    "units": "minutehand.scheduler.cli.commands.units:units_command",
    "db": "minutehand.scheduler.cli.commands.db:db",
    "version": "minutehand.scheduler.cli.commands.version:version",
}
#: These do not read `.env`: the demo has its own database and servers.
WITHOUT_ENVIRONMENT = ("demo", "version")


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a new user needs them."""
        return [name for name in COMMANDS if name != "logs"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Try it: minutehand demo",
)
@click.option("--version", is_flag=True, help="Print the version and exit.", is_eager=True, expose_value=False,
              callback=lambda context, _, wanted: _print_version(context) if wanted else None)  # fmt: skip
@click.pass_context
def cli(context: click.Context) -> None:
    """Run the automations of an app whose data is in Postgres.

    A trigger records each change, and `run-once`, `start` or `worker` runs what is due.  Every message that was not
    sent has a code and a reason.  Settings come from flags, then the environment, then a `.env` file in this folder.
    """
    if context.invoked_subcommand not in WITHOUT_ENVIRONMENT:
        from minutehand.scheduler.cli.environment import fill_environment  # it imports the providers' settings

        fill_environment()


def _print_version(context: click.Context) -> None:
    from minutehand.scheduler.versions import versions_text  # not the command, which imports all options

    echo(versions_text())
    context.exit()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.  Only here errors become messages and exit codes."""
    sys.excepthook = _print_traceback
    garbage.put_off()
    use_utf8()
    prepare_streams()
    try:
        sys.exit(run(arguments))
    finally:
        garbage.end()


def _print_traceback(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print a bug; its words may come from a row."""
    echo_text("".join(format_exception(kind, error, traceback)), err=True, nl=False)


def run(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        check_arguments(sys.argv[1:] if arguments is None else arguments)
        result: Any = cli.main(args=arguments, prog_name="minutehand", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        echo_text(text.getvalue(), err=True, nl=False)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        echo("minutehand: interrupted", err=True)
        return 130
    except StoreError as error:
        # Only the embedded server's own words have lines; a row's could look like ours.
        lines = str(error).splitlines() if isinstance(error, EmbeddedUnavailable) else [str(error)]
        echo_text(joined([f"minutehand: {lines[0]}", *lines[1:]]), err=True)
        return exit_code(error)
    except SystemExit:
        return 0  # raised by click when the reader closes the pipe, as `| head` does


if __name__ == "__main__":
    main()
