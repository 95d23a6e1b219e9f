"""Runs `minutehand demo` as a process of its own, in folders of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minutehand.store.embedded import Embedded
from tests.servers import temporary_folder

ROOT = Path(__file__).parents[2]
#: What the console script does.
COMMAND_LINE = "from minutehand.scheduler.cli.main import main\nmain()"


@contextmanager
def folders() -> Iterator[Path]:
    """A folder with `home` and an empty `here` to run in; the demo's server is stopped in the end."""
    with temporary_folder() as made:
        for name in ("home", "here"):
            (made / name).mkdir()
            (made / name).chmod(0o755)
        try:
            yield made
        finally:
            Embedded(made / "home" / "demo").stop()


def minutehand(folder: Path, *arguments: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder / "here"`, after the Python statements `before`, with this environment alone."""
    home = {"HOME": str(folder / "here"), "MINUTEHAND_HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, "-c", f"{before}\n{COMMAND_LINE}", *arguments],
        cwd=folder / "here",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            **home,
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
