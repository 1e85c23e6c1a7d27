"""The part of a key that an edit can touch: all else gives outsiders the same before and after, and is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from scanner.analyze.edits.textedit import PolicyDraft
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.selectors import external_selectors, operations_by_selector
from scanner.model.key import Grant, KeyFacts
from scanner.model.policy import Effect, PolicyText, Statement


def with_text(policy: PolicyText, text: str) -> PolicyText:
    """A policy in the place of another one."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return replace(policy, text=text, sha256=digest)


def statements_around(
    key: KeyFacts, before: PolicyText, after: PolicyText, changed: Sequence[Statement], removed: Collection[int]
) -> tuple[KeyFacts, KeyFacts]:
    """The key before and after an edit of its policy, as far as the edit can touch it.

    An Allow counts for those it names and nobody else, so statements stay that name somebody whom a changed statement
    names, or everybody; with every Deny, and with those for the key's own account alone, which are no work. Grants are
    judged by themselves.

    Args:
        before, after: the whole policies; a statement of the second has the place of the first without the `removed`.
    """
    document = parse_policy(before)
    touched = {text for s in changed for text in _names(s, key)}
    kept = {s.index for s in document.statements if _stays(s, key, touched)}
    gone = [s.index for s in document.statements if s.index not in kept]
    later = [index - sum(1 for r in removed if r < index) for index in gone]
    grants = None if key.grants is None else ()
    return (
        replace(key, grants=grants, key_policy=_without(before, gone)),
        replace(key, grants=grants, key_policy=_without(after, later)),
    )


def alone(key: KeyFacts, policy: PolicyText, index: int) -> KeyFacts:
    """The key with nothing that allows but one statement of its policy; every Deny stays."""
    others = [s.index for s in parse_policy(policy).statements if s.index != index and s.effect is Effect.ALLOW]
    return replace(key, grants=None if key.grants is None else (), key_policy=_without(policy, others))


def _names(statement: Statement, key: KeyFacts) -> set[str]:
    return {s.text for s in external_selectors(statement, key)}


def _stays(statement: Statement, key: KeyFacts, touched: set[str]) -> bool:
    names = _names(statement, key)
    open_to_all = statement.not_principals is not None or any(e.type == "*" for e in statement.principals or ())
    return statement.effect is not Effect.ALLOW or open_to_all or not names or not names.isdisjoint(touched)


def _without(policy: PolicyText, gone: Iterable[int]) -> PolicyText:
    draft = PolicyDraft(policy.text)
    for index in gone:
        draft.remove_statement(index)
    return with_text(policy, draft.edited())


def grants_around(key: KeyFacts, ids: Collection[str], *, without: bool) -> KeyFacts:
    """The key with the grants that a revocation can touch: those that give somebody something whom a revoked one names.

    Args:
        ids: of the grants to revoke.
        without: leave them out: the key as it would be.
    """
    grants = key.grants or ()
    touched = {name for g in grants if g.grant_id in ids for name in _holders(g, key)}
    kept = (g for g in grants if not touched.isdisjoint(_holders(g, key)))
    return replace(key, grants=tuple(g for g in kept if not (without and g.grant_id in ids)))


def _holders(grant: Grant, key: KeyFacts) -> set[str]:
    held = operations_by_selector(grant, key.partition)
    return {selector.text for selector in held if selector.account_id != key.account_id}
