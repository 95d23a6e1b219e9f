"""`email`: one message over SMTP (`SMTP_URL`, `EMAIL_FROM`).

SMTP takes no idempotency key, so a message whose fate is unknown after its content was sent is held for a person (R13).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from executor.actions.contract import BadStep, StepRun
from executor.outcome import OnUncertain, StepResult

if TYPE_CHECKING:
    from executor.mail import Letter, SmtpServer

#: Connections to the mail server at once, for the whole process; providers refuse more than some ten.
MOST_CONNECTIONS = 8

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class EmailAction:
    """Send one message to the client, or to the addresses in `to`."""

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without subject or message, or with a `to` that is no address, template or list of these."""
        for name in ("subject", "message"):
            if not isinstance(config.get(name), str) or not config[name].strip():
                raise BadStep(f"`{name}` is missing: nothing is sent that nobody wrote")
        if config.get("html") is not None and not isinstance(config["html"], str):
            raise BadStep("`html` must be text")
        to = config.get("to")
        if to is not None and not (_is_text(to) or (isinstance(to, list) and to and all(map(_is_text, to)))):
            raise BadStep(
                "`to` must be an address, a template or a list of these; without `to` the client is written to"
            )

    async def run(self, run: StepRun) -> StepResult:
        """Send the message once and judge the server's answer."""
        from executor import mail

        self.check(run.step.config)
        settings = run.settings
        if not settings.smtp_url:
            return StepResult.permanent("not_configured", "SMTP_URL is not set: give smtp://user:password@host:port")
        if not settings.email_from:
            return StepResult.permanent("not_configured", "EMAIL_FROM is not set: give the sender's address")
        try:
            server, sender = mail.parse_server(settings.smtp_url), mail.parse_sender(settings.email_from)
            recipients = _recipients(run)
        except mail.BadServer as error:
            return StepResult.permanent("not_configured", str(error))
        except mail.BadAddress as error:
            return StepResult.permanent("bad_recipient", str(error))
        except _NoRecipient as error:
            return StepResult.permanent("no_recipient", str(error))
        config = run.step.config
        letter = mail.Letter(
            sender=sender,
            recipients=recipients,
            subject=mail.one_line(run.render(config["subject"])),
            text=run.render(config["message"]),
            html=None if config.get("html") is None else run.render(config["html"], html=True),
        )
        if not letter.subject or not letter.text.strip():
            return StepResult.permanent("empty_message", "the subject or the message is empty once it is filled in")
        return await _send(run, server, letter)


class _NoRecipient(Exception):
    """There is nobody to write to; the message says why."""


async def _send(run: StepRun, server: SmtpServer, letter: Letter) -> StepResult:
    from executor import mail

    async def deliver(key: str) -> StepResult:
        return await mail.deliver(server, letter, key, timeout_seconds=run.settings.action_timeout_seconds)

    # The slot is taken before the send is reserved, so that nothing reserved ever waits in a queue.
    slots = _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MOST_CONNECTIONS))
    async with slots:
        return await run.send(
            "email",
            mail.joined(letter.recipients),
            deliver,
            sender=letter.sender.addr_spec,
            on_uncertain=OnUncertain.HOLD,
        )


def _recipients(run: StepRun) -> tuple[str, ...]:
    """The step's own addresses, else the client's; each once.  Errors: `BadAddress`, `_NoRecipient`."""
    from executor import mail

    to = run.step.config.get("to")
    if to is None:
        client = run.context.get("client")
        if not client:
            raise _NoRecipient("no client for this row, and the step names no `to`")
        found = [str(client.get("email") or "")]
        if not found[0].strip():
            raise _NoRecipient("client has no e-mail address")
    else:
        rendered = run.render_value(to)
        found = [str(item or "") for item in (rendered if isinstance(rendered, list) else [rendered])]
    written = [part for text in found for part in text.split(",") if part.strip()]
    if not written:
        raise _NoRecipient("`to` is empty once it is filled in")
    recipients = tuple(dict.fromkeys(mail.parse_address(part) for part in written))
    if len(recipients) > mail.MOST_RECIPIENTS:
        raise mail.BadAddress(f"{len(recipients)} recipients in one message; {mail.MOST_RECIPIENTS} are the most")
    return recipients


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
