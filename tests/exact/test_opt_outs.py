"""An opt-out stops each form of the address, and is no failure (docs/exact.md, Recipients and opt-outs)."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from minutehand.store.schema import migrate
from tests.journeys.app import email
from tests.journeys.world import World, sms
from tests.servers import Database, url_of
from tests.sql.doctor import levels, results_of
from tests.sql.queue_rows import NOW, claim, pending, token, workflow

KEPT = [
    (("email", "ann@x.example", ""), ("email", "ann@x.example", "")),
    (("E-Mail", "ANN@X.EXAMPLE", ""), ("email", "ann@x.example", "")),
    (("mail", "Ann Lee <ann@x.example>", None), ("email", "ann@x.example", "")),
    (("Email", " mailto:Ann@x.example\u200b", " north "), ("email", "ann@x.example", "north")),
    (("email", "INFO@BÜCHER.example", ""), ("email", "info@xn--bcher-kva.example", "")),
    (("text", "+1 (202) 555-0123", ""), ("sms", "+12025550123", "")),
    (("SMS", "tel:0049-30-901820", ""), ("sms", "+4930901820", "")),
    ((None, "ann@x.example", ""), ("all", "ann@x.example", "")),
    (("", "+12025550123", ""), ("all", "+12025550123", "")),
    (("ALL", "Ann <ann@x.example>", ""), ("all", "ann@x.example", "")),
    (("WhatsApp", " Ann ", ""), ("whatsapp", "ann", "")),
]
REFUSED = [
    ("email", "+12025550123", "is not an e-mail address: write it as"),
    ("email", "ann@x.example; b@x.example", "is more than one address: write a row for each"),
    ("email", "ann@x\u200b.example", "contains an invisible character: type it again"),
    ("email", "", "is not an e-mail address"),
    ("sms", "ann@x.example", "is not a phone number: write it with"),
    ("sms", "(202) 555-0123", "has no country code: write it with"),
    ("sms", "2025550123", "has no country code: write it with"),
    ("sms", "+49 030 901820", "dialled only within the country: leave it out"),
    ("all", "Ann Lee", "is not a phone number"),
    ("all", None, "the address is null"),
]


def test_the_apps_own_rows_are_kept_as_they_are_compared_or_refused(database: Database) -> None:
    columns = "channel, address, tenant"
    insert = f"insert into automation_opt_outs ({columns}) values (%s, %s, %s) returning {columns}"
    for written, kept in KEPT:
        row = database.one(insert, *written)
        assert tuple(row.values()) == kept
        database.sql("delete from automation_opt_outs")
    for channel, address, words in REFUSED:
        with pytest.raises(psycopg.Error, match=words) as refused:
            database.one(insert, channel, address, "")
        assert (refused.value.sqlstate, "one e-mail address" in str(refused.value)) == ("MH400", True)


RECIPIENTS = [
    "ann@x.example",
    "Ann <ann@x.example>",
    "ANN@X.EXAMPLE",
    "mailto:ann@x.example",
    "b@x.example; Ann <ANN@x.example>",
]


def test_an_executor_of_the_apps_is_told_who_has_opted_out_in_any_form(database: Database) -> None:
    database.sql(
        "insert into automation_opt_outs (channel, address) values ('mail', 'Ann@X.example'), ('all', 'INFO@X.EXAMPLE')"
    )
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)

    def reserve(recipient: str, channel: str = "email") -> dict[str, Any]:
        send = {"id": one, "token": lease, "step": "1", "channel": channel, "recipient": recipient, "key": recipient}
        (answer,) = database.call("automation_reserve_sends", p_sends=[send], p_now=NOW)
        return dict(answer)

    for recipient in RECIPIENTS:
        answer = reserve(recipient)
        assert (answer["answer"], answer["code"], answer["opted_out"]) == (
            "refused",
            "opted_out",
            ["ann@x.example"],
        ) or (answer["opted_out"] == [recipient]), recipient
    assert reserve("info@x.example")["code"] == reserve("Info@x.example")["code"] == "opted_out"
    assert reserve("b@x.example")["answer"] == reserve("ann@x.example", "sms")["answer"] == "go"


def test_rows_from_before_are_reread_and_doctor_names_what_cannot_be(database: Database) -> None:
    database.sql("alter table automation_opt_outs disable trigger minutehand_read_opt_out")
    database.sql(
        "insert into automation_opt_outs (channel, address) values"
        " ('email', 'Ann@X.example'), ('email', 'ann@x.example'), ('Text', '+1 202 555 0123'), ('sms', '555-0123')"
    )
    database.sql("alter table automation_opt_outs enable trigger minutehand_read_opt_out")
    database.sql("select minutehand.reread_opt_outs()")
    kept = database.sql("select channel, address from automation_opt_outs order by 1, 2")
    assert [tuple(row.values()) for row in kept] == [
        ("email", "ann@x.example"),
        ("sms", "+12025550123"),
        ("sms", "555-0123"),
    ]
    (listed,) = [row for row in database.call("automation_opt_outs") if "problem" in row]
    assert (listed["address"], "has no country code: write it with +" in listed["problem"]) == ("555-0123", True)
    (found,) = results_of(database, "opt-outs")
    assert (found.level, "1 opt-out cannot be read" in found.fact) == ("warn", True)
    database.call("automation_opt_out_set", p_address="555-0123", p_channel="sms", p_remove=True)
    assert levels(database, "opt-outs") == ["ok"]


@pytest.mark.parametrize(
    "locale",
    ["encoding 'LATIN1' locale 'C'", "encoding 'UTF8' locale_provider icu icu_locale 'tr-TR' locale 'C.UTF-8'"],
    ids=["Latin 1", "Turkish"],
)
def test_an_opt_out_stops_its_address_in_a_database_of_any_encoding_and_language(pg15: str, locale: str) -> None:
    name = "opted_elsewhere"
    with psycopg.connect(pg15, autocommit=True) as admin:
        admin.execute(f"create database {name} template template0 {locale}".encode())
        try:
            asyncio.run(migrate(url_of(pg15, name)))
            with psycopg.connect(url_of(pg15, name), autocommit=True, row_factory=dict_row) as connection:
                database = Database(url_of(pg15, name), connection)
                database.sql("insert into automation_opt_outs (channel, address) values ('E-MAIL', ' INFO@X.EXAMPLE ')")
                kept = database.one("select channel, address from automation_opt_outs")
                assert kept == {"channel": "email", "address": "info@x.example"}
                query = "select minutehand.opted_out('north', 'email', %s) as who"
                for written in ("info@x.example", "Info <INFO@X.EXAMPLE>"):
                    assert database.one(query, written)["who"] == [written]
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


def test_an_opt_out_is_no_failure_on_both_backends(world: World) -> None:
    app, minutehand = world.app, world.minutehand
    app.database.sql("update clients set email = 'Lakeview <Hotel@example.com>' where id = 'C-1'")
    assert (
        minutehand("opt-outs", "add", "HOTEL@example.com", "--channel", "email").stdout
        == "added: hotel@example.com gets no email\n"
    )
    app.workflow(email(), name="Mail")
    app.workflow(email(), sms(), name="Mail and text")
    app.workflow(email(to=["a@x.example, {{client.email}}", "b@x.example"]), name="Several")
    world.job()
    assert world.drain()["failed"] == 0
    ends = {
        row["name"]: (row["status"], row["code"], [step["status"] for step in row["actions_executed"]])
        for row in app.database.sql(
            "select w.name, l.status, l.code, l.actions_executed from automation_execution_logs l"
            " join automation_workflows w on w.id = l.workflow_id"
        )
    }
    assert ends == {
        "Mail": ("skipped", "opted_out", ["skipped"]),
        "Mail and text": ("completed", None, ["skipped", "success"]),
        "Several": ("completed", None, ["success"]),
    }
    (mail,) = world.post.messages
    assert (mail.recipients, str(mail.message["To"])) == (("a@x.example", "b@x.example"), "a@x.example, b@x.example")
    step = app.database.one(
        "select actions_executed -> 0 as step from automation_execution_logs l join automation_workflows w"
        " on w.id = l.workflow_id where w.name = 'Several'"
    )["step"]
    assert step["result"]["opted_out"] == ["Hotel@example.com"]
    assert step["reason"] == "left out, having opted out of email: Hotel@example.com"
    assert minutehand("status", "--check").returncode == 0
    assert app.database.sql("select from automation_incidents") == []
    skipped = app.database.one("select id from automation_execution_logs where status = 'skipped'")["id"]
    shown = minutehand("executions", "show", str(skipped)).stdout
    assert "skipped  opted_out: Hotel@example.com has opted out of email" in shown
    assert minutehand("opt-outs", "rm", "hotel@EXAMPLE.com", "--channel", "E-Mail").returncode == 0
    assert minutehand("executions", "retry", str(skipped)).returncode == 0
    assert world.drain()["completed"] == 1
    assert world.post.messages[-1].recipients == ("Hotel@example.com",)


def test_who_has_it_or_may_have_it_gets_no_second_copy_when_another_opts_out(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)

    def ask(recipient: str, key: str) -> dict[str, Any]:
        send = {"id": one, "token": lease, "step": "1", "channel": "email", "recipient": recipient, "key": key}
        (answer,) = database.call("automation_reserve_sends", p_sends=[send | {"on_uncertain": "resend"}], p_now=NOW)
        return dict(answer)

    assert ask("a@x.example, b@x.example", "both")["answer"] == "go"
    database.sql("update communication_logs set status = 'uncertain'")
    database.sql("insert into automation_opt_outs (channel, address) values ('email', 'b@x.example')")
    assert ask("a@x.example, b@x.example", "both")["answer"] == "uncertain"
    database.sql("update communication_logs set status = 'sent'")
    assert ask("a@x.example, b@x.example", "both")["answer"] == "sent"
