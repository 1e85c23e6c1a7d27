"""Reads YAML as text: every scalar stays the text that was written, except null, and every value knows its line.

PyYAML's usual reading turns the account id 012345670123 into an octal number and `no` into false. Here the schema of
the reader decides what a text means. Anchors, aliases and tags are refused: none of our files needs them, and an alias
can blow a small file up to gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

YamlValue = None | str | list["YamlValue"] | dict[str, "YamlValue"]
YamlPath = tuple[str | int, ...]

NULL_TEXTS = frozenset({"", "~", "null", "Null", "NULL"})
"""Plain (unquoted) scalars that mean null; everything else is text."""

_MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """Something that makes the file unusable; `path` is empty where it concerns the file as a whole."""

    line: int
    path: YamlPath
    text: str

    def __str__(self) -> str:
        return f"{dotted(self.path)} {self.text}" if self.path else self.text


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A file as nested texts, the line (from 1) of every key and list item, and what is wrong with it."""

    value: YamlValue
    lines: Mapping[YamlPath, int]
    problems: tuple[YamlProblem, ...]

    def line(self, path: YamlPath) -> int:
        """Line of the value at `path`, or of the nearest value around it; 1 where there is none."""
        for length in range(len(path), 0, -1):
            found = self.lines.get(path[:length])
            if found is not None:
                return found
        return 1


def dotted(path: YamlPath) -> str:
    """`trust.accounts.0.expires`: how messages name a place."""
    return ".".join(str(part) for part in path)


def read_yaml(text: str) -> YamlDocument:
    """Read one YAML document.

    Never raises for bad input: problems are returned. After a syntax error there is no value, only the problems.
    """
    builder = _Builder(yaml.parse(text, Loader=yaml.SafeLoader))
    value: YamlValue = None
    try:
        value = builder.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.problem(mark.line + 1 if mark else 1, (), f"is not YAML: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        builder.problem(line, (), f"is not YAML: the character U+{ord(text[error.position]):04X} is not allowed")
    except _TooDeepError as error:
        builder.problem(error.line, (), f"is nested deeper than {_MAX_DEPTH} levels")
    return YamlDocument(value, builder.lines, tuple(builder.problems))


class _TooDeepError(Exception):
    """Nesting that no file of ours has and that would exhaust the stack."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(slots=True)
class _Builder:
    """Builds the value from parser events, because only they show aliases, tags and duplicate keys."""

    events: Iterator[Event]
    lines: dict[YamlPath, int] = field(default_factory=dict)
    problems: list[YamlProblem] = field(default_factory=list)

    def problem(self, line: int, path: YamlPath, text: str) -> None:
        self.problems.append(YamlProblem(line, path, text))

    def document(self) -> YamlValue:
        value: YamlValue = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.problem(_line(event), (), "holds a second document, only one is read")
                    return value
            elif isinstance(event, NodeEvent):
                value = self._node(event, ())
        return value

    def _node(self, event: Event, path: YamlPath) -> YamlValue:
        line = _line(event)
        if len(path) > _MAX_DEPTH:
            raise _TooDeepError(line)
        if isinstance(event, AliasEvent):
            self.problem(line, path, f"uses the alias `*{event.anchor}`, which is not supported (repeat the value)")
            return None
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self.problem(line, path, f"uses the anchor `&{event.anchor}`, which is not supported (leave it out)")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            self.problem(line, path, f"uses the tag `{tag}`, which is not supported (leave it out)")
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        assert isinstance(event, ScalarEvent)
        plain = event.style is None
        return None if plain and event.value in NULL_TEXTS else str(event.value)

    def _sequence(self, path: YamlPath) -> list[YamlValue]:
        items: list[YamlValue] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            place = (*path, len(items))
            self.lines[place] = _line(event)
            items.append(self._node(event, place))
        return items

    def _mapping(self, path: YamlPath) -> dict[str, YamlValue]:
        entries: dict[str, YamlValue] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            line = _line(event)
            if not isinstance(event, ScalarEvent):
                self.problem(line, path, "has a key that is not plain text")
                self._node(event, (*path, "?"))
                self._node(next(self.events), (*path, "?"))
                continue
            place = (*path, str(event.value))
            if place[-1] in entries:
                self.problem(line, place, "appears twice; the first one would be lost")
            self._forget(place)
            self.lines[place] = line
            entries[str(event.value)] = self._node(next(self.events), place)
        return entries

    def _forget(self, place: YamlPath) -> None:
        """Drop the lines of a value that a duplicate key replaces."""
        if place in self.lines:
            for known in [known for known in self.lines if known[: len(place)] == place]:
                del self.lines[known]


def _line(event: Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1
