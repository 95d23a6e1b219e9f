"""Who wrote an e-mail, to whom and about what: a strict parser finds what was written in the message that arrived."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minutehand.executor.email.headers import address_field, text_field
from minutehand.executor.email.message import BadAddress, one_line, parse_sender
from minutehand.executor.outcome import Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.demo.receivers import Mail, SmtpReceiver
from minutehand.scheduler.executor_config import check_sender
from minutehand.store.errors import BadConfiguration
from tests.contract.step_run import act, send_email, step_run
from tests.providers.resend import ResendServer

ADDRESS = "no-reply@app.example"
LONG = "Lakeview Plumbing, Heating and Air Conditioning Services of North America, Inc."
#: EMAIL_FROM, without its address -> the name that readers see.
SENDERS = {
    f'"{LONG}"': LONG,
    LONG: LONG,
    f'"{LONG} {LONG} {LONG} {LONG}"': f"{LONG} {LONG} {LONG} {LONG}",
    "Acme": "Acme",
    "Acme, Inc.": "Acme, Inc.",
    '"Acme, Inc."': "Acme, Inc.",
    "Acme (support)": "Acme (support)",
    "Acme.com": "Acme.com",
    r'"The \"Best\" Inc."': 'The "Best" Inc.',
    r'"back\\slash, Inc."': r"back\slash, Inc.",
    r"back\slash": r"back\slash",
    r'"ends with a \\"': "ends with a \\",
    'Bob "The Fixer" Smith': 'Bob "The Fixer" Smith',
    '"a@b.example; c: d <e>, f"': "a@b.example; c: d <e>, f",
    "Lakeview Lüftung, Heizung und Klima Gesellschaft mit beschränkter Haftung, Inc.": (
        "Lakeview Lüftung, Heizung und Klima Gesellschaft mit beschränkter Haftung, Inc."
    ),
    r'"Zoë \"Z\", GmbH"': 'Zoë "Z", GmbH',
    "חשמל, בע״מ": "חשמל, בע״מ",
    "شركة، المحدودة": "شركة، المحدودة",
    "日本、株式会社": "日本、株式会社",
    "Fix 🔧, Inc.": "Fix 🔧, Inc.",
    "=?utf-8?q?Z=C3=BC=2C_Inc=2E?=": "Zü, Inc.",
    "a" * 60 + ", " + "b" * 60: "a" * 60 + ", " + "b" * 60,
    "": "",
    '""': "",
}
#: EMAIL_FROM, whole.
REFUSED = [
    "a@b.example, c@d.example",
    "a@b.example, Acme <c@d.example>",
    "Acme <a@b.example>, Other <c@d.example>",
    "Acme <a@b.example> <c@d.example>",
    "Acme <>",
    "Acme",
    "Acme <a@b.example",
    "Acme a@b.example",
    "Acme <a@b.example>\r\nBcc: x@y.example",
    "Acme\n <a@b.example>",
    "\udcff <a@b.example>",
    "Acme <zoë@b.example>",
    "Acme <a@i❤.example>",
]
SUBJECTS = [
    "Your job is done",
    "Rechnung für Zoë: 1.234,50 €",
    "word " * 60 + "end",
    "x" * 300,
    "two  blanks " * 20 + "end",
    "ü" * 300,
    "🔧 " * 100 + "end",
    "=?utf-8?q?not_encoded?=",
    'a "quoted" \\ subject, with <angle> (round) [square] @ ; :',
    "שלום, עולם",
    "a: " + "b" * 75,
    "%{name} & Co. #1",
]


@pytest.fixture(scope="module")
def post() -> Iterator[SmtpReceiver]:
    with SmtpReceiver() as running:
        yield running


@pytest.fixture(scope="module")
def resend() -> Iterator[ResendServer]:
    with ResendServer() as running:
        yield running


def sent(post: SmtpReceiver, config: dict[str, str], sender: str = ADDRESS) -> Mail:
    post.messages.clear()
    result = send_email(post.url, config, sender=sender)
    assert result.verdict is Verdict.DONE, result
    (mail,) = post.messages
    head = mail.content.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 998
    return mail


def strictly(mail: Mail, name: str) -> list[tuple[str, str]]:
    """The mailboxes of a field, by the library's strict parser.

    Python 3.11 keeps the line breaks between encoded words as blanks, which RFC 2047 does not.
    """
    field = mail.message[name]
    assert field.defects == ()
    return [(" ".join(box.display_name.split()), box.addr_spec) for box in field.addresses]


def otherwise(mail: Mail, name: str) -> list[tuple[str, str]]:
    """The same by another parser: the library's older one, which shares no code with the first."""
    raw = email.message_from_bytes(mail.content, policy=email.policy.compat32)[name]
    boxes = getaddresses([str(raw).replace("\r\n", "").replace("\n", "")])
    return [(str(make_header(decode_header(box[0]))), box[1]) for box in boxes]


