"""What the demo prints: calm, and readable at 80 columns, at a terminal and in a file."""

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
from minutehand.scheduler.demo.story import Line

_COLOURS = {"completed": "green", "failed": "red", "skipped": "yellow", "not fired": "yellow"}
#: Where the second line of a pair begins.
_INDENT = 10


class Show:
    """Prints to stdout, stage by stage."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._console.print("Minutehand's demo: all real, all its own; nothing of yours is read or written\n")

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str], None]]:
        """Name a stage while it runs; afterwards what it said, and its seconds."""
        started = time.monotonic()
        said: list[str] = []
        self._console.print(f"  {name:<12}", end="", style="bold")
        try:
            yield said.append
        except BaseException:
            self._console.print("failed", style="red")
            raise
        seconds = time.monotonic() - started
        self._console.print("; ".join(said), end="", soft_wrap=True)
        self._console.print(f"  {seconds:.1f} s" if seconds >= 0.05 else "", style="dim")

    def lines(self, lines: Sequence[Line]) -> None:
        """Show what became of each change, with the reason below it."""
        self._title("What happened")
        width = max(len(line.change) for line in lines)
        for line in lines:
            text = f"  {line.job:<8}{line.change:<{width}}  {line.workflow:<18}"
            self._console.print(text, end="", soft_wrap=True)
            self._console.print(line.result, style=_COLOURS.get(line.result, "red"))
            self._below(line.why)

    def arrived(self, mails: Sequence[Mail], requests: Sequence[Request]) -> None:
        """Show what lies in the receivers' mailboxes."""
        self._title("What arrived, as the receivers tell it")
        for mail in mails:
            self._console.print(f'  e-mail  to {", ".join(mail.recipients)}, "{mail.message["subject"]}"')
            self._below(_first_line(mail))
        for request in requests:
            self._console.print(f"  HTTP    {request.method} {request.path}")
            keys = ", ".join(json.loads(request.body))
            self._below(f"webhook-id {request.headers['webhook-id']}, signed; JSON with {keys}")

    def next_commands(self, home: Path, failed: Line | None) -> None:
        """Show the commands to go on with; the backend is named, since a `.env` here may name another database."""
        self._title("Look around: this database stays up until the next demo")
        words = (
            "executions ls",
            f"executions show {failed.execution_id}" if failed else "trigger ls",
            "status",
            "serve",
        )
        for word in words:
            command = f"MINUTEHAND_BACKEND=embedded MINUTEHAND_HOME={shlex.quote(str(home))} {_program()} {word}"
            self._console.print(f"  {command}", soft_wrap=True)
        self._console.print("The last one shows it all in a browser, at http://127.0.0.1:8787")

    def end(self, problems: Sequence[str], seconds: float) -> None:
        """Say how it went."""
        self._console.print()
        for problem in problems:
            self._console.print(f"  {problem}", style="red", soft_wrap=True)
        word = "Something is wrong (above)" if problems else "All that should arrive did, and nothing else"
        self._console.print(f"{word}.  {seconds:.1f} seconds.", style="bold")

    def _title(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold")

    def _below(self, text: str) -> None:
        for part in textwrap.wrap(text, max(20, self._console.width - _INDENT), break_long_words=False):
            self._console.print(" " * _INDENT + part, style="dim", soft_wrap=True)


def _first_line(mail: Mail) -> str:
    body = mail.message.get_body(("plain",))
    return str(body.get_content()).partition("\n")[0] if body else ""


def _program() -> str:
    """Return how this program was called, so that it can be called so again."""
    called, name = sys.argv[0], "minutehand"
    if Path(called).name != name or not Path(called).exists():
        return name
    found = shutil.which(name)
    return name if found and Path(found).samefile(called) else shlex.quote(called)
