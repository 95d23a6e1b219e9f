"""The environment, completed before any option is read: `.env` below it, and secrets from files.

Flags > environment > `.env` > defaults.  Every variable `NAME` may be given as `NAME_FILE`, the path of a file that
holds it, as container secrets are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from minutehand.executor.providers import built_in_settings
from minutehand.executor.settings import read_variable

#: Variables of ours that do not begin with MINUTEHAND_; others may end in _FILE for reasons of their own.
NAMES = frozenset(
    {
        *("DATABASE_URL", "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_JWT_SECRET"),
        *(setting.variable for setting in built_in_settings()),
    }
)


def fill_environment(folder: Path | None = None) -> None:
    """Complete `os.environ` from `.env` in `folder` (here) and from `NAME_FILE`s.  Errors: `BadConfiguration`."""
    file = (folder or Path.cwd()) / ".env"
    if file.is_file():
        from dotenv import dotenv_values

        for name, value in dotenv_values(file, interpolate=False).items():
            # A name that is given as a file outside is given: `.env` stands below the environment, however it came.
            if value is not None and f"{name}_FILE" not in os.environ:
                os.environ.setdefault(name, value)
    os.environ.update(from_files(os.environ))


def from_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the `NAME_FILE`s hold, for names that are not set themselves.  Errors: `BadConfiguration`."""
    found = {}
    for key in environ:
        name = key.removesuffix("_FILE")
        if name == key or name in environ or not (name in NAMES or name.startswith("MINUTEHAND_")):
            continue
        found[name] = read_variable(environ, name)
    return found
