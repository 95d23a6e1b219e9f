"""SMTP: the MIME message, and one session that reports what became of it.

aiosmtplib is imported here, so this module is imported only to send by SMTP.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage as MimeMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import aiosmtplib

from minutehand.executor.email.headers import address_field, text_field
from minutehand.executor.email.message import EmailMessage, joined, one_line, parse_sender, refused_words
from minutehand.executor.email.smtp_replies import GREYLIST_SECONDS, Refusal, named_delay_seconds, refusal_of
from minutehand.executor.outcome import Send, StepResult, Verdict
from minutehand.executor.text.domains import ascii_domain
from minutehand.executor.text.unicode_checks import storable
from minutehand.store.pasted_url import Unreadable, is_placeholder, unquoted, unwrapped

#: Where Postfix, Exim, Exchange, Sendmail and SES put their queue id.
_QUEUE_ID = re.compile(
    r"queued as ([^\s>;]+)|\bid=(\S+)|InternalId=(\d+)|(\S+) Message accepted|^(?:2\.\d\.\d )?Ok:? ([\w-]{16,})$", re.I
)
#: Seven-bit, which every server accepts; CRLF.
_POLICY = SMTP.clone(cte_type="7bit")


class BadServer(ValueError):
    """`SMTP_URL` cannot be used; the message holds no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """The mail server of `SMTP_URL`."""

    host: str
    port: int
    user: str | None
    password: str
    #: TLS from the first byte (smtps://).
    tls: bool
    #: `auto` (when offered, not on loopback), `required` or `off`.
    starttls: str

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port})"


def parse_server(url: str) -> SmtpServer:
    """Read `smtp://user:pass@host:port` (587 by default) or `smtps://…` (465), with `?starttls=auto|required|off`.

    Errors: `BadServer`.
    """
    bad = BadServer("SMTP_URL must be smtp://user:password@host:port or smtps://…, with @ : / in the password as %40 …")
    try:
        parts = urlsplit(unwrapped(url))
        host, port = ascii_domain(parts.hostname or ""), parts.port
    except ValueError:  # also `BadDomain`
        raise bad from None
    if parts.scheme not in ("smtp", "smtps") or not re.fullmatch("[a-z0-9._:-]+", host) or parts.path.strip("/"):
        raise bad
    if parts.fragment or "@" in parts.query:  # a bare # or ? in the password: what stands before it is no host
        raise bad
    if is_placeholder(parts.password or ""):
        raise BadServer("SMTP_URL: the password is still a placeholder: put the mail server's password there")
    try:
        user, password = unquoted(parts.username or "", "user"), unquoted(parts.password or "", "password")
    except Unreadable as error:
        raise BadServer(f"SMTP_URL: {error}") from None
    starttls = parse_qs(parts.query).get("starttls", ["auto"])[-1]
    if starttls not in ("auto", "required", "off"):
        raise BadServer("SMTP_URL: starttls must be auto, required or off")
    tls = parts.scheme == "smtps"
    return SmtpServer(
        host=host,
        port=port or (465 if tls else 587),
        user=user or None,
        password=password,
        tls=tls,
        starttls=starttls,
    )


def _content(message: EmailMessage, sender: Address, key: str) -> bytes:
    """Return the message as SMTP sends it, with dots doubled and the end marked (RFC 5321 §4.5.2)."""
    parts = MimeMessage(policy=_POLICY)
    parts.set_content(storable(message.text))
    parts.add_alternative(storable(message.shown_html), subtype="html")
    return re.sub(rb"(?m)^\.", b"..", _head(message, sender, key).encode("ascii") + parts.as_bytes()) + b".\r\n"


def _head(message: EmailMessage, sender: Address, key: str) -> str:
    """Return the header fields.  Equal keys give equal Message-IDs, so a receiver can detect a repeat."""
    recipients = [Address(addr_spec=recipient) for recipient in message.shown_recipients or message.recipients]
    fields = [address_field("From", [sender]), address_field("To", recipients)]
    if message.cc:
        fields.append(address_field("Cc", [Address(addr_spec=recipient) for recipient in message.cc]))
    if message.reply_to is not None:
        fields.append(address_field("Reply-To", [parse_sender(message.reply_to)]))
    lines = message.headers | {
        "Date": format_datetime(datetime.now(UTC)),
        "Message-ID": f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{sender.domain}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: asks for no automatic replies
    }
    fields += [text_field("Subject", one_line(message.subject)), *(f"{name}: {lines[name]}\r\n" for name in lines)]
    return "".join(fields)


