"""Who enters a role from outside its account: everybody a trust policy admits, as sources with their steps (R7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.hops import ASSUME, BY_SAML, BY_WEB_IDENTITY, NEVER, Step, step
from scanner.analyze.principals.reach import CLOSED, Place, Population, reached_from
from scanner.analyze.principals.selectors import NamedStatement, Selector, selector_of, selectors_of
from scanner.analyze.request.caller import Caller, account_of, organization_of, vouched_for_by
from scanner.analyze.request.providers import ANY_PROVIDER, SERVICES_FOR_OUTSIDERS, WHICHEVER, is_saml, subject_of
from scanner.analyze.statements.match import covers_action
from scanner.model.policy import Document, Effect, PolicyText, Statement
from scanner.model.principal import PrincipalFacts, PrincipalKind

_ANYBODY = Selector("*", "any")
_CANNOT_ASSUME = frozenset({PrincipalKind.ROOT_USER, PrincipalKind.FEDERATED})


@dataclass(frozen=True, slots=True)
class Admission:
    """A selector of a trust policy, the action by which it enters, and the Allow statements that name it.

    `provider` is what vouches for a federated selector, empty otherwise. No statements: the policy was not read, or
    not as AWS reads it.
    """

    selector: Selector
    action: str
    statements: tuple[NamedStatement, ...]
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Somebody outside who may enter a role: whom the trust policy admits, and a step per caller behind it."""

    admission: Admission
    role: PrincipalFacts
    steps: tuple[Step, ...]

    @property
    def selector(self) -> Selector:
        """Who is admitted."""
        return self.admission.selector

    @property
    def best(self) -> Step:
        """The strongest step; among equals the first caller by name."""
        return min(self.steps, key=lambda s: (-s.rank, s.caller.text))


def partition_of(role: PrincipalFacts) -> str:
    """The partition of a role."""
    return role.arn.split(":", 2)[1]


def is_unread(role: PrincipalFacts) -> bool:
    """Whether nobody knows all that the trust policy of a role says."""
    if role.trust_policy is None:
        return not role.complete
    document = parse_policy(role.trust_policy)
    blank = (s for s in document.statements if s.damage and not s.principals and not s.not_principals)
    return bool(document.problems) or any(s.effect is not Effect.DENY for s in blank)


def admissions_of(role: PrincipalFacts) -> tuple[Admission, ...]:
    """Everybody whom a trust policy names for one of the actions that assume a role, the role's account included."""
    found: dict[tuple[Selector, str, str], list[NamedStatement]] = defaultdict(list)
    if role.trust_policy is not None:
        document = parse_policy(role.trust_policy)
        for place, named in _named(document, partition_of(role)):
            found[place].append(named)
    admissions = [Admission(s, action, tuple(n), provider) for (s, action, provider), n in found.items()]
    if is_unread(role) and (_ANYBODY, ASSUME, "") not in found:
        admissions.append(Admission(_ANYBODY, ASSUME, ()))
    return tuple(sorted(admissions, key=lambda a: (a.action, a.selector)))


def _named(document: Document, partition: str) -> Iterator[tuple[tuple[Selector, str, str], NamedStatement]]:
    for statement in document.statements:
        if statement.effect is Effect.DENY:
            continue
        named = NamedStatement(document, statement)
        selectors = [s for s in selectors_of(statement, partition) if s.kind != "malformed"]
        if covers_action(statement, ASSUME):
            yield from (((s, ASSUME, ""), named) for s in selectors)
        if any(s.kind == "any" for s in selectors):
            yield from (((_ANYBODY, way, ANY_PROVIDER), named) for way in _covered(statement, ANY_PROVIDER))
        for provider in (e.value for e in statement.principals or () if e.type == "Federated"):
            selector = Selector(f"{provider}#{subject_of(provider, statement)}", "federated")
            yield from (((selector, way, provider), named) for way in _covered(statement, provider))


