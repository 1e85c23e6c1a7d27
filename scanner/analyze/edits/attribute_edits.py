"""The edits that could keep a tag or alias from those who decide access by it, smallest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scanner.analyze.edits.edits import in_words, label_of
from scanner.analyze.edits.foreign_edits import SEVERAL
from scanner.analyze.edits.identity_documents import (
    AWS_WRITES_IT,
    HeldText,
    Purpose,
    identity_edit,
    members_of,
    texts_held,
)
from scanner.analyze.edits.textedit import PolicyDraft
from scanner.analyze.edits.world_trials import WorldEdit, keys_of
from scanner.analyze.keys.identity import finding_id
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.permissions.attribute_rules import TAG, Attribute, KeySet
from scanner.analyze.permissions.attribute_words import parts_of
from scanner.analyze.permissions.attributes import FOREIGN
from scanner.analyze.statements.match import action_matches
from scanner.model.actions import ACTIONS
from scanner.model.arn import KeyArn
from scanner.model.finding import OWN_ACCOUNT, Finding, Kind
from scanner.model.policy import Effect, PolicyText, Statement
from scanner.model.world import World

_TAGGING = ("kms:TagResource", "kms:UntagResource")
_ALIASING = ("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias")
_OF_OTHERS = "No edit is drawn: which keys are meant only the owner of the policy knows."
_BY_ROLES = "No edit of one policy is drawn: outsiders make the change by roles that they assume; end that path first."
_NOT_BY_IAM = "No identity policy that was read gives the right to change it; the key policy may, or what was not read."
_NOT_CLEAN = "The statement gives the right by a wildcard or for all but something: no edit takes only that right away."


def attribute_edits(finding: Finding, world: World, sets: Iterable[KeySet]) -> tuple[list[WorldEdit], str]:
    """The edits for one finding, smallest first, and why there are none or no more.

    Args:
        sets: all sets of keys of the world of which an attribute decides access; working them out takes long.
    """
    if FOREIGN in finding.verdict_reasons:
        return [], _OF_OTHERS
    if finding.grantee.party != OWN_ACCOUNT:
        return [], _BY_ROLES
    name = finding.reach.classes[0]
    attribute = next(
        keys.attribute for keys in sets
        if keys.account_id == finding.resource.account_id
        and finding_id(Kind.ATTRIBUTE_CONTROL, name, *parts_of(keys)) == finding.id
    )  # fmt: skip
    actions = _TAGGING if attribute.kind == TAG else _ALIASING
    held = texts_held(members_of(world, name), lambda p: bool(_giving(p, actions)))
    if len(held) != 1:
        return [], SEVERAL if held else _NOT_BY_IAM
    if held[0].is_of_aws:
        return [], AWS_WRITES_IT
    drawn = _edits(world, held[0], keys_of(world, finding.resource.account_id), attribute, actions)
    edits = [edit for edit in drawn if edit]
    return edits, "" if edits else _NOT_CLEAN


def _giving(policy: PolicyText, actions: tuple[str, ...]) -> list[Statement]:
    """The statements that may allow one of the actions."""
    return [
        s for s in parse_policy(policy).statements
        if s.effect is not Effect.DENY and any(action_matches(s, a) for a in actions)
    ]  # fmt: skip


def _edits(
    world: World, held: HeldText, keys: tuple[KeyArn, ...], attribute: Attribute, actions: tuple[str, ...]
) -> Iterator[WorldEdit | None]:
    statements = _giving(held.shown, actions)
    if attribute.kind == TAG:
        draft = PolicyDraft(held.shown.text)
        operator, name = "ForAllValues:StringNotEqualsIgnoreCase", "aws:TagKeys"
        if all(draft.add_condition(s, operator, name, attribute.name) for s in statements):
            said = [f"let {label_of(s)} change every tag but `{attribute.name}`" for s in statements]
            yield identity_edit(world, held, draft, Purpose("add_condition", in_words(said), keys, actions))
    draft, said = PolicyDraft(held.shown.text), []
    for statement in statements:
        spans = [e.span for e in statement.actions or () if _gives_only(e.value, actions)]
        rest = [e for e in statement.actions or () if e.span not in spans]
        if not spans or any(_gives(e.value, a) for e in rest for a in actions):
            return
        if draft.remove_elements(statement, "action", spans):
            said.append(f"take {_named(actions)} out of {label_of(statement)}")
        else:
            draft.remove_statement(statement.index)
            said.append(f"remove {label_of(statement)}, which allows only {_named(actions)}")
    kind = "remove_statement" if len(draft.removed) == len(said) else "narrow_actions"
    yield identity_edit(world, held, draft, Purpose(kind, in_words(said), keys, actions))


def _named(actions: tuple[str, ...]) -> str:
    return ", ".join(f"`{a}`" for a in actions)


def _gives(written: str, action: str) -> bool:
    return glob(tokens_of(written), ignore_case=True).matches(action)


def _gives_only(written: str, actions: tuple[str, ...]) -> bool:
    """Whether an action as a policy writes it covers some of these and nothing else that is known."""
    covered = [a.iam_name for a in ACTIONS.values() if _gives(written, a.iam_name)]
    return bool(covered) and set(covered) <= set(actions)
