"""An e-mail before a provider sends it: addresses, header texts, and the message itself."""

from __future__ import annotations

import html as markup
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.policy import SMTP
from urllib.parse import unquote

from minutehand.executor.http.url import encode_text, split_url
from minutehand.executor.text.domains import BadDomain, ascii_domain
from minutehand.executor.text.unicode_checks import name_invisible, storable

#: RFC 5321 §4.5.3.1: as many as every server accepts.
MAX_RECIPIENTS = 100
#: Bytes of text and HTML together; mail programs show far less of one message.
MAX_BYTES = 1_000_000
#: A header line holds 998 characters (RFC 5322 §2.1.1), and this one must not be folded inside the URL.
MAX_UNSUBSCRIBE = 900

#: RFC 5321 §4.1.2 without quoted local parts and address literals, which are not supported.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
#: `Name <address>`, and a name in quotes.
_NAMED = re.compile(r"(?P<name>.*?)<(?P<address>[^<>]*)>")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
#: RFC 3986 in ASCII, without the characters that enclose the URL in the header.
_UNSUBSCRIBE = re.compile(r"(https://[^\s<>\"\\^`{|}]+|mailto:[^\s<>\"\\^`{|}@]+@[^\s<>\"\\^`{|}]+)", re.ASCII)


class BadAddress(ValueError):
    """Not a valid e-mail address; the message shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailMessage:
    """One e-mail, before it has a sender and a key."""

    #: Who gets it now, copies included.
    recipients: tuple[str, ...]
    #: Whom the header To names; None: the recipients.  Some of them may have it already.
    shown_recipients: tuple[str, ...] | None = None
    #: Whom the header Cc names.
    cc: tuple[str, ...] = ()
    #: Who gets it without being named anywhere.
    bcc: tuple[str, ...] = ()
    subject: str
    text: str
    #: None: generated from the text.
    html: str | None = None
    reply_to: str | None = None
    #: The List-Unsubscribe headers; ASCII, one line each.
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def shown_html(self) -> str:
        """Return the HTML part: the message's own, else its text, escaped."""
        return self.html if self.html is not None else markup.escape(self.text).replace("\n", "<br>\n")

    @property
    def size(self) -> int:
        """Return the bytes of text and HTML together."""
        return len(self.text.encode("utf-8", "replace")) + len(self.shown_html.encode("utf-8", "replace"))


def parse_address(text: str) -> str:
    """Return one address, without a name, as SMTP sends it: a non-ASCII domain becomes ASCII (see `ascii_domain`).

    Errors: `BadAddress`.

    >>> parse_address(" Ann@Bücher.Example ")
    'Ann@xn--bcher-kva.example'
    """
    text = text.strip()
    local, at, domain = text.rpartition("@")
    if (unseen := name_invisible(local)) is not None:
        raise BadAddress(f"{_shown(text)} contains an invisible character, {unseen}; type the address again")
    try:
        domain = ascii_domain(domain) if at else ""
    except BadDomain as error:
        raise BadAddress(f"{_shown(text)}: the domain {error}") from None
    if at and _DOMAIN.fullmatch(domain) and not local.isascii() and "@" not in local:
        raise BadAddress(f"{_shown(text)} has letters before the @ that need SMTPUTF8, which is not supported")
    if not (_DOMAIN.fullmatch(domain) and _LOCAL.fullmatch(local) and len(local) <= 64 and len(domain) <= 253):
        raise BadAddress(f"{_shown(text)} is not an e-mail address; write it as ann@example.com")
    return f"{local}@{domain}"


def parse_sender(text: str) -> Address:
    r"""Read one address, with or without a name; the name is kept as it is written, without the quotes around it.

    Errors: `BadAddress`.

    >>> parse_sender("Acme, Inc. <no-reply@acme.example>").display_name
    'Acme, Inc.'
    >>> parse_sender(r'"The \"Best\" Inc." <no-reply@acme.example>').display_name
    'The "Best" Inc.'
    """
    text = text.strip()
    if _BREAKS.search(text) or storable(text) != text:
        raise BadAddress("must be one line of text in UTF-8")
    parts = _NAMED.fullmatch(text)
    try:
        address = parse_address(parts["address"] if parts else text)
        name = _name(parts["name"].strip()) if parts else ""
    except ValueError as error:
        example = "no-reply@example.com or Name <no-reply@example.com>"
        raise BadAddress(f"must be one address, such as {example}: {error}") from None
    return Address(name, addr_spec=address)


def _name(written: str) -> str:
    """Return a sender's name without its quotes.  Errors: `ValueError`."""
    if _QUOTED.fullmatch(written):
        return re.sub(r"\\(.)", r"\1", written[1:-1])
    if re.search("[@<>]", written):
        raise ValueError("the name holds @, < or >; put it in quotes")
    if "=?" in written:  # as it stands in the header of an e-mail
        return str(SMTP.header_factory("subject", written))
    return written


def one_line(text: str) -> str:
    """Return the text with line breaks and control characters as spaces, for a header."""
    return _BREAKS.sub(" ", storable(text)).strip()


def unsubscribe_headers(url: str) -> dict[str, str]:
    """Return List-Unsubscribe, and for https also the one-click header of RFC 8058.  Errors: `ValueError`.

    >>> unsubscribe_headers("https://example.com/u/1")
    {'List-Unsubscribe': '<https://example.com/u/1>', 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click'}
    >>> unsubscribe_headers("mailto:stop@example.com")
    {'List-Unsubscribe': '<mailto:stop@example.com>'}
    """
    url = _ascii_url(url.strip())
    if len(url) > MAX_UNSUBSCRIBE or not url.isascii() or not url.isprintable() or not _UNSUBSCRIBE.fullmatch(url):
        raise ValueError(f"must be an https:// or mailto: address of {MAX_UNSUBSCRIBE} characters at most")
    headers = {"List-Unsubscribe": f"<{url}>"}
    if url.startswith("https:"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _ascii_url(url: str) -> str:
    """Return a URL with letters outside of ASCII encoded, and with one valid address if it is a mailto:.

    Errors: `ValueError`.
    """
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "mailto":
        address, mark, query = rest.partition("?")
        domain = parse_address(unquote(address)).rpartition("@")[2]
        return f"{scheme}:{address.rpartition('@')[0]}@{domain}{mark}{encode_text(query)}" if not url.isascii() else url
    return url if url.isascii() else "".join(split_url(url))


def joined(recipients: tuple[str, ...]) -> str:
    """Return the recipients as one text, for the record and the key."""
    return ", ".join(sorted(recipients))


def _shown(text: str) -> str:
    return one_line("".join(c for c in text if name_invisible(c) is None))[:500]


def refused_words(refused: Mapping[str, str]) -> str:
    """Say who was refused, with the server's replies.

    >>> refused_words({"b@example.com": "550 5.1.1 no such user"})
    'refused: b@example.com: 550 5.1.1 no such user'
    """
    return "refused: " + ", ".join(f"{recipient}: {reply}" for recipient, reply in refused.items())
