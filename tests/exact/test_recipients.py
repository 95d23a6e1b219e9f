"""Who gets a message, as people write it in a row or a step: read to one form, or refused (docs/exact.md)."""

from __future__ import annotations

from typing import Any

import phonenumbers
import pytest

from minutehand.executor.email.message import BadAddress
from minutehand.executor.email.recipients import read_addresses
from minutehand.executor.sms.phone_numbers import BadNumber, to_e164
from tests.journeys.app import email
from tests.journeys.world import World, sms
from tests.servers import Database

ANN = ("ann@x.example",)
EMAILS: list[tuple[str, tuple[str, ...]]] = [
    ("ann@x.example", ANN),
    ("Ann Lee <ann@x.example>", ANN),
    ("<ann@x.example>", ANN),
    ('"Lee, Ann; Dr." <ann@x.example>', ANN),
    ("ann@x.example <ann@x.example>", ANN),
    ("mailto:ann@x.example", ANN),
    ("MAILTO:ann@x.example?subject=Hi", ANN),
    ("Ann <mailto:ann@x.example>", ANN),
    ("  ann@x.example\t\n", ANN),
    ("\u00a0ann@x.example\u00a0", ANN),
    ("\u200bann@x.example\u200b", ANN),
    ("\ufeffann@x.example", ANN),
    ("ann@X.EXAMPLE", ANN),
    ("ann@x.example; b@y.example", (*ANN, "b@y.example")),
    ("ann@x.example, b@y.example,", (*ANN, "b@y.example")),
    ("Ann <ann@x.example>;\u00a0Bob <b@y.example>", (*ANN, "b@y.example")),
    ("ann@x.example, ANN@X.EXAMPLE", ANN),
    ("ANN@X.EXAMPLE", ("ANN@x.example",)),
    ("o'neill+tag@x.example", ("o'neill+tag@x.example",)),
    ("ann@bücher.example", ("ann@xn--bcher-kva.example",)),
    ("Ann <ann@BÜCHER.example>", ("ann@xn--bcher-kva.example",)),
    ("ann@straße.example", ("ann@xn--strae-oqa.example",)),
    ("ann@москва.рф", ("ann@xn--80adxhks.xn--p1ai",)),
    ("ann@例え。テスト", ("ann@xn--r8jz45g.xn--zckzah",)),
]
NO_EMAILS = [
    "ann",
    "ann@",
    "@x.example",
    "ann at x.example",
    "Ann Lee ann@x.example",
    "ann@x.example b@y.example",
    "ann@x.example (Ann)",
    "Ann <ann@x.example> Lee",
    "Ann <ann@x.example",
    '"Ann <ann@x.example>',
    "ann@x\u200b.example",
    "an\u00adn@x.example",
    "ann..lee@x.example",
    "ann@x..example",
    "ann@x.example\r\nBcc: b@y.example",
    "Bcc: <ann@x.example>",
    "jürgen@x.example",
    "\u202eelpmaxe.x@nna",
    "\u202dann@x.example\u202c",
    "Ann <\u202emoc.x@nna>",
    "mailto:\u202emoc.x@nna",
    "ann@-x.example",
    f"{'a' * 65}@x.example",
]
BERLIN = "+4930901820"
PHONES = [
    ("+49 30 901820", BERLIN),
    ("+49 (0)30 901820", BERLIN),
    ("0049 30 901820", BERLIN),
    ("tel:+49-30-901820", BERLIN),
    ("sms: +4930901820", BERLIN),
    ("+49\u00a030\u00a0901820\u200b", BERLIN),
    ("\u202a+49 30 901820\u202c", BERLIN),
    ("+49.30.901820", BERLIN),
    ("+49/30/901820", BERLIN),
    ("＋４９ ３０ ９０１８２０", BERLIN),  # noqa: RUF001
    ("+1 (202) 555-0123", "+12025550123"),
    ("+39 06 6982 1234", "+390669821234"),
    ("00442079460958", "+442079460958"),
]
NO_PHONES = [
    "",
    "0",
    "abc",
    "call +49 30 901820",
    "+49",
    "+49 30 901820 x5",
    "+49 30 901820, +49 30 901821",
    "-",
    "+",
    "901820",
    "\u202e+49 30 901820",
    "+49 30 901820\u202e",
    "\u202d+49 30 901820\u202c",
]


@pytest.mark.parametrize(("text", "addresses"), EMAILS)
def test_an_email_address_is_read_to_one_form(text: str, addresses: tuple[str, ...]) -> None:
    assert read_addresses([text]) == addresses


@pytest.mark.parametrize("text", NO_EMAILS)
def test_what_is_no_email_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        read_addresses([text])


