"""Renders templates within limits (R14, R17): users write them, and they run with the owner's rights.

`Renderer` is the entry point.  tree.py accepts only listed nodes of Jinja's tree, and replaces each that could reach a
Python object by an operation of operations.py: `client.items` becomes `get(client, ("items",))`, a lookup in JSON, so
the compiled code contains neither attributes nor calls.  Jinja's sandbox is a second barrier.  Every operation counts
against the limits of the render, so loops and growth end in a `RenderError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from jinja2 import TemplateSyntaxError, nodes
from jinja2.environment import Template
from jinja2.runtime import Context

from minutehand.executor.actions.contract import BadStep, RenderError
from minutehand.executor.templates.budget import Budget
from minutehand.executor.templates.filters import MAX_TEXT, Unfit, text, to_json
from minutehand.executor.templates.numerals import ExactEnvironment
from minutehand.executor.templates.operations import FAULTS, OPERATIONS, Run
from minutehand.executor.templates.tree import mark, rewrite
from minutehand.executor.templates.urls import UrlParts, check_url_template
from minutehand.store.json import text_problem

#: The longest template, in characters.
MAX_SOURCE = 100_000
#: How deep a JSON value with templates may be nested.
MAX_DEPTH = 50

#: One tag; one that is not closed goes on to the end.  `{%` begins one only before a word: `{%7D` is text.
_TAG = re.compile(r"\{(?:\{|%[-+]?\s*[A-Za-z_]).*?(?:[%}]\}|\Z)", re.DOTALL)

Policy = Literal["fail", "blank", "default"]

_ENVIRONMENT = ExactEnvironment(keep_trailing_newline=True, optimized=False, cache_size=0)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.tests.clear()
_ENVIRONMENT.filters = dict(OPERATIONS)


class Renderer:
    """Renders templates with one policy for variables that are unknown or null.

    `fail` raises a `RenderError` which names the variable, `blank` writes nothing in its place, `default` writes
    `default`.  Instances have no state of a render: threads and tasks may share one.
    """

    def __init__(self, policy: Policy = "fail", default: str = "") -> None:
        stand_ins = {"fail": None, "blank": "", "default": default}
        if policy not in stand_ins:
            raise RenderError("the policy for unresolved variables is fail, blank or default")
        self._stand_in = stand_ins[policy]

    def render(
        self, template: str, context: Mapping[str, Any], *, html: bool = False, budget: Budget | None = None
    ) -> str:
        """Render a template against JSON values; `html` escapes them.  Errors: `RenderError`, nothing else."""
        if _is_text(template):
            return _sound(template)
        return _render(template, Run(_ENVIRONMENT, context, self._stand_in, budget or Budget(), html=html))

    def render_url(self, template: str, context: Mapping[str, Any], *, budget: Budget | None = None) -> str:
        """Render a template of a URL: each value is encoded (see urls.py).  Errors: `RenderError`, nothing else."""
        if _is_text(template):
            return _sound(template)
        parts = UrlParts()
        return parts.encode(
            _render(template, Run(_ENVIRONMENT, context, self._stand_in, budget or Budget(), url=parts))
        )

    def render_value(self, value: Any, context: Mapping[str, Any], *, budget: Budget | None = None) -> Any:
        """Render every string inside a JSON value.

        A string that is exactly one expression, `{{ job.total }}`, becomes the JSON value itself (not a copy).  The
        limits apply to the whole value.  Errors: `RenderError`, nothing else.
        """
        return self._walk(value, Run(_ENVIRONMENT, context, self._stand_in, budget or Budget()), 0)

    def _walk(self, value: Any, run: Run, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise RenderError(f"the value is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, str):
            return _render_native(value, run)
        if isinstance(value, list):
            return [self._walk(item, run, depth + 1) for item in value]
        if isinstance(value, dict):
            if any("{{" in str(key) or "{%" in str(key) for key in value):
                raise RenderError("a key of an object cannot be a template")
            return {key: self._walk(item, run, depth + 1) for key, item in value.items()}
        return value


def renderer_of(definition: Mapping[str, Any]) -> Renderer:
    """Return the renderer for a workflow's `settings.unresolved`."""
    settings = definition.get("settings")
    unresolved = settings.get("unresolved") if isinstance(settings, dict) else None
    if isinstance(unresolved, dict) and isinstance(unresolved.get("default"), str):
        return Renderer("default", unresolved["default"])
    return Renderer("blank") if unresolved == "blank" else Renderer()


def check_template(template: str) -> None:
    """Raise `RenderError` when a template can never be rendered, whatever its values."""
    _load(template, Budget())


def check_url(template: str) -> None:
    """Raise `BadStep` when a value of a URL's template may stand before the path.  One that is not valid passes."""
    if "{" in template and len(template) <= MAX_SOURCE and (problem := _url_problem(template)):
        raise BadStep(problem)


