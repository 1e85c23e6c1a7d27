"""Paths from somebody outside through roles to keys: the closure joined with what every role can do (R7.7 to R7.10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field

from scanner.analyze.paths.admission import OWN_SAML_PROVIDER, party_of_admission, remarks_on
from scanner.analyze.paths.approaches import Arrival, Course, Landing, Way, landings_of
from scanner.analyze.paths.graph import DEFAULT_HOPS, Chain, Closure, RoleGraph
from scanner.analyze.paths.hops import ASLEEP, BOUND, CHOSEN, PERHAPS
from scanner.analyze.paths.role_use import Use, UseByForm, Uses
from scanner.analyze.paths.sources import Admission, Doors, Source, partition_of
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.analyze.principals.selectors import Selector
from scanner.analyze.request.caller import account_of, organization_of
from scanner.model.arn import KeyArn
from scanner.model.finding import ResourceRef
from scanner.model.key import KeyFacts
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

DEPTH_LIMIT = "depth_limit"
IN_ANY_ACCOUNT = "::*:"
"""In the ARN of a resource: every account that has a role of this name."""
_SSO = "AWSReservedSSO_"
_IDENTITY_CENTER = Selector("IAM Identity Center", "federated")
_CONDITIONAL = frozenset({CHOSEN, BOUND})


@dataclass(slots=True)
class Claim:
    """Somebody who gets at keys through roles: the content of one finding.

    `landings` hold for every key and action the strongest way. `parts` identify the claim across runs; `accounts` are
    those whose roles are entered. `cut` says that some chain was longer than what is followed.
    """

    selector: Selector
    party: str
    resource: ResourceRef
    parts: tuple[str, ...]
    remarks: tuple[str, ...]
    sources: list[Source] = field(default_factory=list)
    landings: list[Landing] = field(default_factory=list)
    cut: bool = False
    _admitted: tuple[Admission, ...] = ()

    @property
    def admissions(self) -> tuple[Admission, ...]:
        """How they are admitted, by every role they enter."""
        if len(self._admitted) != len(self.sources):  # sources are added, and asked about for every key
            self._admitted = tuple(s.admission for s in self.sources)
        return self._admitted

    @property
    def accounts(self) -> tuple[str, ...]:
        """Accounts whose roles are entered."""
        return tuple(sorted({s.role.account_id for s in self.sources}))

    @property
    def keys(self) -> dict[KeyArn, KeyFacts]:
        """The keys reached, by ARN."""
        return {key.arn: key for landing in self.landings for key in landing.keys}

    @property
    def arrivals(self) -> Iterator[Arrival]:
        """Every action on every key, by each source."""
        return (arrival for landing in self.landings for arrival in landing.arrivals)


class Paths:
    """Follows everybody who enters a role from outside to the given keys."""

    def __init__(
        self,
        population: Population,
        keys: Iterable[KeyFacts],
        trust: Trust,
        *,
        max_hops: int = DEFAULT_HOPS,
        iam_changes: bool = True,
    ) -> None:
        self.world: World = population.world
        self.graph = RoleGraph(population, max_hops, iam_changes=iam_changes)
        self._keys: dict[str, KeyFacts] = {key.arn: key for key in keys}
        self._trust = trust
        self._uses = UseByForm(self.world, self._keys.values())
        self._uses_told: dict[str, Uses] = {}
        self._doors = Doors(population)
        self._ways: dict[str, dict[str, tuple[Way, ...]]] = {}
        self._idle: list[Source] = []

    @property
    def keys(self) -> Collection[KeyFacts]:
        """The keys that are followed to."""
        return self._keys.values()

    def uses_of(self, node: str) -> Uses:
        """What an identity can do with the keys itself, in the form that the node says."""
        told = self._uses_told.get(node)
        return self._uses.of(node) if told is None else told

    def take_uses(self, uses: Mapping[str, Uses]) -> None:
        """Know by node what identities of the same world can do with the same keys, judged elsewhere."""
        self._uses_told.update(uses)

    def entries(self) -> tuple[str, ...]:
        """The ARNs of the roles that somebody enters from outside, in order."""
        return tuple(arn for arn, role in self.graph.roles.items() if self._doors.sources_of(role))

    def nodes_behind(self, entries: Iterable[str]) -> tuple[str, ...]:
        """Everybody whom sessions of some roles get to be, in order."""
        closures = map(self.graph.closure, entries)
        return tuple(sorted({node for c in closures for node in (*c.chains, *c.beyond)}))

    def keep_to_what_leads_to_keys(self) -> tuple[str, ...]:
        """Follow nothing from which none of the keys is surely reached; the ARNs of the roles that are left."""
        leading = self.graph.keep_to_what_leads_to(self._uses.accounts, lambda node: bool(self.uses_of(node).by_key()))
        return tuple(arn for arn in self.graph.roles if arn in leading.identities)

    def with_less_trust(self, role: PrincipalFacts) -> Paths:
        """The paths with a role in its new form: it admits fewer, and what its sessions can do is as before."""
        other = copy(self)
        other.graph = self.graph.with_less_trust(role)
        touched = (a for a in self._ways if self.graph.closure(a).reaches(role.arn))
        other._idle = []
        other._ways = {a: self._ways[a] for a in self._ways.keys() - set(touched)}
        return other

    def claims(self, entries: Iterable[str] | None = None) -> tuple[Claim, ...]:
        """One claim per source and entry role; access of the whole organization's kind once for all accounts.

        Args:
            entries: ARNs of the roles by which one enters; all roles where there are none given.
        """
        self._idle.clear()
        found: dict[tuple[str, ...], Claim] = {}
        roles = self.graph.roles
        for role in roles.values() if entries is None else (roles[arn] for arn in sorted(entries)):
            for source in self._doors.sources_of(role):
                ways = self._ways_from(role.arn)
                cut = bool(self.graph.closure(role.arn).beyond)
                if not ways and not cut:
                    self._idle.append(source)
                    continue
                claim = self._claim(source)
                known = found.setdefault(claim.parts, claim)
                known.cut = known.cut or cut
                known.sources.append(source)
                known.landings.extend(landings_of(source, ((self._keys[arn], found) for arn, found in ways.items())))
        return tuple(claim for _, claim in sorted(found.items()))

    def idle(self) -> Iterator[Claim]:
        """Everybody who enters a role that does nothing with keys today, once claims were asked for."""
        for source in self._idle:
            claim = self._claim(source)
            claim.sources.append(source)
            yield claim

    def _ways_from(self, role_arn: str) -> Mapping[str, tuple[Way, ...]]:
        """By key ARN the strongest way from a role to every action; the same object where the same uses are reached."""
        if role_arn not in self._ways:
            reached = self._reached_from(role_arn)
            known: dict[Hashable, tuple[Way, ...]] = {}
            courses: dict[Course, Course] = {}
            ways = self._ways[role_arn] = {}
            for key_arn, found in sorted(reached.items()):
                place = tuple((id(chain), of) for (of, _), (chain, _) in found.items())
                if place not in known:
                    known[place] = _strongest(((c, uses, cut) for (_, cut), (c, uses) in found.items()), courses)
                ways[key_arn] = known[place]
        return self._ways[role_arn]

    def _reached_from(self, role_arn: str) -> Mapping[str, dict[tuple[int, bool], tuple[Chain, tuple[Use, ...]]]]:
        """By key ARN the different uses that are reached, each by the strongest chain.

        Of those who share what they can do, the first tells it of all keys but those it is apart from.
        """
        found: dict[str, dict[tuple[int, bool], tuple[Chain, tuple[Use, ...]]]] = defaultdict(dict)
        left: dict[tuple[int, bool], frozenset[str]] = {}
        for target, chain, cut in _strongest_first(self.graph.closure(role_arn)):
            uses = self.uses_of(target)
            place = id(uses.shared), cut
            told = uses.shared.keys() if place not in left else left[place] & uses.shared.keys()
            left[place] = uses.apart if place not in left else left[place] & uses.apart
            for key_arn in told - uses.apart:
                some = uses.shared[key_arn]
                found[key_arn].setdefault((id(some), cut), (chain, some))
            for key_arn, some in uses.own.items():
                # somebody who cannot be told apart was reached by a chain that is no weaker
                found[key_arn].setdefault((id(some), cut), (chain, some))
        return found

    def _claim(self, source: Source) -> Claim:
        role, selector = source.role, source.selector
        party = party_of_admission(source.admission, role, self.world, self._trust)
        name = role.arn.rsplit("/", 1)[-1]
        owner = role.account_id
        organization = organization_of(self.world, owner)
        if organization is not None and selector.account_id == organization.management_account:
            arn = f"arn:{partition_of(role)}:iam::*:role/{name}"
            resource = self._resource(arn, name, organization.management_account)
            return Claim(selector, party, resource, (selector.text, arn), ())
        if party == OWN_SAML_PROVIDER and name.startswith(_SSO):
            wildcard = f"{name.rsplit('_', 1)[0]}_*"
            arn = f"arn:{partition_of(role)}:iam::*:role/{wildcard}"
            account = organization.management_account if organization else owner
            resource = self._resource(arn, wildcard, account)
            return Claim(_IDENTITY_CENTER, party, resource, (_IDENTITY_CENTER.text, arn), ())
        remarks = remarks_on(source.admission, party)
        return Claim(selector, party, self._resource(role.arn, name, owner), (selector.text, role.arn), remarks)

    def _resource(self, arn: str, name: str, account_id: str) -> ResourceRef:
        return ResourceRef("role", arn, name, account_id, account_of(self.world, account_id).name)


def _strongest_first(closure: Closure) -> Iterator[tuple[str, Chain, bool]]:
    """Every node with its chain, and whether that is too long to count as followed."""
    for chains, cut in ((closure.chains, False), (closure.beyond, True)):
        for node, chain in sorted(chains.items(), key=lambda item: item[1].order):
            yield node, chain, cut


def _strongest(reached: Iterable[tuple[Chain, Iterable[Use], bool]], courses: dict[Course, Course]) -> tuple[Way, ...]:
    """The strongest way to every action, of those as strong the first: they are given in the order of their chains.

    Args:
        courses: each of those that were met, so that ways of one hold the same object.
    """
    best: dict[str, tuple[int, Chain, Use, bool]] = {}
    for chain, uses, cut in reached:
        most = min(chain.rank, PERHAPS) if cut else chain.rank
        for use in uses:
            rank = min(most, use.rank)
            before = best.get(use.action.name)
            if before is None or rank > before[0]:
                best[use.action.name] = rank, chain, use, cut
    return tuple([Way.of(chain, use, cut=cut, courses=courses) for _, chain, use, cut in best.values()])


def reason_of(arrival: Arrival, asleep: str) -> str:
    """Why the verdict of a path is what it is.

    Args:
        asleep: the reason where the key's state or Region is in the way.
    """
    if arrival.rank == ASLEEP:
        sleeping = (s.decision.reason for s in arrival.steps if s.rank == ASLEEP)
        return next(sleeping, asleep)
    if arrival.rank == PERHAPS:
        doubtful = arrival.doubtful
        return doubtful.reason if doubtful is not None and not arrival.way.cut else DEPTH_LIMIT
    return "residual_condition" if arrival.rank in _CONDITIONAL else ""
