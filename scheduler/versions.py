"""The versions of this program, its schema and its Python."""

from __future__ import annotations

import platform

from minutehand import __version__
from minutehand.store import schema


def versions() -> dict[str, str | int]:
    """Return them by name."""
    return {
        "version": __version__,
        "schema_version": schema.version(),
        "python": platform.python_version(),
    }


def versions_text() -> str:
    """Return them as one line.

    >>> versions_text().startswith(f"minutehand {__version__} (schema ")
    True
    """
    return "minutehand {version} (schema {schema_version}, Python {python})".format_map(versions())
