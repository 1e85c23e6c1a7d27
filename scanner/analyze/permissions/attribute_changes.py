"""Changes of a key's tags and aliases, and the requests that somebody has to be allowed for making them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.permissions.attribute_rules import OTHER_VALUE, TAG, KeySet
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.request import Request
from scanner.model.actions import ACTIONS
from scanner.model.key import KeyFacts


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A key as it would be, and what that takes: an action, and the tag or aliases it is about.

    `donor` is another key from which an alias is moved.
    """

    key: KeyFacts
    action: str
    subjects: tuple[str, ...]
    value: str = ""
    donor: KeyFacts | None = None

    def requests(self, key: KeyFacts, caller: Caller) -> Iterator[Request]:
        """Every request that must be allowed; an alias action needs the alias as well as the key (R1.7)."""
        action = ACTIONS[self.action.lower()]
        if action.resource == "alias":
            for alias in self.subjects:
                arn = f"arn:{key.partition}:kms:{key.region}:{key.account_id}:{alias}"
                yield Request(caller, action.iam_name, arn, action=action)
            for held in (key, *((self.donor,) if self.donor else ())):
                yield Request(caller, action.iam_name, held.arn, action=action, key=held)
            return
        context = {"aws:tagkeys": self.subjects}
        if self.value:
            context[f"aws:requesttag/{self.subjects[0].lower()}"] = (self.value,)
        yield Request(caller, action.iam_name, key.arn, action=action, key=key, context=context)


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
