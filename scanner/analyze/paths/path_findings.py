"""The finding about a path through roles put together: capabilities over all keys, hops, evidence, words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scanner.analyze.decision.decide import evaluate
from scanner.analyze.decision.gates import gates_of, statement_ref
from scanner.analyze.keys.assemble import SAMPLE, Assembly
from scanner.analyze.keys.delegation import escalation_in_words, marked
from scanner.analyze.keys.evidence import (
    MAX_STATEMENTS,
    condition_refs,
    gate_evidence,
    grant_evidence,
    statement_evidence,
)
from scanner.analyze.keys.identity import digest, finding_id, fingerprint
from scanner.analyze.keys.judge import asleep_reason, strength
from scanner.analyze.keys.rules import rules_of
from scanner.analyze.keys.severity import Exposure, rank, severity_of
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.admission import standing_on_path
from scanner.analyze.paths.forms import ANYTHING
from scanner.analyze.paths.hops import Step, hop_of
from scanner.analyze.paths.path_words import confirmed_path_reason, path_remedy, path_summary, path_title
from scanner.analyze.paths.paths import DEPTH_LIMIT, Arrival, Claim, condition_in_words, reason_of, residual_of
from scanner.analyze.paths.role_use import request_on
from scanner.analyze.paths.sources import partition_of
from scanner.analyze.principals.approvals import Use
from scanner.analyze.principals.borders import crossing
from scanner.analyze.principals.party import SAME_ORGANIZATION, Standing
from scanner.analyze.principals.reach import sample
from scanner.analyze.principals.selectors import NamedStatement, Selector, selector_of
from scanner.analyze.request.caller import account_of
from scanner.analyze.request.request import Request
from scanner.model.actions import CAPABILITIES, UNDOCUMENTED
from scanner.model.decision import Gate, Layer
from scanner.model.finding import (
    CapabilityResult,
    ConditionRef,
    Evidence,
    Finding,
    FindingVerdict,
    Grantee,
    Hop,
    Kind,
    Mechanism,
    Path,
    Reach,
    RuleRef,
    Severity,
    SeverityReason,
)
from scanner.model.key import KeyFacts
from scanner.model.principal import PrincipalFacts

ROLE = "role"
_CITED_OF_TRUST, _CITED_OF_CHANGE = 2, 4
_KEYS_SHOWN = 20
KEYS_COMPARED = 1_000
"""Keys of a path whose decisions are carried one by one: which of the others are gone is not seen later."""
_RULES = (RuleRef("R7.1", "D"), RuleRef("R7.8", "D"), RuleRef("R7.10", "I"))
_Trail = tuple[SeverityReason, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    """An arrival with its severity. `order`: worst, strongest path, gravest capability first, then the key by name."""

    arrival: Arrival
    severity: Severity
    trail: _Trail
    standing: Standing
    order: tuple[int, int, int, int, str]


def path_finding(assembly: Assembly, claim: Claim, max_hops: int) -> Finding:
    """The finding that somebody outside gets at keys by assuming a role."""
    judged = sorted(_judged(assembly, claim), key=lambda j: j.order)
    capabilities, trail, standing = _capabilities(assembly, claim, judged)
    grantee = path_grantee(assembly, claim, standing)
    leading = capabilities[0]
    deciding = _deciding(judged, leading)
    worst = tuple(dict.fromkeys(j.arrival.key.arn for j in judged))
    layers = () if deciding is None else _gates(assembly, deciding)
    hops = tuple(hop_of(assembly.world, s) for s in deciding.steps) if deciding else _entry_hops(assembly, claim)
    asserted = ("asserted_context",) if _rests_on_assertions(assembly, claim) else ()
    reasons = tuple(dict.fromkeys((*leading.reasons, *claim.remarks, *asserted)))
    keys = claim.keys
    callers = callers_of(claim)
    texts = tuple(sorted(callers))
    decided = _digest(claim.arrivals)
    escalation = escalation_in_words(capabilities, keys.values(), ROLE)
    return Finding(
        id=finding_id(Kind.ASSUMED_ROLE_PATH, *claim.parts),
        fingerprint=fingerprint([
            [[c.capability, c.actions, c.verdict, c.residual] for c in capabilities], texts, sorted(keys), decided,
            [[hop.principal, hop.role_arn, hop.verdict] for hop in hops],
            [[gate.layer, gate.side, gate.outcome] for gate in layers],
        ]),
        kind=Kind.ASSUMED_ROLE_PATH,
        lifecycle="new",
        first_seen=assembly.world.as_of,
        last_seen=assembly.world.as_of,
        severity=leading.severity,
        severity_reasons=trail,
        verdict=leading.verdict,
        verdict_reasons=reasons,
        title=path_title(claim, grantee, leading),
        summary=path_summary(claim, leading, deciding, max_hops) + escalation,
        resource=claim.resource,
        key=None,
        grantee=grantee,
        mechanism=_mechanism(claim, deciding),
        capabilities=capabilities,
        conditions=_conditions(assembly, claim),
        path=Path(hops, layers),
        reach=_reach(claim, callers, decided, worst[:KEYS_COMPARED]),
        evidence=_evidence(assembly, claim, deciding, hops, layers),
        remediation=path_remedy(claim, reasons),
        rules=(*_RULES, *rules_of(reasons, _cited(deciding))),
        coverage_refs=_coverage_refs(assembly, claim),
        keys=tuple(assembly.key_ref(keys[arn]) for arn in worst[:_KEYS_SHOWN]),
        keys_total=len(keys),
    )  # fmt: skip


def path_grantee(assembly: Assembly, claim: Claim, standing: Standing) -> Grantee:
    """Who makes the claim, and where it stands."""
    selector = claim.selector
    name = account_of(assembly.world, selector.account_id).name if selector.account_id else ""
    return Grantee(
        selector.text, selector.kind, selector.account_id, name, standing.party, standing.name, standing.approval
    )


def _judged(assembly: Assembly, claim: Claim) -> Iterator[_Judged]:
    known: dict[object, tuple[Severity, _Trail, Standing]] = {}
    for arrival in claim.arrivals:
        key, capability = arrival.key, arrival.way.use.action.capability
        place = (key.arn, capability, arrival.rank)
        if place not in known:
            known[place] = _severity(assembly, claim, key, capability, arrival.verdict, arrival.caller_chosen)
        severity, trail, standing = known[place]
        weight = CAPABILITIES.index(capability)
        order = (-rank(severity), -strength(arrival.verdict), -arrival.rank, weight, key.arn)
        yield _Judged(arrival, severity, trail, standing, order)


def _severity(
    assembly: Assembly, claim: Claim, key: KeyFacts | None, capability: str, verdict: FindingVerdict, chosen: bool
) -> tuple[Severity, _Trail, Standing]:
    standing = standing_at(assembly, claim, key, capability)
    exposure = Exposure(
        Kind.ASSUMED_ROLE_PATH, standing.party, capability, verdict, chosen, key.arn if key else "",
        claim.selector.text, key.tags if key else {}, note=standing.note, crosses=standing.crossing.boundaries,
        into_sensitive=standing.crossing.into_sensitive,
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


def _capabilities(
    assembly: Assembly, claim: Claim, judged: Sequence[_Judged]
) -> tuple[tuple[CapabilityResult, ...], _Trail, Standing]:
    """One result per capability, verdict and condition: of every action the strongest path to any key."""
    if not judged:
        severity, trail, standing = _severity(
            assembly, claim, None, UNDOCUMENTED, FindingVerdict.POSSIBLE, chosen=False
        )
        cut = CapabilityResult(UNDOCUMENTED, (), FindingVerdict.POSSIBLE, severity, (DEPTH_LIMIT,))
        return (cut,), trail, standing
    strongest: dict[str, _Judged] = {}
    for one in sorted(judged, key=lambda j: (-j.arrival.rank, j.order)):
        strongest.setdefault(one.arrival.way.use.action.name, one)
    groups: dict[tuple[str, FindingVerdict, str], list[_Judged]] = {}
    for one in strongest.values():
        place = (one.arrival.way.use.action.capability, one.arrival.verdict, condition_in_words(one.arrival))
        groups.setdefault(place, []).append(one)
    built: list[tuple[CapabilityResult, _Trail, Standing]] = []
    for (capability, verdict, condition), members in groups.items():
        first = min(members, key=lambda j: j.order).arrival
        worst = max(members, key=lambda j: rank(j.severity))
        reasons = tuple(dict.fromkeys(_reason(assembly, claim, m.arrival) for m in members))
        actions = tuple(sorted(m.arrival.way.use.action.iam_name for m in members))
        result = CapabilityResult(
            capability, actions, verdict, worst.severity, reasons, condition, residual_of(first), first.caller_chosen
        )
        built.append((result, worst.trail, worst.standing))
    built.sort(key=lambda b: (-rank(b[0].severity), -strength(b[0].verdict), CAPABILITIES.index(b[0].capability)))
    return marked([result for result, _, _ in built]), built[0][1], built[0][2]


def _reason(assembly: Assembly, claim: Claim, arrival: Arrival) -> str:
    caller = arrival.user(assembly.world)
    use = arrival.way.use
    asleep = asleep_reason(request_on(caller, arrival.key, use.action), use.decision)
    woken = "key_can_be_woken" if use.woken else ""
    return reason_of(arrival, asleep) or woken or confirmed_path_reason(arrival, claim.party)


def _deciding(judged: Sequence[_Judged], leading: CapabilityResult) -> Arrival | None:
    """The path behind the leading capability, to the worst key."""
    fitting = (
        j.arrival for j in judged
        if j.arrival.way.use.action.iam_name in leading.actions and j.arrival.verdict is leading.verdict
        and condition_in_words(j.arrival) == leading.condition
    )  # fmt: skip
    return next(fitting, None)


def _last_request(assembly: Assembly, deciding: Arrival) -> Request:
    caller = deciding.user(assembly.world)
    return request_on(caller, deciding.key, deciding.way.use.action)


def _gates(assembly: Assembly, deciding: Arrival) -> tuple[Gate, ...]:
    """The gates that the last role passes at the worst key."""
    request = _last_request(assembly, deciding)
    return tuple(map(_as_written_by_itself, gates_of(request, evaluate(assembly.world, request))))


def _as_written_by_itself(gate: Gate) -> Gate:
    """The gate without a statement that stands in no document: what an identity can write for itself."""
    found = tuple(ref for ref in gate.statements if ref.sha256 != ANYTHING.sha256)
    return gate if found == gate.statements else replace(gate, statements=found, why=ANYTHING.name)


def _entry_hops(assembly: Assembly, claim: Claim) -> tuple[Hop, ...]:
    return (hop_of(assembly.world, claim.sources[0].best),)


def callers_of(claim: Claim) -> dict[str, str]:
    """Everybody behind the sources by text, with the account."""
    federated = claim.selector.kind == "federated"
    return {
        (s.selector.text if federated else step.caller.text): step.caller.account_id
        for s in claim.sources
        for step in s.steps
    }


def _digest(arrivals: Iterable[Arrival]) -> str:
    """A number that differs where what anybody can do with any of the keys does: verdicts show the strongest only."""
    return digest(
        (
            f"{a.key.arn} {a.way.use.action.iam_name} {step.caller.text}",
            f"{a.by(step).rank} {condition_in_words(a.by(step))}",
        )
        for a in arrivals
        for step in a.source.steps
    )


def _reach(claim: Claim, callers: Mapping[str, str], decided: str, listed: Iterable[str]) -> Reach:
    texts = tuple(sorted(callers))
    by_key = _arrivals_at(claim, listed)
    return Reach(
        len(texts), (), sample(texts, SAMPLE), _accounts(callers.values()), len(texts) > SAMPLE, decided,
        {arn: _digest(found) for arn, found in by_key.items()},
        {arn: _strength(found) for arn, found in by_key.items()},
    )  # fmt: skip


def _arrivals_at(claim: Claim, listed: Iterable[str]) -> dict[str, list[Arrival]]:
    """What is reached of each of these keys."""
    arrivals: dict[str, list[Arrival]] = {str(arn): [] for arn in listed}
    for arrival in claim.arrivals:
        if arrival.key.arn in arrivals:
            arrivals[arrival.key.arn].append(arrival)
    return arrivals


def _strength(arrivals: Iterable[Arrival]) -> dict[str, int]:
    """The rank of the strongest way to each capability."""
    found: dict[str, int] = {}
    for arrival in arrivals:
        capability = arrival.way.use.action.capability
        found[capability] = max(found.get(capability, 0), arrival.rank)
    return dict(sorted(found.items()))


def _accounts(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({account for account in ids if account not in {"", "*"}}))


def _named(claim: Claim, deciding: Arrival | None) -> list[NamedStatement]:
    """The trust statements that admit, each once; first those that the deciding path enters by."""
    sources = claim.sources if deciding is None else (deciding.source, *claim.sources)
    found = {(n.place, n.document.policy.source): n for s in sources for n in s.admission.statements}
    return list(found.values())[:MAX_STATEMENTS]


def _mechanism(claim: Claim, deciding: Arrival | None) -> Mechanism:
    refs = (statement_ref(n.document, n.statement, n.statement.effect) for n in _named(claim, deciding))
    return Mechanism(ROLE, tuple(refs))


def _conditions(assembly: Assembly, claim: Claim) -> tuple[ConditionRef, ...]:
    """The conditions of the trust statements that admit, as the first source meets them."""
    source = claim.sources[0]
    entry = source.best
    request = Request(entry.caller, entry.action, entry.role.arn, role=entry.role, context=entry.context)
    return tuple(
        c for n in source.admission.statements for c in condition_refs(assembly.world, request, (n.statement,), n)
    )  # fmt: skip


def _evidence(
    assembly: Assembly, claim: Claim, deciding: Arrival | None, hops: Sequence[Hop], gates: Sequence[Gate]
) -> tuple[Evidence, ...]:
    selector = as_written(claim)
    named = _named(claim, deciding)
    found = [statement_evidence(n, selector) for n in named]
    cited = {n.place for n in named}
    if deciding is None:
        return tuple(found)
    for step, hop in zip(deciding.steps[1:], hops[1:], strict=True):
        for further in carrying(step, hop):
            found.append(statement_evidence(further, admitting(further, step.caller.account_id, step.role)))
            cited.add(further.place)
    grants = {g.grant_id: g for g in deciding.key.grants or ()}
    for ref in (r for gate in gates if gate.layer is Layer.GRANT for r in gate.statements[:2]):
        evidence, text = grant_evidence(deciding.key, grants[ref.grant_id])
        assembly.documents[evidence.sha256] = text
        found.append(evidence)
    found.extend(gate_evidence(gates, cited))
    return tuple(found)


def as_written(claim: Claim) -> Selector:
    """The selector as the trust policy writes it: a provider without the subject."""
    provider = claim.sources[0].admission.provider
    return Selector(provider, "federated") if provider else claim.selector


def carrying(step: Step, hop: Hop) -> Iterator[NamedStatement]:
    """The statements that carry a step: of the trust policy, or of the caller's policies that let it change IAM."""
    held = (step.role.trust_policy, *(step.caller.identity_policies if step.change else ()))
    documents = {policy.sha256: parse_policy(policy) for policy in held if policy is not None}
    for ref in hop.statements[: _CITED_OF_CHANGE if step.change else _CITED_OF_TRUST]:
        document = documents.get(ref.sha256)
        statement = next((s for s in document.statements if s.index == ref.index), None) if document else None
        if document is not None and statement is not None:
            yield NamedStatement(document, statement)


