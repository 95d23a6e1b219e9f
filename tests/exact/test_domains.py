"""The domain that a person wrote is the one that is spoken to, in e-mails, webhooks and settings, or it is refused."""

# Letters of other scripts and full-width signs are the point here.
# ruff: noqa: RUF001
from __future__ import annotations

import asyncio
from collections.abc import Iterator

import click
import pytest

from minutehand.executor.email.message import BadAddress, parse_address
from minutehand.executor.email.smtp_client import BadServer, parse_server
from minutehand.executor.http.client import BadTarget, HttpClient, NotSent, parse_url, shown_url
from minutehand.executor.outcome import Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.cli.options import private_addresses
from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.contract.step_run import send_email

#: As a person writes it -> as DNS, SMTP and HTTP know it.
KEPT = {
    "straße.example": "xn--strae-oqa.example",
    "STRASSE.example": "strasse.example",
    "STRAẞE.example": "xn--strae-oqa.example",
    "faß.Straße.example": "xn--fa-hia.xn--strae-oqa.example",
    "ουτοπίας.example": "xn--kxae4bafojh.example",
    "ΟΥΤΟΠΊΑΣ.example": "xn--kxae4bafuch.example",
    "bücher.example": "xn--bcher-kva.example",
    "BÜCHER.Example": "xn--bcher-kva.example",
    "bu\u0308cher.example": "xn--bcher-kva.example",
    "क्\u200dष.example": "xn--11b2ezcw70k.example",
    "نامه\u200cای.example": "xn--mgba3gch31f060k.example",
    "例え.テスト": "xn--r8jz45g.xn--zckzah",
    "مثال.إختبار": "xn--mgbh0fb.xn--kgbechtv",
    "bücher\u3002example": "xn--bcher-kva.example",
    "bücher\uff0eexample": "xn--bcher-kva.example",
    "ｅｘａｍｐｌｅ.example": "example.example",
    "xn--strae-oqa.example": "xn--strae-oqa.example",
    "XN--STRAE-OQA.example": "xn--strae-oqa.example",
    "xn--i-7iq.example": "xn--i-7iq.example",
    "r3---sn-abc.example": "r3---sn-abc.example",
    "mail.xn--i-7iq.straße.example": "mail.xn--i-7iq.xn--strae-oqa.example",
}
REFUSED = [
    "i❤.example",
    "😀.example",
    "a\u200db.example",
    "a\u200cb.example",
    "straße\u200b.example",
    "stra\u00adße.example",
    "straße\u202e.example",
    "\u2488com.example",
    "1א.example",
    "ü_b.example",
    "-ü.example",
    "ü" * 70 + ".example",
    "\ud800ü.example",
    "ü\u2100.example",
    "xn--\u00fc.example",
]


@pytest.fixture(scope="module")
def post() -> Iterator[SmtpReceiver]:
    with SmtpReceiver() as running:
        yield running


@pytest.mark.parametrize(("written", "sent"), KEPT.items())
def test_a_domain_is_the_same_one_everywhere(written, sent):
    assert parse_address(f"info@{written}") == f"info@{sent}"
    assert shown_url(parse_url(f"https://{written}:8443/x")) == f"https://{sent}:8443/x"
    assert parse_server(f"smtp://{written}").host == sent


@pytest.mark.parametrize("written", REFUSED)
def test_what_is_no_domain_is_refused_by_name(written):
    with pytest.raises(BadAddress, match=r"domain|invisible"):
        parse_address(f"info@{written}")
    with pytest.raises(BadTarget, match="host") as refused:
        parse_url(f"https://{written}/")
    assert (refused.value.code, refused.value.verdict) == ("bad_url", Verdict.PERMANENT)
    with pytest.raises(BadServer):
        parse_server(f"smtp://{written}")
    with pytest.raises(click.BadParameter, match="the host of"):
        private_addresses(f"{written}:80")


@pytest.mark.parametrize("address", ["info@straße.example.", "info@.straße.example", "info@straße..example", "info@ß."])
def test_dots_that_no_address_has_are_refused(address):
    with pytest.raises(BadAddress):
        parse_address(address)


@pytest.mark.parametrize("domain", ["straße.example", "ουτοπίας.example", "xn--i-7iq.example", "bücher．example"])
def test_the_mail_server_is_told_the_domain_that_was_written(post, domain):
    post.messages.clear()
    assert send_email(post.url, {"to": f"info@{domain}"}).verdict is Verdict.DONE
    (mail,) = post.messages
    assert mail.recipients == (f"info@{KEPT.get(domain, 'xn--bcher-kva.example')}",)
    assert mail.message["To"] == mail.recipients[0]


def test_a_refused_domain_says_what_to_write(post):
    result = send_email(post.url, {"to": "info@i❤.example"})
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "bad_recipient")
    assert result.reason == (
        "info@i❤.example: the domain has letters or signs that domain names may not have (IDNA); "
        "if it is registered all the same, write its form that begins with xn--"
    )


def _call(url: str, listed: bool | frozenset[str]) -> int:
    async def once() -> int:
        async with HttpClient(ExecutorSettings(allow_private_addresses=listed, action_timeout_seconds=5)) as http:
            return (await http.request("POST", url)).status

    return asyncio.run(once())


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "ｌｏｃａｌｈｏｓｔ", "127.0.0.1", "127。0.0.1", "１２７.0.0.1"]
)
def test_a_listed_host_is_the_same_in_each_spelling(host):
    with HttpReceiver() as receiver:
        assert _call(f"http://{host}:{receiver.port}/", private_addresses(f"{host}:{receiver.port}")) == 200
        with pytest.raises(BadTarget, match="private address"):
            _call(f"http://{host}:{receiver.port}/", frozenset({"other.example:80"}))
        assert len(receiver.requests) == 1
        assert receiver.requests[0].headers["host"].isascii()


def test_a_webhook_looks_up_the_domain_that_was_written():
    with pytest.raises(NotSent, match=r"http://xn--strae-oqa\.invalid/x: "):
        _call("http://straße.invalid/x", frozenset())
