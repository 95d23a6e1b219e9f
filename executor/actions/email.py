"""`email`: one message to the client, or to the addresses in `to`, by the operator's provider."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from minutehand.executor.actions.contract import BadStep, Message, StepRun
from minutehand.executor.actions.recipients import ATTACHED, SENDERS, NoRecipient, of_client
from minutehand.executor.email.message import (
    MAX_BYTES,
    MAX_RECIPIENTS,
    BadAddress,
    EmailMessage,
    joined,
    one_line,
    parse_sender,
    refused_words,
    unsubscribe_headers,
)
from minutehand.executor.email.recipients import read_addresses
from minutehand.executor.outcome import StepResult, Verdict
from minutehand.executor.text.unicode_checks import storable

if TYPE_CHECKING:
    from minutehand.executor.providers import EmailProvider


#: The filter `raw`, within a tag.
_RAW = re.compile(r"\{\{[^{}]*\|\s*raw\b")


class EmailAction:
    """Send one message: a text part, and an HTML part in which values are escaped."""

    keys = ("to", "cc", "bcc", "subject", "message", "html", "reply_to", "unsubscribe", "marketing")
    refused = ATTACHED | dict.fromkeys(
        SENDERS, "is not supported: e-mails come from EMAIL_FROM; `reply_to` may name another"
    )

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without subject or message, or with a `to` other than an address, a template or a list."""
        for name in ("subject", "message"):
            if not _is_text(config.get(name)):
                raise BadStep(f"`{name}` is missing: write the text to send")
        if config.get("html") is not None and not isinstance(config["html"], str):
            raise BadStep("`html` must be text")
        if _RAW.search(config.get("html") or ""):
            raise BadStep("`html`: |raw is for URLs; in HTML every value is escaped")
        for name, without in (("to", "; without `to` the e-mail goes to the client"), ("cc", ""), ("bcc", "")):
            given = config.get(name)
            if given is not None and not (
                _is_text(given) or (isinstance(given, list) and given and all(map(_is_text, given)))
            ):
                raise BadStep(f"`{name}` must be an address, a template or a list of these{without}")
        if config.get("reply_to") is not None and not _is_text(config["reply_to"]):
            raise BadStep("`reply_to` must be one address or a template")
        _check_unsubscribe(config)

    async def run(self, run: StepRun) -> StepResult:
        """Send the message once."""
        from minutehand.executor.providers import NotConfigured
        from minutehand.executor.providers.factory import email_provider

        self.check(run.step.config)
        try:
            provider = email_provider(run.settings)
            email = _email(run)
            if (email.cc or email.bcc) and not getattr(provider, "sends_copies", False):
                raise NotConfigured(
                    "`cc` and `bcc` are sent by SMTP and Resend alone: set one of them up, or remove them"
                )
        except NotConfigured as error:
            return StepResult.permanent("not_configured", str(error))
        except BadAddress as error:
            return StepResult.permanent("bad_recipient", str(error))
        except NoRecipient as error:
            return StepResult.permanent("no_recipient", str(error))
        if not email.subject or not email.text.strip():
            return StepResult.permanent("empty_message", "the subject or the message is empty after rendering")
        if email.size > MAX_BYTES:
            reason = f"the message has {email.size:,} bytes of text and HTML; at most {MAX_BYTES:,} are allowed"
            return StepResult.permanent("message_too_long", reason)
        if run.settings.test is None:
            return await _send(run, provider, email)
        to = (str(run.settings.test["email_to"]),)
        redirected = replace(email, recipients=to, shown_recipients=to, cc=(), bcc=())
        result = await _send(run, provider, redirected)
        return replace(result, result=result.result | {"redirected_from": joined(email.recipients)})


async def _send(run: StepRun, provider: EmailProvider, email: EmailMessage) -> StepResult:
    """Send the message to those of its recipients who lack it, were not refused for good, and have not opted out."""
    reached, refused, opted_out = list[str](), dict[str, str](), list[str]()
    while True:
        result = await _send_once(run, provider, email)
        if result.result.get("earlier"):
            reached += [to for to in result.result["recipient"].split(", ") if to not in reached]
            refused |= result.result.get("refused") or {}
        elif result.result.get("opted_out"):
            opted_out += [to for to in result.result["opted_out"] if to not in opted_out]
        else:
            break
        left = tuple(to for to in email.recipients if to not in (*reached, *refused, *opted_out))
        if not left or left == email.recipients:
            break
        email = _to_others(email, left, opted_out)
    return _with_opted_out(_with_earlier(result, reached, refused), reached, opted_out)


def _to_others(email: EmailMessage, left: tuple[str, ...], opted_out: list[str]) -> EmailMessage:
    """Return the message for those who are left; its headers do not name who has opted out, unless To were empty."""
    shown, cc, bcc = (
        tuple(to for to in role if to not in opted_out) for role in (email.shown_recipients or (), email.cc, email.bcc)
    )
    return replace(email, recipients=left, shown_recipients=shown or email.shown_recipients, cc=cc, bcc=bcc)


def _with_opted_out(result: StepResult, reached: list[str], opted_out: list[str]) -> StepResult:
    """Return how the step ended, given who was left out.  It is skipped only if nobody else was to get the message."""
    if not opted_out:
        return result
    record = result.result | {"opted_out": opted_out}
    if result.verdict is Verdict.SKIPPED and reached:
        result = StepResult.done()
        record |= {"recipient": ", ".join(reached), "status": "sent"}
    if result.verdict is not Verdict.DONE:
        return replace(result, result=record)
    return replace(result, result=record, reason=f"left out, having opted out of email: {', '.join(opted_out)}")