@pytest.mark.parametrize(("written", "name"), SENDERS.items())
def test_the_sender_is_one_mailbox_with_its_name(post, resend, written, name):
    mail = sent(post, {}, f"{written} <{ADDRESS}>")
    assert strictly(mail, "From") == otherwise(mail, "From") == [(name, ADDRESS)]
    assert mail.sender == ADDRESS

    resend.messages.clear()
    run = step_run(
        "email", {"subject": "s", "message": "m"}, **resend.settings | {"email_from": f"{written} <{ADDRESS}>"}
    )
    run.execution_id = str(hash(written))  # a send of its own
    assert act(run).verdict is Verdict.DONE
    assert getaddresses([resend.messages[0].body["from"]]) == [(name, ADDRESS)]


@pytest.mark.parametrize(("written", "name"), SENDERS.items())
def test_a_reply_address_may_have_a_name(post, written, name):
    mail = sent(post, {"reply_to": f"{written} <office@app.example>"})
    assert strictly(mail, "Reply-To") == otherwise(mail, "Reply-To") == [(name, "office@app.example")]


@pytest.mark.parametrize("written", REFUSED)
def test_a_sender_that_is_no_single_address_stops_the_start(post, written):
    with pytest.raises(BadConfiguration, match="EMAIL_FROM must be one"):
        check_sender(ExecutorSettings(provider_values={"EMAIL_FROM": written}))
    result = send_email(post.url, sender=written)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")


def test_a_command_that_sends_exits_78_with_the_reason(call):
    said = call("run-once", EMAIL_FROM="a@b.example, c@d.example", DATABASE_URL="postgresql://nobody@127.0.0.1:1/x")
    assert said.code == 78
    assert "EMAIL_FROM must be one address" in said.err


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_is_read_as_it_was_written(post, subject):
    mail = sent(post, {"subject": subject})
    assert mail.message["Subject"] == subject
    raw = email.message_from_bytes(mail.content, policy=email.policy.compat32)["Subject"]
    assert str(make_header(decode_header(str(raw).replace("\r\n", "").replace("\n", "")))) == subject


def test_a_hundred_recipients_are_each_one_mailbox(post):
    to = [f"{'a' * 60}{number}@{'b' * 60}.straße.example" for number in range(100)]
    mail = sent(post, {"to": to})  # type: ignore[dict-item]
    assert strictly(mail, "To") == otherwise(mail, "To") == [("", address) for address in mail.recipients]
    assert len(mail.recipients) == 100


_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200).map(one_line)


@settings(max_examples=200, deadline=None)
@given(_NAMES)
def test_any_name_comes_back_from_the_field(name):
    field = address_field("From", [Address(name, addr_spec=ADDRESS), Address(addr_spec="b@app.example")])
    assert field.isascii()
    parsed = email.message_from_string(field + "\r\n", policy=email.policy.default)["From"].addresses
    assert [box.addr_spec for box in parsed] == [ADDRESS, "b@app.example"]
    assert "".join(parsed[0].display_name.split()) == "".join(name.split())


@settings(max_examples=200, deadline=None)
@given(_NAMES)
def test_any_subject_comes_back_from_the_field(subject):
    field = text_field("Subject", subject)
    assert field.isascii()
    assert all(line.strip() for line in field.rstrip("\r\n").split("\r\n")) or not subject
    parsed = email.message_from_string(field + "\r\n", policy=email.policy.default)["Subject"]
    assert str(parsed) == subject


@settings(max_examples=200, deadline=None)
@given(_NAMES)
def test_any_name_in_quotes_is_the_senders_name(name):
    quoted = '"' + name.replace("\\", r"\\").replace('"', r"\"") + '"'
    assert parse_sender(f"{quoted} <{ADDRESS}>") == Address(name, addr_spec=ADDRESS)


def test_a_reply_address_that_is_none_fails_the_step(post):
    with pytest.raises(Exception, match="`reply_to`"):
        send_email(post.url, {"reply_to": "a@b.example, c@d.example"})
    with pytest.raises(BadAddress):
        parse_sender("a@b.example, c@d.example")
