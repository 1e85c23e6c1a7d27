"""A policy text with parts taken out or put in, everything else as it was written, and the difference as a patch."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from scanner.analyze.language.jsontext import Node, read_json
from scanner.model.policy import ConditionTest, Span, Statement

LONGEST_LINE = 240
"""A key policy with a longer line is printed again, one element per line, so that a patch of it can be read."""
_CONTEXT = 3


@dataclass(frozen=True, slots=True)
class _Splice:
    """What stands from one offset to another is replaced by a text."""

    start: int
    end: int
    new: str = ""


class PolicyDraft:
    """A policy text while it is being edited; every change is by the place of what the parser read.

    Raises (on creation):
        JsonTextError: the text is not JSON.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self._statements = next((n for name, _, n in _read(text).members() if name.lower() == "statement"), None)
        self._splices: list[_Splice] = []
        self._gone: set[int] = set()

    # -- what can be changed -------------------------------------------------------------------------------------------

    def remove_statement(self, index: int) -> None:
        """Take a statement out."""
        self._gone.add(index)

    def refuse(self, statement: Statement) -> None:
        """Make an Allow a Deny."""
        effect = self._member(statement, "effect")
        assert effect is not None
        self._splices.append(_Splice(self._from(effect.span), self._to(effect.span), '"Deny"'))

    def remove_principals(self, statement: Statement, spans: Collection[Span]) -> bool:
        """Take values out of the Principal of a statement; false, and nothing changed, where none would be left."""
        node = self._member(statement, "principal")
        return node is not None and self._remove(node, spans)

    def remove_values(self, statement: Statement, test: ConditionTest, values: Collection[str]) -> bool:
        """Take values out of a condition; false, and nothing changed, where none would be left."""
        found = self._condition_values(statement, test)
        if found is None or found.kind != "array":
            return False
        gone = {n for n, item in enumerate(found.items()) if item.scalar() in values}
        if len(gone) == len(found.items()):
            return False
        self._drop([(item.span, item.span) for item in found.items()], gone)
        return True

    def remove_elements(self, statement: Statement, member: str, spans: Collection[Span]) -> bool:
        """Take actions or resources out of a statement; false, and nothing changed, where none would be left."""
        found = self._member(statement, member)
        items = found.items() if found else ()
        gone = {n for n, item in enumerate(items) if item.span in spans}
        if len(gone) == len(items):
            return False
        self._drop([(item.span, item.span) for item in items], gone)
        return True

    def put_elements(self, statement: Statement, member: str, texts: Mapping[Span, Sequence[str]]) -> None:
        """Write others in the place of actions or resources of a statement."""
        found = self._member(statement, member)
        assert found is not None
        for item in (n for n in found.items() if n.span in texts):
            new = ", ".join(json.dumps(text) for text in texts[item.span])
            whole = f"[{new}]" if found.kind != "array" and len(texts[item.span]) > 1 else new
            self._splices.append(_Splice(self._from(item.span), self._to(item.span), whole))

    def add_statement(self, statement: Statement, actions: Sequence[str], resources: Sequence[str]) -> bool:
        """Put an Allow behind all others, under the conditions of one; false where statements are in no list."""
        if self._statements is None or self._statements.kind != "array":
            return False
        conditions = self._member(statement, "condition")
        parts = {"Effect": '"Allow"', "Action": json.dumps(list(actions)), "Resource": json.dumps(list(resources))}
        if conditions is not None:
            parts["Condition"] = self.text[self._from(conditions.span) : self._to(conditions.span)]
        last = self._statements.items()[-1]
        before = self.text[: self._from(last.span)]
        space = before[len(before.rstrip()) :] or " "
        inner = f"{space}  " if "\n" in space else " "
        body = ",".join(f'{inner}"{name}": {value}' for name, value in parts.items())
        end = self._to(last.span)
        self._splices.append(_Splice(end, end, f",{space}{{{body}{space}}}"))
        return True

    def add_condition(self, statement: Statement, operator: str, key: str, value: str | list[str]) -> bool:
        """Add one test to a statement; false, and nothing changed, where this operator tests the key already."""
        conditions = self._member(statement, "condition")
        test = f"{json.dumps(key)}: {json.dumps(value)}"
        if conditions is None:
            self._append(self._node(statement), f'"Condition": {{"{operator}": {{{test}}}}}')
            return True
        tests = next((n for name, _, n in conditions.members() if name.lower() == operator.lower()), None)
        if tests is None:
            self._append(conditions, f'"{operator}": {{{test}}}')
            return True
        if any(name.lower() == key.lower() for name, _, _ in tests.members()):
            return False
        self._append(tests, test)
        return True

    # -- the result ----------------------------------------------------------------------------------------------------

    @property
    def removed(self) -> frozenset[int]:
        """The indexes of the statements that were taken out."""
        return frozenset(self._gone)

    @property
    def leaves_statements(self) -> bool:
        """Whether at least one statement stays: AWS takes no policy without."""
        return self._statements is not None and len(self._gone) < len(self._statements.items())

    def edited(self) -> str:
        """The text with every change made."""
        return _spliced(self.text, self._all(), 0, len(self.text))

    def patch(self, name: str) -> str:
        """The changes as a unified diff with three lines of context; empty where there are none."""
        return "\n".join(_patch_lines(self.text, self._all(), self._starts, name))

    # -- places --------------------------------------------------------------------------------------------------------

    def _all(self) -> list[_Splice]:
        gone: list[_Splice] = []
        if self._gone and self._statements is not None:
            spans = [(item.span, item.span) for item in self._statements.items()]
            gone = list(self._dropped(spans, self._gone))
            kept = [(self._from(first), self._to(last)) for n, (first, last) in enumerate(spans) if n in self._gone]
            rest = [s for s in self._splices if not any(a <= s.start and s.end <= b for a, b in kept)]
            return sorted([*gone, *rest], key=lambda s: (s.start, s.end))
        return sorted(self._splices, key=lambda s: (s.start, s.end))

    def _from(self, span: Span) -> int:
        return self._starts[span.line_from - 1] + span.col_from - 1

    def _to(self, span: Span) -> int:
        return self._starts[span.line_to - 1] + span.col_to

    def _node(self, statement: Statement) -> Node:
        assert self._statements is not None
        return self._statements.items()[statement.index]

    def _member(self, statement: Statement, wanted: str) -> Node | None:
        return next((n for name, _, n in self._node(statement).members() if name.lower() == wanted), None)

    def _condition_values(self, statement: Statement, test: ConditionTest) -> Node | None:
        conditions = self._member(statement, "condition")
        for _, _, tests in conditions.members() if conditions else ():
            for _, span, values in tests.members():
                if (span.line_from, span.col_from) == (test.span.line_from, test.span.col_from):
                    return values
        return None

    def _remove(self, principal: Node, spans: Collection[Span]) -> bool:
        types = principal.members()
        gone: set[int] = set()
        lists: list[tuple[Node, set[int]]] = []
        for number, (_, _, values) in enumerate(types):
            items = values.items()
            hit = {n for n, item in enumerate(items) if item.span in spans}
            if len(hit) == len(items):
                gone.add(number)
            elif hit:
                lists.append((values, hit))
        if len(gone) == len(types):
            return False
        self._drop([(span, node.span) for _, span, node in types], gone)
        for values, hit in lists:
            self._drop([(item.span, item.span) for item in values.items()], hit)
        return True

    # -- splices -------------------------------------------------------------------------------------------------------

    def _drop(self, children: Sequence[tuple[Span, Span]], gone: Collection[int]) -> None:
        self._splices.extend(self._dropped(children, gone))

    def _dropped(self, children: Sequence[tuple[Span, Span]], gone: Collection[int]) -> Iterator[_Splice]:
        """Take children of an array or object out, each with the comma that goes with it; one stays at least."""
        kept = [n for n in range(len(children)) if n not in gone]
        last = kept[-1] if kept else -1
        for n in sorted(gone):
            if n < last:
                yield _Splice(self._from(children[n][0]), self._from(children[n + 1][0]))
        if last < len(children) - 1:
            start = self._to(children[last][1]) if kept else self._from(children[0][0])
            yield _Splice(start, self._to(children[-1][1]))

    def _append(self, parent: Node, member: str) -> None:
        """Put a member at the end of an object, on a line of its own where the others are."""
        members = parent.members()
        if not members:
            inside = self._from(parent.span) + 1
            self._splices.append(_Splice(inside, inside, member))
            return
        _, span, node = members[-1]
        before = self.text[: self._from(span)]
        space = before[len(before.rstrip()) :] or " "
        end = self._to(node.span)
        self._splices.append(_Splice(end, end, f",{space}{member}"))