@pytest.mark.parametrize("text", ["", " ", "\u200b", ",", " ; , "])
def test_nothing_is_nobody(text: str) -> None:
    assert read_addresses([text]) == ()


@pytest.mark.parametrize(("text", "number"), PHONES)
def test_a_phone_number_is_read_to_one_form(text: str, number: str) -> None:
    assert to_e164(text, None) == number


@pytest.mark.parametrize("text", NO_PHONES)
def test_what_is_no_phone_number_is_refused(text: str) -> None:
    with pytest.raises(BadNumber):
        to_e164(text, None)


def _sql(database: Database, reader: str, texts: list[str]) -> dict[str, dict[str, Any]]:
    rows = database.sql(
        "select t.text, r.address, r.problem from unnest(%s::text[]) as t (text)"
        f" cross join lateral minutehand.{reader}(t.text) r",
        texts,
    )
    return {row["text"]: row for row in rows}


def test_the_database_reads_the_same_forms(database: Database) -> None:
    single = {
        text: addresses[0].lower() for text, addresses in EMAILS if len(addresses) == 1 and "," not in text.strip('"')
    }
    single |= {'"Lee, Ann; Dr." <ann@x.example>': ANN[0]}
    single.pop("ann@x.example, ANN@X.EXAMPLE", None)
    read = _sql(database, "read_email", [*single, *NO_EMAILS])
    assert {text: read[text]["address"] for text in single} == single
    assert [text for text in NO_EMAILS if not read[text]["problem"] or read[text]["address"]] == []
    read = _sql(database, "read_phone", [text for text, _ in PHONES] + NO_PHONES)
    assert {text: read[text]["address"] for text, _ in PHONES} == dict(PHONES)
    assert [text for text in NO_PHONES if not read[text]["problem"] or read[text]["address"]] == []
    lists = {text: list(addresses) for text, addresses in EMAILS}
    rows = database.sql(
        "select t.text, (select array_agg(distinct r.address order by r.address) as found"
        " from minutehand.read_recipients('email', t.text) r) from unnest(%s::text[]) as t (text)",
        list(lists),
    )
    assert {row["text"]: row["found"] for row in rows} == {
        text: sorted(address.lower() for address in addresses) for text, addresses in lists.items()
    }


def _of_all_countries() -> list[str]:
    """Numbers of each country, a mobile one and one of a line, in the forms in which people write them."""
    written = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            if (number := phonenumbers.example_number_for_type(region, kind)) is None:
                continue
            plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            spaced = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
            code, _, rest = spaced.partition(" ")
            forms = (
                plain,
                spaced,
                f"00{plain[1:]}",
                f"tel:{plain}",
                spaced.replace(" ", "\u00a0"),
                spaced.replace(" ", "-"),
            )
            written += [*forms, *(f"{code} {zero}{rest}" for zero in ("(0)", "0", "0 ", "1", "8"))]
    return written


def test_a_number_of_any_country_that_the_database_reads_is_read_alike_here(database: Database) -> None:
    read = _sql(database, "read_phone", _of_all_countries())
    unlike = []
    for text, row in read.items():
        try:
            number = to_e164(text, None)
        except BadNumber:
            continue
        if row["address"] not in (None, number) and phonenumbers.is_valid_number(phonenumbers.parse(number)):
            unlike.append((text, row["address"], number))
    assert unlike == []
    assert sum(row["address"] is not None for row in read.values()) > len(read) / 2


def test_each_form_in_a_row_reaches_the_person_on_both_backends(world: World) -> None:
    written = [text for text, _ in EMAILS]
    phones = [text for text, _ in PHONES]
    rows = max(len(written), len(phones))
    world.app.workflow(email(subject="{{job.id}}", message="{{job.id}}"), sms("{{job.id}}"))
    for n in range(rows):
        world.app.database.sql(
            "insert into clients (id, organization_id, name, email, phone) values (%s, 'north', 'Ann', %s, %s)",
            f"R-{n}",
            written[n % len(written)],
            phones[n % len(phones)],
        )
    world.app.database.sql(
        "insert into jobs (id, organization_id, client_id) select 'T-' || n, 'north', 'R-' || n"
        " from generate_series(0, %s) n",
        rows - 1,
    )
    world.app.database.sql("update jobs set status = 'completed' where id like 'T-%%'", *())
    world.drain("--batch-size", "50")
    mails = {str(mail.message["Subject"]): mail.recipients for mail in world.post.messages}
    assert mails == {
        f"T-{n}": tuple(sorted(written_to, key=list(written_to).index)) for n, (_, written_to) in enumerate(EMAILS)
    }
    assert sorted(world.sms()) == sorted((PHONES[n % len(PHONES)][1], f"T-{n}") for n in range(rows))
