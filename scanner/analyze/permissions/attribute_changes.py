"""Changes of a key's tags and aliases, and the requests that somebody has to be allowed for making them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.permissions.attribute_rules import OTHER_VALUE, TAG, KeySet
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.request import Request
from scanner.model.actions import ACTIONS, Action
from scanner.model.key import KeyFacts
from scanner.model.value import value_class


@value_class
class Taken:
    """One thing that a change takes, whoever makes it: an action on an alias of keys like `of`, or on `of` itself."""

    action: Action
    of: KeyFacts
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def place(self) -> tuple[Hashable, ...]:
        """What tells it from the other things that changes of the keys of one world take."""
        return self.action.name, self.resource, self.context

    def request(self, caller: Caller) -> Request:
        """The request of somebody who makes the change."""
        key = self.of if self.resource == self.of.arn else None
        return Request(
            caller, self.action.iam_name, self.resource, action=self.action, key=key, context=dict(self.context)
        )  # fmt: skip


@value_class(eq=False)
class Change:
    """A key as it would be, and what that takes: an action, and the tag or aliases it is about.

    `donor` is another key from which an alias is moved.
    """

    key: KeyFacts
    action: str
    subjects: tuple[str, ...]
    value: str = ""
    donor: KeyFacts | None = None

    def takes(self, key: KeyFacts) -> Iterator[Taken]:
        """Everything that must be allowed; an alias action needs the alias as well as the key (R1.7)."""
        action = ACTIONS[self.action.lower()]
        if action.resource == "alias":
            for alias in self.subjects:
                yield Taken(action, key, f"arn:{key.partition}:kms:{key.region}:{key.account_id}:{alias}")
            for held in (key, *((self.donor,) if self.donor else ())):
                yield Taken(action, held, held.arn)
            return
        context: dict[str, tuple[str, ...]] = {"aws:tagkeys": self.subjects}
        if self.value:
            context[f"aws:requesttag/{self.subjects[0].lower()}"] = (self.value,)
        yield Taken(action, key, key.arn, tuple(context.items()))


def changes_of(keys: KeySet, key: KeyFacts) -> dict[str, tuple[Change, ...]]:
    """What whoever controls the attribute could make of a key, by the value that is set; empty text for any rule."""
    values = sorted({v for wanted in keys.users.values() for v in wanted})
    found = _tag_changes(keys, key, values) if keys.attribute.kind == TAG else _alias_changes(keys, key, values)
    changes: dict[str, tuple[Change, ...]] = {}
    for value, change in found:
        changes[value] = (*changes.get(value, ()), change)
    return changes


def _tag_changes(keys: KeySet, key: KeyFacts, values: list[str]) -> Iterator[tuple[str, Change]]:
    name = keys.attribute.name
    rest = {k: v for k, v in (key.tags or {}).items() if k.lower() != name.lower()}
    held = {v for k, v in (key.tags or {}).items() if k.lower() == name.lower()}
    for value in (*values, OTHER_VALUE):
        if {value} != held:
            place = "" if value == OTHER_VALUE else value
            yield place, Change(replace(key, tags={**rest, name: value}), "TagResource", (name,), value)
    if held:
        yield "", Change(replace(key, tags=rest), "UntagResource", (name,))


def _alias_changes(keys: KeySet, key: KeyFacts, values: list[str]) -> Iterator[tuple[str, Change]]:
    fits = glob(tokens_of(keys.attribute.name)).matches
    held = key.aliases or ()
    fitting = [a for a in held if fits(a)]
    if fitting:
        rest = tuple(a for a in held if not fits(a))
        yield "", Change(replace(key, aliases=rest), "DeleteAlias", tuple(fitting))
        return
    for alias in values:
        yield "", Change(replace(key, aliases=(*held, alias)), "CreateAlias", (alias,))
    for other in keys.keys.values():
        for alias in filter(fits, other.aliases or ()):
            yield "", Change(replace(key, aliases=(*held, alias)), "UpdateAlias", (alias,), donor=other)
