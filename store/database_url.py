"""Read `DATABASE_URL` as people have it: of other drivers, copied from a dashboard, in any of libpq's forms.

What is clear is accepted, and returned in a form that libpq reads.  What is not is refused with the part that is wrong.
"""

from __future__ import annotations

import re
import shlex
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from minutehand.store.errors import BadConfiguration
from minutehand.store.pasted_url import Unreadable, decoded, is_placeholder, split_credentials, unquoted, unwrapped

#: Names that frameworks and drivers have for PostgreSQL.
_SCHEMES = frozenset({"postgresql", "postgres", "psql", "pgsql", "pg", "postgis", "jdbc:postgresql"})
_PROXIES = frozenset({"prisma", "prisma+postgres", "prisma+postgresql"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.:_-]{0,40})://")
_HOST = r"(?:\[[0-9A-Fa-f:.%\w]+\]|(?:[\w.~-]|%[0-9A-Fa-f]{2})*)(?::\d*)?"
#: Hosts, database and parameters, of which each is a name and a value.
_TAIL = re.compile(rf"({_HOST}(?:,{_HOST})*)(?:/([^/?@#\s]*)/?)?(?:\?(.*))?", re.S)

#: Parameters of other clients that mean nothing for a connection of ours.
_NOT_OURS = frozenset(
    {
        *("pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "single_use_connections"),  # Prisma
        *("max_connection_lifetime", "max_idle_connection_lifetime", "statement_cache_size"),
        *("prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"),  # SQLAlchemy, asyncpg
        *("pool_size", "max_overflow", "pool_recycle", "pool_pre_ping", "pool_mode", "pool", "conn_max_age"),
        *("preparethreshold", "prepared_statements", "serverversion", "charset", "encoding", "uselibpqcompat"),
        *("workaround", "supa", "supavisor_session_id"),  # Supabase's integrations
    }
)
_SCHEMA = frozenset({"schema", "currentschema", "search_path"})
_SSL = {"true": "require", "1": "require", "require": "require", "no-verify": "require", "verify-full": "verify-full",
        "false": "disable", "0": "disable", "disable": "disable", "prefer": "prefer", "allow": "allow",
        "verify-ca": "verify-ca"}  # fmt: skip
#: Options of the psql command line.
_PSQL = {"-h": "host", "--host": "host", "-p": "port", "--port": "port", "-d": "dbname", "--dbname": "dbname",
         "-U": "user", "--username": "user"}  # fmt: skip
_PSQL_VARIABLES = {"PGHOST": "host", "PGPORT": "port", "PGDATABASE": "dbname", "PGUSER": "user",
                   "PGPASSWORD": "password", "PGSSLMODE": "sslmode"}  # fmt: skip
_HOW = "write postgresql://user:password@host:5432/database"


def database_url(text: str) -> str:
    """Return the connection string in a form that libpq reads; unchanged, if it reads it as it is.

    Errors: `BadConfiguration`, which names the part that is wrong and quotes no part of a password.
    """
    try:
        url = unwrapped(text)
        parameters = _parameters(url)
        _check(parameters)
        try:
            if conninfo_to_dict(url) == parameters:
                return url
        except psycopg.ProgrammingError:
            pass
        try:
            return make_conninfo(**parameters)
        except psycopg.ProgrammingError:
            raise Unreadable(f"libpq cannot read it: {_HOW}") from None
    except Unreadable as error:
        raise BadConfiguration(f"DATABASE_URL cannot be read: {error}") from None


def _parameters(url: str) -> dict[str, str]:
    """Read any of the forms.  Errors: `Unreadable`."""
    if not url:
        raise Unreadable(f"it is empty: {_HOW}")
    if is_placeholder(url):
        raise Unreadable("it is a placeholder that nothing has filled in: put the connection string there")
    if re.match(r"(?:PG[A-Z]+=\S+\s+)*psql(?:\.exe)?\s", url):
        return _of_psql(url)
    if scheme := _SCHEME.match(url):
        return _of_url(_known_scheme(scheme[1].lower()), url[scheme.end() :])
    if re.match(r"(?:jdbc:)?postgres(?:ql)?:", url, re.I):
        raise Unreadable("// is missing after the colon of postgresql: at its beginning")
    if re.match(r"[A-Za-z ]+=[^;]*;", url):
        raise Unreadable(f"it is a .NET connection string (Host=…;Port=…): {_HOW}")
    if re.match(r"\w+\s*=", url):
        return _of_keywords(url)
    if re.match(r"[A-Za-z]:\\|[./~]", url):
        raise Unreadable("it is the path of a file: set DATABASE_URL_FILE to it, and leave DATABASE_URL unset")
    raise Unreadable(f"it does not begin with postgresql://; {_HOW}")


def _known_scheme(scheme: str) -> str:
    """Return the scheme without its driver, if it means PostgreSQL.  Errors: `Unreadable`."""
    if scheme in _PROXIES:
        raise Unreadable(
            f"{scheme}:// is Prisma's proxy, not a database: use the database's own connection string (in a Prisma "
            "project often DIRECT_URL), which begins with postgresql://"
        )
    if scheme in ("http", "https"):
        raise Unreadable(
            f"it begins with {scheme}://, which is the address of a web page or an API: a project's API goes into "
            "SUPABASE_URL; the database's connection string (Supabase: Connect > Session pooler) begins with "
            "postgresql://"
        )
    base = scheme.partition("+")[0]
    if base not in _SCHEMES:
        raise Unreadable(f"{scheme}:// is not PostgreSQL: {_HOW}")
    return base


def _of_url(scheme: str, rest: str) -> dict[str, str]:
    if "\n" in rest or "\r" in rest:
        raise Unreadable("it has several lines: put only the connection string there, in one line")
    credentials, tail = split_credentials(rest, _could_be_hosts)
    if credentials is not None and _doubtful(rest, tail):
        raise Unreadable("it is not clear where the password ends: write each @ in it as %40, / as %2F and ? as %3F")
    parts = _TAIL.fullmatch(tail)
    if parts is None:
        raise Unreadable(_what_is_wrong(tail))
    parameters: dict[str, str] = {}
    if credentials is not None:
        user, colon, password = credentials.partition(":")
        _refuse_placeholders(user=user, password=password)
        parameters |= {"user": decoded(user, "user")} if user else {}
        parameters |= {"password": decoded(password, "password")} if colon and password else {}
    parameters |= _hosts(parts[1])
    if parts[2]:
        parameters["dbname"] = decoded(parts[2], "database name")
    return parameters | _query(parts[3] or "")


def _could_be_hosts(tail: str) -> bool:
    """Say whether it reads as hosts, a database and parameters, all of which are known."""
    parts = _TAIL.fullmatch(tail)
    return parts is not None and all(_is_known(name) for name, _ in _pairs(parts[3] or ""))


def _doubtful(rest: str, tail: str) -> bool:
    """Say whether an earlier @ could begin the host too, if its parameters, which nobody knows, were some."""
    earlier = (rest[place.end() :] for place in re.finditer("@", rest[: len(rest) - len(tail) - 1]))
    queries = [_pairs(parts[3] or "") for text in earlier if (parts := _TAIL.fullmatch(text))]
    return any(all(re.fullmatch(r"\w+", name) for name, _ in pairs) for pairs in queries)


def _what_is_wrong(tail: str) -> str:
    """Say what does not read as hosts and database, without quoting it: it may be the end of a password."""
    hosts, _, database = re.split(r"\?", tail, maxsplit=1)[0].partition("/")
    if hosts.lower() in ("http:", "https:"):
        return "the host begins with https://: write the database's host alone"
    if is_placeholder(hosts, inside=True) or is_placeholder(database):
        return "the host or the database is still a placeholder: put the real name there"
    if hosts.count(":") > 1 and "[" not in hosts:
        return "the host is an IPv6 address: write it in brackets, [::1]:5432"
    if re.search(r"\s", hosts):
        return "there is a blank in the host"
    if ":" in hosts and not re.search(r":\d*$", hosts):
        return "the port is not a number"
    if re.search(r"\s", database):
        return "there is a blank, or a comment, after the database name"
    if database:
        return "the database name has a bare / or @: write them as %2F and %40"
    return f"the host has a character that no host has: {_HOW}, with @ / ? % in the password as %40 %2F %3F %25"


def _hosts(written: str) -> dict[str, str]:
    hosts, ports = [], []
    for item in written.split(","):
        bracketed = re.fullmatch(r"\[(.*)\](?::(\d*))?", item)
        host, port = bracketed.groups() if bracketed else (item.partition(":")[0], item.partition(":")[2])
        hosts.append(unquoted(host, "host"))
        ports.append(port or "")
    found = {"host": ",".join(hosts)} if any(hosts) else {}
    return found | ({"port": ",".join(ports)} if any(ports) else {})


def _pairs(query: str) -> list[tuple[str, str]]:
    """Split `a=b&c=d`; what has no = has the value ""."""
    items = query.replace("&amp;", "&").split("&")
    return [(name, value) for item in items if item for name, _, value in [item.partition("=")]]


def _query(query: str) -> dict[str, str]:
    """Read the parameters after the `?`, in libpq's words."""
    parameters: dict[str, str] = {}
    after_password = False
    for name, value in _pairs(query):
        if not _is_known(name):
            if after_password or not re.fullmatch(r"\w{1,40}", name):
                raise Unreadable("a parameter after the ? cannot be read: write & in a value as %26")
            raise Unreadable(f"PostgreSQL has no parameter {name}: remove it")
        _refuse_placeholders(**{name.lower(): value})
        _add(parameters, name.lower(), unquoted(value, name))
        after_password = after_password or name.lower() == "password"
    return parameters


def _is_known(name: str) -> bool:
    name = name.lower()
    return name in _libpq() or name in _NOT_OURS or name in _SCHEMA or name in ("ssl", "sslaccept")


def _libpq() -> frozenset[str]:
    """Return the parameters of the libpq that is installed."""
    return frozenset(option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults())


def _add(parameters: dict[str, str], name: str, value: str) -> None:
    """Add a parameter in libpq's words.  Errors: `Unreadable`."""
    if name in _SCHEMA:
        if value not in ("", "public"):
            raise Unreadable(
                f"{name} names a schema other than public. Minutehand's own tables are in public, and the app's tables "
                "are named with their schema (minutehand trigger add app.jobs): remove the parameter"
            )
    elif name in ("ssl", "sslmode"):
        if value not in _SSL:
            raise Unreadable(f"{name} must be disable, allow, prefer, require, no-verify, verify-ca or verify-full")
        parameters["sslmode"] = _SSL[value]
    elif name == "sslaccept":  # Prisma's
        if value == "strict":
            parameters["sslmode"] = "verify-full"
            parameters.setdefault("sslrootcert", "system")
        elif value != "accept_invalid_certs":
            raise Unreadable("sslaccept must be strict or accept_invalid_certs")
    elif name not in _NOT_OURS:
        parameters[name] = value


def _of_keywords(text: str) -> dict[str, str]:
    """Read libpq's `host=… dbname=…`."""
    try:
        pairs = shlex.split(re.sub(r"\s*=\s*", "=", text)) if "\\" not in text else None
    except ValueError:
        pairs = None
    if pairs is None or not all("=" in pair for pair in pairs):
        try:
            return {name: str(value) for name, value in conninfo_to_dict(text).items()}
        except psycopg.ProgrammingError:
            raise Unreadable("in keyword=value form, a value with blanks or quotes needs single quotes") from None
    parameters: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        _refuse_placeholders(**{name: value})
        parameters |= _query(f"{name}={quote(value)}")
    return parameters


def _of_psql(line: str) -> dict[str, str]:
    """Read a psql command line, as dashboards show it."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise Unreadable("the psql command has an open quote: put the connection string alone there") from None
    parameters: dict[str, str] = {}
    while words[0] not in ("psql", "psql.exe"):
        name, _, value = words.pop(0).partition("=")
        if name not in _PSQL_VARIABLES:
            raise Unreadable(f"the psql command sets {name}: put the connection string alone there")
        _refuse_placeholders(**{_PSQL_VARIABLES[name]: value})
        parameters[_PSQL_VARIABLES[name]] = value
    words = words[1:]
    while words:
        word = words.pop(0)
        option, _, value = word.partition("=") if word.startswith("--") else (word[:2], "", word[2:])
        if option in _PSQL and (value or words):
            parameters |= {_PSQL[option]: value or words.pop(0)}
        elif not word.startswith("-") and not (parameters.keys() - {"password", "sslmode"}):
            parameters |= _parameters(word)
        elif word not in ("-W", "--password", "-w", "--no-password"):
            raise Unreadable("the psql command has an option that is no part of a connection: put the connection "
                             "string alone there")  # fmt: skip
    return parameters


def _refuse_placeholders(**parts: str) -> None:
    """Refuse what a person should have replaced.  Errors: `Unreadable`."""
    for what, value in parts.items():
        if what == "password" and is_placeholder(value):
            raise Unreadable(
                "the password is still a placeholder, such as [YOUR-PASSWORD]: put the database's password there, "
                "without brackets"
            )
        if what in ("user", "host", "dbname", "port") and is_placeholder(value, inside=True):
            raise Unreadable(f"the {_WORDS.get(what, what)} is still a placeholder: put the real one there")


_WORDS = {"dbname": "database name"}


def _check(parameters: dict[str, str]) -> None:
    """Check what the parts say.  Errors: `Unreadable`."""
    _refuse_placeholders(**{name: value for name, value in parameters.items() if name != "password"})
    for host in parameters.get("host", "").split(","):
        if re.fullmatch(r"[a-z0-9]{20}\.supabase\.co", host):
            raise Unreadable(
                "the host is the project's API: the database is at db.<project-ref>.supabase.co, or behind the pooler "
                "that the dashboard shows under Connect"
            )
    for port in parameters.get("port", "").split(","):
        if port and not (port.isdecimal() and 0 < int(port) < 65_536):
            raise Unreadable("the port must be a number from 1 to 65535")
