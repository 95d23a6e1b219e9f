"""The body and the identifying headers of calls to receivers that recognise idempotency keys (R11, R13)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.templates.filters import text
from minutehand.executor.tracing import traceparent
from minutehand.store.json import Numeral, Unwritable, body_text
from minutehand.store.secret_names import without_secrets

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import StepRun

FORM = "application/x-www-form-urlencoded"
#: Media types whose values are written as JSON; text/plain, since some receivers read JSON under that name.
_JSON = re.compile(r"[\w.-]+/(?:[\w.-]+\+)?json|application/x-json|text/plain")
_NAMES = {
    dict: "an object",
    list: "a list",
    bool: "true or false",
    int: "a number",
    float: "a number",
    Numeral: "a number",
    type(None): "null",
}
#: The largest body; a row may be larger than anyone expected.
MAX_BODY_BYTES = 5_000_000
#: Characters of a body that a record or a dry run shows.
MAX_SHOWN = 2000


class Body(NamedTuple):
    """The body of a step's call."""

    data: bytes
    content_type: str
    #: What the step's record and a dry run keep of it: the beginning of the step's own body, or `left_out`.
    shown: dict[str, Any]


def step_body(run: StepRun, content_type: str | None = None) -> Body:
    """Return the body that the step gives, else the app's contract without columns that look like secrets.

    `content_type` is the step's own header: the body is encoded as it says.  Errors: `BadStep`, `RenderError`.
    """
    given = run.step.config.get("body")
    if given is not None:
        data, content_type = encode_body(run.render_value(given), content_type)
        return Body(data, content_type, body_excerpt(data))
    context, left_out = without_secrets(run.context)
    left_out += [name for name in run.hidden if "." in name]  # a column that is too large
    body = {"workflowId": run.workflow_id, "executionId": run.execution_id, "context": context}
    return Body(*encode_body(body, content_type), {"left_out": left_out} if left_out else {})


def encode_body(value: Any, content_type: str | None = None) -> tuple[bytes, str]:
    """Return a value as bytes, and its content type: text unchanged, everything else as the content type says.

    That is JSON without one.  Errors: `BadStep` when it cannot be written so, or is too large.
    """
    kind, charset = _kind_and_charset(content_type or "")
    try:
        if isinstance(value, str):
            body, own_type = value.encode(charset), "text/plain; charset=utf-8"
        elif kind == FORM:
            body, own_type = _form(value, charset).encode("ascii"), FORM
        elif content_type is None or _JSON.fullmatch(kind):
            body, own_type = body_text(value).encode(charset), "application/json"
        else:
            raise BadStep(f"`body` is {_NAMES[type(value)]}, which cannot be written as {kind}: write it as text")
    except LookupError:
        raise BadStep(f"`body`: the charset {charset} of the header content-type is not known") from None
    except UnicodeEncodeError as error:
        raise BadStep(f"`body` cannot be written in {charset}: it has broken or other characters") from error
    except Unwritable as error:
        raise BadStep(f"`body`: {error}") from None
    if len(body) > MAX_BODY_BYTES:
        raise BadStep(f"`body` has {len(body):,} bytes; at most {MAX_BODY_BYTES:,} are allowed")
    return body, content_type or own_type


def _kind_and_charset(content_type: str) -> tuple[str, str]:
    """Return the media type, in lower case, and the charset of a content type; UTF-8 if it names none."""
    kind, *parameters = (part.strip() for part in content_type.split(";"))
    named = (parameter.partition("=") for parameter in parameters)
    charsets = [value.strip().strip('"') for name, _, value in named if name.strip().lower() == "charset"]
    return kind.lower(), charsets[0] if charsets else "utf-8"


def _form(value: Any, charset: str) -> str:
    """Write an object as a form; a list repeats its key.  Errors: `BadStep`, which names the field."""
    if not isinstance(value, dict):
        raise BadStep(f"`body` is {_NAMES[type(value)]}; a form needs an object of names and values, or text")
    pairs = []
    for name, item in value.items():
        for one in item if isinstance(item, list) else [item]:
            if one is None or isinstance(one, list | dict):
                raise BadStep(
                    f"`body`: a form cannot hold {_NAMES[type(one)]}, as in {name!r}; leave it out, or use JSON"
                )
            pairs.append((name, text(one)))
    return urlencode(pairs, encoding=charset, errors="strict")


def body_excerpt(body: bytes) -> dict[str, str]:
    """Return the beginning of the step's own body, for records; the default body needs no copy.

    >>> len(body_excerpt(b"x" * 5000)["body"])
    2001
    """
    beginning = body.decode(errors="replace")
    return {"body": beginning if len(beginning) <= MAX_SHOWN else beginning[:MAX_SHOWN] + "…"}


def identity_headers(key: str, execution_id: str) -> dict[str, str]:
    """Return headers by which a receiver detects a repeat, names the cause of its writes, and joins the trace."""
    return {"idempotency-key": key, "webhook-id": key, "x-minutehand-cause": execution_id, **traceparent()}
