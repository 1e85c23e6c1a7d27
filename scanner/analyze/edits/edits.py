"""The edits that could end an access, smallest first: of a key policy, or the grants to revoke."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scanner.analyze.edits.surroundings import grants_around, statements_around, with_text
from scanner.analyze.edits.textedit import REPRINT, PolicyDraft, readable
from scanner.analyze.keys.evidence import MAX_STATEMENTS
from scanner.analyze.keys.shell import Place, change_block, key_name, revoke_block
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.selectors import external_selectors, is_fence, operations_by_selector, selector_of
from scanner.analyze.request.caller import ANY_SERVICE
from scanner.analyze.statements.match import covers_action
from scanner.model.actions import KEY_ACTIONS, Action
from scanner.model.arn import parse_arn
from scanner.model.finding import Finding
from scanner.model.key import Grant, KeyFacts
from scanner.model.policy import Effect, PolicyText, PrincipalEntry, Statement

_GRANTS_SHOWN = 20


class Way(StrEnum):
    """What happens to the statements that let everybody, or everybody behind a condition, through."""

    LEAVE = "leave"
    ORGANIZATION = "organization"
    VALUES = "values"
    OWN_ACCOUNT = "own_account"
    REMOVE = "remove"
    SOURCE = "source"
    """Of a service: only for requests about resources of the key's account."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One way to end an access.

    `whole` is the key as it would be. `before` and `after` are the key as it is and as it would be, both as far as the
    edit can touch what outsiders get. `inside` are the actions that principals of the key's own account could lose by
    it: whether they keep them must then be looked at.
    """

    kind: str
    way: Way
    text: str
    cli: str
    diff: str
    whole: KeyFacts
    before: KeyFacts
    after: KeyFacts
    inside: tuple[Action, ...]


def edits_of(finding: Finding, key: KeyFacts, organization: str) -> Iterator[Edit]:
    """The edits of a key that could end an external access, the smallest first.

    Args:
        organization: the id of the organization of the key's account; empty where it is in none, or in none known.
    """
    if finding.mechanism.kind == "grant":
        yield from _revocations(finding, key)
    elif finding.mechanism.kind == "key_policy" and key.key_policy is not None:
        yield from _policy_edits(finding, key, key.key_policy, organization)


# -- grants -----------------------------------------------------------------------------------------------------------


def _revocations(finding: Finding, key: KeyFacts) -> Iterator[Edit]:
    """Every grant that gives the selector something, and at first only those that are for it alone."""
    selector = finding.grantee.selector
    held = [g for g in key.grants or () if any(s.text == selector for s in operations_by_selector(g, key.partition))]
    ids = {g.grant_id for g in held}
    number = len(held)
    text = "Revoke the grant." if number == 1 else f"Revoke the {number} grants that give it access."
    if number > _GRANTS_SHOWN:
        text += f" The commands are those for the first {_GRANTS_SHOWN}; the ids of the others are in the snapshot."
    cli = revoke_block(key, [g.grant_id for g in held[:_GRANTS_SHOWN]])
    operations = {o for g in held if _is_for_others(g, selector, key) for o in g.operations}
    inside = tuple(a for a in KEY_ACTIONS if a.name in operations)
    before, after = (grants_around(key, ids, without=gone) for gone in (False, True))
    whole = replace(key, grants=tuple(g for g in key.grants or () if g.grant_id not in ids))
    yield Edit("revoke_grant", Way.REMOVE, text, cli, "", whole, before, after, inside)


def _is_for_others(grant: Grant, selector: str, key: KeyFacts) -> bool:
    """Whether a grant gives its operations to somebody of the key's own account; the selector may only retire it."""
    grantee = selector_of(grant.grantee_principal, key.partition) if grant.grantee_principal else None
    return grantee is not None and grantee.text != selector and grantee.account_id == key.account_id


# -- key policies -----------------------------------------------------------------------------------------------------