def _spliced(text: str, splices: Sequence[_Splice], start: int, end: int) -> str:
    """The text between two offsets with the splices within it made."""
    parts: list[str] = []
    for splice in splices:
        parts += [text[start : splice.start], splice.new]
        start = splice.end
    return "".join([*parts, text[start:end]])


# -- the patch --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines of the old text, from and up to (counted from 0), and what takes their place."""

    start: int
    end: int
    new: tuple[str, ...]


def _blocks(text: str, splices: Sequence[_Splice], starts: Sequence[int]) -> Iterator[_Block]:
    """The splices by the lines they touch; those on touching lines together."""
    groups: list[tuple[int, int, list[_Splice]]] = []
    for splice in splices:
        first = bisect.bisect_right(starts, splice.start) - 1
        last = bisect.bisect_right(starts, splice.end) - 1
        if groups and first <= groups[-1][1]:
            groups[-1] = (groups[-1][0], max(last, groups[-1][1]), [*groups[-1][2], splice])
        else:
            groups.append((first, last, [splice]))
    lines = text.split("\n")
    for first, last, members in groups:
        end = starts[last] + len(lines[last])
        old, new = lines[first : last + 1], _spliced(text, members, starts[first], end).split("\n")
        same = _alike(old, new)
        below = _alike(old[same:][::-1], new[same:][::-1])
        yield _Block(first + same, last + 1 - below, tuple(new[same : len(new) - below]))


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines two texts have in common from the start."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _patch_lines(text: str, splices: Sequence[_Splice], starts: Sequence[int], name: str) -> Iterator[str]:
    lines = text.split("\n")
    hunks: list[list[_Block]] = []
    for block in _blocks(text, splices, starts):
        if hunks and block.start - hunks[-1][-1].end <= 2 * _CONTEXT:
            hunks[-1].append(block)
        else:
            hunks.append([block])
    if hunks:
        yield from (f"--- {name}", f"+++ {name}")
    shift = 0
    for hunk in hunks:
        start, end = max(0, hunk[0].start - _CONTEXT), min(len(lines), hunk[-1].end + _CONTEXT)
        change = sum(len(b.new) - (b.end - b.start) for b in hunk)
        yield f"@@ -{start + 1},{end - start} +{start + 1 + shift},{end - start + change} @@"
        shift += change
        for block in hunk:
            yield from (f" {line}" for line in lines[start : block.start])
            yield from (f"-{line}" for line in lines[block.start : block.end])
            yield from (f"+{line}" for line in block.new)
            start = block.end
        yield from (f" {line}" for line in lines[start:end])