def _covered(statement: Statement, provider: str) -> Iterator[str]:
    """The actions that a statement allows, of those by which whom a provider vouches for assumes a role."""
    of_kind = (BY_SAML,) if is_saml(provider) else (BY_WEB_IDENTITY,)
    ways = (BY_WEB_IDENTITY, BY_SAML) if provider in WHICHEVER else of_kind
    return (way for way in ways if covers_action(statement, way))


class Doors:
    """Finds who enters roles from outside; remembers which policies allow to assume anything."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._world = population.world

    def sources_of(self, role: PrincipalFacts) -> tuple[Source, ...]:
        """Everybody outside a role's account who may enter it, strongest knowledge first; nobody surely refused."""
        found: list[Source] = []
        for admission in admissions_of(role):
            if admission.selector.kind == "service" and admission.selector.text not in SERVICES_FOR_OUTSIDERS:
                continue
            known = replace(admission, selector=self._population.identified(admission.selector))
            if known.selector.account_id != role.account_id:
                found.extend(self._entering(known, role))
        return tuple(found)

    def _entering(self, admission: Admission, role: PrincipalFacts) -> Iterator[Source]:
        steps = tuple(s for s in self._steps(admission, role) if s.rank > NEVER)
        if not steps:
            return
        if admission.selector.kind != "any" or admission.provider:
            yield Source(admission, role, steps)
            return
        for selector, members in _told_apart(steps, self._population, partition_of(role)):
            yield Source(replace(admission, selector=selector), role, members)

    def _steps(self, admission: Admission, role: PrincipalFacts) -> Iterator[Step]:
        if admission.provider:
            yield step(self._world, vouched_for_by(admission.provider), role, admission.action)
            return
        policies = (role.trust_policy,) if role.trust_policy is not None else ()
        place = Place(role.account_id, partition_of(role), policies)
        reached = reached_from(admission.selector, place, self._population)
        for caller in reached.callers:
            is_closed = account_of(self._world, caller.account_id).status in CLOSED
            if caller.kind not in _CANNOT_ASSUME and may_ask(caller) and not is_closed:
                yield step(self._world, caller, role, ASSUME, reached.context)


def may_ask(caller: Caller) -> bool:
    """Whether nothing on the caller's own side surely keeps it from assuming a role of another account (R7.1)."""
    if caller.without_account or not caller.collected:
        return True
    return any(_allows_assuming(policy) for policy in caller.identity_policies)


@lru_cache(maxsize=65536)
def _allows_assuming(policy: PolicyText) -> bool:
    document = parse_policy(policy)
    if document.problems:
        return True
    return any(s.effect is not Effect.DENY and covers_action(s, ASSUME) for s in document.statements)


def _told_apart(
    steps: Iterable[Step], population: Population, partition: str
) -> Iterator[tuple[Selector, tuple[Step, ...]]]:
    """`*` as the public, and as accounts and organizations of ours where they get further than it (R2.8)."""
    groups: dict[Selector, list[Step]] = defaultdict(list)
    for judged in steps:
        groups[_side(judged.caller, population, partition)].append(judged)
    ranks: Mapping[Selector, int] = {s: max(m.rank for m in members) for s, members in groups.items()}
    public = ranks.get(_ANYBODY, NEVER)
    kept = [m for s, members in groups.items() if s == _ANYBODY or ranks[s] <= public for m in members]
    if kept:
        yield _ANYBODY, tuple(kept)
    for selector, members in sorted(groups.items()):
        if selector != _ANYBODY and ranks[selector] > public:
            yield selector, tuple(members)


def _side(caller: Caller, population: Population, partition: str) -> Selector:
    """Whom a caller counts to: the public, an organization, or its account."""
    if caller.kind is PrincipalKind.ANY:
        return _ANYBODY
    organization = organization_of(population.world, caller.account_id)
    if organization is not None:
        return Selector(organization.id, "organization")
    return selector_of(caller.account_id, partition)
