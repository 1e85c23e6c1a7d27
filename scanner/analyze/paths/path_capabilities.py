"""What a path gives: its capabilities, with what verdict, with which keys, and by whose statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from scanner.analyze.decision.decide import evaluate
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.decision.remembered import remembered
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.delegation import marked
from scanner.analyze.keys.judge import asleep_reason, strength
from scanner.analyze.keys.severity import Exposure, rank, severity_of
from scanner.analyze.paths.admission import standing_on_path
from scanner.analyze.paths.approaches import Approach, Arrival, Place, residual_of
from scanner.analyze.paths.forms import ANYTHING
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


class Judged(NamedTuple):
    """An arrival with its severity. `order`: worst, strongest path, gravest capability first, then the key by name."""

    arrival: Arrival
    severity: Severity
    trail: _Trail
    standing: Standing
    order: tuple[int, int, int, int, str]


def judged_arrivals(assembly: Assembly, claim: Claim) -> list[Judged]:
    """Every arrival of a claim with its severity, worst first."""
    return sorted(_judged(assembly, claim), key=lambda j: j.order)


def _judged(assembly: Assembly, claim: Claim) -> Iterator[Judged]:
    known: dict[object, tuple[Severity, _Trail, Standing, tuple[int, int, int, int, str]]] = {}
    for arrival in claim.arrivals:
        key, approach = arrival.key, arrival.approach
        capability, verdict, _ = approach.place
        place = (key.arn, capability, approach.rank, approach.choice[1])
        if place not in known:
            severity, trail, standing = _severity(assembly, claim, key, capability, arrival)
            weight = CAPABILITIES.index(capability)
            order = (-rank(severity), -strength(verdict), -approach.rank, weight, key.arn)
            known[place] = severity, trail, standing, order
        yield Judged(arrival, *known[place])


def _severity(
    assembly: Assembly, claim: Claim, key: KeyFacts | None, capability: str, arrival: Arrival | None
) -> tuple[Severity, _Trail, Standing]:
    standing = standing_at(assembly, claim, key, capability)
    exposure = Exposure(
        Kind.ASSUMED_ROLE_PATH, standing.party, capability, arrival.verdict if arrival else FindingVerdict.POSSIBLE,
        arrival is not None and arrival.caller_chosen, key.arn if key else "", claim.selector.text,
        key.tags if key else {}, note=standing.note, crosses=standing.crossing.boundaries,
        into_sensitive=standing.crossing.into_sensitive, vouched=arrival is not None and arrival.vouched,
        kin=assembly.kin_of(key) if key else {},
    )  # fmt: skip
    return *severity_of(exposure, assembly.severity), standing


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


def path_capabilities(
    assembly: Assembly, claim: Claim, judged: Sequence[Judged]
) -> tuple[tuple[CapabilityResult, ...], _Trail, Standing]:
    """One result per capability, verdict and condition: of every action the strongest path to any key."""
    if not judged:
        severity, trail, standing = _severity(assembly, claim, None, UNDOCUMENTED, None)
        cut = CapabilityResult(UNDOCUMENTED, (), FindingVerdict.POSSIBLE, severity, (DEPTH_LIMIT,))
        return (cut,), trail, standing
    groups: dict[Place, list[Judged]] = defaultdict(list)
    for one in _strongest(judged):
        groups[one.arrival.approach.place].append(one)
    held = _Held(judged)
    built: list[tuple[CapabilityResult, _Trail, Standing]] = []
    for place, members in groups.items():
        members.sort(key=lambda j: j.order)
        worst = max(members, key=lambda j: rank(j.severity))
        built.append((_result(assembly, claim, place, members, held), worst.trail, worst.standing))
    built.sort(key=lambda b: (-rank(b[0].severity), -strength(b[0].verdict), CAPABILITIES.index(b[0].capability)))
    return marked([result for result, _, _ in built]), built[0][1], built[0][2]


def _strongest(judged: Iterable[Judged]) -> list[Judged]:
    """The strongest path of every action to the worst key, strongest first; given worst first."""
    found: dict[str, tuple[int, int, Judged]] = {}
    for number, one in enumerate(judged):
        approach = one.arrival.approach
        action = approach.way.use.action.name
        if action not in found or -approach.rank < found[action][0]:
            found[action] = -approach.rank, number, one
    return [one for _, _, one in sorted(found.values(), key=lambda f: f[:2])]


def _result(assembly: Assembly, claim: Claim, place: Place, members: Sequence[Judged], held: _Held) -> CapabilityResult:
    """One result; its members are the strongest paths of its actions, worst first."""
    capability, verdict, condition = place
    first = members[0].arrival
    names = frozenset(m.arrival.way.use.action.iam_name for m in members)
    return CapabilityResult(
        capability, tuple(sorted(names)), verdict, max((m.severity for m in members), key=rank),
        tuple(dict.fromkeys(_reason(assembly, claim, m.arrival) for m in members)), condition,
        residual_of(first.approach), first.caller_chosen, first.vouched, held.by(names, place),
        _giving(assembly, members),
    )  # fmt: skip


class _Held:
    """With which keys actions hold: at all, and with a given verdict and condition; keys worst first."""

    def __init__(self, judged: Iterable[Judged]) -> None:
        self._at_all: dict[str, dict[str, None]] = defaultdict(dict)
        self._so: dict[tuple[str, Place], dict[str, None]] = defaultdict(dict)
        places: dict[Approach, tuple[dict[str, None], dict[str, None]]] = {}
        for one in judged:
            _, key, approach = one.arrival
            if approach not in places:
                action = approach.way.use.action.iam_name
                places[approach] = self._at_all[action], self._so[action, approach.place]
            at_all, so = places[approach]
            at_all[key.arn] = so[key.arn] = None

    def by(self, actions: Iterable[str], place: Place) -> CapabilityKeys:
        """The keys of some of these actions."""
        so = {arn: None for action in sorted(actions) for arn in self._so[action, place]}
        at_all = {arn for action in actions for arn in self._at_all[action]}
        return CapabilityKeys(len(so), tuple(so)[:KEYS_NAMED], len(at_all) - len(so))


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
        for gate in _gates(world, request) if gate.layer in _GIVING
        for ref in [r for r in gate.statements if r.effect == Effect.ALLOW.value][:_CITED_PER_GATE]
    )  # fmt: skip


def _reason(assembly: Assembly, claim: Claim, arrival: Arrival) -> str:
    caller = arrival.user(assembly.world)
    use = arrival.way.use
    asleep = asleep_reason(request_on(caller, arrival.key, use.action), use.decision)
    woken = "key_can_be_woken" if use.woken else ""
    return reason_of(arrival, asleep) or woken or confirmed_path_reason(arrival, claim.party)


def deciding_arrival(judged: Sequence[Judged], leading: CapabilityResult) -> Arrival | None:
    """The path behind the leading capability, to the worst key."""
    fitting = (
        j.arrival for j in judged
        if j.arrival.way.use.action.iam_name in leading.actions and j.arrival.verdict is leading.verdict
        and j.arrival.approach.condition == leading.condition
    )  # fmt: skip
    return next(fitting, None)


def gates_at_key(assembly: Assembly, deciding: Arrival) -> tuple[Gate, ...]:
    """The gates that the last role passes at the worst key."""
    return _gates(assembly.world, _last_request(assembly, deciding))


def _last_request(assembly: Assembly, deciding: Arrival) -> Request:
    return request_on(deciding.user(assembly.world), deciding.key, deciding.way.use.action)


def _gates(world: World, request: Request) -> tuple[Gate, ...]:
    return tuple(map(_as_written_by_itself, gates_of(request, evaluate(world, request))))


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
