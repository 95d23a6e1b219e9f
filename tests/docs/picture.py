"""Draws docs/demo.svg from the real output of `minutehand demo`.  To draw it again: `python tests/docs/picture.py`."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
COLUMNS = 92


def output_at_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Run a command at a pseudo-terminal, and return its output with colours."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
    process = subprocess.Popen(command, env=environment, stdin=inside, stdout=inside, stderr=inside)
    os.close(inside)
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # on Linux: the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(terminal)
    if process.wait():
        raise SystemExit(b"".join(chunks).decode())
    return b"".join(chunks).decode().replace("\r\n", "\n")


def draw(text: str) -> str:
    """Return the text as an SVG that loads no font from another host."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text), soft_wrap=False)
    svg = console.export_svg(title="minutehand demo", unique_id="demo")
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "ui-monospace, Menlo, Consolas")


def main() -> None:
    """Run the demo in a temporary folder, and draw its output."""
    with tempfile.TemporaryDirectory(prefix="minutehand", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        environment = {"HOME": folder, "PATH": os.environ["PATH"], "TERM": "xterm-256color"}
        environment["MINUTEHAND_HOME"] = str(home)
        command = [sys.executable, "-m", "minutehand.scheduler.cli.main"]
        try:
            text = output_at_a_terminal([*command, "demo"], environment)
        finally:
            stop = [*command, "db", "stop", "--home", str(home / "demo")]
            subprocess.run(stop, env=environment, check=False, stdout=subprocess.DEVNULL)
    # The picture shows no paths of this machine.
    text = text.replace(str(home), "~/.local/share/minutehand")
    text = text.replace(f"{sys.executable} -m minutehand.scheduler.cli.main", "minutehand")
    PICTURE.write_text(draw(text))


if __name__ == "__main__":
    main()
