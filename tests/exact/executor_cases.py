"""The cases that every executor runs: steps, the row, and how they end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from minutehand.scheduler.demo.receivers import Answer, Request
from tests.providers.api import ApiServer

#: What the app's tables have beyond those of the journeys.
MORE = """
alter table clients add column phone text, add column first_name text, add column api_key text default 'hush';
update clients set phone = '+1 (202) 555-0123', first_name = 'Ann' where id = 'C-1';
insert into clients values
  ('C-4', 'north', 'Straße & Söhne <"GmbH">', 'info@straße.example', '+49 30 901820', 'Jörg'),
  ('C-5', 'north', 'Opted Out', 'optout@example.com', '+12025550177', null);
alter table jobs add column amount numeric, add column done_at timestamptz, add column note text, add column tags jsonb,
  add column path text;
alter table automation_workflows add column template_config jsonb;
insert into automation_opt_outs (channel, address) values ('email', 'optout@example.com'), ('sms', '+12025550177');
"""
ROW = {
    "amount": 125,
    "done_at": "2026-03-01T15:04:05.123456Z",
    "note": "Line 1\nLine “2”, 100%",
    "tags": Jsonb(["a", {"b": None}]),
}
HTML = "<p>Dear {{ client.name }}</p>"


class Hooks(ApiServer):
    """Receives webhooks; /status/NNN answers so."""

    def answer(self, request: Request) -> Answer:
        status = re.search(r"/status/(\d+)", request.path)
        headers = {"Location": "https://example.com/elsewhere"} if status and status[1][0] == "3" else {}
        return Answer(status=int(status[1]) if status else 200, headers=headers)


@dataclass
class Case:
    """Steps, and what the row and the client are.  `steps` may use {hooks} and {who}."""

    steps: list[dict[str, Any]]
    #: Status and code at the end.
    end: tuple[str, str | None] = ("completed", None)
    #: How many requests arrive.
    requests: int = 1
    client: str | None = "C-1"
    row: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def email(**config: Any) -> dict[str, Any]:
    return {
        "type": "email",
        "config": {"subject": "{{ job.title }}: done", "message": "Dear {{ client.name }}."} | config,
    }


def sms(message: str = "Job {{ job.title }} is done.", **config: Any) -> dict[str, Any]:
    return {"type": "sms", "config": {"message": message, **config}}


def hook(path: str = "/{who}", **config: Any) -> dict[str, Any]:
    return {"type": "webhook", "config": {"url": "{hooks}" + path, **config}}


def condition(value: Any, **branches: Any) -> dict[str, Any]:
    return {
        "type": "condition",
        "config": {"conditions": [{"field": "amount", "operator": "equals", "value": value}]},
        **branches,
    }


STOP = {"type": "stop"}
CASES: dict[str, Case] = {
    "an e-mail to the client": Case([email()]),
    "text that HTML must escape": Case([email(message="{{ client.name }}\n<b>", html=HTML)], client="C-4"),
    "a text without HTML": Case([email(message="5 > 4 & \"x\" 'y'\n{{ job.note }}")]),
    "a list of recipients": Case([email(to=["b@example.com", "a@example.com", "b@example.com"])]),
    "recipients from a column": Case(
        [email(to="{{ job.tags }}")], row={"tags": Jsonb(["x@example.com", "y@example.com"])}
    ),
    "one recipient in two spellings": Case([email(to=["Ann@example.com", "ann@example.com", "ANN@EXAMPLE.com"])]),
    "several recipients in one text": Case([email(to="x@example.com, y@example.com")]),
    "a domain with ß": Case([email(to="{{ client.email }}", reply_to="office@bücher.example")], client="C-4"),
    "marketing": Case([email(marketing=True, unsubscribe="https://example.com/u?c={{ client.id }}")]),
    "marketing by mail": Case([email(marketing=True, unsubscribe="mailto:stop@example.com")]),
    "names in other styles": Case(
        [email(message="{{ customer.firstName }} {{ client_first_name }} {{trigger.nothing}}")],
        ("failed", "unresolved_variable"),
        0,
    ),
    "other names": Case([email(message="{{ customer.firstName }} {{ client_first_name }} {{ job_amount }}")]),
    "a variable that is empty": Case([email(message="{{ job.path }}")], ("failed", "unresolved_variable"), 0),
    "a variable that is unknown": Case([email(message="{{ clinet.name }}")], ("failed", "unresolved_variable"), 0),
    "unresolved: blank": Case([email(message="a{{ job.path }}b")], settings={"unresolved": "blank"}),
    "unresolved: default": Case([email(message="a{{ job.path }}b")], settings={"unresolved": {"default": "…"}}),
    "a tag that is not closed": Case([email(message="{{ client.name")], ("failed", "bad_template"), 0),
    "braces that are text": Case([email(message="a { b } }} { job } {color: red} {#id} 100 {%7D")]),
    "no client": Case([email()], ("failed", "no_recipient"), 0, client=None),
    "a client without an address": Case([email()], ("failed", "no_recipient"), 0, client="C-2"),
    "not an address": Case([email(to="nobody@")], ("failed", "bad_recipient"), 0),
    "a subject that is empty": Case(
        [email(subject="{{ job.note }}")], ("failed", "empty_message"), 0, row={"note": " "}
    ),
    "a recipient that the provider refuses": Case([email(to="refused@example.com")], ("failed", "bad_recipient")),
    "one step fails, the next works": Case([email(to="nobody@"), email()], ("failed", "partial")),
    "stop_on_error": Case([email(to="nobody@") | {"stop_on_error": True}, email()], ("failed", "bad_recipient"), 0),
    "an SMS": Case([sms()]),
    "an SMS in UCS-2": Case([sms("Grüße ✓ {{ client.name }}", to="+49 (0)30 901820")], client="C-4"),
    "an SMS without a country code": Case([sms(to="2025550123")], ("failed", "bad_recipient"), 0),
    "an SMS that is too long": Case([sms("x" * 2000)], ("failed", "message_too_long"), 0),
    "an SMS that the provider refuses": Case([sms(to="+12025550999")], ("failed", "bad_recipient")),
    "a webhook with a body": Case(
        [hook(body={"n": "{{ job.amount }}", "t": "{{ job.done_at }}", "x": "{{ job.tags }}", "s": "é{{ job.note }}"})]
    ),
    "a webhook with a text": Case([hook(body="{{ job.note }} ✓ ü", headers={"X-One": "{{ job.amount }}"})]),
    "a webhook with its own body": Case([hook()]),
    "a GET": Case([hook("/{who}/g?q=1", method="GET")]),
    "a DELETE": Case([hook("/{who}/d", method="delete", body={})]),
    "a webhook that is refused": Case([hook("/{who}/status/404")], ("failed", "refused")),
    "a webhook that redirects": Case([hook("/{who}/status/302")], ("failed", "redirect")),
    "a webhook that asks to slow down": Case([hook("/{who}/status/429")], ("pending", "busy")),
    "a webhook that comes later": Case([hook("/{who}/status/425")], ("pending", "busy")),
    "a webhook of unknown fate": Case([hook("/{who}/status/500")], ("pending", "uncertain_send")),
    "a webhook of unknown fate, held": Case(
        [hook("/{who}/status/502", on_uncertain="hold")], ("failed", "uncertain_send")
    ),
    "a webhook of unknown fate, dropped": Case(
        [hook("/{who}/status/502")], ("failed", "uncertain_send"), settings={"on_uncertain": {"webhook": "drop"}}
    ),
    "not a URL": Case(
        [{"type": "webhook", "config": {"url": "{{ job.path }}"}}], ("failed", "bad_url"), 0, row={"path": "nowhere"}
    ),
    "a private address": Case(
        [{"type": "webhook", "config": {"url": "http://10.0.0.1/x"}}], ("failed", "private_address"), 0
    ),
    "the metadata's address": Case(
        [{"type": "webhook", "config": {"url": "http://[::ffff:169.254.169.254]/x"}}], ("failed", "private_address"), 0
    ),
    "a header that is ours": Case([hook(headers={"Webhook-Id": "x"})], ("failed", "bad_workflow"), 0),
    "a wait": Case([{"type": "wait", "config": {"for": "2 days"}}, email()], ("pending", "waiting"), 0),
    "a wait that is over": Case([{"type": "wait", "config": {"until": "{{ job.done_at }}"}}, email()]),
    "a length of time that is none": Case(
        [{"type": "wait", "config": {"for": "{{ job.note }}"}}, email()],
        ("failed", "bad_step"),
        0,
        row={"note": "soon"},
    ),
    "a condition that holds": Case([condition(125, then=[email()], **{"else": [sms()]})]),
    "a condition that does not": Case([condition(126, then=[email()], **{"else": [sms()]}), hook()], requests=2),
    "a gate": Case([condition(126), email()], requests=0),
    "a gate within a branch": Case([condition(125, then=[condition(126), email()], **{"else": []}), sms()]),
    "a condition with a template": Case([condition("{{ job.amount }}"), email()]),
    "a condition that cannot be evaluated": Case(
        [{"type": "condition", "config": {"conditions": [{"field": "amount", "operator": "rhymes", "value": 1}]}}],
        ("failed", "bad_step"),
        0,
    ),
    "stop": Case([email(), STOP, sms()]),
    "a branch that stops": Case([condition(125, then=[STOP]), sms()], requests=0),
    "steps without a type": Case([{"config": {}}], ("failed", "bad_workflow"), 0),
}
