"""What a session may make itself, or another identity of its account, into by changing IAM or passing roles (R8.9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.forms import AS_IT_IS, Form, is_almighty, may_be_denied
from scanner.analyze.paths.hops import ASSUME, NEVER, SURE, Change, ChangeKind, Step
from scanner.analyze.paths.launching import launch_ways
from scanner.analyze.paths.requests import Passed, Requests, at_most_possible, joined, strongest
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.iam_keys import GIVE_ROLE
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import covers_action
from scanner.model.arn import parse_arn
from scanner.model.policy import DocumentKind, Effect, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World

_RULES = ("R8.9", "R7.14")
_TRUST = "iam:UpdateAssumeRolePolicy"
_VERSION, _DEFAULT = "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"
_PERMISSIONS = {
    PrincipalKind.ROLE: ("iam:PutRolePolicy", "iam:AttachRolePolicy"),
    PrincipalKind.USER: ("iam:PutUserPolicy", "iam:AttachUserPolicy"),
}  # fmt: skip
_BOUNDARIES = {
    PrincipalKind.ROLE: ("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"),
    PrincipalKind.USER: ("iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"),
}  # fmt: skip
_KEY, _CREATES, _UPDATES = "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile"
_ALL = frozenset({
    GIVE_ROLE, _TRUST, _VERSION, _KEY, _CREATES, _UPDATES,
    *(a for table in (_PERMISSIONS, _BOUNDARIES) for names in table.values() for a in names),
})  # fmt: skip
_NOTHING_MORE = "login_profile_not_read"
_IN_ITS_REGION: Mapping[str, tuple[str, ...]] = {"aws:requestedregion": ("us-east-1",)}
_NOTHING_KNOWN: Mapping[str, tuple[str, ...]] = {}
_ONLY_BY_AWS = (":role/aws-service-role/", ":role/aws-reserved/")
"""Roles that only AWS changes: service-linked ones and those of IAM Identity Center (IAM API UnmodifiableEntity)."""

Enters = Callable[[PrincipalFacts], Step | None]
"""How a session assumes a role as it is; None where it surely cannot."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """How a session becomes an identity as that is; no requests where it is this identity already."""

    kind: ChangeKind
    passed: Passed
    service: str = ""


class Changes:
    """Judges what sessions may change, against the policies of the session as every other request."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._requests = Requests(world)
        self._signs: dict[str, tuple[PrincipalFacts, Hashable]] = {}

    def class_of(self, caller: Caller) -> Hashable | None:
        """Callers of whom every request to change something is decided alike; None where each is asked for itself."""
        return self._requests.class_of(caller) if self._requests.shares else None

    def of_itself(self, caller: Caller, facts: PrincipalFacts, form: Form) -> Iterator[Step]:
        """The forms that a session can give its own identity."""
        may = _allowed(caller)
        for wanted, changed in self._forms(caller, may, facts, form):
            yield _step(caller, facts, Change(ChangeKind.PERMISSIONS, changed.requests, wanted, form), changed)

    def of_another(self, caller: Caller, target: PrincipalFacts, enters: Enters) -> Iterator[Step]:
        """How a session becomes another identity of its account: as that is, and in every form it can give it."""
        may = _allowed(caller)
        assumed = enters(target)
        surely = assumed is not None and assumed.rank == SURE
        entry = None if surely else _strongest_entry(self._entries(caller, may, target))
        if assumed is not None and (entry is None or assumed.rank >= entry.passed.rank):
            request = Request(caller, ASSUME, target.arn, role=target)
            entry = _Entry(ChangeKind.PERMISSIONS, Passed((request,), assumed.decision))
        elif entry is not None:
            yield _step(caller, target, Change(entry.kind, entry.passed.requests, service=entry.service), entry.passed)
        if entry is None:
            return
        for wanted, changed in self._forms(caller, may, target, AS_IT_IS):
            both = joined((changed.decision, entry.passed.decision), _RULES)
            passed = Passed((*changed.requests, *entry.passed.requests), both)
            yield _step(caller, target, Change(ChangeKind.PERMISSIONS, passed.requests, wanted), passed)

    def of_another_of_a_kind(
        self, caller: Caller, target: PrincipalFacts, enters: Enters
    ) -> tuple[tuple[Step, ...], bool]:
        """The same, with whether it holds for every identity of the same sign that lets itself be assumed alike."""
        before = self._requests.looked
        steps = tuple(self.of_another(caller, target, enters))
        return steps, self._requests.looked == before

    def sign(self, target: PrincipalFacts) -> Hashable:
        """What counts of an identity beside its name, its tags, and which policies of its account it holds."""
        known = self._signs.get(target.arn)
        if known is None or known[0] is not target:
            known = self._signs[target.arn] = target, _signed(target)
        return known[1]

    # -- rewriting permissions and boundaries -------------------------------------------------------------------------

    def _forms(
        self, caller: Caller, may: frozenset[str], target: PrincipalFacts, form: Form
    ) -> Iterator[tuple[Form, Passed]]:
        """The forms beyond its present one that a session can give an identity, each by its strongest way."""
        if not may or is_only_by_aws(target):
            return
        written = None
        if not form.rewritten and not is_almighty(target):
            written = strongest(self._rewriting(caller, may, target))
            if written is not None and may_be_denied(target):
                written = at_most_possible(written, "deny_may_remain")
        lifted = None
        if target.boundary is not None and not form.unbounded:
            lifted = strongest(self._lifting(caller, may, target, target.boundary))
        if written is not None:
            yield Form(rewritten=True, unbounded=form.unbounded), written
        if lifted is not None:
            yield Form(rewritten=form.rewritten, unbounded=True), lifted
        if written is not None and lifted is not None:
            requests = (*written.requests, *lifted.requests)
            both = joined((written.decision, lifted.decision), _RULES)
            yield Form(rewritten=True, unbounded=True), Passed(requests, both)

    def _rewriting(self, caller: Caller, may: frozenset[str], target: PrincipalFacts) -> Iterator[Passed]:
        yield from self._each(caller, may, target, _PERMISSIONS[target.kind])
        for policy in target.identity_policies:
            yield from self._versions(caller, may, policy)

    def _lifting(
        self, caller: Caller, may: frozenset[str], target: PrincipalFacts, boundary: PolicyText
    ) -> Iterator[Passed]:
        yield from self._each(caller, may, target, _BOUNDARIES[target.kind])
        yield from self._versions(caller, may, boundary)

    def _each(
        self, caller: Caller, may: frozenset[str], target: PrincipalFacts, actions: Iterable[str]
    ) -> Iterator[Passed]:
        for action in actions:
            if action in may:
                yield self._requests.passed((_on(caller, action, target),), _RULES)

    def _versions(self, caller: Caller, may: frozenset[str], policy: PolicyText) -> Iterator[Passed]:
        """A new version of a customer managed policy; if it becomes the default without a further right is open."""
        if _VERSION not in may or not _is_managed_in(policy, caller.account_id):
            return
        requests = tuple(Request(caller, a, policy.source, context=_here(caller)) for a in (_VERSION, _DEFAULT))
        yield self._requests.passed(requests, _RULES)
        yield at_most_possible(self._requests.passed(requests[:1], _RULES), "undocumented")

    # -- becoming somebody else ---------------------------------------------------------------------------------------

    def _entries(self, caller: Caller, may: frozenset[str], target: PrincipalFacts) -> Iterator[_Entry]:
        if target.kind is PrincipalKind.USER:
            found = strongest(self._credentials(caller, may, target))
            if found is not None:
                yield _Entry(ChangeKind.CREDENTIALS, found)
            return
        if GIVE_ROLE in may:
            for service, passed in launch_ways(self._world, self._requests, caller, target):
                yield _Entry(ChangeKind.LAUNCH, passed, service)
        if _TRUST in may and not is_only_by_aws(target):
            yield _Entry(ChangeKind.TRUST, self._by_trust(caller, target))

    def _by_trust(self, caller: Caller, target: PrincipalFacts) -> Passed:
        """Admits itself and assumes the role; kept from assuming roles, it can admit somebody who is not."""
        changes = self._requests.passed((_on(caller, _TRUST, target),), _RULES)
        admitting = replace(target, trust_policy=_naming(caller))
        request = Request(caller, ASSUME, target.arn, role=admitting)
        assumed = self._requests.passed((request,), _RULES)
        if assumed.rank == NEVER:
            return at_most_possible(changes, "undocumented")
        return Passed(changes.requests, joined((changes.decision, assumed.decision), _RULES))

    def _credentials(self, caller: Caller, may: frozenset[str], target: PrincipalFacts) -> Iterator[Passed]:
        """An access key, or a password; whether the user has one today was not read."""
        for actions, doubt in (((_KEY,), ""), ((_CREATES, _UPDATES), ""), ((_CREATES,), _NOTHING_MORE),
                               ((_UPDATES,), _NOTHING_MORE)):  # fmt: skip
            if may.issuperset(actions):
                passed = self._requests.passed(tuple(_on(caller, a, target) for a in actions), _RULES)
                yield at_most_possible(passed, doubt) if doubt else passed


