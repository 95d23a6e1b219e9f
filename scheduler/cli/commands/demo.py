"""`minutehand demo`: the product at work, in a world of its own."""

from __future__ import annotations

import os

import click


@click.command("demo", short_help="See it work, on a database of its own.", epilog="Example: minutehand demo")
def demo() -> int:
    """Play a small app whose jobs change, and show what its workflows sent, and what not and why.

    PostgreSQL, mail server and web server are the demo's own: it reads no DATABASE_URL, SUPABASE_*, SMTP_URL or .env.
    Its files are in `demo` below MINUTEHAND_HOME (or your data folder); each run begins anew.
    """
    from minutehand.scheduler.demo.play import run
    from minutehand.store.embedded import default_home

    return run(default_home(os.environ) / "demo")
