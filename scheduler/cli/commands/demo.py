"""`minutehand demo`: Minutehand at work, on its own database and servers."""

from __future__ import annotations

import os

import click


@click.command("demo", short_help="See it work, on its own database.", epilog="Example: minutehand demo")
def demo() -> int:
    """Change the jobs of a sample app, and show which messages its workflows sent, which not, and why.

    The demo starts its own PostgreSQL, mail server and web server.  It does not read DATABASE_URL, SUPABASE_*, SMTP_URL
    or .env.  Its files are in `demo` below MINUTEHAND_HOME (or your data folder); each run starts from scratch.
    """
    from minutehand.scheduler.demo.play import run
    from minutehand.store.embedded import default_home

    return run(default_home(os.environ) / "demo")