async def deliver(
    server: SmtpServer, sender: Address, message: EmailMessage, key: str, *, timeout_seconds: float
) -> StepResult:
    """Send one message.  A failure before its content left is certain; after that the result is unknown."""
    content = _content(message, sender, key)
    smtp = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        local_hostname=sender.domain,  # a name that exists; finding our own may take DNS seconds
        use_tls=server.tls,
        start_tls=False,  # `_secure` decides
        tls_context=_tls_context() if server.tls else None,
        timeout=timeout_seconds,
    )
    left = False
    try:
        async with asyncio.timeout(timeout_seconds):
            await smtp.connect()
            await _secure(smtp, server)
            refused = await _address(smtp, sender, message)
            start = await smtp.execute_command(b"DATA")
            if start.code != 354 or smtp.protocol is None:
                raise aiosmtplib.SMTPDataError(start.code, start.message)
            smtp.protocol.write(content)
            left = True
            reply = await smtp.protocol.read_response()
            if reply.code // 100 != 2:
                raise aiosmtplib.SMTPDataError(reply.code, reply.message)
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        return _judge(error, server, left=left)
    finally:
        _leave(smtp)
    shown = {"status": reply.code, "delivery": f"handed to {server.host}", "response": _shown(reply.message)}
    sent = Send(
        channel="email",
        recipient=joined(tuple(recipient for recipient in message.recipients if recipient not in refused)),
        sender=sender.addr_spec,
        key=key,
        external_id=_queue_id(reply.message),
    )
    if refused:
        return _partly(f"{server.host}:{server.port}", sent, refused, shown)
    return StepResult.done(send=sent, **shown)


def _partly(where: str, sent: Send, refused: dict[str, tuple[int, str]], shown: dict[str, Any]) -> StepResult:
    """Return how the step ends that reached some recipients: the others are tried again, or were refused for good."""
    ends = {to: _refusal(where, status, words, is_login=False) for to, (status, words) in refused.items()}
    for_good = {to: refused[to][1] for to, end in ends.items() if end.verdict is Verdict.PERMANENT}
    later = {to: refused[to][1] for to, end in ends.items() if to not in for_good}
    shown |= {"sent_to": sent.recipient} | ({"refused": for_good} if for_good else {})
    if not later:
        reason = f"sent to {sent.recipient}; {refused_words(for_good)}"
        return replace(StepResult.permanent("partial", reason, **shown), send=sent)
    # Who asks to wait decides: a fault of one recipient spends an attempt only where no other one asks.
    first = min((ends[to] for to in later), key=lambda end: end.verdict is not Verdict.DEFERRED)
    reason = f"sent to {sent.recipient}; tried again for {', '.join(f'{to}: {words}' for to, words in later.items())}"
    return replace(first, send=sent, reason=reason, result=shown | {"deferred": later})


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Unencrypted(aiosmtplib.SMTPException):
    """The connection is not encrypted, though the settings require it."""


async def _secure(smtp: aiosmtplib.SMTP, server: SmtpServer) -> None:
    """Encrypt and log in, as the settings require and the server offers."""
    await smtp.ehlo()
    peer = smtp.get_transport_info("peername")
    loopback = bool(peer) and ip_address(peer[0].partition("%")[0]).is_loopback
    private = server.tls
    if not private and (server.starttls == "required" or (server.starttls == "auto" and not loopback)):
        if smtp.supports_extension("starttls"):
            await smtp.starttls(tls_context=_tls_context())
            await smtp.ehlo()
            private = True
        elif server.starttls == "required":
            raise _Unencrypted("the server does not offer STARTTLS, which SMTP_URL requires")
    if server.user is not None:
        if not private and not loopback:
            raise _Unencrypted(
                "the server does not offer encryption, so the password is not sent; use smtps:// or add TLS there"
            )
        await smtp.login(server.user, server.password)


