"""The environment, completed before any option is read: `.env` below it, and secrets from files.

Flags > environment > `.env` > defaults.  Every variable `NAME` may be given as `NAME_FILE`, the path of a file that
holds it, as container secrets are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from minutehand.store.errors import BadConfiguration

#: Names of ours; others may end in _FILE for reasons of their own.
NAMES = (
    "DATABASE_URL",
    "SUPABASE_URL",
    "SUPABASE_SERVICE_ROLE_KEY",
    "SMTP_URL",
    "EMAIL_FROM",
    "RESEND_API_KEY",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_FROM",
    "TELNYX_API_KEY",
    "TELNYX_FROM",
    "SUPABASE_JWT_SECRET",
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
    for key, path in environ.items():
        name = key.removesuffix("_FILE")
        if name == key or name in environ or not (name in NAMES or name.startswith("MINUTEHAND_")):
            continue
        try:
            found[name] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfiguration(f"{key}: {path} cannot be read: {error}") from error
    return found
