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
    edits = list(_edits(world, held[0], statement, accounts.pop()))
    return edits, "" if edits else _MIXED


def _edits(world: World, held: HeldText, statement: Statement, account: str) -> Iterator[WorldEdit]:
    """By the resource, by the condition where actions without a key are in it, in a statement of its own."""
    partition = held.policy.source.split(":")[1]
    keys, others = _parted(statement.actions or ())
    label = label_of(statement)
    if not others and _only_on_keys(statement):
        draft = PolicyDraft(held.shown.text)
        texts = _own(statement, partition, account)
        if texts:
            draft.put_elements(statement, "resource", texts)
            said = f"Narrow {label} to keys of account `{account}`."
            edit = identity_edit(world, held, draft, Purpose("narrow_resource", said, tuple(sorted(world.keys))))
            if edit:
                yield edit
    if not others:
        draft, name = PolicyDraft(held.shown.text), "aws:ResourceAccount"
        if draft.add_condition(statement, "StringEqualsIfExists", name, account):
            said = f"Add `{name}` = `{account}`, if the request carries it, to {label}."
            edit = identity_edit(world, held, draft, Purpose("add_condition", said, tuple(sorted(world.keys))))
            if edit:
                yield edit
    elif keys and _only_on_keys(statement):
        yield from _split(world, held, statement, keys, _own(statement, partition, account))


def _split(
    world: World, held: HeldText, statement: Statement, keys: Sequence[Element], own: dict[Span, list[str]]
) -> Iterator[WorldEdit]:
    """The actions on keys moved into a statement of their own; what goes beyond KMS stays as it is."""
    draft = PolicyDraft(held.shown.text)
    resources = list(dict.fromkeys(text for texts in own.values() for text in texts))
    named = [e.value for e in statement.resources or () if e.span not in own and ":kms:" in e.value]
    draft.remove_elements(statement, "action", [e.span for e in keys])
    if resources and draft.add_statement(statement, [e.value for e in keys], [*resources, *named]):
        said = f"Move the actions on keys out of {label_of(statement)} into a statement for the own account's keys."
        edit = identity_edit(world, held, draft, Purpose("narrow_resource", said, tuple(sorted(world.keys))))
        if edit:
            yield edit


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
