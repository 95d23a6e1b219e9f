"""`sms`: one text message to the client's phone, or to the number in `to`, by the operator's provider.

No SMS provider takes an idempotency key, so an uncertain send is held for a person (R13).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from minutehand.executor.actions.contract import BadStep, Message, StepRun
from minutehand.executor.actions.recipients import ATTACHED, SENDERS, NoRecipient, of_client
from minutehand.executor.outcome import OnUncertain, StepResult
from minutehand.executor.sms.sms_segments import segments
from minutehand.executor.text.unicode_checks import storable

#: Segments of one message; a longer one is refused, never cut.
MAX_SEGMENTS = 10


class SmsAction:
    """Send one text message to one number."""

    keys = ("to", "message")
    refused = (
        ATTACHED
        | dict.fromkeys(
            (*SENDERS, "from_number", "fromNumber"), "is not supported: the operator's settings name the sender"
        )
        | dict.fromkeys(("cc", "bcc"), "is not supported: an SMS has one recipient, so use a step for each")
    )

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without message, or with a `to` that is not one number or template."""
        message = config.get("message")
        if not isinstance(message, str) or not message.strip():
            raise BadStep("`message` is missing: write the text to send")
        to = config.get("to")
        if to is not None and not (isinstance(to, str) and to.strip()):
            raise BadStep(
                "`to` must be one phone number or a template: an SMS has one recipient, so use a step for each. "
                "Without `to` it goes to the client's phone"
            )

    async def run(self, run: StepRun) -> StepResult:
        """Send the message once."""
        from minutehand.executor.providers import NotConfigured, SmsMessage
        from minutehand.executor.providers.factory import sms_provider
        from minutehand.executor.sms.phone_numbers import BadNumber, BadRegion, to_e164

        self.check(run.step.config)
        try:
            provider = sms_provider(run.settings)
            recipient = to_e164(_written(run), run.settings.phone_region)
        except (NotConfigured, BadRegion) as error:
            return StepResult.permanent("not_configured", str(error))
        except BadNumber as error:
            return StepResult.permanent("bad_recipient", str(error))
        except NoRecipient as error:
            return StepResult.permanent("no_recipient", str(error))
        words = storable(run.render(run.step.config["message"])).replace("\r\n", "\n").strip()
        if not words:
            return StepResult.permanent("empty_message", "the message is empty after rendering")
        size = segments(words)
        if size.count > MAX_SEGMENTS:
            reason = f"the message takes {size.count} segments in {size.encoding}; at most {MAX_SEGMENTS} are allowed"
            return StepResult.permanent("message_too_long", reason, segments=size.count, encoding=size.encoding)
        cost: dict[str, Any] = {"segments": size.count, "encoding": size.encoding}
        if run.settings.test is not None:
            cost |= {"redirected_from": recipient}
            recipient = str(run.settings.test["sms_to"])
        sms = SmsMessage(recipient=recipient, text=words)

        async def deliver(key: str) -> StepResult:
            result = await provider.deliver(run, sms, key)
            return replace(result, result=result.result | cost)

        content = {"text": words} | cost
        message = Message(
            channel="sms",
            recipient=recipient,
            sender=provider.sender,
            content=content,
            pace=getattr(provider, "pace", None),
        )
        return await run.send(message, deliver, on_uncertain=OnUncertain.HOLD)


def _written(run: StepRun) -> str:
    """Return the step's own number, else the client's.  Errors: `BadStep`, `NoRecipient`."""
    to = run.step.config.get("to")
    if to is None:
        return of_client(run.context, "phone", "phone number")
    rendered = run.render_value(to)
    if isinstance(rendered, list | dict):
        raise BadStep("`to` is a list after rendering; an SMS has one recipient")
    number = "" if rendered is None else str(rendered)
    if not number.strip():
        raise NoRecipient("`to` is empty after rendering")
    return number