def admitting(named: NamedStatement, account_id: str, role: PrincipalFacts) -> Selector:
    """The entry of a statement that is about an account."""
    partition = partition_of(role)
    entries = (selector_of(e.value, partition) for e in named.statement.principals or () if e.type == "AWS")
    return next((s for s in entries if s.account_id == account_id), Selector("*", "any", partition=partition))


def _cited(deciding: Arrival | None) -> tuple[str, ...]:
    if deciding is None:
        return ()
    decisions = (*(s.decision for s in deciding.steps), deciding.way.use.decision)
    return tuple(rule for decision in decisions for rule in decision.rules)


def _rests_on_assertions(assembly: Assembly, claim: Claim) -> bool:
    """Whether a document on the way tests a condition key that the user vouches for."""
    asserted = assembly.world.asserted
    if not asserted:
        return False
    documents = {
        policy
        for arrival in claim.arrivals
        for policy in (
            *(s.role.trust_policy for s in arrival.steps), *arrival.last.identity_policies, arrival.key.key_policy,
        )
    }  # fmt: skip
    statements = (s for policy in documents if policy is not None for s in parse_policy(policy).statements)
    return any(test.key.lower() in asserted for s in statements for test in s.conditions)


def _coverage_refs(assembly: Assembly, claim: Claim) -> tuple[str, ...]:
    """Ledger rows that some step of some path hangs on."""
    covered = {row.ref for row in assembly.world.coverage}
    rules = {rule for arrival in claim.arrivals for rule in _cited(arrival) if "/" in rule}
    return tuple(sorted(rules & covered))
