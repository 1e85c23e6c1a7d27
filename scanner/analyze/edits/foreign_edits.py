"""The edits that could end the use of a key of another account: of our identity policy, or the grants to give up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scanner.analyze.edits.edits import in_words, label_of
from scanner.analyze.edits.hygiene_edits import revocation
from scanner.analyze.edits.identity_documents import HeldText, Purpose, identity_edit, members_of, texts_held
from scanner.analyze.edits.textedit import PolicyDraft
from scanner.analyze.edits.world_trials import WorldEdit, keys_of
from scanner.analyze.permissions.broad_statements import open_accounts
from scanner.analyze.permissions.foreign_named import naming_statements
from scanner.analyze.permissions.stand_ins import KeyPattern, patterns_of
from scanner.analyze.principals.selectors import is_fence
from scanner.model.arn import KeyArn, parse_arn
from scanner.model.finding import Finding
from scanner.model.key import Grant
from scanner.model.policy import PolicyText, Statement
from scanner.model.world import World

SEVERAL = "Several policies give it, so no edit of a single one ends it."
SHARED = "A resource share gives it: leave the share in AWS Resource Access Manager; no edit of a policy ends it."


def foreign_edits(finding: Finding, world: World) -> tuple[list[WorldEdit], str]:
    """The edits for one finding, smallest first, and why there are none or no more."""
    target, partition = _target(finding), finding.resource.arn.split(":")[1]
    held = texts_held(
        members_of(world, finding.reach.classes[0]), lambda p: bool(_naming(p, partition, target))
    )  # fmt: skip
    edits: list[WorldEdit] = []
    if len(held) == 1 and not held[0].is_of_aws:
        edit = _without_target(world, held[0], partition, finding)
        edits = [edit] if edit else []
    edits.extend(_without_grants(finding, world))
    if edits or held:
        return edits, SEVERAL if len(held) > 1 else ""
    return [], SHARED


def _target(finding: Finding) -> str:
    """The ARN of the key, or the id of the account."""
    return finding.resource.arn if finding.resource.kind == "key" else finding.resource.account_id


def _naming(policy: PolicyText, partition: str, target: str) -> list[Statement]:
    return [s for s, patterns in naming_statements(policy, partition) if any(_is(p, target) for p in patterns)]


def _is(pattern: KeyPattern, target: str) -> bool:
    return (pattern.text if pattern.is_exact else pattern.account_id) == target


def _without_target(world: World, held: HeldText, partition: str, finding: Finding) -> WorldEdit | None:
    """Every statement of the text without the key or account; None where one cannot go without more."""
    target, keys = _target(finding), keys_of(world, finding.resource.account_id)
    draft, said = PolicyDraft(held.shown.text), list[str]()
    for statement in _naming(held.shown, partition, target):
        done = _take_out(draft, statement, partition, target)
        if not done:
            return None
        said.append(done)
    kind = "remove_statement" if len(draft.removed) == len(said) else "narrow_resource"
    return identity_edit(world, held, draft, Purpose(kind, in_words(said), keys))


def _take_out(draft: PolicyDraft, statement: Statement, partition: str, target: str) -> str:
    """Take the key or account out of one statement, in words; empty where that would take more than keys."""
    label, resources = label_of(statement), statement.resources or ()
    named = [e for e in resources if any(_is(p, target) for p in patterns_of((e.value,), partition))]
    if named and len(named) == len(resources):
        draft.remove_statement(statement.index)
        return f"remove {label}, which names only {_whose(target)}"
    if named:
        draft.remove_elements(statement, "resource", [e.span for e in named])
    fenced = [t for t in statement.conditions if t.key.lower() == "aws:resourceaccount" and is_fence(t)]
    if open_accounts(statement) and any(target in t.values for t in fenced):
        if all(draft.remove_values(statement, t, {target}) for t in fenced if target in t.values):
            return f"take {_whose(target)} out of `aws:ResourceAccount` in {label}"
        if not _only_keys(statement):
            return ""
        draft.remove_statement(statement.index)
        return f"remove {label}, which is only for {_whose(target)}"
    return f"take {_whose(target)} out of {label}"


def _whose(target: str) -> str:
    return f"`{target}`" if target.startswith("arn:") else f"the keys of account `{target}`"


def _only_keys(statement: Statement) -> bool:
    return all(e.value.lower().startswith("kms:") for e in statement.actions or ()) and bool(statement.actions)


def _without_grants(finding: Finding, world: World) -> Iterator[WorldEdit]:
    """The grants that give the use: retired where each lets its holder do so, else revoked by the key's owner."""
    key = world.keys.get(KeyArn(finding.resource.arn))
    ids = {ref.grant_id for ref in finding.mechanism.grants}
    gone = [g for g in (key.grants or () if key else ()) if g.grant_id in ids]
    if key is not None and gone:
        holder = _retiring_account(gone)
        which = "the grant" if len(gone) == 1 else f"the {len(gone)} grants"
        text = f"Retire {which}, as who holds it may." if holder else f"Let the owner of the key revoke {which}."
        yield revocation(world, key, gone, text, holder)


def _retiring_account(gone: Sequence[Grant]) -> str:
    """The account whose principals may all retire the grants that they hold; empty where it is not one."""
    holders = {arn.account_id if (arn := parse_arn(g.grantee_principal or "")) else "" for g in gone}
    one = holders.pop() if len(holders) == 1 else ""
    return one if all("RetireGrant" in g.operations for g in gone) else ""