def _policy_edits(finding: Finding, key: KeyFacts, policy: PolicyText, organization: str) -> Iterator[Edit]:
    text = readable(policy.text)  # INVARIANT: a policy of which a finding cites a statement is JSON
    shown = with_text(policy, text)
    document = parse_policy(shown)
    named = [n for n in (_named_by(s, finding, key) for s in document.statements) if n is not None]
    for way in _ways(finding, named, organization):
        draft = PolicyDraft(text)
        done = [_apply(draft, n, way, key, organization) for n in named]
        said = [sentence for sentence in done if sentence]
        if None in done or not said or not draft.leaves_statements:
            continue
        edited = draft.edited()
        after = with_text(shown, edited)
        changed = [n.statement for n, what in zip(named, done, strict=True) if what]
        yield Edit(
            _kind(way, said), way, in_words(said), key_policy_commands(key, to_organization=way is Way.ORGANIZATION),
            draft.patch(f"{policy.name} of {key.arn}"),
            replace(key, key_policy=after), *statements_around(key, shown, after, changed, draft.removed),
            tuple(lost_inside(changed, way, key)),
        )  # fmt: skip


def lost_inside(changed: Sequence[Statement], way: Way, key: KeyFacts) -> Iterator[Action]:
    """The actions of the changed statements that let somebody of the key's own account through as well.

    Where a principal is only taken out, or goes with a statement that names nobody else, nobody else loses anything.
    """
    if way is Way.LEAVE:
        return
    shared = [statement for statement in changed if _lets_in(statement, key)]
    for action in KEY_ACTIONS:
        if any(covers_action(statement, action.iam_name) for statement in shared):
            yield action


def _lets_in(statement: Statement, key: KeyFacts) -> bool:
    """Whether a statement names everybody, or somebody of the key's own account."""
    entries = statement.principals or ()
    own = (e.type == "AWS" and selector_of(e.value, key.partition).account_id == key.account_id for e in entries)
    return not entries or any(e.type == "*" for e in entries) or any(own)


@dataclass(frozen=True, slots=True)
class _Named:
    """A statement that lets the selector through: the entries that write it out, and whether `*` does."""

    statement: Statement
    entries: tuple[PrincipalEntry, ...]
    everybody: bool
    selector: str
    service: bool


def _named_by(statement: Statement, finding: Finding, key: KeyFacts) -> _Named | None:
    if statement.effect is Effect.DENY:
        return None
    selector = finding.grantee.selector
    entries = tuple(e for e in statement.principals or () if e.type != "*" and text_of(e, key) == selector)
    star = statement.not_principals is not None or any(e.type == "*" for e in statement.principals or ())
    texts = {s.text for s in external_selectors(statement, key)} if star else set()
    behind = selector in texts or ("*" in texts and _is_cited(statement, finding))
    if not entries and not (star and behind):
        return None
    service = finding.grantee.kind == "service" and selector != ANY_SERVICE
    return _Named(statement, entries, star and behind, selector, service)


def text_of(entry: PrincipalEntry, key: KeyFacts) -> str:
    """An entry as the selector that it stands for is written."""
    return selector_of(entry.value, key.partition).text if entry.type == "AWS" else entry.value


def _is_cited(statement: Statement, finding: Finding) -> bool:
    """Whether a finding rests on a statement; of many statements only the first are cited."""
    cited = finding.mechanism.statements
    return len(cited) >= MAX_STATEMENTS or any(ref.index == statement.index for ref in cited)


def _ways(finding: Finding, named: Sequence[_Named], organization: str) -> Iterator[Way]:
    everybody = any(n.everybody for n in named)
    if any(n.service for n in named):
        yield Way.SOURCE
    if not everybody or any(n.entries for n in named):
        yield Way.LEAVE
    if everybody:
        if finding.grantee.kind in {"any", "service"} and organization:
            yield Way.ORGANIZATION
        yield from (Way.VALUES, Way.OWN_ACCOUNT, Way.REMOVE)


