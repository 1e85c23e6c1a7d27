"""One finding put together: capabilities with verdict and severity, evidence, reach, words, id and fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scanner.analyze.decision.gates import statement_ref
from scanner.analyze.keys.delegation import delegable, escalation_in_words, marked
from scanner.analyze.keys.evidence import (
    MAX_STATEMENTS,
    condition_refs,
    gate_evidence,
    grant_evidence,
    grant_ref,
    statement_evidence,
)
from scanner.analyze.keys.identity import as_digest, finding_id, fingerprint, number_of
from scanner.analyze.keys.judge import Judgement, best, confirmed_reason, named_actions, question, strength
from scanner.analyze.keys.own_gates import own_gates
from scanner.analyze.keys.remedy import remediation_of
from scanner.analyze.keys.rules import rules_of
from scanner.analyze.keys.sentences import (
    blocked_in_words,
    ineffective_in_words,
    ineffective_title,
    mechanism_in_words,
    title_of,
)
from scanner.analyze.keys.severity import LEFT, MIDDLE, RIGHT, Exposure, SeverityRules, rank, severity_of
from scanner.analyze.keys.unread_rows import UnreadRows
from scanner.analyze.keys.uses import ForeignUses
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.party import Standing, Trust, party_of, standing_of_naming
from scanner.analyze.principals.reach import sample
from scanner.analyze.principals.selectors import GRANT, Naming
from scanner.analyze.request.caller import account_of
from scanner.analyze.statements.match import action_matches
from scanner.model.actions import CAPABILITIES, Action
from scanner.model.arn import is_account_id, key_id_of, parse_arn
from scanner.model.decision import Gate
from scanner.model.finding import (
    CapabilityResult,
    ConditionRef,
    Evidence,
    Finding,
    FindingVerdict,
    Grantee,
    KeyFactsRef,
    Kind,
    Mechanism,
    Path,
    Reach,
    ResourceRef,
    RuleRef,
    Severity,
    SeverityReason,
)
from scanner.model.key import KeyFacts
from scanner.model.policy import Statement
from scanner.model.world import World

SAMPLE = 20
_GRANTS_SHOWN = 20


@dataclass(slots=True)
class Assembly:
    """What putting findings together needs; grant texts, uses of foreign keys and `cuts` are collected on the way.

    `cuts` are sentences on what was not looked at because there was too much of it.
    """

    world: World
    trust: Trust
    severity: SeverityRules
    classes: Classes | None = None
    documents: dict[str, str] = field(default_factory=dict)
    uses: ForeignUses = field(default_factory=ForeignUses)
    cuts: list[str] = field(default_factory=list)
    _families: dict[tuple[str, str], list[KeyFacts]] = field(default_factory=dict)
    unread: UnreadRows = field(init=False)

    def __post_init__(self) -> None:
        self.unread = UnreadRows(self.world)

    def kin_of(self, key: KeyFacts) -> Mapping[str, Mapping[str, str] | None]:
        """The tags of related multi-Region keys by Region, where tags count: AWS keeps those of each apart (R9.8)."""
        if not key.family or not self.severity.sensitive_tags:
            return {}
        if not self._families:
            for one in self.world.keys.values():
                if one.family:
                    self._families.setdefault((one.account_id, one.family), []).append(one)
        related = self._families.get((key.account_id, key.family), ())
        return {one.region: one.tags for one in related if one.arn != key.arn}

    def key_ref(self, key: KeyFacts) -> KeyFactsRef:
        """The key as findings show it."""
        return KeyFactsRef(
            arn=key.arn, account_id=key.account_id, account_name=account_of(self.world, key.account_id).name,
            region=key.region, key_id=key_id_of(key.arn), family=key.family, aliases=key.aliases or (),
            description=key.description, state=key.state, spec=key.spec, usage=key.usage, manager=key.manager,
            origin=key.origin, tags=dict(sorted((key.tags or {}).items())), created=key.created,
            last_used=key.last_used,
        )  # fmt: skip

    def key_resource(self, key: KeyFacts) -> ResourceRef:
        """The key as what a finding is about."""
        name = (key.aliases or (key_id_of(key.arn),))[0]
        return ResourceRef("key", key.arn, name, key.account_id, account_of(self.world, key.account_id).name)

    def standing(self, naming: Naming, key: KeyFacts, capability: str, judgements: Iterable[Judgement]) -> Standing:
        """Where the selector stands for one capability; the judgements tell whom it reaches with it."""
        crowds = {j.crowd: j.callers for j in judgements}
        accounts = sorted({c.account_id for callers in crowds.values() for c in callers} - {"", "*"})
        return standing_of_naming(naming, key, capability, accounts, self.world, self.trust)

    def grantee(self, naming: Naming, key: KeyFacts, standing: Standing | None = None) -> Grantee:
        """Who the documents name; without a standing by whose it is alone, before approvals."""
        selector = naming.selector
        standing = standing or Standing(party_of(naming, key, self.world, self.trust))
        name = account_of(self.world, selector.account_id).name if selector.account_id else ""
        return Grantee(
            selector.text, selector.kind, selector.account_id, name, standing.party, standing.name, standing.approval
        )


def external_finding(assembly: Assembly, key: KeyFacts, naming: Naming, judgements: Sequence[Judgement]) -> Finding:
    """The finding that a selector can, could or may use the key."""
    effective = [j for j in judgements if j.verdict is not FindingVerdict.INEFFECTIVE]
    built = _capabilities(assembly, key, naming, effective)
    found = tuple(b.result for b in built)
    capabilities = marked(found, fenced=grant_fence(naming) is not None, by_grant=naming.mechanism == GRANT)
    leading, trail = capabilities[0], built[0].trail
    grantee = assembly.grantee(naming, key, built[0].standing)
    deciding = _deciding(effective, leading)
    facts = assembly.key_ref(key)
    reach = _reach(effective)
    layers = own_gates(assembly.world, deciding)
    identity = finding_id(Kind.EXTERNAL_ACCESS, key.arn, grantee.selector, naming.mechanism)
    refs = {r for j in effective for r in j.decision.rules if "/" in r}
    refs.update(key.gaps.get(part, "") for part in ("describe", *(p for b in built for p in b.standing.unread)))
    return Finding(
        id=identity,
        fingerprint=fingerprint([
            [[c.capability, c.actions, c.verdict, c.residual] for c in capabilities],
            reach.digest,
            [[gate.layer, gate.side, gate.outcome] for gate in layers],
        ]),
        kind=Kind.EXTERNAL_ACCESS,
        lifecycle="new",
        first_seen=assembly.world.as_of,
        last_seen=assembly.world.as_of,
        severity=leading.severity,
        severity_reasons=trail,
        verdict=leading.verdict,
        verdict_reasons=leading.reasons,
        title=title_of(grantee, leading, facts),
        summary=_summary(naming, leading)
        + escalation_in_words(capabilities, (key,), naming.mechanism, delegable(naming.grants)),
        resource=assembly.key_resource(key),
        key=facts,
        grantee=grantee,
        mechanism=_mechanism(naming),
        capabilities=capabilities,
        ineffective_actions=_ineffective_actions(judgements),
        conditions=_conditions(assembly, key, naming, deciding),
        path=Path((), layers),
        reach=reach,
        evidence=_evidence(assembly, key, naming, layers),
        remediation=remediation_of(naming, key, leading.verdict),
        rules=_rules(deciding, leading),
        coverage_refs=assembly.unread.cited(refs),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Built:
    """A capability with its severity trail and where the grantee stands for it."""

    result: CapabilityResult
    trail: tuple[SeverityReason, ...]
    standing: Standing


def _capabilities(
    assembly: Assembly, key: KeyFacts, naming: Naming, effective: Sequence[Judgement]
) -> tuple[_Built, ...]:
    """One result per capability, verdict and condition, the leading one first."""
    by_action: dict[str, list[Judgement]] = {}
    for judgement in effective:
        by_action.setdefault(judgement.action.name, []).append(judgement)
    groups: dict[tuple[str, FindingVerdict, str], list[tuple[Action, Judgement, str]]] = {}
    for judgements in by_action.values():
        strongest, action = _strongest(judgements), judgements[0].action
        reason = strongest.reason
        if strongest.verdict is FindingVerdict.CONFIRMED:
            reason = confirmed_reason(judgements)
        place = (action.capability, strongest.verdict, strongest.decision.condition)
        groups.setdefault(place, []).append((action, strongest, reason))
    built: list[_Built] = []
    for (capability, verdict, condition), members in groups.items():
        decision = members[0][1].decision
        standing = assembly.standing(naming, key, capability, (j for a, _, _ in members for j in by_action[a.name]))
        exposure = Exposure(
            Kind.EXTERNAL_ACCESS, standing.party, capability, verdict, decision.caller_chosen, key.arn,
            naming.selector.text, key.tags, fence=grant_fence(naming) if capability == "delegate" else None,
            note=standing.note, crosses=standing.crossing.boundaries, into_sensitive=standing.crossing.into_sensitive,
            kin=assembly.kin_of(key),
        )  # fmt: skip
        severity, trail = severity_of(exposure, assembly.severity)
        reasons = tuple(dict.fromkeys(reason for _, _, reason in members))
        if any(name in assembly.world.asserted for name in _asserted_keys(naming)):
            reasons = (*reasons, "asserted_context")
        result = CapabilityResult(
            capability, tuple(a.iam_name for a, _, _ in members), verdict, severity, reasons, condition,
            decision.residual, decision.caller_chosen,
        )  # fmt: skip
        built.append(_Built(result, trail, standing))
    return tuple(sorted(built, key=lambda b: _order_of(b.result)))


def _order_of(result: CapabilityResult) -> tuple[int, int, int]:
    return -rank(result.severity), -strength(result.verdict), CAPABILITIES.index(result.capability)


def _strongest(judgements: Sequence[Judgement]) -> Judgement:
    found = best(judgements)
    assert found is not None
    return found


def _asserted_keys(naming: Naming) -> Iterable[str]:
    return (t.key.lower() for n in naming.statements for t in n.statement.conditions)


def _deciding(effective: Sequence[Judgement], leading: CapabilityResult) -> Judgement:
    """The judgement that gave the leading capability its verdict."""
    candidates = [
        j for j in effective
        if j.action.iam_name in leading.actions and j.verdict is leading.verdict
    ]  # fmt: skip
    return _strongest(candidates or effective)


def _ineffective_actions(judgements: Sequence[Judgement]) -> tuple[str, ...]:
    effective = {j.action.name for j in judgements if j.verdict is not FindingVerdict.INEFFECTIVE}
    return tuple(dict.fromkeys(j.action.iam_name for j in judgements if j.action.name not in effective))


def _mechanism(naming: Naming) -> Mechanism:
    cited = naming.statements[:MAX_STATEMENTS]
    statements = tuple(statement_ref(n.document, n.statement, n.statement.effect) for n in cited)
    grants = tuple(grant_ref(g) for g in naming.grants[:_GRANTS_SHOWN])
    return Mechanism(naming.mechanism, statements, grants, len(naming.grants))


def _summary(naming: Naming, leading: CapabilityResult) -> str:
    through = mechanism_in_words(naming.mechanism, naming.selector, len(naming.statements) or len(naming.grants))
    actions = ", ".join(a.removeprefix("kms:") for a in leading.actions)
    text = f"{through}: {actions}"
    if leading.condition:
        text += f", if {leading.condition}"
    if leading.verdict is FindingVerdict.BLOCKED:
        text += f"; blocked because {blocked_in_words(leading.reasons[0])}"
    return text


def _conditions(assembly: Assembly, key: KeyFacts, naming: Naming, deciding: Judgement) -> tuple[ConditionRef, ...]:
    if not naming.statements:
        return ()
    request = question(key, deciding.caller, deciding.action)
    return tuple(
        c for n in naming.statements for c in condition_refs(assembly.world, request, (n.statement,), n)
    )  # fmt: skip


def _evidence(assembly: Assembly, key: KeyFacts, naming: Naming, gates: Sequence[Gate]) -> tuple[Evidence, ...]:
    found = [statement_evidence(n, naming.selector) for n in naming.statements[:MAX_STATEMENTS]]
    for grant in naming.grants[:MAX_STATEMENTS]:
        evidence, text = grant_evidence(key, grant)
        assembly.documents[evidence.sha256] = text
        found.append(evidence)
    found.extend(gate_evidence(gates, {n.place for n in naming.statements}))
    return tuple(found)


def _reach(effective: Sequence[Judgement]) -> Reach:
    counted = {j.crowd: j.callers for j in effective if j.verdict is not FindingVerdict.BLOCKED}
    texts = {c.text for callers in counted.values() for c in callers}
    accounts = tuple(sorted({c.account_id for callers in counted.values() for c in callers} - {"", "*"}))
    crowds = {j.crowd: j.callers for j in effective}
    numbers = {crowd: sum(number_of(c.text) for c in callers) for crowd, callers in crowds.items()}
    told = sum(
        numbers[j.crowd] * number_of(f"{j.action.iam_name} {j.verdict} {j.decision.condition}") for j in effective
    )  # fmt: skip
    return Reach(len(texts), (), sample(tuple(texts), SAMPLE), accounts, len(texts) > SAMPLE, as_digest(told))


def _rules(deciding: Judgement, leading: CapabilityResult) -> tuple[RuleRef, ...]:
    return rules_of((*leading.reasons, deciding.reason), deciding.decision.rules)


def grant_fence(naming: Naming) -> int | None:
    """The column in which a fenced CreateGrant counts; None where some statement allows it without a fence (R4.28)."""
    fences = [fence_of(n.statement) for n in naming.statements if _allows_create_grant(n.statement)]
    if not fences or LEFT in fences:
        return None
    return min(fences)


def _allows_create_grant(statement: Statement) -> bool:
    return bool(action_matches(statement, "kms:CreateGrant"))


def fence_of(statement: Statement) -> int:
    """The column in which CreateGrant counts by the fences of one statement; LEFT where it has none (R4.28)."""
    column = LEFT
    for test in statement.conditions:
        if test.if_exists or (test.qualifier and test.key.lower() != "kms:grantoperations"):
            continue
        key, values = test.key.lower(), tuple(v.lower() for v in test.values)
        if key == "kms:grantisforawsresource" and test.operator == "Bool" and values == ("true",):
            return RIGHT
        positive = test.operator in {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}
        if key == "kms:granteeprincipal" and positive and all(map(_names_account, values)):
            column = MIDDLE
        closed = not any(v == "creategrant" or "*" in v or "?" in v for v in values)
        if key == "kms:grantoperations" and test.qualifier == "ForAllValues" and positive and closed:
            column = MIDDLE
    return column


def _names_account(value: str) -> bool:
    arn = parse_arn(value)
    return arn is not None and is_account_id(arn.account_id)


def ineffective_finding(assembly: Assembly, key: KeyFacts, parts: Sequence[Naming], reason: str) -> Finding:
    """The finding that a statement or grant is written but does nothing, or may do nothing (R6.U)."""
    first = parts[0]
    facts = assembly.key_ref(key)
    verdict = FindingVerdict.POSSIBLE if reason == "unsupported_condition_key" else FindingVerdict.INEFFECTIVE
    actions = tuple(a.iam_name for a in named_actions(first))
    capability = next((a.capability for a in named_actions(first)), "metadata")
    grantee = assembly.grantee(first, key, assembly.standing(first, key, capability, ()))
    exposure = Exposure(
        Kind.INEFFECTIVE_PERMISSION, grantee.party, capability, verdict, False, key.arn, grantee.selector,
        key.tags, reason=reason,
    )  # fmt: skip
    severity, trail = severity_of(exposure, assembly.severity)
    selectors = tuple(sorted({p.selector.text for p in parts}))
    return Finding(
        id=finding_id(Kind.INEFFECTIVE_PERMISSION, *_parts(key, first), reason),
        fingerprint=fingerprint([reason, actions, selectors]),
        kind=Kind.INEFFECTIVE_PERMISSION,
        lifecycle="new",
        first_seen=assembly.world.as_of,
        last_seen=assembly.world.as_of,
        severity=severity,
        severity_reasons=trail,
        verdict=verdict,
        verdict_reasons=(reason,),
        title=ineffective_title(grantee, reason, verdict, facts),
        summary=f"Written for {_named(selectors)}, but {ineffective_in_words(reason)}.",
        resource=assembly.key_resource(key),
        key=facts,
        grantee=grantee,
        mechanism=_mechanism(first),
        capabilities=(CapabilityResult(capability, actions, verdict, Severity(severity), (reason,)),),
        ineffective_actions=actions if verdict is FindingVerdict.INEFFECTIVE else (),
        conditions=(),
        reach=Reach(0, (), (), ()),
        evidence=_evidence(assembly, key, first, ()),
        remediation=remediation_of(first, key, verdict),
        rules=rules_of((reason,), ()),
        coverage_refs=assembly.unread.of_identities(grantee.account_id) if grantee.account_id else (),
    )


def _named(selectors: tuple[str, ...]) -> str:
    shown = ", ".join(selectors[:3])
    return shown if len(selectors) <= 3 else f"{shown} and {len(selectors) - 3} more"


def _parts(key: KeyFacts, naming: Naming) -> tuple[str, ...]:
    """What identifies a statement or grant across runs: Sid, else index; or the grant id."""
    if naming.grants:
        return key.arn, naming.grants[0].grant_id
    named = naming.statements[0]
    return key.arn, named.document.policy.name, named.statement.sid or f"[{named.statement.index}]"