@lru_cache(maxsize=512)
def _url_problem(template: str) -> str:
    try:
        if isinstance(_compile(template), _Compiled):  # else the renderer says what is wrong
            check_url_template(_ENVIRONMENT.parse(_protected(template)))
    except RenderError:
        return ""
    except BadStep as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class _Compiled:
    root: Callable[[Context], Iterator[str]]
    #: The template is one expression and nothing else.
    single: bool


@lru_cache(maxsize=512)
def _compile(source: str) -> _Compiled | str:
    """Parse, check and compile a template, or return its error, so that a bad template is parsed only once, too.

    One result serves every policy and HTML: both are applied when a value is written.  The largest template allowed
    takes some 0.4 s and 0.4 MB.  Jinja's parser raises `RecursionError` for deep nesting, before there is a tree.
    """
    try:
        tree = parse(_protected(source))
        output = tree.body[0] if len(tree.body) == 1 else None
        single = isinstance(output, nodes.Output) and [isinstance(n, nodes.TemplateData) for n in output.nodes] == [
            False
        ]
        rewrite(tree)
        tree.set_environment(_ENVIRONMENT)
        template = Template.from_code(_ENVIRONMENT, _ENVIRONMENT.compile(tree), {})
    except RenderError as refused:
        return str(refused)
    except TemplateSyntaxError as error:
        triple = " (a variable has two braces: {{ client.name }})" if "{{{" in source else ""
        return f"line {error.lineno}: {(error.message or 'not understood')[:200]}{triple}"
    except RecursionError:  # not kept: the caller's own stack may have been deep
        raise RenderError("the template is nested too deeply") from None
    except (AssertionError, SyntaxError, *FAULTS) as fault:
        return f"the template is not understood ({type(fault).__name__})"
    return _Compiled(template.root_render_func, single)


def _protected(source: str) -> str:
    """Mark what Jinja would read or change outside of tags, until `rewrite` takes the marks out again."""
    parts, at, trims = [], 0, False
    for tag in [*_TAG.finditer(source), None]:
        piece = source[at : tag.start() if tag else len(source)]
        # As Jinja does: it does not know a marked line break as one.
        piece = piece.lstrip() if trims else piece
        piece = piece.rstrip() if tag and tag[0][2:3] == "-" else piece
        parts.append(mark(piece))
        if tag:
            parts.append(tag[0])
            at, trims = tag.end(), tag[0][-3:-2] == "-"
    return "".join(parts)


def parse(source: str) -> nodes.Template:
    """Return the tree of a template as it is written.  Errors: `TemplateSyntaxError`, `RecursionError`."""
    return _ENVIRONMENT.parse(source)


def tags(source: str) -> str:
    """Return the tags of a template, without the text between them."""
    return "".join(tag[0] for tag in _TAG.finditer(source))


def tag_length(source: str) -> int:
    """Return how many characters of a template are within tags: what compiling it costs.

    >>> tag_length("Dear {{ client.name }}, {% if x %}yes{% endif %}")
    38
    """
    return sum(len(tag) for tag in _TAG.findall(source))


def _is_text(template: str) -> bool:
    """Whether a template has no tags, and is within the limits of one."""
    return "{" not in template and len(template) <= MAX_SOURCE


def _load(source: str, budget: Budget) -> _Compiled:
    if len(source) > MAX_SOURCE:
        raise RenderError(f"the template is longer than {MAX_SOURCE:,} characters")
    if "{" not in source:
        return _Compiled(lambda _: iter((source,)), False)
    budget.charge(tag_length(source))
    compiled = _compile(source)
    if isinstance(compiled, str):
        raise RenderError(compiled)
    return compiled


def _render(template: str, run: Run) -> str:
    return _output(_load(template, run.budget), run)


def _output(compiled: _Compiled, run: Run) -> str:
    parts = []
    try:
        for part in compiled.root(run):
            run.charge_output(len(part))
            parts.append(part)
    except FAULTS as fault:
        raise RenderError(f"the template cannot be rendered ({type(fault).__name__})") from None
    return _sound("".join(parts))


def _sound(text: str) -> str:
    """Return the text.  Errors: `RenderError` if nobody can store or send it; a literal can write such characters."""
    if problem := text_problem(text):
        raise RenderError(f"the text {problem}")
    return text


def _render_native(template: str, run: Run) -> Any:
    """Render one string of a JSON value: variables of earlier strings are forgotten, their use of the limits is not."""
    run.vars.clear()
    compiled = _load(template, run.budget)
    run.native = compiled.single
    rendered = _output(compiled, run)
    if not run.native:
        return rendered
    try:
        size = len(to_json(run.kept)) if isinstance(run.kept, list | dict) else len(text(run.kept))
    except Unfit as unfit:
        raise RenderError(f"the value of {template[:60]} {unfit}") from None
    except FAULTS:
        raise RenderError(f"a value is not JSON, or longer than {MAX_TEXT:,} characters") from None
    run.charge_output(size)
    return _sound(run.kept) if isinstance(run.kept, str) else run.kept
