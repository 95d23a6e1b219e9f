"""What the demo prints, in 80 columns, at a terminal or in a file."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from minutehand.scheduler.demo.receivers import Mail, Request
from minutehand.scheduler.demo.story import Result

_COLORS = {"completed": "green", "failed": "red", "skipped": "yellow", "not started": "yellow"}
#: Where the second line of a pair begins.
_INDENT = 10


class Show:
    """Prints to stdout, stage by stage."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._console.print("Minutehand demo, on its own database and servers; your settings are not read\n")

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str], None]]:
        """Print the name of a stage while it runs, and afterwards its facts and its seconds."""
        started = time.monotonic()
        facts: list[str] = []
        self._console.print(f"  {name:<12}", end="", style="bold")
        try:
            yield facts.append
        except BaseException:
            self._console.print("failed", style="red")
            raise
        seconds = time.monotonic() - started
        self._console.print("; ".join(facts), end="", soft_wrap=True)
        self._console.print(f"  {seconds:.1f} s" if seconds >= 0.05 else "", style="dim")

    def results(self, results: Sequence[Result]) -> None:
        """Print what became of each change, with the reason below it."""
        self._title("What happened")
        width = max(len(result.change) for result in results)
        for result in results:
            text = f"  {result.job:<8}{result.change:<{width}}  {result.workflow:<18}"
            self._console.print(text, end="", soft_wrap=True)
            self._console.print(result.outcome, style=_COLORS.get(result.outcome, "red"))
            self._below(result.reason)

    def arrived(self, mails: Sequence[Mail], requests: Sequence[Request]) -> None:
        """Print the messages that the two servers received."""
        self._title("What arrived at the mail server and the web server")
        for mail in mails:
            self._console.print(f'  e-mail  to {", ".join(mail.recipients)}, "{mail.message["subject"]}"')
            self._below(_first_line(mail))
        for request in requests:
            self._console.print(f"  HTTP    {request.method} {request.path}")
            keys = ", ".join(json.loads(request.body))
            self._below(f"webhook-id {request.headers['webhook-id']}, signed; JSON with {keys}")

    def next_commands(self, home: Path, failed: Result | None) -> None:
        """Print commands to continue with; they name the backend, because a `.env` here may name another database."""
        self._title("Try these: the demo's database keeps running until the next demo")
        commands = (
            "executions ls",
            f"executions show {failed.execution_id}" if failed else "trigger ls",
            "status",
            "serve",
        )
        for arguments in commands:
            command = f"MINUTEHAND_BACKEND=embedded MINUTEHAND_HOME={shlex.quote(str(home))} {_program()} {arguments}"
            self._console.print(f"  {command}", soft_wrap=True)
        self._console.print("The last one serves the dashboard at http://127.0.0.1:8787")

    def end(self, problems: Sequence[str], seconds: float) -> None:
        """Print whether everything went as the story says."""
        self._console.print()
        for problem in problems:
            self._console.print(f"  {problem}", style="red", soft_wrap=True)
        verdict = "The demo failed, see above" if problems else "Every expected message arrived, and no other"
        self._console.print(f"{verdict}.  {seconds:.1f} seconds.", style="bold")

    def _title(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold")

    def _below(self, text: str) -> None:
        for part in textwrap.wrap(text, max(20, self._console.width - _INDENT), break_long_words=False):
            self._console.print(" " * _INDENT + part, style="dim", soft_wrap=True)


def _first_line(mail: Mail) -> str:
    body = mail.message.get_body(("plain",))
    return str(body.get_content()).partition("\n")[0] if body else ""


def _program() -> str:
    """Return the word that runs this program again."""
    called, name = sys.argv[0], "minutehand"
    if Path(called).name != name or not Path(called).exists():
        return name
    on_path = shutil.which(name)
    return name if on_path and Path(on_path).samefile(called) else shlex.quote(called)
