"""DATABASE_URL and SUPABASE_URL as people have them: read where the meaning is clear, else the very part is named."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from minutehand.executor.email.smtp_client import BadServer, parse_server
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import start_postgres
from minutehand.store.database_url import database_url
from minutehand.store.errors import BadConfiguration
from minutehand.store.project import project_url, server_key

REF = "abcdefghijklmnopqrst"
PLAIN = {"user": "u", "password": "p", "host": "h", "dbname": "db"}
POOLER = "aws-0-eu-central-1.pooler.supabase.com"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        # What is put around it.
        ('"postgresql://u:p@h/db"', PLAIN),
        ("'postgresql://u:p@h/db'", PLAIN),
        ("“postgresql://u:p@h/db”", PLAIN),
        ("  postgresql://u:p@h/db\r\n", PLAIN),
        ("DATABASE_URL=postgresql://u:p@h/db", PLAIN),
        ("DATABASE_URL='postgresql://u:p@h/db'", PLAIN),
        ("'DATABASE_URL=postgresql://u:p@h/db'", PLAIN),
        ("DATABASE_URL: postgresql://u:p@h/db", PLAIN),
        ('export DATABASE_URL="postgresql://u:p@h/db";', PLAIN),
        ('POSTGRES_URL_NON_POOLING_URL="postgresql://u:p@h/db"', PLAIN),
        # Names of PostgreSQL.
        ("postgres://u:p@h/db", PLAIN),
        ("POSTGRESQL://u:p@h/db", PLAIN),
        ("postgresql+asyncpg://u:p@h/db", PLAIN),
        ("postgresql+psycopg2://u:p@h/db", PLAIN),
        ("postgresql+psycopg://u:p@h/db", PLAIN),
        ("postgres+pg8000://u:p@h/db", PLAIN),
        ("psql://u:p@h/db", PLAIN),
        ("pgsql://u:p@h/db", PLAIN),
        ("postgis://u:p@h/db", PLAIN),
        ("jdbc:postgresql://h/db?user=u&password=p", PLAIN),
        ("jdbc:postgresql://h/db?user=u&password=p%26q&prepareThreshold=0", PLAIN | {"password": "p&q"}),
        # Parameters of other clients.
        ("postgresql://u:p@h/db?pgbouncer=true&connection_limit=1&pool_timeout=0", PLAIN),
        ("postgresql://u:p@h/db?schema=public", PLAIN),
        ("postgresql://u:p@h/db?currentSchema=public", PLAIN),
        ("postgresql://u:p@h/db?sslmode=no-verify", PLAIN | {"sslmode": "require"}),
        ("postgresql://u:p@h/db?sslmode=require&amp;pgbouncer=true", PLAIN | {"sslmode": "require"}),
        ("postgresql://u:p@h/db?ssl=true", PLAIN | {"sslmode": "require"}),
        ("postgresql://u:p@h/db?ssl=false", PLAIN | {"sslmode": "disable"}),
        ("postgresql://u:p@h/db?sslaccept=accept_invalid_certs", PLAIN),
        ("postgresql://u:p@h/db?sslaccept=strict", PLAIN | {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("postgresql+asyncpg://u:p@h/db?ssl=require&prepared_statement_cache_size=0", PLAIN | {"sslmode": "require"}),
        ("postgresql://u:p@h/db?workaround=supabase-pooler.vercel&supa=base-pooler.x", PLAIN),
        ("postgresql://u:p@h/db?application_name=me@x", PLAIN | {"application_name": "me@x"}),
        ("postgresql://u:p@h/db?", PLAIN),
        ("postgresql://u:p@h/db/", PLAIN),
        # Hosts.
        ("postgresql:///db?host=/run/postgresql", {"dbname": "db", "host": "/run/postgresql"}),
        ("postgresql://%2Frun%2Fpostgresql/db", {"dbname": "db", "host": "/run/postgresql"}),
        ("postgresql+psycopg2://u:p@/db?host=/cloudsql/a:b:c", PLAIN | {"host": "/cloudsql/a:b:c"}),
        ("postgresql://u:p@[::1]:5433/db", PLAIN | {"host": "::1", "port": "5433"}),
        ("postgresql://u:p@[2001:db8::1]/db", PLAIN | {"host": "2001:db8::1"}),
        ("postgresql://u:p@a:1,b:2/db", PLAIN | {"host": "a,b", "port": "1,2"}),
        ("postgresql://user@server:p@h/db", PLAIN | {"user": "user@server"}),
        ("postgresql://u@h/db", {"user": "u", "host": "h", "dbname": "db"}),
        ("postgresql://h:5433", {"host": "h", "port": "5433"}),
        # libpq's own form, and psql's.
        ("host=h dbname=db user=u password=p", PLAIN),
        ("host = h\nuser = u\npassword = 'p'\ndbname = db", PLAIN),
        ("host=h dbname=db user=u password='p q'", PLAIN | {"password": "p q"}),
        ("host=h dbname=db user=u password=p pgbouncer=true sslmode=no-verify", PLAIN | {"sslmode": "require"}),
        ("psql 'postgresql://u:p@h/db'", PLAIN),
        ("psql postgres://u:p@h/db?sslmode=no-verify", PLAIN | {"sslmode": "require"}),
        (
            f"psql -h {POOLER} -p 6543 -d postgres -U postgres.ref",
            {"host": POOLER, "port": "6543", "dbname": "postgres", "user": "postgres.ref"},
        ),
        ("PGPASSWORD=p psql --host=h --username u -ddb -W", PLAIN),
    ],
)
def test_what_is_clear_is_read(written: str, read: dict[str, str]) -> None:
    assert conninfo_to_dict(database_url(written)) == read
    assert database_url(database_url(written)) == database_url(written)


@pytest.mark.parametrize(
    "url", ["postgresql://x/y", "postgres://u:p%40@h:5/db?sslmode=require", "host=h password='a b'"]
)
def test_what_libpq_reads_stays_as_it_is(url: str) -> None:
    assert database_url(url) == url


@pytest.mark.parametrize(
    "password",
    [
        "a#b",
        "a@b",
        "a%b",
        "a/b",
        "a?b",
        "a:b",
        "#@%/?:",
        "@",
        "100%",
        "p@ss/word#1?",
        "a b",
        "ü€",
        "[x]y",
        "a&b=c",
        "'\"\\",
    ],
)
def test_a_password_with_bare_characters_is_read(password: str) -> None:
    for host in ("h", "h:5432", "[::1]:5432"):
        for query in ("", "?sslmode=require&pgbouncer=true"):
            read = conninfo_to_dict(database_url(f"postgresql://u:{password}@{host}/db{query}"))
            assert (read["user"], read["password"], read["dbname"]) == ("u", password, "db")


@example("<a>")
@given(password=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_an_encoded_password_is_read_exactly(password: str) -> None:
    read = conninfo_to_dict(database_url(f"postgresql+asyncpg://u:{quote(password, safe='')}@h:5432/db?schema=public"))
    assert read == {"user": "u", "password": password, "host": "h", "port": "5432", "dbname": "db"}


@example("%a1")
@given(password=st.text("ab1#@%/?:[]<>&= '$", min_size=1))
def test_a_bare_password_is_read_exactly_or_refused_without_a_word_of_it(password: str) -> None:
    written = f"hush{password}hush"
    try:
        read: object = conninfo_to_dict(database_url(f"postgresql://u:{written}@h:5432/db"))
    except BadConfiguration as error:
        read = str(error)
    if isinstance(read, str):
        assert "hush" not in read, "the error's text"
    elif not re.search("%[0-9ab]{2}", written):
        assert read == {"user": "u", "password": written, "host": "h", "port": "5432", "dbname": "db"}


@pytest.mark.parametrize(
    ("written", "named"),
    [
        # Percent-encoded bytes that are no text.
        ("postgresql://u:hush%a1@h/db", "the password has percent-encoded bytes that are not UTF-8"),
        ("postgresql://u%ff:hush@h/db", "the user has percent-encoded bytes that are not UTF-8"),
        ("postgresql://h/db?user=u&password=hush%e4", "the password has percent-encoded bytes that are not UTF-8"),
        # Placeholders.
        (f"postgresql://postgres.ref:[YOUR-PASSWORD]@{POOLER}:6543/postgres", "the password is still a placeholder"),
        ("postgresql://u:<password>@h/db", "the password is still a placeholder"),
        ("postgresql://u:[hush]@h/db", "without brackets"),
        ("postgresql://u:${PGPASSWORD}@h/db", "the password is still a placeholder"),
        ("postgresql://u:YOUR_PASSWORD@h/db", "the password is still a placeholder"),
        ("postgresql://u:********@h/db", "the password is still a placeholder"),
        ("host=h user=u password=********", "the password is still a placeholder"),
        ("host=h user=u password=[YOUR-PASSWORD]", "the password is still a placeholder"),
        ("jdbc:postgresql://h/db?user=u&password=[YOUR-PASSWORD]", "the password is still a placeholder"),
        ("postgresql://postgres.[YOUR-PROJECT-REF]:hush@h/db", "the user is still a placeholder"),
        ("postgresql://u:hush@db.[YOUR-PROJECT-REF].supabase.co/db", "the host or the database is still a placeholder"),
        ("postgresql://u:hush@<host>:5432/db", "the host or the database is still a placeholder"),
        ("postgresql://u:hush@your-project-host.example/db", "the host is still a placeholder"),
        ("$DATABASE_URL", "a placeholder that nothing has filled in"),
        ("${{ secrets.DATABASE_URL }}", "a placeholder that nothing has filled in"),
        # Something else.
        ("prisma+postgres://accelerate.prisma-data.net/?api_key=hush", "Prisma's proxy, not a database"),
        ("prisma://accelerate.prisma-data.net/?api_key=hush", "Prisma's proxy, not a database"),
        (f"https://{REF}.supabase.co", "goes into SUPABASE_URL"),
        (f"http://supabase.com/dashboard/project/{REF}", "goes into SUPABASE_URL"),
        ("mysql://u:hush@h/db", "mysql:// is not PostgreSQL"),
        ("Host=h;Port=5432;Username=u;Password=hush", "a .NET connection string"),
        ("/run/secrets/database_url", "set DATABASE_URL_FILE"),
        ("u:hush@h/db", "does not begin with postgresql://"),
        ("postgresql:u:hush@h/db", "// is missing"),
        ('""', "it is empty"),
        ("hush", "does not begin with postgresql://"),
        # Parts.
        ("postgresql://u:hush@h:port/db", "the port is not a number"),
        ("postgresql://u:hush@h:99999/db", "the port must be a number from 1 to 65535"),
        ("postgresql://u:hush@::1/db", "the host is an IPv6 address: write it in brackets"),
        ("postgresql://u:hush@2001:db8::1:5432/db", "the host is an IPv6 address: write it in brackets"),
        ("postgresql://u:hush@https://h/db", "the host begins with https://"),
        (f"postgresql://postgres:hush@{REF}.supabase.co:5432/postgres", "the host is the project's API"),
        ("postgresql://u:hush@h h/db", "a blank in the host"),
        ("postgresql://u:hush@h/db # production", "a blank, or a comment, after the database name"),
        ("postgresql://u:hush@h/a/b", "the database name has a bare /"),
        ("postgresql://u:hush@h/db\nDIRECT_URL=postgresql://u:hush@h/db", "it has several lines"),
        ("postgresql://u:hush%40s@h@h/db", "the password has bare characters and percent-encoded ones"),
        ("postgresql://u:hush%00@h/db", "the password contains a control character"),
        ("postgresql://u:p@hush/w?x=1@h/db", "not clear where the password ends"),
        # Parameters.
        ("postgresql://u:hush@h/db?schema=shop", "schema names a schema other than public"),
        ("postgresql://u:hush@h/db?foo=1", "PostgreSQL has no parameter foo: remove it"),
        ("postgresql://u:hush@h/db?sslmode=maybe", "sslmode must be disable, allow"),
        ("postgresql://u:hush@h/db?sslaccept=maybe", "sslaccept must be strict"),
        (
            "jdbc:postgresql://h/db?password=a&hush#1",
            "a parameter after the ? cannot be read: write & in a value as %26",
        ),
        ("host=h foo=1 password=hush", "PostgreSQL has no parameter foo"),
        ("host=h password=hu sh", "a value with blanks or quotes needs single quotes"),
        ("psql -h h -c 'select hush'", "an option that is no part of a connection"),
        ("psql 'postgresql://u:hush@h/db", "an open quote"),
    ],
)
def test_what_is_not_clear_is_refused_by_its_part(written: str, named: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        start_postgres(BackendSettings(database_url=written))
    assert str(refused.value).startswith("DATABASE_URL cannot be read: ")
    assert named in str(refused.value)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (f'"https://{REF}.supabase.co"', f"https://{REF}.supabase.co"),
        (f"SUPABASE_URL=https://{REF}.supabase.co/", f"https://{REF}.supabase.co"),
        (f"NEXT_PUBLIC_SUPABASE_URL='https://{REF}.supabase.co'", f"https://{REF}.supabase.co"),
        (f"{REF}.supabase.co", f"https://{REF}.supabase.co"),
        (REF, f"https://{REF}.supabase.co"),
        (f"http://{REF}.supabase.co", f"https://{REF}.supabase.co"),
        (f"https://db.{REF}.supabase.co", f"https://{REF}.supabase.co"),
        (f"https://{REF}.supabase.co/rest/v1/", f"https://{REF}.supabase.co"),
        (f"https://{REF}.supabase.co/auth/v1", f"https://{REF}.supabase.co"),
        (f"https://{REF}.supabase.co/functions/v1/automation-executor", f"https://{REF}.supabase.co"),
        (f"https://supabase.com/dashboard/project/{REF}", f"https://{REF}.supabase.co"),
        (f"https://supabase.com/dashboard/project/{REF}/settings/api-keys", f"https://{REF}.supabase.co"),
        (f"https://app.supabase.com/project/{REF}", f"https://{REF}.supabase.co"),
        ("api.example.com", "https://api.example.com"),
        ("https://example.com/supabase/rest/v1", "https://example.com/supabase"),
        ("localhost:54321", "http://localhost:54321"),
        ("http://127.0.0.1:54321/", "http://127.0.0.1:54321"),
    ],
)
def test_a_projects_url_is_read(written: str, read: str) -> None:
    assert project_url(written) == read


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("https://supabase.com/dashboard/org/x", "a page of the dashboard"),
        ("https://[YOUR-REF].supabase.co", "a placeholder"),
        ("https://your-project.supabase.co", "a placeholder"),
        ("https://….supabase.co", "a placeholder"),
        ("postgresql+asyncpg://u:hush@h/db", "that is DATABASE_URL"),
        ("sb_secret_hush", "not a valid URL"),
    ],
)
def test_another_projects_url_is_refused_by_name(written: str, named: str) -> None:
    with pytest.raises(BadConfiguration, match=named) as refused:
        project_url(written)
    assert "hush" not in str(refused.value)


def test_a_key_is_read_without_what_was_pasted_around_it() -> None:
    assert server_key('SUPABASE_SERVICE_ROLE_KEY="sb_secret_x"\n') == "sb_secret_x"


def test_the_mail_servers_url_is_never_cut_within_the_password() -> None:
    assert parse_server('"smtp://u:p%23@h:25"').password == "p#"
    for url in ("smtp://hush:1#x@h:25", "smtp://hush:1?x@h:25", "smtp://u:[YOUR-PASSWORD]@h", "smtp://u:hush%a1@h"):
        with pytest.raises(BadServer, match="SMTP_URL") as refused:
            parse_server(url)
        assert "hush" not in str(refused.value)
