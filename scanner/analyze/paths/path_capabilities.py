"""What a path gives: its capabilities, with what verdict, with which keys, and by whose statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from heapq import nsmallest
from itertools import chain
from typing import NamedTuple

from scanner.analyze.decision.decide import layers_of
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.decision.remembered import remembered
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.delegation import marked
from scanner.analyze.keys.judge import asleep_reason, strength
from scanner.analyze.keys.severity import Exposure, rank, severity_of
from scanner.analyze.paths.admission import standing_on_path
from scanner.analyze.paths.approaches import Approach, Arrival, Landing, Place, residual_of
from scanner.analyze.paths.forms import ANYTHING
from scanner.analyze.paths.hops import ASLEEP, CHOSEN, PERHAPS, Step, verdict_of
from scanner.analyze.paths.path_words import confirmed_path_reason
from scanner.analyze.paths.paths import DEPTH_LIMIT, Claim, reason_of
from scanner.analyze.paths.role_use import request_on
from scanner.analyze.principals.approvals import Use
from scanner.analyze.principals.borders import crossing
from scanner.analyze.principals.party import SAME_ORGANIZATION, Standing
from scanner.analyze.request.request import Request
from scanner.model.actions import CAPABILITIES, UNDOCUMENTED
from scanner.model.decision import Gate, Layer, StatementRef
from scanner.model.finding import CapabilityKeys, CapabilityResult, FindingVerdict, Kind, Severity, SeverityReason
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.world import World

KEYS_NAMED = 10
"""Keys named per capability; access.csv has a row for each of the others."""
_GIVING = (Layer.IAM, Layer.KEY_POLICY, Layer.RAM, Layer.GRANT)
_CITED_PER_GATE = 2
_Trail = tuple[SeverityReason, ...]
_Kind = tuple[str, int, bool]
"""Of an approach: capability, rank, and whether something is vouched for. Beside the key, a severity hangs on these."""
_Grade = tuple[int, int, int, int]
"""Worst severity, strongest verdict, strongest path, gravest capability first."""
_Levels = list[tuple[_Grade, set[str]]]
"""The ARNs of keys of each grade, worst first."""


class Severities:
    """How grave what a claim reaches is, and where those who make it stand: once for keys that count alike."""

    def __init__(self, assembly: Assembly, claim: Claim) -> None:
        self.claim = claim
        self._assembly = assembly
        self._by_name = _are_named(assembly, claim)
        self._alike: dict[str, Hashable] = {}
        self._standings: dict[tuple[Hashable, str], Standing] = {}
        self._known: dict[tuple[Hashable, _Kind], tuple[Severity, _Trail, _Grade]] = {}

    def alike(self, key: KeyFacts) -> Hashable:
        """Equal for keys that nothing tells apart: of one account, alike in the tags that count, not named by rules."""
        found = self._alike.get(key.arn)
        if found is None:
            kin = self._assembly.kin_of(key)
            related = tuple((region, self._tags(tags)) for region, tags in sorted(kin.items()))
            found = key.arn if self._by_name else (key.account_id, self._tags(key.tags), related)
            self._alike[key.arn] = found
        return found

    def _tags(self, tags: Mapping[str, str] | None) -> tuple[str | None, ...] | None:
        return None if tags is None else tuple(map(tags.get, self._assembly.severity.sensitive_tags))

    def standing(self, key: KeyFacts, capability: str) -> Standing:
        """Where they stand towards a key."""
        place = (self.alike(key), capability)
        if place not in self._standings:
            self._standings[place] = standing_at(self._assembly, self.claim, key, capability)
        return self._standings[place]

    def of(self, key: KeyFacts, kind: _Kind) -> tuple[Severity, _Trail, _Grade]:
        """Severity and trail of an approach to a key, and its place in the order."""
        place = (self.alike(key), kind)
        found = self._known.get(place)
        if found is None:
            capability, way, _ = kind
            severity, trail = _severity(self._assembly, self.claim, self.standing(key, capability), kind, key)
            grade = (-rank(severity), -strength(verdict_of(way)), -way, CAPABILITIES.index(capability))
            found = self._known[place] = severity, trail, grade
        return found


def _are_named(assembly: Assembly, claim: Claim) -> bool:
    """Whether rules tell keys apart that are of one account and tagged alike: by their ARN, aliases or other tags."""
    account_id = claim.admissions[0].selector.account_id
    approved = any(a.keys for a in assembly.trust.approvals if a.id == account_id)
    return approved or any(override.key for override in assembly.severity.overrides)


def _severity(
    assembly: Assembly, claim: Claim, standing: Standing, kind: _Kind, key: KeyFacts | None
) -> tuple[Severity, _Trail]:
    capability, way, vouched = kind
    exposure = Exposure(
        Kind.ASSUMED_ROLE_PATH, standing.party, capability, verdict_of(way), way == CHOSEN and not vouched,
        key.arn if key else "", claim.selector.text, key.tags if key else {}, note=standing.note,
        crosses=standing.crossing.boundaries, into_sensitive=standing.crossing.into_sensitive, vouched=vouched,
        kin=assembly.kin_of(key) if key else {},
    )  # fmt: skip
    return severity_of(exposure, assembly.severity)


def standing_at(assembly: Assembly, claim: Claim, key: KeyFacts | None, capability: str) -> Standing:
    """Where those who make the claim stand towards a key; without a key, towards the roles they enter."""
    use = Use.of(key, capability) if key else Use(capability)
    owner = key.account_id if key else claim.accounts[0]
    standing = standing_on_path(claim.admissions, claim.party, use, owner, assembly.world, assembly.trust)
    boundaries = assembly.trust.boundaries
    if standing.party != SAME_ORGANIZATION or not boundaries:
        return standing
    named = claim.selector.account_id
    inside = {named} if named else {a for a in callers_of(claim).values() if a}
    return replace(standing, crossing=crossing(sorted(inside), owner, assembly.world, boundaries))


class Judged(NamedTuple):
    """An arrival with its severity. `order`: its grade, then the key by name, then as arrivals come."""

    arrival: Arrival
    severity: Severity
    trail: _Trail
    standing: Standing
    order: tuple[_Grade, str, int, int]


class Reached:
    """All that a claim reaches, judged once for approaches of a kind at keys that count alike."""

    def __init__(self, assembly: Assembly, claim: Claim) -> None:
        self.claim = claim
        self.severities = Severities(assembly, claim)
        self.landings: tuple[Landing, ...] = tuple(claim.landings)
        self.keys: dict[str, KeyFacts] = {key.arn: key for landing in self.landings for key in landing.keys}
        self._alike = {arn: self.severities.alike(key) for arn, key in self.keys.items()}
        self._arns = [frozenset(key.arn for key in landing.keys) for landing in self.landings]
        self._at: dict[Approach, list[int]] = defaultdict(list)
        for number, landing in enumerate(self.landings):
            for approach in landing.approaches:
                self._at[approach].append(number)
        self._known: dict[Hashable, _Levels] = {}
        self._by_action: dict[str, list[Approach]] = defaultdict(list)
        for approach in self._at:
            self._by_action[approach.way.use.action.iam_name].append(approach)

    @property
    def approaches(self) -> Iterable[Approach]:
        """Each by which something is reached."""
        return self._at.keys()

    @property
    def routes(self) -> Iterable[tuple[Step, ...]]:
        """The steps of every path, whatever is done at its end."""
        return {(id(a.entry), id(a.way.chain)): a.steps for a in self._at}.values()

    def worst_keys(self) -> tuple[str, ...]:
        """The ARNs of the keys, worst first."""
        kinds = {approach: kind_of(approach) for approach in self._at}
        met: dict[frozenset[_Kind], list[int]] = defaultdict(list)
        for number, landing in enumerate(self.landings):
            met[frozenset(map(kinds.__getitem__, landing.approaches))].append(number)
        arns: dict[_Kind, set[str]] = defaultdict(set)
        for of, numbers in met.items():
            held = self._keys_at(numbers)
            for kind in of:
                arns[kind] |= held
        return tuple(dict.fromkeys(arn for _, found in self._graded(arns) for arn in sorted(found)))

    def strongest(self) -> list[Judged]:
        """The strongest path of every action to the worst key, strongest first."""
        found: list[Judged] = []
        for approaches in self._by_action.values():
            most = max(approach.rank for approach in approaches)
            found.append(self._worst([a for a in approaches if a.rank == most]))
        return sorted(found, key=lambda one: (-one.arrival.rank, one.order))

    def worst_of(self, leading: CapabilityResult) -> Arrival | None:
        """The path behind a capability, to the worst key."""
        fitting = [a for a in self._fitting(leading) if a.condition == leading.condition]
        return self._worst(fitting).arrival if fitting else None

    def number_of(self, leading: CapabilityResult) -> int:
        """How many keys a capability reaches with its verdict."""
        return len(self._keys_by(self._fitting(leading)))

    def _fitting(self, result: CapabilityResult) -> Iterator[Approach]:
        approaches = (a for action in result.actions for a in self._by_action.get(action, ()))
        return (a for a in approaches if verdict_of(a.rank) is result.verdict)

    def held(self, actions: Iterable[str], place: Place) -> CapabilityKeys:
        """With which keys actions hold, worst first, and how many hold otherwise."""
        known = [self._by_action[action] for action in sorted(actions)]
        fitting = [[a for a in approaches if a.place == place] for approaches in known]
        so, at_all = (len(self._keys_by(chain.from_iterable(of))) for of in (fitting, known))
        return CapabilityKeys(so, tuple(self._named(fitting)), at_all - so)

    def _named(self, fitting: Iterable[Sequence[Approach]]) -> dict[str, None]:
        """The first keys by approaches to one action after the other."""
        named: dict[str, None] = {}
        for approaches in fitting:
            for _, arns in self._levels(approaches):
                named |= dict.fromkeys(nsmallest(KEYS_NAMED - len(named), arns - named.keys()))
                if len(named) == KEYS_NAMED:
                    return named
        return named

    def _worst(self, approaches: Sequence[Approach]) -> Judged:
        """The worst arrival by one of some approaches, with the first key by name; of several the first."""
        grade, arns = self._levels(approaches)[0]
        arn = min(arns)
        key = self.keys[arn]
        so = (a for a in approaches if self.severities.of(key, kind_of(a))[2] == grade)
        number, place, approach = min(
            ((number, self.landings[number].approaches.index(a), a)
            for a in so for number in self._at[a] if arn in self._arns[number]), key=lambda found: found[:2],
        )  # fmt: skip
        severity, trail, _ = self.severities.of(key, kind_of(approach))
        standing = self.severities.standing(key, approach.place[0])
        arrival = Arrival(self.landings[number].source, key, approach)
        return Judged(arrival, severity, trail, standing, (grade, arn, number, place))

    def _keys_by(self, approaches: Iterable[Approach]) -> frozenset[str]:
        return self._keys_at({number for approach in approaches for number in self._at[approach]})

    def _keys_at(self, numbers: Iterable[int]) -> frozenset[str]:
        return frozenset[str]().union(*map(self._arns.__getitem__, numbers))

    def _levels(self, approaches: Iterable[Approach]) -> _Levels:
        """The keys that approaches lead to, worst first: once for actions that are reached alike."""
        kinds: dict[_Kind, set[int]] = defaultdict(set)
        for approach in approaches:
            kinds[kind_of(approach)].update(self._at[approach])
        place = frozenset((kind, frozenset(numbers)) for kind, numbers in kinds.items())
        if place not in self._known:
            self._known[place] = self._graded({kind: self._keys_at(numbers) for kind, numbers in kinds.items()})
        return self._known[place]

    def _graded(self, keys: Mapping[_Kind, Iterable[str]]) -> _Levels:
        """Keys that are reached by approaches of each kind, worst first."""
        found: dict[_Grade, set[str]] = defaultdict(set)
        for kind, arns in keys.items():
            alike: dict[Hashable, list[str]] = defaultdict(list)
            for arn in arns:
                alike[self._alike[arn]].append(arn)
            for of in alike.values():
                found[self.severities.of(self.keys[of[0]], kind)[2]].update(of)
        return sorted(found.items(), key=lambda level: level[0])


def kind_of(approach: Approach) -> _Kind:
    """What of an approach its severity hangs on."""
    return approach.place[0], approach.rank, approach.choice[1]


def path_capabilities(
    assembly: Assembly, reached: Reached
) -> tuple[tuple[CapabilityResult, ...], _Trail, Standing]:  # fmt: skip
    """One result per capability, verdict and condition: of every action the strongest path to any key."""
    claim = reached.claim
    if not reached.landings:
        standing = standing_at(assembly, claim, None, UNDOCUMENTED)
        severity, trail = _severity(assembly, claim, standing, (UNDOCUMENTED, PERHAPS, False), None)
        cut = CapabilityResult(UNDOCUMENTED, (), FindingVerdict.POSSIBLE, severity, (DEPTH_LIMIT,))
        return (cut,), trail, standing
    groups: dict[Place, list[Judged]] = defaultdict(list)
    for one in reached.strongest():
        groups[one.arrival.approach.place].append(one)
    built: list[tuple[CapabilityResult, _Trail, Standing]] = []
    for place, members in groups.items():
        members.sort(key=lambda j: j.order)
        worst = max(members, key=lambda j: rank(j.severity))
        built.append((_result(assembly, reached, place, members), worst.trail, worst.standing))
    built.sort(key=lambda b: (-rank(b[0].severity), -strength(b[0].verdict), CAPABILITIES.index(b[0].capability)))
    return marked([result for result, _, _ in built]), built[0][1], built[0][2]


def _result(assembly: Assembly, reached: Reached, place: Place, members: Sequence[Judged]) -> CapabilityResult:
    """One result; its members are the strongest paths of its actions, worst first."""
    capability, verdict, condition = place
    first = members[0].arrival
    names = frozenset(m.arrival.way.use.action.iam_name for m in members)
    return CapabilityResult(
        capability, tuple(sorted(names)), verdict, max((m.severity for m in members), key=rank),
        tuple(dict.fromkeys(reason_at(assembly, reached.claim, m.arrival) for m in members)), condition,
        residual_of(first.approach), first.caller_chosen, first.vouched, reached.held(names, place),
        _giving(assembly, members),
    )  # fmt: skip


def _giving(assembly: Assembly, members: Iterable[Judged]) -> tuple[StatementRef, ...]:
    """The statements that give the actions: of the last role's policies, then of the key, or grants (R3.4, R4.10)."""
    world = assembly.world
    found: dict[StatementRef, None] = {}
    for member in members:
        request = _last_request(assembly, member.arrival)
        refs = remembered(world, request, "giving", partial(_allowing, world, request))
        found.update(dict.fromkeys(refs))
    return tuple(found)


