"""JSON text to values that remember where they stand, so that evidence can point at a line."""

from __future__ import annotations

import bisect
import json
import re

from scanner.model.policy import Span
from scanner.model.value import value_class

MAX_DEPTH = 64
"""Deeper documents are refused as malformed: IAM documents nest five levels."""

_WHITESPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"', re.DOTALL)
_LITERALS: tuple[tuple[str, bool | None], ...] = (("true", True), ("false", False), ("null", None))


class JsonTextError(ValueError):
    """The text is not JSON, repeats a name, or nests too deeply; the message says where, `line` as a number."""

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(f"{what} at line {line}, column {column}")
        self.line = line


@value_class
class Node:
    """A JSON value and its place. Objects hold (name, name span, node) in order; arrays hold nodes."""

    value: str | float | bool | tuple[Node, ...] | tuple[tuple[str, Span, Node], ...] | None
    kind: str
    span: Span
    raw: str = ""

    def members(self) -> tuple[tuple[str, Span, Node], ...]:
        """Name, place and value of an object's members; empty for everything else."""
        return self.value if self.kind == "object" else ()  # type: ignore[return-value]  # kind decides the type

    def items(self) -> tuple[Node, ...]:
        """Elements of an array; a single value counts as an array of one (R5.28)."""
        return self.value if self.kind == "array" else (self,)  # type: ignore[return-value]  # kind decides the type

    def scalar(self) -> str | None:
        """The text of a string, number or boolean as a policy compares it; None for everything else (R5.28)."""
        if self.kind == "string":
            return str(self.value)
        if self.kind in {"number", "boolean"}:
            return self.raw
        return None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.line_starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        line = bisect.bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        return Span(*self.place(start), *self.place(max(start, end - 1)))

    def skip(self, at: int) -> int:
        match = _WHITESPACE.match(self.text, at)
        return match.end() if match else at

    def fail(self, at: int, what: str) -> JsonTextError:
        line, column = self.place(min(at, len(self.text)))
        return JsonTextError(what, line, column)

    def read(self, at: int, depth: int) -> tuple[Node, int]:
        if depth > MAX_DEPTH:
            raise self.fail(at, "the document nests too deeply")
        at = self.skip(at)
        first = self.text[at : at + 1]
        if first == "{":
            return self.read_object(at, depth)
        if first == "[":
            return self.read_array(at, depth)
        if first == '"':
            text, end = self.read_string(at)
            return Node(text, "string", self.span(at, end)), end
        for word, value in _LITERALS:
            if self.text.startswith(word, at):
                end = at + len(word)
                return Node(value, "null" if value is None else "boolean", self.span(at, end), word), end
        number = _NUMBER.match(self.text, at)
        if number:
            raw = number.group()
            return Node(float(raw), "number", self.span(at, number.end()), raw), number.end()
        raise self.fail(at, "a value is missing")

    def read_string(self, at: int) -> tuple[str, int]:
        match = _STRING.match(self.text, at)
        if not match:
            raise self.fail(at, "a string is not closed or holds a control character")
        raw = match.group()
        if "\\" not in raw:
            return raw[1:-1], match.end()
        try:
            return str(json.loads(raw)), match.end()
        except json.JSONDecodeError as error:
            raise self.fail(at, "a string has a wrong escape") from error

    def read_object(self, start: int, depth: int) -> tuple[Node, int]:
        members: list[tuple[str, Span, Node]] = []
        names: set[str] = set()
        at = self.skip(start + 1)
        while self.text[at : at + 1] != "}":
            if members:
                at = self.expect(at, ",")
            name_at = self.skip(at)
            name, at = self.read_string(name_at)
            name_span = self.span(name_at, at)
            if name in names:
                raise self.fail(name_at, f"the name `{name[:64]}` appears twice in one object")
            names.add(name)
            node, at = self.read(self.expect(at, ":"), depth + 1)
            members.append((name, name_span, node))
            at = self.skip(at)
        return Node(tuple(members), "object", self.span(start, at + 1)), at + 1

    def read_array(self, start: int, depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        at = self.skip(start + 1)
        while self.text[at : at + 1] != "]":
            if items:
                at = self.expect(at, ",")
            node, at = self.read(at, depth + 1)
            items.append(node)
            at = self.skip(at)
        return Node(tuple(items), "array", self.span(start, at + 1)), at + 1

    def expect(self, at: int, token: str) -> int:
        at = self.skip(at)
        if self.text[at : at + 1] != token:
            raise self.fail(at, f"`{token}` is missing")
        return at + 1


def read_json(text: str) -> Node:
    """Read a whole JSON text.

    Raises:
        JsonTextError: the text is not JSON, repeats a name in one object, or nests deeper than `MAX_DEPTH`.
    """
    reader = _Reader(text)
    node, end = reader.read(0, 0)
    end = reader.skip(end)
    if end != len(text):
        raise reader.fail(end, "there is more text after the document")
    return node
