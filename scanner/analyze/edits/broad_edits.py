"""The edits that could keep a permission on keys of every account to those of the own account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scanner.analyze.edits.edits import label_of
from scanner.analyze.edits.foreign_edits import SEVERAL
from scanner.analyze.edits.identity_documents import AWS_WRITES_IT, HeldText, Purpose, identity_edit, texts_held
from scanner.analyze.edits.textedit import PolicyDraft
from scanner.analyze.edits.world_trials import WorldEdit
from scanner.analyze.permissions.broad_statements import accounts_of, broad_in
from scanner.analyze.principals.principal_classes import IDENTITIES
from scanner.analyze.statements.match import action_matches
from scanner.model.actions import ACTIONS
from scanner.model.arn import parse_arn
from scanner.model.finding import Finding
from scanner.model.policy import Element, Span, Statement
from scanner.model.world import World

_ALL = "The statement allows everything, or all but something: keys cannot be told apart in it by an edit."
_MIXED = "The statement mixes keys with other services in one action or resource: split it first, then name the keys."
_ACCOUNTS = "Principals of several accounts hold it, and one text cannot name the keys of each holder's own account."
_NOWHERE = "None of its statements was found in a policy that could be edited."


def broad_edits(finding: Finding, world: World) -> tuple[list[WorldEdit], str]:
    """The edits for one finding, smallest first, and why there are none or no more."""
    cited = {(ref.sha256, ref.index) for ref in finding.mechanism.statements}
    texts = {sha for sha, _ in cited}
    holders = [f for f in world.principals.values() if f.kind in IDENTITIES]
    held = texts_held(holders, lambda p: p.sha256 in texts and bool(broad_in(p)))
    if any(h.is_of_aws for h in held):
        return [], AWS_WRITES_IT
    if len(held) != 1:
        return [], SEVERAL if held else _NOWHERE
    accounts = {source.split(":")[4] for source in (p.source for _, p in held[0].addresses)}
    if len(accounts) != 1:
        return [], _ACCOUNTS
    index = min(i for _, i in cited)
    statement = held[0].document.statements[index]
    if statement.actions is None or any(e.value in {"*", "*:*"} for e in statement.actions):
        return [], _ALL
    edits = [edit for edit in _edits(world, held[0], statement, accounts.pop()) if edit]
    return edits, "" if edits else _MIXED


def _edits(world: World, held: HeldText, statement: Statement, account: str) -> Iterator[WorldEdit | None]:
    """By the resource, by the condition where actions without a key are in it, in a statement of its own."""
    partition, every = held.policy.source.split(":")[1], tuple(sorted(world.keys))
    keys, others = _parted(statement.actions or ())
    label, own = label_of(statement), _own(statement, partition, account)
    if not others:
        draft, name = PolicyDraft(held.shown.text), "aws:ResourceAccount"
        if own and _only_on_keys(statement):
            draft.put_elements(statement, "resource", own)
            said = f"Narrow {label} to keys of account `{account}`."
            yield identity_edit(world, held, draft, Purpose("narrow_resource", said, every))
        elif draft.add_condition(statement, "StringEqualsIfExists", name, account):
            said = f"Add `{name}` = `{account}`, if the request carries it, to {label}."
            yield identity_edit(world, held, draft, Purpose("add_condition", said, every))
    elif keys and own and _only_on_keys(statement):
        draft = PolicyDraft(held.shown.text)
        draft.remove_elements(statement, "action", [e.span for e in keys])
        if draft.add_statement(statement, [e.value for e in keys], _on_own_keys(statement, own)):
            said = f"Move the actions on keys out of {label} into a statement for the own account's keys."
            yield identity_edit(world, held, draft, Purpose("narrow_resource", said, every))


def _on_own_keys(statement: Statement, own: dict[Span, list[str]]) -> list[str]:
    """The resources of the actions on keys in a statement of their own."""
    resources = dict.fromkeys(text for texts in own.values() for text in texts)
    named = (e.value for e in statement.resources or () if e.span not in own and ":kms:" in e.value)
    return list(dict.fromkeys((*resources, *named)))


def _parted(actions: Sequence[Element]) -> tuple[list[Element], list[Element]]:
    """Actions of KMS, and those that are, or may be, of another service."""
    keys = [e for e in actions if e.value.lower().startswith("kms:")]
    return keys, [e for e in actions if e not in keys]


def _only_on_keys(statement: Statement) -> bool:
    """Whether every action of KMS that it covers is about a key or alias: others need `*` as resource (R1.7)."""
    covered = [a for a in ACTIONS.values() if action_matches(statement, a.iam_name)]
    return all(a.resource in {"key", "alias"} for a in covered)


def _own(statement: Statement, partition: str, account: str) -> dict[Span, list[str]]:
    """What stands in the place of each open resource: keys, and aliases where an action needs them."""
    aliases = any(a.resource == "alias" and action_matches(statement, a.iam_name) for a in ACTIONS.values())
    texts: dict[Span, list[str]] = {}
    for element in statement.resources or ():
        if not accounts_of(element.value):
            continue
        arn = parse_arn(element.value)
        if arn is not None:
            texts[element.span] = [f"arn:{partition}:kms:{arn.region}:{account}:{arn.resource}"]
        else:
            texts[element.span] = [f"arn:{partition}:kms:*:{account}:key/*"]
            if aliases:
                texts[element.span].append(f"arn:{partition}:kms:*:{account}:alias/*")
    return texts