# -- printing again ---------------------------------------------------------------------------------------------------


def as_cli_prints(text: str) -> str:
    """A document as `aws iam get-… --output json` prints it: read, and printed with four spaces per level.

    IAM hands a document to the AWS CLI as a value, so the spaces of its author are in nobody's hand.

    Raises:
        JsonTextError: the text is not JSON.
    """
    return _printed(_read(text), " " * 4, "")


def narrow(text: str) -> str:
    """A document printed with one space per level, for where it stands within something else.

    Raises:
        JsonTextError: the text is not JSON.
    """
    return _printed(_read(text), " ", "")


def readable(text: str) -> str:
    """A key policy, which `--output text` prints as it is stored; printed again where nobody could read a patch of it.

    That is, with one element per line where a line is too long, or where lines end as in other systems. `REPRINT` does
    the same to a file.

    Raises:
        JsonTextError: the text is not JSON.
    """
    if "\r" not in text and max(map(len, text.split("\n"))) <= LONGEST_LINE:
        return text
    return _printed(_read(text), " " * 2, "")


REPRINT = "python3 -m json.tool --indent 2 --no-ensure-ascii"
"""What makes of the text in hand the one that `readable` makes a patch of."""

_read = lru_cache(maxsize=16)(read_json)
"""Several edits of one text are drawn one after the other."""
_LONGEST_NUMBER = 300
"""Python refuses to read integers of thousands of digits."""


def _printed(node: Node, step: str, indent: str) -> str:
    """JSON as Python prints it: names and their order as they were, numbers as they are read."""
    deeper = indent + step
    if node.kind == "object" and node.members():
        inner = [f"{deeper}{_text(name)}: {_printed(child, step, deeper)}" for name, _, child in node.members()]
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    if node.kind == "array" and node.items():
        inner = [f"{deeper}{_printed(child, step, deeper)}" for child in node.items()]
        return "[\n" + ",\n".join(inner) + f"\n{indent}]"
    if node.kind == "number" and len(node.raw) <= _LONGEST_NUMBER:
        return json.dumps(json.loads(node.raw))
    return {"object": "{}", "array": "[]", "string": _text(node.value)}.get(node.kind, node.raw)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else ""