def _apply(draft: PolicyDraft, named: _Named, way: Way, key: KeyFacts, organization: str) -> str | None:
    """Change one statement; what was done in words, empty where nothing was to do, None where the way is no way."""
    statement, label = named.statement, label_of(named.statement)
    if way is Way.SOURCE and named.entries:
        added = draft.add_condition(statement, "StringEquals", "aws:SourceAccount", key.account_id)
        return f"add `aws:SourceAccount` = `{key.account_id}` to {label}" if added else None
    if named.everybody and way not in {Way.LEAVE, Way.SOURCE}:
        return _limit_everybody(draft, named, way, key, organization)
    if not named.entries:
        return ""
    if draft.remove_principals(statement, [e.span for e in named.entries]):
        return f"take `{named.selector}` out of {label}"
    draft.remove_statement(statement.index)
    return f"remove {label}, which names only this grantee"


def _limit_everybody(draft: PolicyDraft, named: _Named, way: Way, key: KeyFacts, organization: str) -> str | None:
    statement, label = named.statement, label_of(named.statement)
    if way is Way.REMOVE:
        draft.remove_statement(statement.index)
        return f"remove {label}"
    if way is Way.VALUES:
        return take_values(draft, statement, named.selector, key.partition)
    name, value = ("aws:PrincipalOrgID", organization) if way is Way.ORGANIZATION else (
        "kms:CallerAccount", key.account_id,
    )  # fmt: skip
    added = draft.add_condition(statement, "StringEquals", name, value)
    return f"add `{name}` = `{value}` to {label}" if added else None


def take_values(draft: PolicyDraft, statement: Statement, selector: str, partition: str) -> str | None:
    """Take a selector out of the fence that lets it through; None where nobody else is behind any fence with it."""
    for test in statement.conditions:
        values = {v for v in test.values if selector in _meant_by(v, test.key, partition)} if is_fence(test) else set()
        if values and draft.remove_values(statement, test, values):
            return f"take `{selector}` out of `{test.key}` in {label_of(statement)}"
    return None


def _meant_by(value: str, name: str, partition: str) -> Collection[str]:
    """The selectors that a value of a fence stands for."""
    if name.lower() in {"aws:principalorgid", "aws:principalorgpaths"}:
        return (value.split("/", 1)[0],)
    arn = parse_arn(value)
    account = selector_of(arn.account_id, partition).text if arn else ""
    return (selector_of(value, partition).text, account)


# -- words ------------------------------------------------------------------------------------------------------------


def label_of(statement: Statement) -> str:
    """A statement as people find it: by its Sid, else by its place."""
    return f"statement `{statement.sid}`" if statement.sid else f"statement {statement.index}"


def in_words(said: Sequence[str]) -> str:
    """What was done to the statements of a document as one sentence."""
    text = "; ".join(said[:MAX_STATEMENTS])
    more = len(said) - MAX_STATEMENTS
    return f"{text[0].upper()}{text[1:]}{f'; and {more} more' if more > 0 else ''}."


def _kind(way: Way, said: Sequence[str]) -> str:
    if way in {Way.ORGANIZATION, Way.OWN_ACCOUNT, Way.SOURCE}:
        return "add_condition"
    return "remove_statement" if all(s.startswith("remove") for s in said) else "narrow_principal"


def key_policy_commands(key: KeyFacts, *, to_organization: bool = False) -> str:
    """How the policy is read, patched and written; `to_organization` where everybody becomes the organization.

    The id of the key is enough: nobody reads or writes a key policy from another account.
    """
    key_id = shlex.quote(key.arn.rsplit("/", 1)[-1])
    text = key.key_policy.text if key.key_policy else ""
    again = "" if readable(text) == text else f" | {REPRINT}"
    return change_block(
        Place(
            key.account_id,
            f"--region {shlex.quote(key.region)} --key-id {key_id} --policy-name default",
            f'aws kms get-key-policy "$@" --query Policy --output text{again}',
            'aws kms put-key-policy "$@" --policy',
            "--key-policy",
            key_name(key),
        ),
        may_widen=to_organization,
    )
