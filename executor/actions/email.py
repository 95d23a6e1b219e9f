"""`email`: one message to the client, or to the addresses in `to`, by the operator's provider."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from minutehand.executor.actions.contract import BadStep, Message, StepRun
from minutehand.executor.actions.recipients import NoRecipient, of_client
from minutehand.executor.email.message import (
    MAX_BYTES,
    MAX_RECIPIENTS,
    BadAddress,
    EmailMessage,
    joined,
    one_line,
    parse_address,
    refused_words,
    unsubscribe_headers,
)
from minutehand.executor.outcome import StepResult, Verdict
from minutehand.executor.text.unicode_checks import storable

if TYPE_CHECKING:
    from minutehand.executor.providers import EmailProvider


class EmailAction:
    """Send one message: a text part, and an HTML part in which values are escaped."""

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without subject or message, or with a `to` other than an address, a template or a list."""
        for name in ("subject", "message"):
            if not _is_text(config.get(name)):
                raise BadStep(f"`{name}` is missing: write the text to send")
        if config.get("html") is not None and not isinstance(config["html"], str):
            raise BadStep("`html` must be text")
        to = config.get("to")
        if to is not None and not (_is_text(to) or (isinstance(to, list) and to and all(map(_is_text, to)))):
            raise BadStep(
                "`to` must be an address, a template or a list of these; without `to` the e-mail goes to the client"
            )
        if config.get("reply_to") is not None and not _is_text(config["reply_to"]):
            raise BadStep("`reply_to` must be an address or a template")
        _check_unsubscribe(config)

    async def run(self, run: StepRun) -> StepResult:
        """Send the message once."""
        from minutehand.executor.providers import NotConfigured
        from minutehand.executor.providers.factory import email_provider

        self.check(run.step.config)
        try:
            provider = email_provider(run.settings)
            email = _email(run, _recipients(run))
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
        return await _send(run, provider, email)


async def _send(run: StepRun, provider: EmailProvider, email: EmailMessage) -> StepResult:
    """Send the message to those of its recipients who have it not yet, and were not refused for good."""
    everybody, reached, refused = email.recipients, list[str](), dict[str, str]()
    while True:
        result = await _send_once(run, provider, email)
        if not result.result.get("earlier"):
            break
        reached += [to for to in result.result["recipient"].split(", ") if to not in reached]
        refused |= result.result.get("refused") or {}
        left = tuple(to for to in email.recipients if to not in reached and to not in refused)
        if not left or left == email.recipients:
            break
        email = replace(email, recipients=left, shown_recipients=everybody)
    return _with_earlier(result, reached, refused)


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
    message = Message(
        channel="email",
        recipient=joined(email.recipients),
        sender=provider.sender,
        content=content,
        pace=getattr(provider, "pace", None),
    )
    return await run.send(message, deliver, on_uncertain=provider.on_uncertain, slots=provider.slots)


def _email(run: StepRun, recipients: tuple[str, ...]) -> EmailMessage:
    """Render the step's texts.  Errors: `BadStep`, `RenderError`."""
    config = run.step.config
    return EmailMessage(
        recipients=recipients,
        subject=one_line(run.render(config["subject"])),
        text=storable(run.render(config["message"])),
        html=None if config.get("html") is None else storable(run.render(config["html"], html=True)),
        reply_to=_reply_to(run),
        headers=_headers(run),
    )


def _recipients(run: StepRun) -> tuple[str, ...]:
    """Return the step's addresses, else the client's, each once.  Errors: `BadAddress`, `NoRecipient`."""
    to = run.step.config.get("to")
    if to is None:
        found = [of_client(run.context, "email", "e-mail address")]
    else:
        rendered = run.render_value(to)
        found = [str(item or "") for item in (rendered if isinstance(rendered, list) else [rendered])]
    written = [part for text in found for part in text.split(",") if part.strip()]
    if not written:
        raise NoRecipient("`to` is empty after rendering")
    recipients = tuple(dict.fromkeys(parse_address(part) for part in written))
    if len(recipients) > MAX_RECIPIENTS:
        raise BadAddress(f"{len(recipients)} recipients in one message; at most {MAX_RECIPIENTS} are allowed")
    return recipients


def _reply_to(run: StepRun) -> str | None:
    if (template := run.step.config.get("reply_to")) is None:
        return None
    try:
        return parse_address(run.render(template))
    except BadAddress as error:
        raise BadStep(f"`reply_to`: {error}") from None


def _headers(run: StepRun) -> dict[str, str]:
    if (template := run.step.config.get("unsubscribe")) is None:
        return {}
    try:
        return unsubscribe_headers(run.render(template))
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
    if "{" not in unsubscribe:
        try:
            unsubscribe_headers(unsubscribe)
        except ValueError as error:
            raise BadStep(f"`unsubscribe` {error}") from None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
