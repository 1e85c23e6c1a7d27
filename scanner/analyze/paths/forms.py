"""An identity as it is, and as it is once its permissions were rewritten or its boundary was lifted (R7.14, R8.9)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.request.caller import Caller, resolve_caller
from scanner.model.policy import DocumentKind, Effect, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World

IDENTITIES = frozenset({PrincipalKind.USER, PrincipalKind.ROLE})
_TEXT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
ANYTHING = PolicyText(
    _TEXT, hashlib.sha256(_TEXT.encode()).hexdigest(), DocumentKind.IDENTITY, "", "permissions it gives itself"
)
"""What whoever may write the permissions of an identity can write: everything that IAM of the account can give."""

_AS = " as "
"""Between ARN and form in the name of a node; no ARN of an identity holds a space."""


@dataclass(frozen=True, slots=True)
class Form:
    """What changes to IAM made of an identity: permissions written at will, its permissions boundary lifted."""

    rewritten: bool = False
    unbounded: bool = False

    @property
    def name(self) -> str:
        """The form in words; empty for an identity as it is."""
        parts = (("rewritten", self.rewritten), ("unbounded", self.unbounded))
        return "+".join(word for word, holds in parts if holds)


AS_IT_IS = Form()
_FORMS = {form.name: form for form in (Form(a, b) for a in (False, True) for b in (False, True))}


def node_of(arn: str, form: Form) -> str:
    """The node of the access graph that stands for an identity in a form: the ARN alone for one as it is."""
    return arn if form is AS_IT_IS or form == AS_IT_IS else f"{arn}{_AS}{form.name}"


def identity_of(node: str) -> tuple[str, Form]:
    """The ARN and the form behind a node."""
    arn, _, name = node.partition(_AS)
    return arn, _FORMS[name]


def in_form(facts: PrincipalFacts, form: Form) -> PrincipalFacts:
    """The facts of an identity once it has the form.

    What it was denied or allowed before does not count once its permissions are rewritten: whether a Deny can stay in
    the way is said by the step that rewrites them.
    """
    policies = (ANYTHING,) if form.rewritten else facts.identity_policies
    return replace(facts, identity_policies=policies, boundary=None if form.unbounded else facts.boundary)


def caller_in(world: World, node: str) -> Caller:
    """A session of an identity in its form."""
    arn, form = identity_of(node)
    caller = resolve_caller(world, arn)
    if form == AS_IT_IS:
        return caller
    facts = in_form(world.principals[arn], form)
    return replace(caller, identity_policies=facts.identity_policies, boundary=facts.boundary)


class _InForm(Mapping[str, PrincipalFacts]):
    """Principals of which every user and role has a form, each made when it is looked at."""

    def __init__(self, principals: Mapping[str, PrincipalFacts], form: Form) -> None:
        self._principals = principals
        self._form = form

    def __getitem__(self, arn: str) -> PrincipalFacts:
        facts = self._principals[arn]
        return in_form(facts, self._form) if facts.kind in IDENTITIES else facts

    def __iter__(self) -> Iterator[str]:
        return iter(self._principals)

    def __len__(self) -> int:
        return len(self._principals)


def world_in(world: World, form: Form) -> World:
    """The world in which every user and role has the form."""
    return replace(world, principals=_InForm(world.principals, form))


def is_almighty(facts: PrincipalFacts) -> bool:
    """Whether the identity policies allow everything without condition and deny nothing: rewriting adds nothing."""
    statements = [s for p in facts.identity_policies for s in parse_policy(p).statements]
    return not may_be_denied(facts) and any(
        not s.conditions and s.actions is not None and s.resources is not None
        and any(a.value == "*" for a in s.actions) and any(r.value == "*" for r in s.resources)
        for s in statements
    )  # fmt: skip


def may_be_denied(facts: PrincipalFacts) -> bool:
    """Whether an identity policy denies something, or may for all that could be read of it."""
    documents = [parse_policy(p) for p in facts.identity_policies]
    statements = (s for d in documents for s in d.statements)
    return any(d.problems for d in documents) or any(s.effect is not Effect.ALLOW or s.damage for s in statements)