async def _address(smtp: aiosmtplib.SMTP, sender: Address, message: EmailMessage) -> dict[str, tuple[int, str]]:
    """Send sender and recipients; returns the refused ones with status and reply.  Errors: all were refused."""
    await smtp.mail(sender.addr_spec)
    refused: list[aiosmtplib.SMTPRecipientRefused] = []
    for recipient in message.recipients:
        try:
            await smtp.rcpt(recipient)
        except aiosmtplib.SMTPRecipientRefused as error:
            refused.append(error)
    if len(refused) == len(message.recipients):
        # A temporary refusal wins: the step is retried.
        raise min(refused, key=lambda error: error.code)
    return {error.recipient: (error.code, _shown(f"{error.code} {error.message}")) for error in refused}


def _leave(smtp: aiosmtplib.SMTP) -> None:
    """Send QUIT and close without waiting: a cancellation during the wait could lose the result."""
    if smtp.protocol is not None and smtp.protocol.is_connected:
        smtp.protocol.write(b"QUIT\r\n")
    if smtp.transport is not None:  # what was written has left; `close` would wait for the peer to end TLS
        cast(asyncio.WriteTransport, smtp.transport).abort()
    smtp.close()


def _judge(error: Exception, server: SmtpServer, *, left: bool) -> StepResult:
    """Return what an error of the session means."""
    where = f"{server.host}:{server.port}"
    if isinstance(error, _Unencrypted):
        return StepResult.permanent("smtp_insecure", f"{where}: {error}")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        said = error.message.replace(server.password, "***") if server.password else error.message
        if error.code // 100 in (4, 5):
            is_login = isinstance(error, aiosmtplib.SMTPAuthenticationError)
            about = f"{error.recipient}: " if isinstance(error, aiosmtplib.SMTPRecipientRefused) else ""
            return _refusal(where, error.code, _shown(f"{error.code} {said}"), is_login=is_login, about=about)
    if left:
        return StepResult.unknown(f"{where}: the connection broke or fell silent after the message was sent")
    if type(error) is aiosmtplib.SMTPException:  # aiosmtplib raises it when AUTH is missing or has no known method
        return StepResult.permanent(
            "smtp_auth", f"{where} does not offer a way to log in; remove the user from SMTP_URL"
        )
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return StepResult.retry("unreachable", f"{where}: no trusted TLS connection; check the server's certificate")
    if isinstance(error, TimeoutError):
        return StepResult.retry("unreachable", f"{where}: no answer in time")
    return StepResult.retry("unreachable", f"{where}: the connection was refused or lost")


def _refusal(where: str, status: int, words: str, *, is_login: bool, about: str = "") -> StepResult:
    """Return what a 4xx or 5xx reply means for the message; `about`: the recipient that it is about."""
    wait = named_delay_seconds(words)
    reason = f"{where} temporarily refused: {about}{words}"
    match refusal_of(status, words):
        case Refusal.SLOW_DOWN:
            return StepResult.deferred("smtp_busy", reason, retry_after_seconds=wait, slow_down=True, status=status)
        case Refusal.QUOTA:
            return StepResult.deferred("quota_exceeded", reason, slow_down=True, status=status)
        case Refusal.LATER:
            return StepResult.deferred("smtp_busy", reason, retry_after_seconds=wait or GREYLIST_SECONDS, status=status)
        case Refusal.FAULT:
            return StepResult.retry("smtp_busy", reason, status=status)
        case Refusal.CREDITS:
            return StepResult.permanent("no_credits", f"{where} refused: {about}{words}", status=status)
        case Refusal.REFUSED:
            code = "smtp_auth" if is_login else "smtp_refused"
            return StepResult.permanent(code, f"{where} refused: {about}{words}", status=status)


def _queue_id(reply: str) -> str | None:
    found = _QUEUE_ID.search(reply)
    return next((group for group in found.groups() if group), None) if found else None


def _shown(text: str) -> str:
    return one_line(text)[:500]
