"""Whatever the template and the row: text that is wholly resolved, or a `RenderError`, and nothing else."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.templates.filters import FILTERS
from minutehand.executor.templates.render import Renderer

NAMES = st.sampled_from(["client", "job", "name", "phone", "items", "x", "_y"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab<&'\"0-:T% \n", max_size=8)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
CONTEXTS = st.fixed_dictionaries({"client": JSON, "x": JSON}, optional={"job": JSON, "items": st.lists(SCALARS)})
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">=", "in", "and", "or"]
EXPRESSIONS = st.recursive(
    NAMES | st.sampled_from(["1", "-2.5", "'a'", "none", "true", "[]", "[1, 'b']", "''", "1e15", "'%'"]),
    lambda inner: st.one_of(
        st.builds("{}.{}".format, inner, NAMES),
        st.builds("{}[{}]".format, inner, st.sampled_from(["0", "-1", "'name'"])),
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}|{}".format, inner, st.sampled_from([*FILTERS, "default", "e"])),
        st.builds("{}|{}({})".format, inner, st.sampled_from([*FILTERS, "default"]), inner),
        st.builds("{} is {}".format, inner, st.sampled_from(["defined", "none", "not string", "in [1]"])),
        st.builds("not {}".format, inner),
    ),
    max_leaves=6,
)
TEMPLATES = st.recursive(
    st.builds("{{{{ {} }}}}".format, EXPRESSIONS) | st.sampled_from(["text", "{", "}", "\n", "{# #}"]),
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, EXPRESSIONS, inner, inner),
        st.builds("{{% for {} in {} %}}{}{{% endfor %}}".format, NAMES, EXPRESSIONS, inner),
        st.builds("{{% set {} = {} %}}{}".format, NAMES, EXPRESSIONS, inner),
    ),
    max_leaves=6,
)
SCRAPS = st.lists(
    st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "{", "}", "(", ")", "[", "]", ".", "|", "~", "-", "%", "'a'"])
    | st.sampled_from(["if", "for", "in", "x", "client", "set", "endif", "endfor", "else", "raw", "endraw", "1"])
    | st.sampled_from(
        ["{{ x", "{{ 1", "x()", "**", "[1:2]", "|safe", "|e", "|map('x')", "is mapping", "self", "loop.index"]
    )
    | st.text(max_size=3),
    max_size=25,
).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(TEMPLATES, CONTEXTS, st.sampled_from(["fail", "blank", "default"]), st.booleans())
def test_a_template_gives_text_or_a_render_error(template: str, context: Any, policy: Any, html: bool) -> None:
    before = copy.deepcopy(context)
    try:
        output = Renderer(policy, "-").render(template, context, html=html)
    except RenderError:
        return
    assert "{{" not in output
    assert "{%" not in output
    assert "object at 0x" not in output
    assert "<built-in" not in output
    assert repr(context) == repr(before)


@settings(max_examples=300, deadline=None)
@given(SCRAPS | st.text(), CONTEXTS)
def test_scraps_give_text_or_a_render_error(template: str, context: Any) -> None:
    with suppress(RenderError):
        assert isinstance(Renderer().render(template, context), str)
    with suppress(RenderError):
        assert len(Renderer("blank").render_value([template], context)) == 1


MOMENTS = st.datetimes().map(str) | st.dates().map(str) | st.times().map(str) | st.sampled_from(["%d", "%H", "UTC"])
ARGUMENTS = st.lists(JSON | MOMENTS, max_size=3)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from([*FILTERS, "default", "e"]), JSON | MOMENTS, ARGUMENTS)
def test_a_filter_gives_text_or_a_render_error(name: str, value: Any, arguments: list[Any]) -> None:
    listed = ", ".join(f"arguments[{index}]" for index in range(len(arguments)))
    with suppress(RenderError):
        template = f"{{{{ value|{name}({listed}) }}}}"
        assert isinstance(Renderer().render(template, {"value": value, "arguments": arguments}), str)


PATHS = st.lists(NAMES, min_size=1, max_size=3)


def look_up(context: Any, path: list[str]) -> Any:
    for key in path:
        context = context.get(key) if isinstance(context, dict) else None
    return context


@settings(max_examples=300, deadline=None)
@given(st.lists(PATHS, min_size=1, max_size=4), CONTEXTS)
def test_text_leaves_only_if_every_variable_is_resolved(paths: list[list[str]], context: dict[str, Any]) -> None:
    values = [look_up(context, path) for path in paths]
    template = "".join(f"<{{{{ {'.'.join(path)} }}}}>" for path in paths)
    if all(isinstance(value, str) for value in values):
        assert Renderer().render(template, context) == "".join(f"<{value}>" for value in values)
    elif any(value is None for value in values):
        with pytest.raises(RenderError) as caught:
            Renderer().render(template, context)
        assert str(caught.value).split(" ")[0].split(".")[0] in {path[0] for path in paths}
