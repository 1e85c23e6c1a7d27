"""The edits that take what does nothing out of a key: a statement, the principals it names in vain, or a grant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from scanner.analyze.edits.edits import Edit, Way, key_policy_commands, label_of, lost_inside, text_of
from scanner.analyze.edits.surroundings import alone, grants_around, statements_around, with_text
from scanner.analyze.edits.textedit import PolicyDraft, readable
from scanner.analyze.keys.shell import revoke_block
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.selectors import selector_of
from scanner.model.finding import Finding
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText, PrincipalEntry, Statement

Live = Callable[[KeyFacts], Collection[str]]
"""The selectors outside a key's account that get something from the key."""

_NAMES = 3


def vain_edits(finding: Finding, key: KeyFacts, live: Live) -> Iterator[Edit]:
    """The edits that could end a finding about a statement or grant without effect, the smallest first."""
    if finding.mechanism.kind == "grant":
        yield _revocation(finding.mechanism.grants[0].grant_id, key)
    elif finding.mechanism.kind == "key_policy" and key.key_policy is not None:
        yield from _policy_edits(finding, key, key.key_policy, live)


def _revocation(grant_id: str, key: KeyFacts) -> Edit:
    before, after = (grants_around(key, {grant_id}, without=gone) for gone in (False, True))
    whole = replace(key, grants=tuple(g for g in key.grants or () if g.grant_id != grant_id))
    return Edit(
        "revoke_grant", Way.REMOVE, "Revoke the grant.", revoke_block(key, [grant_id]), "", whole, before, after, ()
    )


def _policy_edits(finding: Finding, key: KeyFacts, policy: PolicyText, live: Live) -> Iterator[Edit]:
    text = readable(policy.text)  # INVARIANT: a policy of which a finding cites a statement is JSON
    shown = with_text(policy, text)
    index = finding.mechanism.statements[0].index
    statement = next(s for s in parse_policy(shown).statements if s.index == index)
    given = live(alone(key, shown, index))
    vain = tuple(e for e in statement.principals or () if _is_vain(e, given, key))
    first = tuple(e for e in vain if text_of(e, key) == finding.grantee.selector)
    for entries in dict.fromkeys((first, vain)):
        draft = PolicyDraft(text)
        said = _apply(draft, statement, entries, key, whole=not given)
        if not said or not draft.leaves_statements:
            continue
        after = with_text(shown, draft.edited())
        way = Way.REMOVE if draft.removed else Way.LEAVE
        yield Edit(
            "remove_statement" if draft.removed else "narrow_principal", way, said, key_policy_commands(key),
            draft.patch(f"{policy.name} of {key.arn}"), replace(key, key_policy=after),
            *statements_around(key, shown, after, [statement], draft.removed),
            tuple(lost_inside([statement], way, key)),
        )  # fmt: skip


def _is_vain(entry: PrincipalEntry, given: Collection[str], key: KeyFacts) -> bool:
    """Whether a principal outside the key's account gets nothing; everybody, where nobody outside does."""
    if entry.type == "*":
        return not given
    own = entry.type == "AWS" and selector_of(entry.value, key.partition).account_id == key.account_id
    return not own and text_of(entry, key) not in given


def _apply(
    draft: PolicyDraft, statement: Statement, entries: tuple[PrincipalEntry, ...], key: KeyFacts, *, whole: bool
) -> str:
    """Take the entries out, or the statement where it names nobody else; empty where nothing could be taken."""
    label = label_of(statement)
    everybody = statement.not_principals is not None and whole
    if everybody or (entries and len(entries) == len(statement.principals or ())):
        draft.remove_statement(statement.index)
        return f"Remove {label}, on which no access depends."
    if not entries or not draft.remove_principals(statement, [e.span for e in entries]):
        return ""
    names = [f"`{name}`" for name in dict.fromkeys(text_of(e, key) for e in entries)]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"Take {', '.join(names[:_NAMES])}{more} out of {label}, which gives them nothing."
