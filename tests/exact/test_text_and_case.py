"""Letters of either case: one fold, whatever the database's locale."""

# ruff: noqa: RUF001
from __future__ import annotations

import asyncio
import itertools
import unicodedata
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from minutehand.executor.templates.render import Renderer
from minutehand.store.schema import migrate
from tests.journeys.app import email
from tests.journeys.world import World
from tests.servers import CLOCK, Database, url_of
from tests.sql.jobs import watched_jobs, when, workflow

_numbers = itertools.count(1)

#: Server and locale of a database.  The embedded 18 has no ICU; Debian's 15 has.
LOCALES = {
    "18 builtin C.UTF-8": ("pg18", "locale_provider builtin builtin_locale 'C.UTF-8'"),
    "18 libc C": ("pg18", "locale_provider libc locale 'C'"),
    "15 libc C.UTF-8": ("pg15", "locale_provider libc locale 'C.UTF-8'"),
    "15 libc C": ("pg15", "locale_provider libc locale 'C'"),
    "15 ICU Turkish": ("pg15", "locale_provider icu icu_locale 'tr-TR' locale 'C.UTF-8'"),
    "15 ICU German": ("pg15", "locale_provider icu icu_locale 'de-DE' locale 'C.UTF-8'"),
}


@pytest.fixture(scope="module", params=LOCALES.values(), ids=list(LOCALES))
def located(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated database of a locale."""
    server, locale = request.param
    url = request.getfixturevalue(server)
    name = f"located_{next(_numbers)}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"create database {name} template template0 encoding 'UTF8' {locale}".encode())
        try:
            asyncio.run(migrate(url_of(url, name)))
            with psycopg.connect(url_of(url, name), autocommit=True, row_factory=dict_row) as connection:
                connection.execute(CLOCK)
                yield Database(url_of(url, name), connection)
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


#: Status -> the type that it emits.
TYPES = {
    "INVOICED": "job_invoiced",
    "IN PROGRESS": "job_in_progress",
    "Überfällig": "job_überfällig",
    "ÜBERFÄLLIG": "job_überfällig",
    unicodedata.normalize("NFD", "Überfällig"): "job_überfällig",
    "in\u00a0Arbeit": "job_in_arbeit",
    "in – Arbeit": "job_in_arbeit",
    "Terminé": "job_terminé",
    "ВЫПОЛНЕНО": "job_выполнено",
    "ΟΛΟΚΛΗΡΩΘΗΚΕ": "job_ολοκληρωθηκε",
    "İPTAL": "job_iptal",
    "iptal": "job_iptal",
    "onaylandı": "job_onaylandı",
    "完了、済": "job_完了_済",
    "Straße": "job_straße",
    "✓ done": "job_✓_done",
    "ACTIVE": "job_active",
}

#: Two spellings of one status: none is a change to the other.
SAME = [
    ("INVOICED", "invoiced"),
    ("Überfällig", "überfällig"),
    ("Überfällig", "ÜBERFÄLLIG"),
    ("Überfällig", unicodedata.normalize("NFD", "überfällig")),
    ("In Bearbeitung", "in_bearbeitung"),
    ("İPTAL", "iptal"),
    ("İPTAL", "i̇ptal"),
    ("ONAYLANDI", "onaylandı"),
    ("ВЫПОЛНЕНО", "выполнено"),
    ("ΤΕΛΟΣ", "τέλος".replace("έ", "ε")),
    ("Cancelled", "CANCELED"),
    ("ready\u2014now", "ready now"),
]
#: Two statuses.
OTHER = [("schon", "schön"), ("Straße", "Strasse"), ("完了", "未完了"), ("--", "++"), ("done", "done✓")]


@pytest.fixture
def jobs(located: Database) -> Database:
    """The located database with one job, and nothing recorded."""
    located.sql("drop table if exists jobs cascade; truncate automation_events, automation_execution_logs cascade")
    located.sql("delete from automation_workflows")
    watched_jobs(located)
    return located


def test_a_status_has_the_same_type_in_every_locale(jobs: Database) -> None:
    emitted = {}
    for status in TYPES:
        jobs.sql("update jobs set status = 'x'")
        jobs.sql("update jobs set status = %s", status)
        emitted[status] = jobs.one("select types[3] as type from automation_events order by id desc limit 1")["type"]
    assert emitted == TYPES


def test_another_spelling_is_no_change_and_another_word_is_one(jobs: Database) -> None:
    changed = []
    for old, new in SAME + OTHER:
        jobs.sql("update jobs set status = %s", old)
        jobs.sql("update jobs set status = %s", new)
        types = jobs.one("select types from automation_events order by id desc limit 1")["types"]
        changed.append("job_status_changed" in types)
    assert changed == [False] * len(SAME) + [True] * len(OTHER)


def test_a_condition_holds_in_every_locale(jobs: Database) -> None:
    cases = [
        ("title", "equals", "INVOICED İSTANBUL", "invoiced istanbul"),
        ("title", "equals", "MÜLLER", "müller"),
        ("title", "in", "Île", ["ÎLE"]),
        ("title", "contains", "Die Straße IST GESPERRT", "ist gesperrt"),
        ("title", "starts_with", "ÖFFNUNG", "öff"),
        ("title", "ends_with", "ЗАКАЗ ВЫПОЛНЕН", "выполнен"),
        ("status", "equals", "In Progress", "IN_PROGRESS"),
        ("title", "changed_to", "ÄRGER", "ärger"),
    ]
    held = {}
    for field, operator, value, wanted in cases:
        answer = jobs.call(
            "automation_evaluate",
            p_conditions={"field": field, "operator": operator, "value": wanted},
            p_new={field: value},
            p_old={field: "x"},
        )
        held[operator, field] = answer["held"]
    assert all(held.values()), held


def test_a_workflow_starts_once_for_both_spellings(jobs: Database) -> None:
    workflow(jobs, "overdue", trigger_type="job_überfällig", status="ACTIVE")
    workflow(
        jobs,
        "invoiced",
        trigger_type="job_updated",
        trigger_config=when("status", "INVOICED"),
        settings={"rate_limit": None},
    )
    jobs.sql("update jobs set status = 'Überfällig'")
    jobs.sql("update jobs set status = 'überfällig'")
    jobs.sql("update jobs set status = 'invoiced'")
    rows = jobs.sql(
        "select w.name, count(*)::int as n from automation_execution_logs"
        " join automation_workflows w on w.id = workflow_id group by 1"
    )
    assert {row["name"]: row["n"] for row in rows} == {"overdue": 1, "invoiced": 1}


def test_an_opt_out_and_a_limit_are_for_the_address_in_either_case(jobs: Database) -> None:
    jobs.sql("truncate automation_opt_outs, automation_limits, communication_logs")
    jobs.sql("insert into automation_opt_outs (channel, address) values ('email', 'INFO@Example.com')")
    found = jobs.sql(
        "select a, exists (select from minutehand.may_send(l, 'email', a, 'k', false, p, now())) as stopped"
        " from minutehand.pauses p, (select null::automation_execution_logs as l) x,"
        " unnest(array['info@example.com', 'INFO@EXAMPLE.COM', 'ınfo@example.com']) as a"
    )
    assert [row["stopped"] for row in found] == [True, True, False]
    jobs.sql(
        "insert into communication_logs (status, recipient, channel, reserved_at, user_id)"
        " values ('sent', 'INFO@example.com', 'email', now(), 'u')"
    )
    jobs.sql("insert into automation_limits (scope, tenant, channel, n, per) values ('recipient', '', '', 1, '1 h')")
    full = jobs.one(
        "select minutehand.next_free_at(l, 'u', a, 'k', now()) is not null as full"
        " from automation_limits l cross join lateral minutehand.limit_subjects(l, 'Info@Example.com') as a"
    )
    assert full["full"]


LETTERS = st.characters(codec="utf-8", categories=["Lu", "Ll"], exclude_characters="ßẞıİ\u0345\u1e9e").filter(
    lambda letter: len(letter.upper()) == len(letter.lower()) == 1 and letter.upper().lower() == letter.lower()
)


@given(words=st.lists(st.text(LETTERS, min_size=1, max_size=12), min_size=30, max_size=30))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_capitals_and_small_letters_are_one_status(database: Database, words: list[str]) -> None:
    rows = database.sql(
        "select word from unnest(%s::text[], %s::text[], %s::text[]) as w (word, upper, lower)"
        " where minutehand.fold(upper) is distinct from minutehand.fold(lower)"
        " or minutehand.fold(minutehand.fold(word)) <> minutehand.fold(word)"
        " or minutehand.slug(minutehand.slug(word)) <> minutehand.slug(word)",
        words, [word.upper() for word in words], [word.lower() for word in words],
    )  # fmt: skip
    assert rows == []


@given(texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=8, max_size=8))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_goes_round(database: Database, texts: list[str]) -> None:
    database.sql("drop table if exists jobs cascade; delete from automation_events")
    database.sql("create table jobs (id int primary key, title text, back text)")
    database.call("automation_trigger_add", p_table="jobs", p_tenant="none", p_writable=True)
    for number, text in enumerate(texts):
        database.sql("insert into jobs values (%s, %s)", number, text)
    rows = database.sql("""
        select e.entity_id as id, e.new ->> 'title' as recorded, r.found as row
        from automation_events e cross join minutehand.watched w
        cross join lateral minutehand.read_app_rows(w.relation, w.config, array[e.entity_id]) r
    """)
    for row in rows:
        assert row["recorded"] == row["row"]["title"]
        back = Jsonb({"back": Renderer().render("{{ job.title }}", {"job": row["row"]}) if row["row"]["title"] else ""})
        database.sql(
            "select minutehand.write_row(w.relation, w.config, 'update', %s, %s, null) from minutehand.watched w",
            row["id"], back,
        )  # fmt: skip
    written = database.sql("select title, back from jobs order by id")
    assert [(row["title"], row["back"]) for row in written] == [(text, text) for text in texts]


def test_an_opt_out_stops_the_address_in_another_case(world: World) -> None:
    world.app.database.sql("insert into automation_opt_outs (channel, address) values ('email', 'HOTEL@EXAMPLE.COM')")
    world.app.workflow(email())
    world.app.complete(status="COMPLETED")
    world.drain()
    assert world.post.messages == []
