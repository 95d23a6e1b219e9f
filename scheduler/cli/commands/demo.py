"""`minutehand demo`: Minutehand at work, on its own database and servers."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click


@click.command("demo", short_help="See it work, on its own database.", epilog="Example: minutehand demo")
def demo() -> int:
    """Change the jobs of a sample app, and show which messages its workflows sent, which not, and why.

    The demo starts its own PostgreSQL, mail server and web server.  It does not read DATABASE_URL, SUPABASE_*, SMTP_URL
    or .env.  Its files are in `demo` below MINUTEHAND_HOME; without that, each
    installation has its own folder, which is printed.  Each run starts from scratch; a second one meanwhile waits.
    """
    from minutehand.scheduler.demo.play import run

    return run(demo_home(os.environ, sys.prefix))


def demo_home(environ: Mapping[str, str], installation: str) -> Path:
    """Return the demo's folder.  Two checkouts on a machine, also root's, share none unless MINUTEHAND_HOME says so."""
    from minutehand.store.embedded import default_home

    if environ.get("MINUTEHAND_HOME"):
        return default_home(environ) / "demo"
    return default_home(environ) / f"demo-{hashlib.sha256(os.fsencode(installation)).hexdigest()[:8]}"
