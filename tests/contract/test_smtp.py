"""What an SMTP conversation tells about the message: every place where it can end."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minutehand.executor.actions.contract import Deliver, Message
from minutehand.executor.actions.email import EmailAction
from minutehand.executor.email import smtp_client
from minutehand.executor.outcome import StepResult, Verdict
from minutehand.executor.providers.smtp.client import MAX_CONNECTIONS
from minutehand.scheduler.demo.receivers import SmtpReceiver, Trouble
from tests.contract.step_run import StubRun, email_run, send_email


@pytest.fixture
def post() -> Iterator[SmtpReceiver]:
    with SmtpReceiver() as running:
        yield running


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA", "CONTENT"])
def test_a_4xx_reply_anywhere_is_a_retry(post, at):
    post.then(Trouble(at=at, reply="451 4.3.0 a local fault"))
    result = send_email(post.url)
    assert (result.verdict, result.code, result.result) == (Verdict.RETRY, "smtp_busy", {"status": 451})
    assert "451 4.3.0 a local fault" in result.reason
    assert post.messages == []


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA", "CONTENT"])
@pytest.mark.parametrize(
    ("reply", "code", "wait", "slow_down"),
    [
        ("450 4.7.1 Greylisted, try again in 120 seconds", "smtp_busy", 120, False),
        ("451 4.7.1 come later", "smtp_busy", 60, False),
        ("421 4.7.0 Too many connections from your host", "smtp_busy", None, True),
        ("452 4.3.1 Insufficient system storage", "smtp_busy", None, True),
        ("550 5.4.5 Daily user sending limit exceeded", "quota_exceeded", None, True),
    ],
)
def test_a_reply_that_asks_to_wait_anywhere_spends_no_attempt(post, at, reply, code, wait, slow_down):
    post.then(Trouble(at=at, reply=reply))
    result = send_email(post.url)
    assert (result.verdict, result.code, result.retry_after_seconds) == (Verdict.DEFERRED, code, wait)
    assert (result.slow_down, result.result) == (slow_down, {"status": int(reply[:3])})
    assert reply in result.reason
    assert post.messages == []


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA", "CONTENT"])
def test_a_5xx_reply_anywhere_is_for_good(post, at):
    post.then(Trouble(at=at, reply="554 5.7.1 never"))
    result = send_email(post.url)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "smtp_refused")
    assert "554 5.7.1 never" in result.reason
    assert post.messages == []


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA"])
def test_hanging_up_before_the_content_is_a_retry(post, at):
    post.then(Trouble(at=at))
    assert send_email(post.url).verdict is Verdict.RETRY


def test_hanging_up_after_the_content_leaves_it_unknown(post):
    post.then(Trouble(at="CONTENT"))
    result = send_email(post.url)
    assert (result.verdict, result.code) == (Verdict.UNKNOWN, "uncertain_send")


@pytest.mark.parametrize(
    ("at", "verdict"),
    [("MAIL", Verdict.RETRY), ("RCPT", Verdict.RETRY), ("DATA", Verdict.RETRY), ("CONTENT", Verdict.UNKNOWN)],
)
def test_silence_is_a_retry_before_the_content_and_unknown_after_it(post, at, verdict):
    released = threading.Event()
    post.then(Trouble(at=at, reply="451 too late", after=released))
    assert send_email(post.url, seconds=2).verdict is verdict
    released.set()


def test_a_server_that_never_greets_is_a_retry():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        result = send_email(f"smtp://127.0.0.1:{mute.getsockname()[1]}", seconds=0.3)
    assert (result.verdict, result.code) == (Verdict.RETRY, "unreachable")


@pytest.mark.parametrize("host", ["127.0.0.1", "nobody.invalid", "a" * 70])
def test_a_server_that_is_not_there_is_a_retry(host):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        result = send_email(f"smtp://u:hush@{host}:{taken.getsockname()[1]}")
    assert (result.verdict, result.code) == (Verdict.RETRY, "unreachable")
    assert "hush" not in repr(result)


@pytest.mark.parametrize(
    ("reply", "verdict", "code", "kept"),
    [
        ("550 5.1.1 no such user", Verdict.PERMANENT, "partial", "refused"),
        ("450 4.7.1 greylisted", Verdict.DEFERRED, "smtp_busy", "deferred"),
        ("452 4.2.2 mailbox full", Verdict.RETRY, "smtp_busy", "deferred"),
    ],
)
def test_one_refused_recipient_does_not_stop_the_others_and_is_named(post, reply, verdict, code, kept):
    post.then(Trouble(at="RCPT", reply=reply, recipient="b@example.com"))
    result = send_email(post.url, {"to": "a@example.com, b@example.com"})
    assert (result.verdict, result.code) == (verdict, code)
    assert result.result[kept] == {"b@example.com": reply}
    assert f"b@example.com: {reply}" in result.reason
    assert result.send is not None
    assert result.send.recipient == "a@example.com"
    assert post.messages[0].recipients == ("a@example.com",)
    assert post.messages[0].message["To"] == "a@example.com, b@example.com"


def test_all_refused_is_for_good_unless_one_was_refused_for_now(post):
    post.then(Trouble(at="RCPT", reply="550 no"))
    post.then(Trouble(at="RCPT", reply="450 later", recipient="a@example.com"), Trouble(at="RCPT", reply="550 no"))
    assert send_email(post.url, {"to": "a@example.com, b@example.com"}).verdict is Verdict.PERMANENT
    assert send_email(post.url, {"to": "a@example.com, b@example.com"}).verdict is Verdict.RETRY
    assert post.messages == []


def test_it_logs_in_with_what_the_url_says():
    with SmtpReceiver(password="pä/ss") as post:
        result = send_email(post.url.replace("//", "//me%40example.com:p%C3%A4%2Fss@"))
        assert result.verdict is Verdict.DONE
        assert post.messages[0].user == "me@example.com"


def test_a_wrong_password_is_for_good_and_not_shown():
    with SmtpReceiver(password="right") as post:
        result = send_email(post.url.replace("//", "//me:hush@"))
        assert (result.verdict, result.code) == (Verdict.PERMANENT, "smtp_auth")
        assert "hush" not in repr(result)
        assert post.messages == []


def test_a_password_in_a_servers_own_words_is_masked():
    with SmtpReceiver(password="hush") as post:
        post.then(Trouble(at="RCPT", reply="550 your password hush is weak"))
        result = send_email(post.url.replace("//", "//me:hush@"))
    assert "your password *** is weak" in result.reason


@pytest.mark.parametrize(
    ("reply", "queue_id"),
    [
        ("2.0.0 Ok: queued as 4XyZ1a2b3c", "4XyZ1a2b3c"),
        ("OK id=1tAbCd-0000000Ef-1234", "1tAbCd-0000000Ef-1234"),
        ("2.0.0 4AN9xyz012345 Message accepted for delivery", "4AN9xyz012345"),
        ("Ok 0100018c2d3e4f50-aaaa-bbbb-000000", "0100018c2d3e4f50-aaaa-bbbb-000000"),
        ("2.6.0 <x@y> [InternalId=123, Hostname=h] Queued mail for delivery", "123"),
        ("OK", None),
        ("2.0.0 Great success", None),
    ],
)
def test_the_queue_id_is_read_from_what_servers_say(post, reply, queue_id):
    post.then(Trouble(at="CONTENT", reply=f"250 {reply}"))
    result = send_email(post.url)
    assert result.send is not None
    assert result.send.external_id == queue_id


def test_only_so_many_connections_are_open_at_once(post):
    class Counting(StubRun):
        inside = most = 0

        async def send(self, message: Message, deliver: Deliver, **more: Any) -> StepResult:
            async def counted(key: str) -> StepResult:
                Counting.inside += 1
                Counting.most = max(Counting.most, Counting.inside)
                try:
                    return await deliver(key)
                finally:
                    Counting.inside -= 1

            return await super().send(message, counted, **more)

    run = email_run(post.url)
    counting = Counting(step=run.step, settings=run.settings, context=run.context, words=run.words)

    async def crowd() -> list[StepResult]:
        return await asyncio.gather(*[EmailAction().run(counting) for _ in range(MAX_CONNECTIONS + 4)])

    assert {result.verdict for result in asyncio.run(crowd())} == {Verdict.DONE}
    assert Counting.most == MAX_CONNECTIONS
    assert len(post.messages) == MAX_CONNECTIONS + 4


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's TLS context whose certificate is trusted in this test alone."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "certificate").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    smtp_client._tls_context.cache_clear()
    yield context
    smtp_client._tls_context.cache_clear()


def test_starttls_encrypts_when_the_url_requires_it(certificate):
    with SmtpReceiver(tls=certificate) as post:
        assert send_email(post.url + "?starttls=required").verdict is Verdict.DONE
        assert post.messages[0].encrypted


def test_smtps_encrypts_from_the_first_byte(certificate):
    with SmtpReceiver(tls=certificate, smtps=True) as post:
        assert send_email(post.url).verdict is Verdict.DONE
        assert post.messages[0].encrypted


def test_starttls_that_is_required_but_not_offered_sends_nothing(post):
    result = send_email(post.url + "?starttls=required")
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "smtp_insecure")
    assert post.messages == []


@pytest.mark.parametrize("smtps", [False, True])
def test_a_certificate_that_is_not_trusted_stops_the_message(certificate, monkeypatch, smtps):
    monkeypatch.delenv("SSL_CERT_FILE")
    with SmtpReceiver(tls=certificate, smtps=smtps) as post:
        result = send_email(post.url + "?starttls=required")
        assert (result.verdict, result.code) == (Verdict.RETRY, "unreachable")
        assert "certificate" in result.reason
        assert post.messages == []


def test_a_password_never_crosses_a_clear_connection(monkeypatch):
    # The receiver is on loopback, where clear text is allowed; taking that for another network is the whole test.
    monkeypatch.setattr(smtp_client, "ip_address", lambda _: ipaddress.ip_address("192.0.2.1"))
    with SmtpReceiver(password="hush") as post:
        result = send_email(post.url.replace("//", "//me:hush@"))
        assert (result.verdict, result.code) == (Verdict.PERMANENT, "smtp_insecure")
        assert post.messages == []


def test_starttls_is_used_when_offered_beyond_loopback(certificate, monkeypatch):
    monkeypatch.setattr(smtp_client, "ip_address", lambda _: ipaddress.ip_address("192.0.2.1"))
    with SmtpReceiver(password="hush", tls=certificate) as post:
        assert send_email(post.url.replace("//", "//me:hush@")).verdict is Verdict.DONE
        assert (post.messages[0].encrypted, post.messages[0].user) == (True, "me")
