"""The finding about a path through roles put together: capabilities over all keys, hops, evidence, words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from scanner.analyze.decision.gates import statement_ref
from scanner.analyze.keys.assemble import SAMPLE, Assembly
from scanner.analyze.keys.delegation import escalation_in_words
from scanner.analyze.keys.evidence import (
    MAX_STATEMENTS,
    condition_refs,
    gate_evidence,
    grant_evidence,
    statement_evidence,
)
from scanner.analyze.keys.identity import as_digest, finding_id, fingerprint, number_of
from scanner.analyze.keys.rules import rules_of
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.approaches import Approach, Arrival, Course, Landing, residual_of
from scanner.analyze.paths.hops import Step, hop_of
from scanner.analyze.paths.path_capabilities import (
    Reached,
    callers_of,
    gates_at_key,
    path_capabilities,
)
from scanner.analyze.paths.path_words import path_remedy, path_summary, path_title
from scanner.analyze.paths.paths import Claim
from scanner.analyze.paths.sources import Source, partition_of
from scanner.analyze.principals.party import Standing
from scanner.analyze.principals.reach import sample
from scanner.analyze.principals.selectors import NamedStatement, Selector, selector_of
from scanner.analyze.request.caller import account_of
from scanner.analyze.request.request import Request
from scanner.model.decision import Gate, Layer, StatementRef
from scanner.model.finding import (
    ConditionRef,
    Evidence,
    Finding,
    Grantee,
    Hop,
    KeyUse,
    Kind,
    Mechanism,
    Path,
    Reach,
    RuleRef,
)
from scanner.model.principal import PrincipalFacts

ROLE = "role"
_CITED_OF_TRUST, _CITED_OF_CHANGE = 2, 4
_KEYS_SHOWN = 20
PROFILES = 100
"""Different answers that are carried to what a path can do with a key."""
KEYS_COMPARED = 1_000
"""Keys of a path whose decisions are carried one by one: which of the others are gone is not seen later."""
_RULES = (RuleRef("R7.1", "D"), RuleRef("R7.8", "D"), RuleRef("R7.10", "I"))
_How = tuple[Landing, ...]
"""How a key is reached: by each source that reaches it."""


def path_finding(assembly: Assembly, claim: Claim, max_hops: int) -> Finding:
    """The finding that somebody outside gets at keys by assuming a role."""
    return finding_of(assembly, Reached(assembly, claim), max_hops)


def finding_of(assembly: Assembly, reached: Reached, max_hops: int) -> Finding:
    """The finding about a claim of which is known what it reaches."""
    claim, keys = reached.claim, reached.keys
    capabilities, trail, standing = path_capabilities(assembly, reached)
    grantee = path_grantee(assembly, claim, standing)
    leading = capabilities[0]
    deciding = reached.worst_of(leading)
    worst = reached.worst_keys()
    layers = () if deciding is None else gates_at_key(assembly, deciding)
    hops = tuple(hop_of(assembly.world, s) for s in deciding.steps) if deciding else _entry_hops(assembly, claim)
    asserted = ("asserted_context",) if _rests_on_assertions(assembly, reached) else ()
    reasons = tuple(dict.fromkeys((*leading.reasons, *claim.remarks, *asserted)))
    callers = callers_of(claim)
    reach = _reach(reached, callers, worst[:KEYS_COMPARED])
    number = reached.number_of(leading)
    escalation = escalation_in_words(capabilities, keys.values(), ROLE)
    return Finding(
        id=finding_id(Kind.ASSUMED_ROLE_PATH, *claim.parts),
        fingerprint=fingerprint([
            [[c.capability, c.actions, c.verdict, c.residual] for c in capabilities], sorted(callers), sorted(keys),
            reach.digest,
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
        title=path_title(claim, grantee, leading, number),
        summary=path_summary(claim, leading, deciding, max_hops, (number, len(keys))) + escalation,
        resource=claim.resource,
        key=None,
        grantee=grantee,
        mechanism=_mechanism(claim, deciding),
        capabilities=capabilities,
        conditions=_conditions(assembly, claim),
        path=Path(hops, layers),
        reach=reach,
        evidence=_evidence(assembly, claim, deciding, hops, layers),
        remediation=path_remedy(claim, reasons),
        rules=(*_RULES, *rules_of(reasons, _cited(deciding))),
        coverage_refs=_coverage_refs(assembly, reached),
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


def _entry_hops(assembly: Assembly, claim: Claim) -> tuple[Hop, ...]:
    return (hop_of(assembly.world, claim.sources[0].best),)


def _decided(landings: Iterable[Landing]) -> dict[str, int]:
    """By key a number that differs where what anybody can do with it does: verdicts show the strongest only.

    The callers behind a source by whom nothing differs are added up first, and the actions of which they say the same.
    """
    alike: dict[int, list[tuple[Step, int]]] = {}
    said: dict[tuple[int, Course], int] = {}
    found: dict[str, int] = defaultdict(int)
    for landing in landings:
        source = landing.source
        if id(source) not in alike:
            alike[id(source)] = list(_crowds(source))
        actions: dict[int, list[str]] = defaultdict(list)
        for approach in landing.approaches:
            place = (id(source), approach.way.course)
            if place not in said:
                said[place] = _said_by(alike[id(source)], approach)
            actions[said[place]].append(approach.way.use.action.iam_name)
        for number, names in actions.items():
            told = tuple(names)
            for key in landing.keys:
                found[key.arn] += _number_at(key.arn, told) * number
    return found


def _said_by(crowds: Iterable[tuple[Step, int]], approach: Approach) -> int:
    """A number that differs where the callers behind a source, or how sure it is for them, do."""
    by_step = ((crowd, approach.by(step)) for step, crowd in crowds)
    return sum(crowd * number_of(f"{one.rank} {one.condition}") for crowd, one in by_step)


@lru_cache(maxsize=65536)
def _number_at(arn: str, actions: tuple[str, ...]) -> int:
    """The number that stands for some actions on a key."""
    return sum(number_of(f"{arn} {action}") for action in actions)


def _crowds(source: Source) -> Iterator[tuple[Step, int]]:
    """One step of those that say the same of their callers, with the numbers of these."""
    crowds: dict[tuple[int, str], tuple[Step, int]] = {}
    for step in source.steps:
        place = (step.rank, step.decision.condition)
        first, crowd = crowds.get(place, (step, 0))
        crowds[place] = first, crowd + number_of(step.caller.text)
    yield from crowds.values()


def _reach(reached: Reached, callers: Mapping[str, str], listed: Sequence[str]) -> Reach:
    decided = _decided(reached.landings)
    texts = tuple(sorted(callers))
    ways = _ways_to(reached.landings, listed)
    best = {how: _best(how) for how in dict.fromkeys(ways.values())}
    profiles, profile_of = _profiles(ways, best)
    strength = {how: _strength(found) for how, found in best.items()}
    return Reach(
        len(texts), (), sample(texts, SAMPLE), _accounts(callers.values()), len(texts) > SAMPLE,
        as_digest(sum(decided.values())), {arn: as_digest(decided[arn]) for arn in ways},
        {arn: strength[how] for arn, how in ways.items()}, profiles, profile_of,
    )  # fmt: skip


def _ways_to(landings: Iterable[Landing], listed: Iterable[str]) -> dict[str, _How]:
    """How each of these keys is reached."""
    found: dict[str, list[Landing]] = {arn: [] for arn in listed}
    for landing in landings:
        for key in landing.keys:
            if key.arn in found:
                found[key.arn].append(landing)
    return {arn: tuple(how) for arn, how in found.items()}


def _best(how: _How) -> dict[str, Approach]:
    """By action the strongest approach to a key; of those as strong the first."""
    best: dict[str, Approach] = {}
    for landing in how:
        for approach in landing.approaches:
            action = approach.way.use.action.iam_name
            before = best.get(action)
            if before is None or before.rank < approach.rank:
                best[action] = approach
    return best


def _strength(best: Mapping[str, Approach]) -> dict[str, int]:
    """The rank of the strongest way to each capability."""
    found: dict[str, int] = {}
    for approach in best.values():
        capability = approach.place[0]
        found[capability] = max(found.get(capability, 0), approach.rank)
    return dict(sorted(found.items()))


def _profiles(
    ways: Mapping[str, _How], best: Mapping[_How, Mapping[str, Approach]]
) -> tuple[tuple[Mapping[str, KeyUse], ...], Mapping[str, int]]:
    """The different answers to what can be done with a key, and which of them each key has."""
    uses: dict[tuple[int, Course], tuple[KeyUse, int]] = {}

    def use_by(approach: Approach) -> tuple[KeyUse, int]:
        place = (id(approach.entry), approach.way.course)
        if place not in uses:
            use = KeyUse(approach.rank, approach.condition, residual_of(approach))
            uses[place] = use, number_of(repr(use))
        return uses[place]

    known = {
        how: as_digest(sum(number_of(name) * use_by(a)[1] for name, a in found.items())) for how, found in best.items()
    }
    places: dict[str, int] = {}
    profiles: list[Mapping[str, KeyUse]] = []
    profile_of: dict[str, int] = {}
    for arn, how in ways.items():
        same = known[how]
        if same not in places and len(profiles) < PROFILES:
            places[same] = len(profiles)
            profiles.append({name: use_by(a)[0] for name, a in sorted(best[how].items())})
        if same in places:
            profile_of[arn] = places[same]
    return tuple(profiles), profile_of


def _accounts(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({account for account in ids if account not in {"", "*"}}))


def _named(claim: Claim, deciding: Arrival | None) -> list[NamedStatement]:
    """The trust statements that admit; first those that the deciding path enters by."""
    return named_by(claim.sources if deciding is None else (deciding.source, *claim.sources))


def named_by(sources: Iterable[Source]) -> list[NamedStatement]:
    """The trust statements that admit sources, each once."""
    found = {(n.place, n.document.policy.source): n for s in sources for n in s.admission.statements}
    return list(found.values())[:MAX_STATEMENTS]


def _mechanism(claim: Claim, deciding: Arrival | None) -> Mechanism:
    return Mechanism(ROLE, refs_to(_named(claim, deciding)))


def refs_to(named: Iterable[NamedStatement]) -> tuple[StatementRef, ...]:
    """Where statements stand."""
    return tuple(statement_ref(n.document, n.statement, n.statement.effect) for n in named)


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
    return tuple(rule for decision in deciding.approach.decisions for rule in decision.rules)


def _rests_on_assertions(assembly: Assembly, reached: Reached) -> bool:
    """Whether a document on the way tests a condition key that the user vouches for."""
    asserted = assembly.world.asserted
    if not asserted:
        return False
    documents = {key.key_policy for key in reached.keys.values()}
    for steps in reached.routes:
        documents.update(step.role.trust_policy for step in steps)
        documents.update(steps[-1].role.identity_policies)
    statements = (s for policy in documents if policy is not None for s in parse_policy(policy).statements)
    return any(test.key.lower() in asserted for s in statements for test in s.conditions)


def _coverage_refs(assembly: Assembly, reached: Reached) -> tuple[str, ...]:
    """Ledger rows that some step of some path hangs on, and those that hide roles or keys it may lead to."""
    steps = {id(step): step for steps in reached.routes for step in steps}
    uses = {id(a.way.use.decision): a.way.use.decision for a in reached.approaches}
    rules = {rule for decision in (*(s.decision for s in steps.values()), *uses.values()) for rule in decision.rules}
    owners = {step.role.account_id for step in steps.values()}
    return assembly.unread.cited(rules, assembly.unread.of_everything({*reached.claim.accounts, *owners}))
