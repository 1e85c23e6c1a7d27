"""Identity policies as documents that can be edited: who holds one text, the world with another one, the commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from scanner.analyze.edits.surroundings import with_text
from scanner.analyze.edits.terraform import identity_policy_hint
from scanner.analyze.edits.textedit import PolicyDraft, as_cli_prints
from scanner.analyze.edits.whatif import address_of, is_managed, plain_name, with_document
from scanner.analyze.edits.world_trials import WorldEdit
from scanner.analyze.keys.shell import Place, change_block, deletion_block
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.permissions.broad_statements import broad_in
from scanner.analyze.principals.principal_classes import IDENTITIES, class_name
from scanner.model.arn import KeyArn
from scanner.model.policy import Document, PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

AWS_WRITES_IT = "AWS writes this policy: it cannot be edited, so there is no patch."
_MOST_SHOWN = 3
_MOST_MANAGED, _MOST_INLINE = 6_144, 10_240
"""Characters without white space that a managed policy, and an inline policy of a role, may have (IAM quotas)."""
_AWS = "aws"


@dataclass(frozen=True, slots=True)
class HeldText:
    """One text of an identity policy, at every address where it stands."""

    policy: PolicyText
    addresses: tuple[tuple[str, PolicyText], ...]

    @property
    def is_of_aws(self) -> bool:
        """Whether AWS writes it."""
        return any(policy.source.split(":")[4:5] == [_AWS] for _, policy in self.addresses)

    @property
    def shown(self) -> PolicyText:
        """The text as patches are made of it."""
        return with_text(self.policy, as_cli_prints(self.policy.text))

    @property
    def document(self) -> Document:
        """What `shown` says."""
        return parse_policy(self.shown)


def texts_held(holders: Iterable[PrincipalFacts], wanted: Callable[[PolicyText], bool]) -> list[HeldText]:
    """The texts of the holders' identity policies that are wanted, each once with all places where it stands."""
    found: dict[str, dict[str, PolicyText]] = {}
    for facts in holders:
        for policy in facts.identity_policies:
            if wanted(policy):
                found.setdefault(policy.sha256, {})[address_of(policy)] = policy
    return [HeldText(next(iter(places.values())), tuple(sorted(places.items()))) for places in found.values()]


def members_of(world: World, name: str) -> Iterator[PrincipalFacts]:
    """The users and roles of a class."""
    for facts in world.principals.values():
        if facts.kind in IDENTITIES and class_name(facts) == name:
            yield facts


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a draft is for: the kind of change in words, the keys that it can touch, and the actions it is to take."""

    kind: str
    text: str
    keys: tuple[KeyArn, ...]
    meant: tuple[str, ...] = ()


def identity_edit(world: World, held: HeldText, draft: PolicyDraft, purpose: Purpose) -> WorldEdit | None:
    """A draft of a held text as an edit of the world; None where AWS would not take it.

    An inline policy without any statement left is deleted; a managed one is not, as others may attach it. A deletion
    renames the class of the holder, and broad statements are told by their text: then findings on any key can change.
    """
    addresses = {address for address, _ in held.addresses}
    if not draft.leaves_statements:
        if any(is_managed(policy) for _, policy in held.addresses):
            return None
        after, diff, keys = _without(world, addresses), "", tuple(sorted(world.keys))
        cli = _listed(held, deletion_block)
        hint = identity_policy_hint(held.policy, "")
    else:
        edited = with_text(held.policy, draft.edited())
        if not _fits(edited, managed=is_managed(held.policy)):
            return None
        after = _with(world, addresses, edited)
        keys = tuple(sorted(world.keys)) if broad_in(held.policy) else purpose.keys
        diff = draft.patch(f"{held.policy.name} of {held.policy.source}")
        cli = _listed(held, change_block)
        hint = identity_policy_hint(held.policy, edited.text)
    holders = frozenset(str(a) for a, facts in after.principals.items() if facts != world.principals[a])
    return WorldEdit(purpose.kind, purpose.text, cli, diff, hint, after, keys, holders, frozenset(purpose.meant))


def _fits(policy: PolicyText, *, managed: bool) -> bool:
    return len("".join(policy.text.split())) <= (_MOST_MANAGED if managed else _MOST_INLINE)


def _with(world: World, addresses: set[str], edited: PolicyText) -> World:
    def put(facts: PrincipalFacts) -> PrincipalFacts:
        for address in addresses:
            facts = with_document(facts, address, edited)
        return facts

    return replace(world, principals={arn: put(facts) for arn, facts in world.principals.items()})


def _without(world: World, addresses: set[str]) -> World:
    principals = {
        arn: replace(facts, identity_policies=tuple(
            p for p in facts.identity_policies if address_of(p) not in addresses
        ))
        for arn, facts in world.principals.items()
    }  # fmt: skip
    return replace(world, principals=principals)


# -- commands ---------------------------------------------------------------------------------------------------------


def _listed(held: HeldText, block: Callable[[Place, str], str]) -> str:
    """A block for each of the first places; the files of the second and third have names of their own."""
    policies = [policy for _, policy in held.addresses]
    shown = [
        block(_place(policy), "policy" if number == 1 else f"policy-{number}")
        for number, policy in enumerate(policies[:_MOST_SHOWN], 1)
    ]
    more = len(policies) - _MOST_SHOWN
    return "\n".join([*shown, *([f"# the same for {more} more policies with this text"] if more > 0 else [])])


def _place(policy: PolicyText) -> Place:
    """Where a policy stands: as the default version of a managed one, or inline with a user, role or group."""
    account = policy.source.split(":")[4]
    if is_managed(policy):
        return Place(
            account,
            f"--policy-arn {shlex.quote(policy.source)}",
            'version=$(aws iam get-policy "$@" --query Policy.DefaultVersionId --output text)\n'
            'aws iam get-policy-version "$@" --version-id "$version" --query PolicyVersion.Document --output json',
            'aws iam create-policy-version "$@" --set-as-default --query PolicyVersion.VersionId --output text '
            "--policy-document",
            "--identity-policy",
            policy.source,
        )
    kind, _, path = policy.source.split(":", 5)[5].partition("/")
    name = plain_name(policy)
    return Place(
        account,
        f"--{kind}-name {shlex.quote(path.rsplit('/', 1)[-1])} --policy-name {shlex.quote(name)}",
        f'aws iam get-{kind}-policy "$@" --query PolicyDocument --output json',
        f'aws iam put-{kind}-policy "$@" --policy-document',
        "--identity-policy",
        f"{policy.source}/{name}",
        f'aws iam delete-{kind}-policy "$@"',
    )
