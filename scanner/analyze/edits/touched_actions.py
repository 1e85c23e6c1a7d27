"""Which actions on a key a caller could get another answer for when policies of either change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.request.caller import Caller
from scanner.analyze.statements.match import covers_action
from scanner.model.actions import KEY_ACTIONS, Action
from scanner.model.key import KeyFacts
from scanner.model.policy import Element, PolicyText, PrincipalEntry, Statement

_Said = Mapping[object, Statement]
"""Statements by all they say; where they stand is no part of it."""


def touched_actions(old: tuple[Caller, KeyFacts], new: tuple[Caller, KeyFacts]) -> Sequence[Action]:
    """The actions that a statement covers which only one side holds; all where anything but policies differs.

    An action is decided by the statements that cover it and by nothing that others say. Resources that surely cover
    the key are alike.
    """
    if _bare(*old) != _bare(*new):
        return KEY_ACTIONS
    was, now = (_said(_policies(*side), side[1].arn) for side in (old, new))
    if was is None or now is None:
        return KEY_ACTIONS
    changed = [(was.get(place) or now[place]) for place in was.keys() ^ now.keys()]
    return [a for a in KEY_ACTIONS if any(covers_action(s, a.iam_name) for s in changed)]


def _bare(caller: Caller, key: KeyFacts) -> object:
    """Both without the policies that are compared by their statements."""
    return replace(caller, identity_policies=(), boundary=None), replace(key, key_policy=None), caller.boundary is None


def _policies(caller: Caller, key: KeyFacts) -> Iterable[tuple[str, PolicyText]]:
    yield from (("identity", policy) for policy in caller.identity_policies)
    yield from (("boundary", policy) for policy in (caller.boundary,) if policy is not None)
    yield from (("key", policy) for policy in (key.key_policy,) if policy is not None)


def _said(policies: Iterable[tuple[str, PolicyText]], arn: str) -> _Said | None:
    """What policies say about a key by statement; None where one of them cannot be read as a whole."""
    found: dict[object, Statement] = {}
    for layer, policy in policies:
        statements = _statements(policy)
        if statements is None:
            return None
        for said, statement in statements:
            covers = any(_surely_covers(e.value, arn) for e in statement.resources or ())
            found[layer, said, covers or _values(statement.resources)] = statement
    return found


@lru_cache(maxsize=65536)
def _statements(policy: PolicyText) -> tuple[tuple[object, Statement], ...] | None:
    document = parse_policy(policy)
    if document.problems or any(s.damage for s in document.statements):
        return None
    return tuple(((document.version, _content(s)), s) for s in document.statements)


def _content(statement: Statement) -> object:
    tests = ((t.written_operator, t.key, t.values) for t in statement.conditions)
    s = statement
    return (
        s.effect, _values(s.principals), _values(s.not_principals), _values(s.actions), _values(s.not_actions),
        _values(s.not_resources), tuple(tests),
    )  # fmt: skip


@lru_cache(maxsize=65536)
def _surely_covers(resource: str, arn: str) -> bool:
    """Whether a resource covers a key, part by part and without a variable; false says nothing."""
    parts, wanted = resource.split(":", 5), arn.split(":", 5)
    if "$" in resource or len(parts) != len(wanted):
        return resource == "*"
    return all(glob(tokens_of(part)).matches(text) for part, text in zip(parts, wanted, strict=True))


def _values(entries: Sequence[Element | PrincipalEntry] | None) -> object:
    return None if entries is None else tuple((getattr(e, "type", ""), e.value) for e in entries)
