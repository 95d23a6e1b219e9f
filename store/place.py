"""Where a database is, in the words of messages, logs and summaries: never with a password.

The only home of these words: `db.example.com:5432/shop`, `/run/postgresql/shop`, `abcdefghijklmnopqrst.supabase.co`, a
folder of the embedded server.  With the backend before it, the words of `words`, it is what a summary says.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Any
from urllib.parse import urlsplit

from minutehand.store.errors import BadConfiguration

#: Supabase's shared pooler.  Its host and database are those of every project of a region: only the user names one.
POOLER_HOST = ".pooler.supabase.com"
_POOLER_USER = re.compile(r".+\.([a-z0-9]{20})")


def words(backend: str, place: str) -> str:
    """Return the backend and the place: what each summary says of its database.

    >>> words("postgres", "db.example.com:5432/shop"), words("embedded", "/var/lib/minutehand")
    ('postgres db.example.com:5432/shop', 'embedded /var/lib/minutehand')
    """
    return f"{backend} {place}"


def project_place(url: str) -> str:
    """Return the host of a Supabase project's URL, which names the project."""
    return urlsplit(url).netloc.rpartition("@")[2]


def postgres_place(url: str) -> str:
    """Return hosts, ports and database of a connection URL; of Supabase's pooler also the project.

    What the URL leaves out is what libpq takes instead: PGHOST, PGPORT, PGDATABASE, or the user's name.

    >>> postgres_place("postgresql://app:secret@db.example.com:5432/shop"), postgres_place("host=/run dbname=shop")
    ('db.example.com:5432/shop', '/run/shop')
    """
    given = url_parts(url)
    parts = _defaults() | given
    if service := parts.get("service"):
        named = [f"{name} {given[name]}" for name in ("host", "dbname") if given.get(name)]
        return ", ".join([f"service {service}", *named])
    host = str(parts.get("host") or parts.get("hostaddr") or "localhost")
    name = parts.get("dbname") or parts.get("user") or ""
    place = f"{_hosts(host, str(parts.get('port') or ''))}/{name}"
    project = _POOLER_USER.fullmatch(str(parts.get("user") or ""))
    return f"{place} (project {project[1]})" if project and host.endswith(POOLER_HOST) else place


def where(url: str) -> str:
    """Return the subject of error messages about this database."""
    return f"PostgreSQL at {postgres_place(url)}"


def url_parts(url: str) -> dict[str, Any]:
    """Parse a connection URL.  Errors: `BadConfiguration`, without the message of libpq, which quotes the password."""
    import psycopg  # REST needs none of it
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {"host": "@"}
    if "@" in str(parts.get("host")):  # the end of a password with a bare @
        raise BadConfiguration(
            "DATABASE_URL cannot be read: write postgresql://user:password@host:5432/database, "
            "with @ : / % in the password as %40 %3A %2F %25"
        )
    return parts


def _defaults() -> dict[str, str]:
    """Return what the environment names for libpq, and the account's name as user; the port only if it is not 5432."""
    from psycopg.pq import Conninfo

    found = {option.keyword.decode(): option.val.decode() for option in Conninfo.get_defaults() if option.val}
    return {name: value for name, value in found.items() if (name, value) != ("port", "5432")}


def _hosts(host: str, port: str) -> str:
    """Return `a:5432,b:5433`; one port is that of all hosts."""
    hosts, ports = host.split(","), port.split(",")
    pairs = zip_longest(hosts, ports * len(hosts) if len(ports) == 1 else ports, fillvalue="")
    return ",".join(_with_port(*pair) for pair in list(pairs)[: len(hosts)])


def _with_port(host: str, port: str) -> str:
    named = f"[{host}]" if ":" in host else host or "localhost"
    return f"{named}:{port}" if port else named
