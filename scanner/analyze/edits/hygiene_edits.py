"""The edits that could end what is wrong with a key itself, smallest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scanner.analyze.edits.edits import in_words, key_policy_commands, label_of
from scanner.analyze.edits.surroundings import with_text
from scanner.analyze.edits.terraform import grants_hint, key_policy_hint
from scanner.analyze.edits.textedit import PolicyDraft, readable
from scanner.analyze.edits.world_trials import WorldEdit, keys_of
from scanner.analyze.keys.hygiene import stale_grants
from scanner.analyze.keys.shell import revoke_block
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import organization_of
from scanner.analyze.statements.match import covers_action
from scanner.model.actions import KEY_ACTIONS
from scanner.model.finding import Finding
from scanner.model.key import Grant, KeyFacts
from scanner.model.policy import PolicyText, Statement
from scanner.model.world import World

_DELEGATE = "kms:creategrant"
_GRANTS_SHOWN = 20
_GONE_WITH_IT = frozenset({"kms:RetireGrant"})
"""Nobody can retire a grant that is gone."""
_NO_SERVICES = "AWS services that this statement let through are no longer let through by it."
_TO_ORGANIZATION = "aws:PrincipalOrgID"
_STAY = "Grants that it has created stay: list them, and revoke those that are not wanted."


def hygiene_edits(finding: Finding, key: KeyFacts, population: Population) -> Iterator[WorldEdit]:
    """The edits for one finding about a key itself; none where only AWS Support can help."""
    reason, world = finding.verdict_reasons[0], population.world
    if reason == "stale_grant":
        stale = stale_grants(key, population)
        gone = [g for g in key.grants or () if g.grant_id in stale]
        text = "Revoke the grant; no access is lost." if len(gone) == 1 else (
            f"Revoke the {len(gone)} grants; no access is lost."
        )  # fmt: skip
        yield revocation(world, key, gone, text)
    elif key.key_policy is not None:
        drawn = {"unlimited_create_grant": _less_delegation, "weak_fence": _fences}.get(reason)
        if drawn is not None:
            yield from drawn(finding, key, key.key_policy, world)


def revocation(world: World, key: KeyFacts, gone: Sequence[Grant], text: str, holder: str = "") -> WorldEdit:
    """The grants of a key revoked, or retired from the account of their holder."""
    ids = {g.grant_id for g in gone}
    kept = tuple(g for g in key.grants or () if g.grant_id not in ids)
    cli = revoke_block(key, [g.grant_id for g in gone[:_GRANTS_SHOWN]], "retire" if holder else "revoke", holder)
    if len(gone) > _GRANTS_SHOWN:
        cli += f"\n# the same for {len(gone) - _GRANTS_SHOWN} more grants; their ids are in the snapshot"
    after = replace(world, keys={**world.keys, key.arn: replace(key, grants=kept)})
    return WorldEdit(
        "revoke_grant", text, cli, "", grants_hint(key, gone), after, keys_of(world, key.account_id),
        meant=_GONE_WITH_IT,
    )  # fmt: skip


def _cited(finding: Finding, policy: PolicyText) -> tuple[PolicyText, list[Statement]]:
    """The policy as it is shown, and the statements of it that a finding rests on."""
    shown = with_text(policy, readable(policy.text))  # INVARIANT: a policy of which a finding cites a statement is JSON
    places = {ref.index for ref in finding.mechanism.statements if ref.sha256 == policy.sha256}
    return shown, [s for s in parse_policy(shown).statements if s.index in places]


def _edit(
    world: World, key: KeyFacts, shown: PolicyText, draft: PolicyDraft, kind: str, said: list[str], risks: Sequence[str]
) -> WorldEdit:
    edited = with_text(shown, draft.edited())
    after = replace(world, keys={**world.keys, key.arn: replace(key, key_policy=edited)})
    cli = key_policy_commands(key, to_organization=_TO_ORGANIZATION in said[0])
    return WorldEdit(
        kind, in_words(said), cli, draft.patch(f"{shown.name} of {key.arn}"),
        key_policy_hint(key, edited.text), after, keys_of(world, key.account_id), policies=(edited,),
        risks=tuple(risks),
    )  # fmt: skip


# -- CreateGrant without limit ----------------------------------------------------------------------------------------


def _less_delegation(finding: Finding, key: KeyFacts, policy: PolicyText, world: World) -> Iterator[WorldEdit]:
    """CreateGrant taken out where it is written, else limited to grants without it (R4.28)."""
    shown, statements = _cited(finding, policy)
    draft, said = PolicyDraft(shown.text), list[str]()
    for statement in statements:
        spans = [e.span for e in statement.actions or () if e.value.lower() == _DELEGATE]
        if spans and draft.remove_elements(statement, "action", spans):
            said.append(f"take `kms:CreateGrant` out of {label_of(statement)}")
        elif spans:
            draft.remove_statement(statement.index)
            said.append(f"remove {label_of(statement)}, which allows nothing else")
    if said and len(said) == len(statements) and draft.leaves_statements:
        kind = "remove_statement" if len(draft.removed) == len(said) else "narrow_actions"
        yield _edit(world, key, shown, draft, kind, said, (_STAY,))
    draft, name = PolicyDraft(shown.text), "kms:GrantOperations"
    added = [draft.add_condition(s, "ForAllValues:StringEquals", name, _handed_on(s)) for s in statements]
    if statements and all(added):
        said = [f"keep {label_of(s)} from handing on `CreateGrant` by `{name}`" for s in statements]
        yield _edit(world, key, shown, draft, "add_condition", said, (_STAY,))


def _handed_on(statement: Statement) -> list[str]:
    """The operations of grants that a statement covers, without CreateGrant."""
    able = (a for a in KEY_ACTIONS if a.grantable and covers_action(statement, a.iam_name))
    return [a.name for a in able if a.iam_name.lower() != _DELEGATE]


# -- `*` behind weak conditions ---------------------------------------------------------------------------------------


def _fences(finding: Finding, key: KeyFacts, policy: PolicyText, world: World) -> Iterator[WorldEdit]:
    """Everybody narrowed to the organization or the key's own account, else taken out."""
    shown, statements = _cited(finding, policy)
    own = organization_of(world, key.account_id)
    tests = [(_TO_ORGANIZATION, own.id)] if own else []
    for name, value in (*tests, ("kms:CallerAccount", key.account_id)):
        draft = PolicyDraft(shown.text)
        if statements and all(draft.add_condition(s, "StringEquals", name, value) for s in statements):
            said = [f"add `{name}` = `{value}` to {label_of(s)}" for s in statements]
            yield _edit(world, key, shown, draft, "add_condition", said, (_NO_SERVICES,))
    draft, said = PolicyDraft(shown.text), []
    for statement in statements:
        stars = [e.span for e in statement.principals or () if e.type == "*"]
        if stars and draft.remove_principals(statement, stars):
            said.append(f"take everybody out of {label_of(statement)}")
        else:
            draft.remove_statement(statement.index)
            said.append(f"remove {label_of(statement)}")
    if said and draft.leaves_statements:
        kind = "remove_statement" if len(draft.removed) == len(said) else "narrow_principal"
        yield _edit(world, key, shown, draft, kind, said, (_NO_SERVICES,))
