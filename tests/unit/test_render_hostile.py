"""Templates are harmless and bounded, whoever wrote them: a table of attacks, and the bounds."""

from __future__ import annotations

import inspect
import signal
import sys
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.templates.filters import FILTERS, MAX_TEXT
from minutehand.executor.templates.operations import MAX_ITERATIONS
from minutehand.executor.templates.render import MAX_SOURCE, Renderer

CONTEXT: dict[str, Any] = {
    "client": {"name": "client", "items": ["one", "two", 3], "secret": "s3cret-value"},
    "job": {"title": "Roof", "rows": [{"name": "x"}, {"name": "y"}]},
}


@pytest.fixture
def hang_guard() -> Iterator[None]:
    """Turn a template that would run for ever into a failure; what passes needs a small part of this."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise AssertionError("the template was still running after 20 s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 20)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def render(template: str, **more: Any) -> str:
    return Renderer().render(template, CONTEXT | more)


def refusal(template: str, **more: Any) -> str:
    with pytest.raises(RenderError) as caught:
        render(template, **more)
    return str(caught.value)


def told_by(render_it: Callable[[], object]) -> str:
    """The error and its traceback, as a log would show them; empty if there is none."""
    try:
        render_it()
    except RenderError as error:
        return "".join(traceback.format_exception(error))
    return ""


HOSTILE = {
    "subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "item_dunder": "{{ client['__class__']|default('') }}",
    "dunder_name": "{{ __builtins__|default('') }}",
    "mro": "{{ client.name.mro }}",
    "attr": "{{ client|attr('__class__')|default('') }}",
    "map_attr": "{{ client.items|map(attribute='__class__')|list }}",
    "format": "{{ '{0.__class__}'.format(client) }}",
    "format_filter": "{{ '%s'|format(client) }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "format_map": "{{ '{a}'.format_map(client) }}",
    "self": "{{ self }}",
    "self_init": "{{ self._TemplateReference__context }}",
    "cycler": "{{ cycler }}",
    "cycler_call": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "joiner": "{{ joiner }}",
    "namespace": "{% set ns = namespace(x=1) %}{{ ns.x }}",
    "namespace_set": "{% set client.x = 1 %}",
    "lipsum": "{{ lipsum }}",
    "dict": "{{ dict }}",
    "dict_method": "{{ client.pop('name') }}",
    "list_method": "{{ client.items.append(1) }}",
    "context": "{{ context }}",
    "environment": "{{ environment }}",
    "undefined": "{{ undefined_name.__class__|default('') }}",
    "safe": "{{ client.name|safe }}",
    "macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "call": "{% call client() %}{% endcall %}",
    "import": "{% import 'os' as os %}",
    "from_import": "{% from 'os' import path %}",
    "include": "{% include '/etc/passwd' %}",
    "extends": "{% extends 'base' %}",
    "block": "{% block a %}{{ self.a() }}{% endblock %}",
    "with": "{% with a = 1 %}{% endwith %}",
    "filter_block": "{% filter upper %}a{% endfilter %}",
    "set_block": "{% set x %}{{ 1 }}{% endset %}",
    "autoescape": "{% autoescape false %}{{ client.name }}{% endautoescape %}",
    "recursive": "{% for x in client.items recursive %}{{ loop(client.items) }}{% endfor %}",
    "recursive_unused": "{% for x in client.items recursive %}{% endfor %}",
    "loop_call": "{% for x in client.items %}{{ loop.cycle('a') }}{% endfor %}",
    "unpack": "{% for a, b in job.rows %}{% endfor %}",
    "range": "{% for x in range(1000000000) %}{% endfor %}",
    "many_turns": "{% for x in many %}{% for y in many %}a{% endfor %}{% endfor %}",
    "three_loops": "{% for x in [1] %}{% for y in [1] %}{% for z in [1] %}{% endfor %}{% endfor %}{% endfor %}",
    "loop_text": "{% for x in big %}{% endfor %}",
    "loop_body": "{% for x in many %}" + "{% set a = 1 + 1 %}" * 800 + "{% endfor %}",
    "loop_list": "{% for x in many %}{% set a = [" + "1," * 4000 + "] %}{% endfor %}",
    "loop_upper": "{% for x in many %}{% set a = big|upper %}{% endfor %}",
    "loop_data": "{% for x in many %}" + "a" * 50_000 + "{% endfor %}",
    "text_times": "{{ 'a' * 10**9 }}",
    "text_times_number": "{{ 'a' * 1000000000 }}",
    "list_times": "{{ [1] * 1000000000 }}",
    "power": "{{ 9**9**9 }}",
    "big_product": "{{ " + " * ".join(["9" * 900] * 2) + " }}",
    "product_growth": "{% set x = 999999999999999 %}" + "{% set x = x * x %}" * 40 + "{{ x }}",
    "big_constant": "{{ " + "9" * 5000 + " }}",
    "infinity": "{{ 1e1001 }}",
    "growth": "{% set x = big %}" + "{% set x = x ~ x %}" * 40,
    "growth_in_loop": "{% for i in many %}{% set x = big ~ i %}{{ x ~ x }}{% endfor %}",
    "list_growth": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 40 + "{{ x|tojson }}",
    "equal_growth": "{% set x = [1] %}{% set y = [1] %}"
    + "{% set x = [x, x] %}{% set y = [y, y] %}" * 26
    + "{{ x == y }}",
    "replace_growth": "{{ big|replace('a', big) }}",
    "join_growth": "{{ many|join(big) }}",
    "center": "{{ 'a'|center(1000000000) }}",
    "indent": "{{ 'a'|indent(1000000000) }}",
    "round": "{{ 1|round(1000000000) }}",
    "output": "{{ big }}" * 3,
    "slice": "{{ big[::-1] }}",
    "variable_key": "{{ client[client.name] }}",
    "star_args": "{{ client.name|truncate(*[3]) }}",
    "dict_literal": "{{ {'a': 1} }}",
    "parentheses": "{{ " + "(" * 10_000 + "1" + ")" * 10_000 + " }}",
    "brackets": "{{ " + "[" * 10_000 + "]" * 10_000 + " }}",
    "ifs": "{% if 1 %}" * 4_000 + "{% endif %}" * 4_000,
    "some_ifs": "{% if 1 %}" * 60 + "{% endif %}" * 60,
    "nots": "{{ " + "not " * 10_000 + "1 }}",
    "minuses": "{{ " + "-" * 10_000 + "1 }}",
    "sums": "{{ " + "1+" * 10_000 + "1 }}",
    "dots": "{{ client" + ".a" * 10_000 + "|default('') }}",
    "pipes": "{{ 'a'" + "|lower" * 10_000 + " }}",
    "inline_ifs": "{{ " + "1 if 1 else " * 5_000 + "1 }}",
    "elifs": "{% if 0 %}" + "{% elif client %}a" * 5_000 + "{% endif %}",
    "nodes": "{{ client.name }}" * 5_000,
    "source": "a" * (MAX_SOURCE + 1),
    "null_byte": "{{ \0 }}",
    "surrogate": "{{ '\ud800'|\ud800 }}",
}


@pytest.mark.usefixtures("hang_guard")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends_in_a_render_error(name: str) -> None:
    message = refusal(HOSTILE[name], many=list(range(900)), big="a" * 100_000)
    assert len(message) < 400
    assert "s3cret" not in message


@pytest.mark.usefixtures("hang_guard")
@pytest.mark.parametrize("name", [name for name in HOSTILE if "growth" in name or name in ("output", "loop_data")])
def test_a_hostile_template_never_builds_what_it_is_refused(name: str) -> None:
    more = {"many": list(range(900)), "big": "a" * 100_000}
    refusal(HOSTILE[name], **more)  # compiled, so that only the render is measured
    tracemalloc.start()
    try:
        refusal(HOSTILE[name], **more)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize("value", [object(), {1, 2}, CONTEXT.items, Renderer, ("a",), b"a"])
def test_only_json_is_read(value: Any) -> None:
    for template in (
        "{{ x }}",
        "{{ x|length }}",
        "{{ x == x }}",
        "{% for y in x %}{% endfor %}",
        "{{ box.x|default(1) }}",
    ):
        assert "x cannot be used in a template" in refusal(template, x=value, box={"x": value})
    assert "x.real is not known" in refusal("{{ x.real }}", x=value)


def test_a_number_that_is_none_is_refused() -> None:
    for number in (float("nan"), float("inf")):
        assert "x is no number" in refusal("{{ x }}", x=number)
        with pytest.raises(RenderError, match="is no number"):
            Renderer().render_value("{{ x }}", {"x": number})


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_a_filter_never_tells_a_value(name: str) -> None:
    for argument in ("", "(client.secret)", "(client.secret, client.secret)", "(none)", "(client)"):
        template = f"{{{{ client.secret|{name}{argument}|abs|date }}}}"
        told = told_by(lambda template=template: render(template))  # type: ignore[misc]
        assert told
        assert "s3cret" not in told
        assert "During handling" not in told


def test_the_output_may_be_as_long_as_the_bound_and_no_longer() -> None:
    assert len(render("{{ x }}", x="a" * MAX_TEXT)) == MAX_TEXT
    assert "the output is longer" in refusal("{{ x }}b", x="a" * MAX_TEXT)


def test_loops_may_turn_as_often_as_the_bound_and_no_more() -> None:
    rows = list(range(MAX_ITERATIONS))
    assert render("{% for x in rows %}.{% endfor %}", rows=rows) == "." * MAX_ITERATIONS
    assert "more than 1,000 times" in refusal("{% for x in rows %}.{% endfor %}", rows=[*rows, 1])


def test_one_renderer_serves_many_threads() -> None:
    renderer, rows = Renderer(), list(range(MAX_ITERATIONS))
    template = "{% for x in rows %}{{ name }}{% endfor %}"

    def run(number: int) -> bool:
        return renderer.render(template, {"rows": rows, "name": number}) == str(number) * MAX_ITERATIONS

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(run, range(48)))


def test_a_refused_template_is_refused_again() -> None:
    assert refusal("{{ x.y() }}") == refusal("{{ x.y() }}")


def test_a_template_refused_on_a_deep_stack_is_good_on_a_shallow_one() -> None:
    def told_at(depth: int, template: str) -> str:
        return told_at(depth - 1, template) if depth else told_by(lambda: render(template))

    room = sys.getrecursionlimit() - len(inspect.stack())
    told = []
    for left in range(30, 90, 3):
        template = f"{{{{ job.title }}}} {left}"
        with suppress(RecursionError):  # not even room to begin
            told.append(told_at(room - left, template))
        assert render(template) == f"Roof {left}"
    assert any("nested too deeply" in each for each in told)