def _with_earlier(result: StepResult, reached: list[str], refused: dict[str, str]) -> StepResult:
    """Return how the step ended, given whom earlier sends reached, and who refused them."""
    if result.verdict is Verdict.DONE and refused:
        got = [*reached, *(to for to in result.result["recipient"].split(", ") if to not in reached)]
        reason = f"sent to {', '.join(got)}; {refused_words(refused)}"
        return replace(result, verdict=Verdict.PERMANENT, code="partial", reason=reason)
    if result.verdict is Verdict.PERMANENT and reached:
        words = "; ".join(filter(None, (result.reason, refused_words(refused) if refused else "")))
        return replace(result, code="partial", reason=f"sent to {', '.join(reached)}; {words}")
    return result


async def _send_once(run: StepRun, provider: EmailProvider, email: EmailMessage) -> StepResult:
    async def deliver(key: str) -> StepResult:
        return await provider.deliver(run, email, key)

    content: dict[str, Any] = {"subject": email.subject, "text": email.text}
    content |= {"html": email.html} if email.html is not None else {}
    headers = email.headers | ({"Reply-To": email.reply_to} if email.reply_to else {})
    content |= {"headers": headers} if headers else {}
    content |= {name: joined(copies) for name, copies in (("cc", email.cc), ("bcc", email.bcc)) if copies}
    message = Message(
        channel="email",
        recipient=joined(email.recipients),
        sender=provider.sender,
        content=content,
        pace=getattr(provider, "pace", None),
    )
    return await run.send(message, deliver, on_uncertain=provider.on_uncertain, slots=provider.slots)


def _email(run: StepRun) -> EmailMessage:
    """Render the step's addresses and texts.  Errors: `BadStep`, `RenderError`, `BadAddress`, `NoRecipient`."""
    config = run.step.config
    to = _recipients(run)
    cc = _without(_copies(run, "cc"), to)
    bcc = _without(_copies(run, "bcc"), (*to, *cc))
    if (count := len(to) + len(cc) + len(bcc)) > MAX_RECIPIENTS:
        raise BadAddress(f"{count} recipients in one message; at most {MAX_RECIPIENTS} are allowed")
    return EmailMessage(
        recipients=(*to, *cc, *bcc),
        shown_recipients=to,
        cc=cc,
        bcc=bcc,
        subject=one_line(run.render(config["subject"])),
        text=storable(run.render(config["message"])),
        html=None if config.get("html") is None else storable(run.render(config["html"], html=True)),
        reply_to=_reply_to(run),
        headers=_headers(run),
    )


def _recipients(run: StepRun) -> tuple[str, ...]:
    """Return the step's addresses, else the client's, each once.  Errors: `BadAddress`, `NoRecipient`."""
    to = run.step.config.get("to")
    written = _written(of_client(run.context, "email", "e-mail address") if to is None else run.render_value(to))
    if not written:
        raise NoRecipient("`to` is empty after rendering")
    return written


def _copies(run: StepRun, name: str) -> tuple[str, ...]:
    """Return the addresses of `cc` or `bcc`, each once; none where it renders to nothing.  Errors: `BadAddress`."""
    given = run.step.config.get(name)
    return () if given is None else _written(run.render_value(given))


def _without(addresses: tuple[str, ...], named: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses of whom no earlier field names: nobody gets a message twice by another spelling."""
    known = set(map(str.lower, named))
    return tuple(address for address in addresses if address.lower() not in known)


def _written(rendered: Any) -> tuple[str, ...]:
    return read_addresses(str(item or "") for item in (rendered if isinstance(rendered, list) else [rendered]))


def _reply_to(run: StepRun) -> str | None:
    if (template := run.step.config.get("reply_to")) is None:
        return None
    try:
        return str(parse_sender(run.render(template)))
    except BadAddress as error:
        raise BadStep(f"`reply_to`: {error}") from None


def _headers(run: StepRun) -> dict[str, str]:
    if (template := run.step.config.get("unsubscribe")) is None:
        return {}
    try:
        return unsubscribe_headers(run.render_url(template))
    except ValueError as error:
        raise BadStep(f"`unsubscribe` after rendering {error}") from None


def _check_unsubscribe(config: dict[str, Any]) -> None:
    """Check `unsubscribe`, which marketing needs (RFC 8058).  Errors: `BadStep`."""
    marketing, unsubscribe = config.get("marketing"), config.get("unsubscribe")
    if marketing is not None and not isinstance(marketing, bool):
        raise BadStep("`marketing` must be true or false")
    if unsubscribe is None:
        if marketing:
            raise BadStep("`unsubscribe` is missing: a marketing message needs an https:// or mailto: address for it")
        return
    if not _is_text(unsubscribe):
        raise BadStep("`unsubscribe` must be an https:// or mailto: address, or a template of one")
    from minutehand.executor.templates.render import check_url

    try:
        check_url(unsubscribe)
        if "{{" not in unsubscribe and "{%" not in unsubscribe:
            unsubscribe_headers(unsubscribe)
    except (BadStep, ValueError) as error:
        raise BadStep(f"`unsubscribe` {error}") from None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
