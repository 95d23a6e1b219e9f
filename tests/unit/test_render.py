"""What templates say, and how they refuse; hostile ones are in test_render_hostile.py."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.templates.render import MAX_DEPTH, Renderer

CONTEXT: dict[str, Any] = {
    "client": {
        "name": "a <b> & c",
        "email": "client@example.com",
        "phone": None,
        "address": None,
        "items": ["one", "two", 3],
        "first name": "first",
        "secret": "s3cret-value",
    },
    "job": {
        "title": "Roof",
        "revenue": 1234.5,
        "total": 150.0,
        "count": 7,
        "paid": True,
        "due": "2026-03-29",
        "at": "2026-03-29T00:30:00+00:00",
        "local": "2026-03-29T09:05:00",
        "opens": "08:30:00",
        "rows": [{"name": "x", "price": 2}, {"name": "y", "price": None}],
    },
}


def render(template: str, **more: Any) -> str:
    return Renderer().render(template, CONTEXT | more)


def refusal(template: str, **more: Any) -> str:
    with pytest.raises(RenderError) as caught:
        render(template, **more)
    return str(caught.value)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain, {single} braces }} stay\n", "plain, {single} braces }} stay\n"),
        ("Hi {{ client.email }}!", "Hi client@example.com!"),
        ("{{ client.items|length }} {{ client.items[0] }} {{ client['items'][-1] }}", "3 one 3"),
        ("{{ client['first name'] }}", "first"),
        ("{{ job.total }} {{ job.count }} {{ job.paid }}", "150 7 true"),
        ("{{ client.phone or '-' }}{{ client.nickname or '-' }}", "--"),
        ("{{ client.phone|default('x') }}{{ client.nickname|default('y', true) }}", "xy"),
        ("{{ client.address.city|default('x') }}{{ clinet.name|default('y') }}", "xy"),
        ("{{ client.phone|trim|default('x') }}{{ ''|default('y') }}{{ ''|default('z', true) }}", "xz"),
        ("{% if client.phone %}a{% elif client.nickname %}b{% else %}c{% endif %}", "c"),
        ("{{ 'a' if client.phone }}{{ 'a' if not client.phone else 'b' }}", "a"),
        ("{{ client.phone is none }}{{ client.phone is defined }}{{ client.x is defined }}", "truetruefalse"),
        ("{{ client.phone == none }}{{ client.phone != 'x' }}{{ clinet is undefined }}", "truetruetrue"),
        ("{{ job.count > 3 and job.title == 'Roof' }}", "true"),
        (
            "{{ 'one' in client.items }}{{ 'Ro' not in job.title }}{{ 2 is in [1, 2] }}{{ 2 in (1, 2) }}",
            "truefalsetruetrue",
        ),
        ("{{ job.count + 2 * 3 - 1 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ -job.count }}", "12 3.5 3 3 -7"),
        ("{{ job.title ~ ' ' ~ job.count }}", "Roof 7"),
        ("{% for row in job.rows %}{{ loop.index }}{{ row.name }}{{ ',' if not loop.last }}{% endfor %}", "1x,2y"),
        ("{% for row in job.rows if row.price %}{{ row.name }}{% else %}none{% endfor %}", "x"),
        ("{% for x in [] %}{{ x }}{% else %}none{% endfor %}", "none"),
        ("{% set t = job.title|upper %}{{ t }}", "ROOF"),
        ("{{ 'o neill’s don\\'t'|title }}|{{ ' aB '|trim|capitalize }}", "O Neill’s Don't|Ab"),
        ("{{ client.items|join('; ') }} {{ client.items|first }} {{ client.items|last }}", "one; two; 3 one 3"),
        (
            "{{ '2.50'|float }} {{ '12'|int + 1 }} {{ 'x'|int(0) }} {{ 2.5|round }} {{ 2.345|round(2) }}",
            "2.50 13 0 3 2.35",
        ),
        ("{{ -3|abs }} {{ 'a-b'|replace('-', '+') }} {{ 'one two three'|truncate(10) }}", "3 a+b one..."),
        ("{{ '<'|e }}{{ job.rows|first|tojson }}", '&lt;{"name": "x", "price": 2}'),
        ("{{ job.revenue|money }} {{ 2.675|money }} {{ -0.001|money }}", "1,234.50 2.68 0.00"),
        ("{{ job.due|date }} {{ job.due|date('%-d.%m.%y', tz='Asia/Tokyo') }}", "29 Mar 2026 29.03.26"),
        ("{{ job.at|time }} {{ job.at|time(tz='Europe/Berlin') }} {{ job.opens|time('%I %p') }}", "00:30 01:30 08 AM"),
        ("{{ job.at|date(tz='America/New_York') }} {{ job.local|time }}", "28 Mar 2026 09:05"),
    ],
)
def test_a_template_says_what_the_row_says(template: str, expected: str) -> None:
    assert render(template) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ client.phone }}", "client.phone is empty"),
        ("{{ client.address.city }}", "client.address is empty"),
        ("{{ client.phone ~ 'x' }}", "client.phone is empty"),
        ("{{ client.phone|upper }}", "client.phone is empty"),
        ("{{ 1 + client.phone }}", "client.phone is empty"),
        ("{{ client.phone > 5 }}", "client.phone is empty"),
        ("{{ 'x' in client.phone }}", "client.phone is empty"),
        ("{{ 'a'|replace('a', client.phone) }}", "client.phone is empty"),
        ("{% for x in client.phone %}{% endfor %}", "client.phone is empty"),
        ("{% set p = client.phone %}{{ p }}", "client.phone is empty"),
        ("{{ client.phone or client.address }}", "client.address is empty"),
        ("{{ client.phone|default(client.address) }}", "client.address is empty"),
        ("{{ [client.phone]|join }}", "client.phone is empty"),
        ("{{ job.rows[1].price }}", "job.rows[1].price is empty"),
        ("{{ []|first }}", "(…)|first is empty"),
        ("{{ none }}", "none is empty"),
        ("{{ gone }}", "gone is empty"),
        ("{{ job.rows[2].price }}", "job.rows[2] is not known"),
        (
            "{{ client.nickname }}",
            "client.nickname is not known; known: address, email, first name, items, name, phone, secret",
        ),
        ("{{ client['nick name'] == 'x' }}", "client['nick name'] is not known"),
        ("{{ client.name.upper }}", "client.name.upper is not known"),
        ("{{ clinet.name }}", "clinet is not known; known: client, gone, job"),
        ("{% if clinet %}a{% endif %}", "clinet is not known"),
        ("{{ clinet or 'x' }}", "clinet is not known"),
        ("{{ client.keys }}", "client.keys is not known"),
        ("{{ job.paid + 1 }}", "job.paid is not a number"),
        ("{{ 1 < 2 < 3 }}", "line 1: compare two values at a time"),
        ("{{ " + "9" * 5000 + " }}", "line 1: a number with too many digits"),
        ("{{ client }}", "client is an object"),
        ("{{ client.items }}", "client.items is a list"),
        ("{{ client.items|e }}", "client.items|e is a list"),
        ("{{ client.name|money }}", "client.name|money is not a number"),
        ("{{ client.name|int }}", "client.name|int is not a number"),
        ("{{ client.name + 'x' }}", "client.name is not a number"),
        ("{{ job.count / 0 }}", "job.count is divided by zero"),
        ("{{ client.name < 3 }}", "client.name cannot be compared with 3"),
        ("{{ client.name|date }}", "client.name|date is not an ISO date"),
        ("{{ job.due|time }}", "job.due|time does not contain what the format asks for"),
        ("{{ job.opens|date }}", "job.opens|date does not contain what the format asks for"),
        ("{{ job.local|time(tz='Asia/Tokyo') }}", "job.local|time has no time zone"),
        ("{{ job.at|date(tz='../../etc') }}", "unknown time zone"),
        ("{{ job.at|date(tz='America') }}", "unknown time zone"),
        ("{{ job.at|date('%9999d') }}", "does not contain what the format asks for"),
        ("one\n{{ client.name }", "line 2: unexpected '}'"),
        ("one\n\n{% if %}", "line 3: Expected an expression"),
        ("{% if client %}", "line 1: Unexpected end of template"),
        ("{% trans %}", "line 1: Encountered unknown tag 'trans'"),
        ("{{ client.name|nosuch }}", "line 1: the filter nosuch is not known; known: abs, capitalize"),
        ("{{ client.name|truncate(1, 2, 3, 4) }}", "line 1: the filter truncate: too many positional arguments"),
        ("{{ 1 is odd }}", "line 1: the test `is odd` is not known"),
        ("{% raw %}{{ x }}{% endraw %}", "line 1: {% raw %} is not allowed"),
    ],
)
def test_what_cannot_be_rendered_is_named_as_the_user_wrote_it(template: str, message: str) -> None:
    assert message in refusal(template, gone=None)


@pytest.mark.parametrize(("policy", "default", "expected"), [("blank", "x", ""), ("default", "n/a", "n/a")])
@pytest.mark.parametrize("variable", ["client.phone", "client.nickname", "clinet", "clinet.name", "client.phone|money"])
def test_a_policy_stands_in_for_what_is_unresolved(policy: Any, default: str, expected: str, variable: str) -> None:
    renderer = Renderer(policy, default)
    assert renderer.render(f"[{{{{ {variable} }}}}]", CONTEXT) == f"[{expected}]"
    assert renderer.render_value([f"{{{{ {variable} }}}}"], CONTEXT) == [expected]
    assert renderer.render("{% for x in clinet %}a{% endfor %}{{ client.phone ~ 1 }}", CONTEXT) == f"{expected}1"
    assert renderer.render("{{ client.phone > 1 }} {{ 1 + client.phone }}", CONTEXT) == f"false {expected}"
    assert renderer.render("{{ 'x' not in client.phone }} {{ clinet == none }}", CONTEXT) == "true true"


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(RenderError, match="fail, blank or default"):
        Renderer("guess")  # type: ignore[arg-type]


def test_html_escapes_values_and_nothing_else() -> None:
    renderer = Renderer("default", "<?>")
    template = "<p>{{ client.name }}{{ client.name|e }}{{ '<' ~ 1 }}{{ client.phone }}</p>"
    escaped = "a &lt;b&gt; &amp; c"
    assert renderer.render(template, CONTEXT, html=True) == f"<p>{escaped}{escaped}&lt;1&lt;?&gt;</p>"
    assert renderer.render(template, CONTEXT) == f"<p>a <b> & c{escaped}<1<?></p>"


def test_a_string_that_is_one_expression_keeps_its_json_type() -> None:
    value = {
        "n": "{{ job.revenue }}",
        "b": ["{{ job.paid }}", "{{ job.count > 9 }}"],
        "l": "{{ job.rows }}",
        "o": "{{ job.rows[0] }}",
        "s": "{{ job.count }} pieces",
        "as it is": [1, None, True, "text"],
    }
    assert Renderer().render_value(value, CONTEXT) == {
        "n": 1234.5,
        "b": [True, False],
        "l": CONTEXT["job"]["rows"],
        "o": {"name": "x", "price": 2},
        "s": "7 pieces",
        "as it is": [1, None, True, "text"],
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": ["{{ client.phone }}"]}, "client.phone is empty"),
        ({"{{ client.name }}": 1}, "a key of an object cannot be a template"),
        (["{% set x = 1 %}", "{{ x }}"], "x is not known"),
        (["{{ big }}"] * 3, "the output is longer than"),
        (["{% for x in big %}{% endfor %}"] * 3, "the loops run more than"),
    ],
)
def test_a_value_fails_as_a_whole(value: Any, message: str) -> None:
    with pytest.raises(RenderError, match=message):
        Renderer().render_value(value, CONTEXT | {"big": ["x" * 200] * 500})


def nested(levels: int) -> Any:
    value: Any = "{{ job.count }}"
    for _ in range(levels):
        value = [value]
    return value


def test_a_value_is_nested_so_deep_and_no_deeper() -> None:
    assert Renderer().render_value(nested(MAX_DEPTH), {"job": {"count": 1}}) != nested(MAX_DEPTH)
    for levels in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(RenderError, match="nested deeper than 50"):
            Renderer().render_value(nested(levels), CONTEXT)


def test_a_loop_field_is_reachable_and_the_loop_object_is_not() -> None:
    rows = "{% for r in job.rows %}"
    assert render(rows + "{{ loop.index0 }}{{ loop.length }}{{ loop.first }}{% endfor %}") == "02true12false"
    for inside in (
        "{{ loop }}",
        "{{ loop.previtem }}",
        "{{ loop.__class__ }}",
        "{{ loop.index.real }}",
        "{{ loop[0] }}",
    ):
        refused = refusal(rows + inside + "{% endfor %}")
        assert "is not known" in refused or "cannot be used" in refused or "not allowed" in refused