def _allowing(world: World, request: Request) -> tuple[StatementRef, ...]:
    """The first statements of every gate that can give an action."""
    return tuple(
        ref
        for gate in _gates(world, request, _GIVING)
        for ref in [r for r in gate.statements if r.effect == Effect.ALLOW.value][:_CITED_PER_GATE]
    )  # fmt: skip


def reason_at(assembly: Assembly, claim: Claim, arrival: Arrival) -> str:
    """Why an arrival has its verdict."""
    use, asleep = arrival.way.use, ""
    if arrival.rank == ASLEEP:
        caller = arrival.user(assembly.world)
        asleep = asleep_reason(request_on(caller, arrival.key, use.action), use.decision)
    woken = "key_can_be_woken" if use.woken else ""
    return reason_of(arrival, asleep) or woken or confirmed_path_reason(arrival, claim.party)


def gates_at_key(assembly: Assembly, deciding: Arrival) -> tuple[Gate, ...]:
    """The gates that the last role passes at the worst key."""
    return _gates(assembly.world, _last_request(assembly, deciding))


def _last_request(assembly: Assembly, deciding: Arrival) -> Request:
    return request_on(deciding.user(assembly.world), deciding.key, deciding.way.use.action)


def _gates(world: World, request: Request, wanted: Container[Layer] = frozenset(Layer)) -> tuple[Gate, ...]:
    """The gates of a request; of the policies only those of some layers."""
    looked = layers_of(world, request)
    layers = tuple(layer for layer in looked.layers if layer.layer in wanted)
    return tuple(map(_as_written_by_itself, gates_of(request, looked._replace(layers=layers))))


def _as_written_by_itself(gate: Gate) -> Gate:
    """The gate without a statement that stands in no document: what an identity can write for itself."""
    found = tuple(ref for ref in gate.statements if ref.sha256 != ANYTHING.sha256)
    return gate if found == gate.statements else replace(gate, statements=found, why=ANYTHING.name)


def callers_of(claim: Claim) -> dict[str, str]:
    """Everybody behind the sources by text, with the account."""
    federated = claim.selector.kind == "federated"
    return {
        (s.selector.text if federated else step.caller.text): step.caller.account_id
        for s in claim.sources
        for step in s.steps
    }
