"""What changing a tag or an alias of keys decides, proven by judging again (R8.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scanner.analyze.decision.every_action import decisions
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.permissions.attribute_changes import Change, changes_of
from scanner.analyze.permissions.attribute_rules import KeySet
from scanner.analyze.permissions.attribute_words import attribute_in_words
from scanner.analyze.principals.principal_classes import class_name
from scanner.analyze.request.caller import Caller, resolve_caller
from scanner.model.actions import Action, find_action
from scanner.model.decision import Decision, Verdict
from scanner.model.finding import FindingVerdict
from scanner.model.key import KeyFacts
from scanner.model.value import value_class

MOST_KEYS, MOST_USERS = 25, 50
"""Distinct keys and users of a set that are judged again with a changed attribute; that others are not is said."""

_LETS = frozenset({Verdict.ALLOWED, Verdict.CONDITIONAL})
_UNREAD = frozenset({"tags_not_read", "aliases_not_read", "ambiguous_tag"})


@value_class
class Flip:
    """A change of an attribute that decides an action of somebody: whom, what, on which key, and how sure."""

    change: Change
    keys: tuple[KeyFacts, ...]
    """The key that was judged, then those that differ in nothing but their id."""
    user: str
    action: Action
    opens: bool
    verdict: FindingVerdict
    decision: Decision


def flips_of(assembly: Assembly, keys: KeySet) -> Iterator[Flip]:
    """Judge the users again in a world where the attribute is changed, and keep what becomes different."""
    asked, judged = _distinct_users(assembly, keys), _distinct_keys(keys)
    for what, number, most in (("keys", len(judged), MOST_KEYS), ("principals", len(asked), MOST_USERS)):
        if number > most:
            assembly.cuts.append(
                f"Attributes: {number:,} different {what} hang on {attribute_in_words(keys)} in {keys.account_id} "
                f"{keys.region}; only {most} of them were judged again with the attribute changed."
            )
    users = [resolve_caller(assembly.world, arn) for arn in asked[:MOST_USERS]]
    actions = [a for a in map(find_action, keys.actions) if a is not None]
    for key, alike in judged[:MOST_KEYS]:
        changes = changes_of(keys, key)
        for caller in users:
            today = decisions(assembly.world, caller, key)
            tried = [c for value in ("", *keys.users[caller.text]) for c in changes.get(value, ())]
            after = [(change, decisions(assembly.world, caller, change.key)) for change in tried]
            for action in actions:
                before = today(action)
                for change, then in after:
                    decided = then(action)
                    found = _compared(before, decided)
                    if found is not None:
                        yield Flip(change, alike, caller.text, action, *found, decided)


def _compared(before: Decision, after: Decision) -> tuple[bool, FindingVerdict] | None:
    """Whether access opens or closes, and how sure that is; None where nothing changes."""
    if before.verdict is Verdict.DENIED and after.verdict in _LETS:
        conditional = after.verdict is Verdict.CONDITIONAL
        return True, FindingVerdict.CONDITIONAL if conditional else FindingVerdict.CONFIRMED
    if before.verdict in _LETS and after.verdict is Verdict.DENIED:
        return False, FindingVerdict.CONFIRMED
    if before.verdict is Verdict.DENIED and after.verdict is Verdict.UNKNOWN:
        return True, FindingVerdict.POSSIBLE
    if after.verdict is not Verdict.DENIED and not _UNREAD.isdisjoint(before.unknowns):
        return True, FindingVerdict.POSSIBLE
    return None


def _distinct_keys(keys: KeySet) -> list[tuple[KeyFacts, tuple[KeyFacts, ...]]]:
    """One key of those that differ in nothing but their id, with all of them."""
    found: dict[object, list[KeyFacts]] = {}
    for key in keys.keys.values():
        policy, ram = key.key_policy, key.ram_policy
        alike = (
            policy and policy.sha256, ram and ram.sha256, key.grants, tuple(sorted((key.tags or {}).items())),
            key.aliases, key.state, key.spec, key.usage, key.tags is None,
        )  # fmt: skip
        found.setdefault(alike, []).append(key)
    return [(members[0], tuple(members)) for members in found.values()]


def _distinct_users(assembly: Assembly, keys: KeySet) -> list[str]:
    """One user of every class."""
    asked = asked_of(assembly, keys)
    found: dict[object, str] = {}
    for arn in sorted(keys.users):
        caller = resolve_caller(assembly.world, arn)
        found.setdefault((class_name(caller), like(assembly, caller, asked)), arn)
    return list(found.values())


def asked_of(assembly: Assembly, keys: KeySet, flips: Iterable[Flip] = ()) -> tuple[KeyFacts, ...]:
    """The keys at which callers are told apart.

    They are those of a set that are judged again, no more than so many different ones, and those from which an alias is
    moved: nobody else's answer holds for both. Of keys that tell callers apart alike there is one.
    """
    judged = (key for key, _ in _distinct_keys(keys)[:MOST_KEYS])
    donors = (flip.change.donor for flip in flips)
    asked = tuple({key.arn: key for key in (*judged, *donors) if key is not None}.values())
    return assembly.classes.telling(asked) if assembly.classes else asked


def like(assembly: Assembly, caller: Caller, keys: Iterable[KeyFacts]) -> object:
    """What a caller shares with those that cannot be told apart from it at any of the keys."""
    return tuple(assembly.classes.of(caller, key) for key in keys) if assembly.classes else caller.text
