"""Complete the environment before options are read: from `.env`, and from files with secrets.

Flags > environment > `.env` > defaults.  Each variable `NAME` may also be set as `NAME_FILE`, the path of a file with
the value, as for container secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from minutehand.executor.providers import built_in_settings
from minutehand.executor.settings import read_variable
from minutehand.scheduler.cli.encoding import check_variable

#: Variables of ours that do not begin with MINUTEHAND_; others may end in _FILE for reasons of their own.
NAMES = frozenset(
    {
        *("DATABASE_URL", "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_JWT_SECRET"),
        *(setting.variable for setting in built_in_settings()),
    }
)

#: What `.env` added to the environment.
_from_dotenv: dict[str, str] = {}


def is_from_dotenv(name: str, value: str | None) -> bool:
    """Whether this value of a variable was read from `.env`, and not given by a flag or the environment."""
    return value is not None and _from_dotenv.get(name) == value


def fill_environment(folder: Path | None = None) -> None:
    """Complete `os.environ` from `.env` in `folder` (here) and from `NAME_FILE`s.  Errors: `BadConfiguration`."""
    file = (folder or Path.cwd()) / ".env"
    if file.is_file():
        from dotenv import dotenv_values

        for name, value in dotenv_values(file, interpolate=False).items():
            # The environment wins over `.env`, also when it names a file (NAME_FILE).
            if value is not None and f"{name}_FILE" not in os.environ and name not in os.environ:
                os.environ[name] = value
                _from_dotenv[name] = value
    os.environ.update(from_files(os.environ))
    for name, text in os.environ.items():
        if name in NAMES or name.startswith("MINUTEHAND_"):
            check_variable(name, text)


def from_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the `NAME_FILE`s whose `NAME` is not set.  Errors: `BadConfiguration`."""
    values = {}
    for key in environ:
        name = key.removesuffix("_FILE")
        if name == key or name in environ or not (name in NAMES or name.startswith("MINUTEHAND_")):
            continue
        values[name] = read_variable(environ, name)
    return values