def _strongest_entry(entries: Iterable[_Entry]) -> _Entry | None:
    """The strongest way to become an identity; among equals the first, and the rest is not asked after a sure one."""
    best: _Entry | None = None
    for entry in entries:
        if entry.passed.rank > (best.passed.rank if best else NEVER):
            best = entry
        if entry.passed.rank == SURE:
            break
    return best


def _here(caller: Caller) -> Mapping[str, tuple[str, ...]]:
    """IAM is in one Region (IAM User Guide, aws:RequestedRegion); which one is said for this partition."""
    return _IN_ITS_REGION if caller.partition == "aws" else _NOTHING_KNOWN


def _on(caller: Caller, action: str, target: PrincipalFacts) -> Request:
    return Request(caller, action, target.arn, role=target, context=_here(caller))


def retold(step: Step, caller: Caller, target: PrincipalFacts) -> Step:
    """A step as somebody else takes it who cannot be told apart, or into somebody else: the same requests by and for
    these.
    """
    change = step.change
    if change is not None:
        requests = tuple(
            replace(r, caller=caller) if r.role is None else replace(r, caller=caller, role=target, resource=target.arn)
            for r in change.requests
        )
        change = replace(change, requests=requests)
    return Step(caller, target, step.action, step.decision, step.context, change)


