"""`webhook`: call a URL with a signed, deduplicable request (Standard Webhooks).

Webhooks are delivered at least once with a stable `webhook-id`, so an uncertain call is made again under the same key
(R13), and no reservation is needed.
"""

from __future__ import annotations

import base64
import hmac
import re
from decimal import Decimal
from typing import Any

from minutehand.executor.actions.contract import BadStep, Message, StepRun, pace_of
from minutehand.executor.http.client import USER_AGENT, BadTarget, parse_url, shown_url
from minutehand.executor.http.outgoing import Body, encode_body, identity_headers, step_body
from minutehand.executor.outcome import OnUncertain, Send, StepResult
from minutehand.executor.webhook_secrets import BadSecret, signing_keys

METHODS = ("POST", "PUT", "PATCH", "DELETE", "GET")

#: RFC 9110 §5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[\ud800-\udfff]")
#: Headers that only Minutehand sets: framing and hop-by-hop ones (RFC 9110 §7.6.1), identity and signature.
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
    | {"accept-encoding", "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"}
    | {"x-minutehand-cause"}
)


class WebhookAction:
    """Make one HTTP request; 2xx is done."""

    keys = ("url", "method", "headers", "body")

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without a valid URL, with an unknown method, or with headers that a step may not set."""
        from minutehand.executor.templates.render import check_url

        url = config.get("url")
        if not isinstance(url, str) or not url.strip():
            raise BadStep("`url` is missing: give the address to call, as https://host/path")
        try:
            check_url(url)
            if "{{" not in url and "{%" not in url:
                parse_url(url)
        except (BadStep, BadTarget) as error:
            raise BadStep(f"`url`: {error}") from None
        if _method(config) == "GET" and config.get("body") is not None:
            raise BadStep("`body`: a GET request has no body; use POST, or put the values in the URL")
        headers = config.get("headers") or {}
        if not isinstance(headers, dict):
            raise BadStep("`headers` must be an object of names and values")
        for name, value in headers.items():
            _check_name(name)
            if name.lower() == "content-type" and isinstance(value, str) and "{" not in value:
                _check_body(config, value.strip())

    async def run(self, run: StepRun) -> StepResult:
        """Call the URL once and judge the response."""
        config = run.step.config
        self.check(config)
        method = _method(config)
        url = run.render_url(config["url"])
        try:
            target = parse_url(url)
            keys = signing_keys(run.settings.webhook_secret, run.webhook_tenant)
        except BadTarget as error:
            return error.as_result()
        except BadSecret as error:
            return StepResult.permanent("not_configured", str(error))
        recipient, headers = shown_url(target), _headers(run)
        body = Body(b"", "", {}) if method == "GET" else step_body(run, headers.get("content-type"))
        headers = ({"content-type": body.content_type} if body.content_type else {}) | headers

        async def deliver(key: str) -> StepResult:
            stamp = _stamp(key, body.data, keys, int(run.now.timestamp()))
            signed = headers | identity_headers(key, run.execution_id) | stamp
            response = await run.http.request(method, url, headers=signed, body=body.data)
            if failure := response.as_failure(run.now):
                return failure
            send = Send(channel="webhook", recipient=recipient, sender=USER_AGENT, key=key)
            return StepResult.done(send=send, status=response.status, response=response.excerpt)

        content = {"method": method, "url": recipient} | body.shown
        pace = pace_of("webhook", f"webhook {target.host}", recipient, shared=False)
        message = Message(channel="webhook", recipient=recipient, sender=USER_AGENT, content=content, pace=pace)
        return await run.send(message, deliver, reserve=False, on_uncertain=OnUncertain.RESEND)


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of Standard Webhooks: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _check_body(config: dict[str, Any], content_type: str) -> None:
    """Refuse a body that is never written as its content type.  A template in it is a text like another."""
    if config.get("body") is not None:
        encode_body(config["body"], content_type)
    elif _method(config) != "GET":
        encode_body({"context": {}}, content_type)  # as the default body is


def _method(config: dict[str, Any]) -> str:
    method = str(config.get("method") or "POST").upper()
    if method not in METHODS:
        raise BadStep(f"`method` must be one of {', '.join(METHODS)}")
    return method


def _headers(run: StepRun) -> dict[str, str]:
    """Return the step's headers, with names in lower case.  Errors: `BadStep`."""
    headers: dict[str, str] = {}
    for name, value in (run.step.config.get("headers") or {}).items():
        _check_name(name)
        value = run.render_value(value)
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or _CONTROLS.search(str(value)):
            raise BadStep(f"header `{name}`: the value must be one line of text")
        if not str(value).isascii():
            raise BadStep(f"header `{name}`: {_unsendable(str(value))}")
        headers[name.lower()] = str(value).strip()
    return headers


def _unsendable(value: str) -> str:
    found = next(character for character in value if not character.isascii())
    return f"the value holds {found!r}, and a header holds ASCII alone: use |urlencode, or put it into the body"


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise BadStep("`headers` has an invalid header name: use letters, digits and hyphens")
    if name.lower() in _OURS or name.lower().startswith("proxy-"):
        raise BadStep(f"header `{name}` is set by Minutehand: remove it")


def _stamp(message_id: str, body: bytes, keys: list[bytes], now: int) -> dict[str, str]:
    """Return the headers that prove the request's time and sender, with a signature for each key."""
    stamp = {"webhook-timestamp": str(now)}
    if keys:
        stamp["webhook-signature"] = " ".join(sign(key, message_id, now, body) for key in keys)
    return stamp
