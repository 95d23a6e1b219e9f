"""Strict YAML and JSON: JSON values only, with limits on size and depth, and the line of each value.

In YAML, `no`, `12:30` and `2026-01-01` are text.  Aliases, tags and merge keys are refused, so that a small file cannot
expand to a large value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any, NoReturn

from minutehand.executor.text.display import escaped, has_unsafe
from minutehand.store import Json
from minutehand.store.json import Numeral, Unwritable, dumps, numeral, parse, text_problem, whole

#: Limits: the size of a file in bytes, and its nesting depth.
MAX_BYTES = 1_000_000
MAX_DEPTH = 60


class BadFile(Exception):
    """A file cannot be read.  The message names the file, the line and the problem."""


@dataclass(frozen=True, slots=True)
class Place:
    """The line of a value and of its keys in a file; unknown for JSON."""

    file: str
    line: int | None = None
    keys: Mapping[str, int] | None = None

    def at(self, key: str | None = None) -> str:
        """Return `file:line` of the value, or of its `key` if that is present."""
        line = (self.keys or {}).get(key, self.line) if key else self.line
        return self.file if line is None else f"{self.file}:{line}"

    def refuse(self, why: str, key: str | None = None) -> NoReturn:
        """Raise `BadFile`."""
        raise BadFile(f"{self.at(key)}: {why}")


def read_values(text: str, file: str) -> Iterator[tuple[Any, Place]]:
    """Read the documents of a file; a list counts as its items.  JSON if the name ends in .json, else YAML.

    Errors: `BadFile`.
    """
    if len(text) > MAX_BYTES:
        raise BadFile(f"{file}: larger than {MAX_BYTES:,} bytes")
    return _from_json(text, file) if file.endswith(".json") else _from_yaml(text, file)


def as_yaml(values: Iterable[Json]) -> str:
    """Write YAML documents that `read_values` reads back unchanged."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        quoted = _BREAKS.search(value) or has_unsafe(value.replace("\n", ""))
        style = '"' if quoted else "|" if "\n" in value else None
        return dumper.represent_scalar(_TAG + "str", value, style=style)

    def number(dumper: Any, value: Numeral) -> Any:
        return dumper.represent_scalar(_TAG + ("float" if "." in str(value) else "int"), str(value))

    Dumper.add_representer(str, text)
    Dumper.add_representer(Numeral, number)
    documents = "---\n".join(
        yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110) for value in values
    )
    return escaped(documents, keep="\n")  # what is left unsafe stands in double quotes, which have these escapes


# --- JSON -------------------------------------------------------------------------------------------------------------


def _from_json(text: str, file: str) -> Iterator[tuple[Any, Place]]:
    place = Place(file)

    try:
        value = parse(text)
    except JSONDecodeError as error:
        place.refuse(f"not valid JSON: {error}")
    except ValueError as error:
        place.refuse(str(error))
    if _is_too_deep(value):
        place.refuse(f"nested deeper than {MAX_DEPTH} levels")
    try:
        dumps(value)
    except Unwritable as error:
        place.refuse(str(error))
    for item in value if isinstance(value, list) else [value]:
        yield item, place


def _is_too_deep(value: Any) -> bool:
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        inner = [node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list)]
        level, depth = [item for items in inner for item in items], depth + 1
    return depth > MAX_DEPTH


# --- YAML -------------------------------------------------------------------------------------------------------------

_TAG = "tag:yaml.org,2002:"
#: Unquoted scalars: only JSON's words and numbers.  `as_yaml` quotes what other YAML readers would convert.
_PLAIN = (
    ("null", r"(?:~|null|)", ["~", "n", ""], lambda _: None),
    ("bool", r"(?:true|false)", list("tf"), lambda text: text == "true"),
    ("int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789"), whole),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:e[-+][0-9]{1,6})?", list("-0123456789"), numeral),
)
#: Line breaks in YAML 1.1, which are folded unless they are escaped.
_BREAKS = re.compile("[\r\x85\u2028\u2029\ufeff]")
_READ = {_TAG + name: read for name, _, _, read in _PLAIN} | {_TAG + "str": str}


def _from_yaml(text: str, file: str) -> Iterator[tuple[Any, Place]]:
    import yaml

    try:
        for document in _documents(text, file):
            for node in document.value if document.tag == _TAG + "seq" else [document]:
                if node.tag != _TAG + "null":  # a `---` without content
                    yield _value(node, file), _place(node, file)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadFile(f"{file}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise BadFile(f"{file}: not valid YAML: {' '.join(str(error).split())[:200]}") from None


def _documents(text: str, file: str) -> Iterator[Any]:
    """Compose the documents' nodes.  Only `_value` constructs values from them."""
    import yaml
    from yaml.composer import Composer
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.resolver import BaseResolver
    from yaml.scanner import Scanner

    class Loader(Reader, Scanner, Parser, Composer, BaseResolver):
        depth = 0

        def __init__(self) -> None:
            Reader.__init__(self, text)
            for part in (Scanner, Parser, Composer, BaseResolver):
                part.__init__(self)

        def compose_node(self, parent: Any, index: Any) -> Any:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            here = f"{file}:{event.start_mark.line + 1}"
            if isinstance(event, yaml.AliasEvent):
                raise BadFile(f"{here}: aliases (*{event.anchor}) are not supported: repeat the value")
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise BadFile(f"{here}: nested deeper than {MAX_DEPTH} levels")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    for name, pattern, first, _ in _PLAIN:
        Loader.add_implicit_resolver(_TAG + name, re.compile(pattern + r"\Z"), first)
    loader = Loader()
    while loader.check_node():
        yield loader.get_node()


def _value(node: Any, file: str) -> Any:
    """Return a node as a JSON value.  Errors: `BadFile`, with the line, for anything else."""
    if node.tag == _TAG + "seq" and node.id == "sequence":
        return [_value(item, file) for item in node.value]
    if node.tag == _TAG + "map" and node.id == "mapping":
        value: Json = {}
        for key, item in node.value:
            if key.tag != _TAG + "str":
                _place(key, file).refuse("a key must be text: quote it")
            if key.value in value:
                _place(key, file).refuse(f"duplicate key {key.value!r}")
            value[_value(key, file)] = _value(item, file)
        return value
    if node.tag not in _READ or node.id != "scalar":
        _place(node, file).refuse(f"the tag {node.tag.replace(_TAG, '!!')} is not supported")
    try:
        scalar = _READ[node.tag](node.value)
    except Unwritable as error:
        _place(node, file).refuse(str(error))
    except ValueError:  # an explicit `!!int x`
        _place(node, file).refuse(f"{node.value[:40]!r} does not match its tag")
    if isinstance(scalar, str) and (problem := text_problem(scalar)):
        _place(node, file).refuse(f"the text {problem}")
    return scalar


def _place(node: Any, file: str) -> Place:
    keys = (
        {key.value: key.start_mark.line + 1 for key, _ in node.value if key.id == "scalar"}
        if node.id == "mapping"
        else {}
    )
    return Place(file, node.start_mark.line + 1, keys)