def _step(caller: Caller, target: PrincipalFacts, change: Change, passed: Passed) -> Step:
    return Step(caller, target, passed.actions, passed.decision, {}, change)


def _naming(caller: Caller) -> PolicyText:
    """The trust policy that a session writes to be admitted itself."""
    statement = {"Effect": "Allow", "Principal": {"AWS": caller.principal_arn}, "Action": ASSUME}
    written = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sha256 = hashlib.sha256(written.encode()).hexdigest()
    return PolicyText(written, sha256, DocumentKind.TRUST, "", "trust policy it writes")


def _signed(identity: PrincipalFacts) -> Hashable:
    trust, boundary, own = identity.trust_policy, identity.boundary, identity.account_id
    return (
        identity.kind, is_only_by_aws(identity), trust.sha256 if trust else identity.complete,
        any(_is_managed_in(policy, own) for policy in identity.identity_policies),
        boundary and _is_managed_in(boundary, own), is_almighty(identity), may_be_denied(identity),
    )  # fmt: skip


def _is_managed_in(policy: PolicyText, account_id: str) -> bool:
    """Whether a policy is a customer managed one of an account."""
    arn = parse_arn(policy.source)
    return arn is not None and arn.account_id == account_id and arn.resource.startswith("policy/")


def is_only_by_aws(facts: PrincipalFacts) -> bool:
    """Whether only AWS itself changes an identity."""
    return any(mark in facts.arn for mark in _ONLY_BY_AWS)


def may_change(caller: Caller) -> bool:
    """Whether nothing says that a session surely cannot change or pass any identity."""
    return bool(_allowed(caller))


def _allowed(caller: Caller) -> frozenset[str]:
    """The actions that matter here and that the identity policies may allow; all where they were not read."""
    if not caller.collected:
        return _ALL
    return frozenset().union(*(_allowed_in(policy) for policy in caller.identity_policies))


@lru_cache(maxsize=65536)
def _allowed_in(policy: PolicyText) -> frozenset[str]:
    document = parse_policy(policy)
    if document.problems:
        return _ALL
    allowing = [s for s in document.statements if s.effect is not Effect.DENY]
    return frozenset(a for a in _ALL if any(covers_action(s, a) for s in allowing))
