"""A finding about our own permissions put together: capabilities, severity, evidence, reach, id and fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from scanner.analyze.decision.gates import statement_ref
from scanner.analyze.keys.assemble import SAMPLE, Assembly
from scanner.analyze.keys.evidence import MAX_STATEMENTS, gate_evidence, grant_evidence, grant_ref, marks_of
from scanner.analyze.keys.identity import finding_id, fingerprint
from scanner.analyze.keys.judge import Judgement, strength
from scanner.analyze.keys.own_gates import own_gates
from scanner.analyze.keys.rules import rules_of
from scanner.analyze.keys.severity import Exposure, identity_severity, rank
from scanner.analyze.paths.hops import Step, hop_of
from scanner.analyze.principals.party import OWN_OTHER_ORGANIZATION, SAME_ORGANIZATION, Standing
from scanner.analyze.principals.reach import sample
from scanner.analyze.principals.selectors import GRANT, NamedStatement
from scanner.analyze.request.caller import account_of
from scanner.model.actions import CAPABILITIES
from scanner.model.arn import is_account_id
from scanner.model.decision import Decision, Gate, Verdict
from scanner.model.finding import (
    OWN_ACCOUNT,
    CapabilityResult,
    ConditionRef,
    Evidence,
    Finding,
    FindingVerdict,
    Grantee,
    Highlight,
    KeyFactsRef,
    Kind,
    Mechanism,
    Path,
    Reach,
    Remediation,
    ResourceRef,
    SeverityReason,
)
from scanner.model.key import Grant, KeyFacts

IDENTITY_POLICY = "identity_policy"
OURS = frozenset({SAME_ORGANIZATION, OWN_OTHER_ORGANIZATION, "approved_partner"})
"""Parties whose keys are no strangers' keys."""


_NO_KEY_SIDE = frozenset({
    "no_key_side", "no_grant_role", "not_cross_account", "key_usage", "partition", "aws_managed_key",
    "no_identity_policy", "unsatisfiable_condition",
})  # fmt: skip
"""Refusals that leave nothing to report: neither the key nor our own policy allows anything."""


@dataclass(frozen=True, slots=True)
class Case:
    """A judgement with the row of the severity table that it falls in.

    For outsiders: where they stand, and the roles they assume one after the other.
    """

    judgement: Judgement
    row: str
    standing: Standing | None = None
    steps: tuple[Step, ...] = ()


@dataclass(slots=True)
class Draft:
    """What a kind says about one finding; the rest follows from it.

    `parts` identify it. `title` is told the leading capability. `statements` are the identity statements it rests
    on, `grants` those that prove it; `callers` are the principals with at least a possible decision; `trust` is the
    evidence on how outsiders get in. `deciding` are rules and ledger rows behind decisions that are no case, `hiding`
    ledger rows that may hide more of it.
    """

    kind: Kind
    parts: tuple[str, ...]
    resource: ResourceRef
    grantee: Grantee
    party: str
    cases: Sequence[Case]
    title: Callable[[CapabilityResult], str]
    summary: str
    remediation: Remediation
    statements: Sequence[NamedStatement] = ()
    callers: Iterable[str] = ()
    key: KeyFacts | None = None
    keys: Sequence[KeyFacts] = ()
    keys_total: int = 0
    reasons: tuple[str, ...] = ()
    conditions: tuple[ConditionRef, ...] = ()
    classes: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    trust: tuple[Evidence, ...] = ()
    deciding: Iterable[str] = ()
    hiding: Iterable[str] = ()


def verdict_of(decision: Decision) -> tuple[FindingVerdict, str] | None:
    """A decision as finding verdict and reason; None where there is nothing to report (product contract, 7.1)."""
    match decision.verdict:
        case Verdict.ALLOWED:
            return FindingVerdict.CONFIRMED, decision.reason
        case Verdict.CONDITIONAL:
            return FindingVerdict.CONDITIONAL, "residual_condition"
        case Verdict.UNKNOWN:
            if decision.conditional_access:
                return FindingVerdict.CONDITIONAL, "residual_condition"
            return FindingVerdict.POSSIBLE, decision.reason
        case Verdict.LATENT:
            return FindingVerdict.BLOCKED, decision.reason
        case _:
            if decision.reason in _NO_KEY_SIDE:
                return None
            explicit = decision.reason.startswith("explicit_deny")
            return FindingVerdict.BLOCKED, "explicit_deny" if explicit else decision.reason


def finding_of(assembly: Assembly, draft: Draft) -> Finding:
    """The finding that a draft describes; its leading capability gives severity and verdict."""
    groups = _capabilities(assembly, draft)
    capabilities = tuple(g.result for g in groups)
    leading, deciding = capabilities[0], groups[0].case.judgement
    gates = own_gates(assembly.world, deciding)
    callers = tuple(sorted(set(draft.callers)))
    accounts = sorted({a for c in callers for a in c.split(":")[4:5] if is_account_id(a)})
    cited = {rule for c in draft.cases for rule in c.judgement.decision.rules}
    reasons = (*draft.reasons, *(r for r in leading.reasons if r not in draft.reasons))
    return Finding(
        id=finding_id(draft.kind, *draft.parts),
        fingerprint=fingerprint([
            [[c.capability, c.actions, c.verdict, c.residual] for c in capabilities],
            callers, sorted(k.arn for k in draft.keys), draft.keys_total,
            [[gate.layer, gate.side, gate.outcome] for gate in gates],
        ]),
        kind=draft.kind,
        lifecycle="new",
        first_seen=assembly.world.as_of,
        last_seen=assembly.world.as_of,
        severity=leading.severity,
        severity_reasons=groups[0].trail,
        verdict=leading.verdict,
        verdict_reasons=reasons,
        title=draft.title(leading),
        summary=draft.summary,
        resource=draft.resource,
        key=assembly.key_ref(draft.key) if draft.key else None,
        grantee=draft.grantee,
        mechanism=_mechanism(draft),
        capabilities=capabilities,
        conditions=draft.conditions,
        path=Path(tuple(hop_of(assembly.world, s) for s in groups[0].case.steps), gates),
        reach=Reach(len(callers), draft.classes, sample(callers, SAMPLE), tuple(accounts), len(callers) > SAMPLE),
        evidence=_evidence(assembly, draft, gates),
        remediation=draft.remediation,
        rules=rules_of(reasons, deciding.decision.rules),
        coverage_refs=assembly.unread.cited(cited.union(draft.deciding), draft.hiding),
        keys=_shown(assembly, draft),
        keys_total=draft.keys_total,
    )  # fmt: skip


def _shown(assembly: Assembly, draft: Draft) -> tuple[KeyFactsRef, ...]:
    return () if draft.key else tuple(assembly.key_ref(k) for k in draft.keys[:SAMPLE])


@dataclass(frozen=True, slots=True)
class _Group:
    """A capability with its severity trail and the case behind it."""

    result: CapabilityResult
    trail: tuple[SeverityReason, ...]
    case: Case


def _capabilities(assembly: Assembly, draft: Draft) -> list[_Group]:
    """One group per capability, row, verdict and condition, the leading one first."""
    groups: dict[tuple[str, str, FindingVerdict, str, str], dict[str, Case]] = {}
    for case in _strongest(draft.cases):
        j = case.judgement
        place = (j.action.capability, case.row, j.verdict, j.decision.condition, _party(case, draft))
        groups.setdefault(place, {}).setdefault(j.action.iam_name, case)
    built: list[_Group] = []
    for (capability, row, verdict, condition, party), members in groups.items():
        first = next(iter(members.values()))
        decision, standing = first.judgement.decision, first.standing or Standing(party)
        exposure = Exposure(
            draft.kind, party, capability, verdict, decision.caller_chosen,
            draft.key.arn if draft.key else "", draft.grantee.selector, draft.key.tags if draft.key else None,
            note=standing.note, crosses=standing.crossing.boundaries, into_sensitive=standing.crossing.into_sensitive,
            vouched=decision.vouched, kin=assembly.kin_of(draft.key) if draft.key else {},
        )  # fmt: skip
        severity, trail = identity_severity(row, exposure, assembly.severity)
        reasons = tuple(dict.fromkeys(c.judgement.reason for c in members.values()))
        result = CapabilityResult(
            capability, tuple(members), verdict, severity, reasons, condition, decision.residual,
            decision.caller_chosen, decision.vouched,
        )  # fmt: skip
        built.append(_Group(result, trail, first))
    built.sort(key=lambda g: (-rank(g.result.severity), -strength(g.result.verdict), _place(g.result.capability)))
    return built


def _party(case: Case, draft: Draft) -> str:
    return case.standing.party if case.standing else draft.party


def _place(capability: str) -> int:
    return CAPABILITIES.index(capability)


def _strongest(cases: Sequence[Case]) -> Iterable[Case]:
    """The strongest case of every action and row, in the order of the cases."""
    found: dict[tuple[str, str, str], Case] = {}
    for case in cases:
        place = (case.judgement.action.name, case.row, case.standing.party if case.standing else "")
        if place not in found or strength(case.judgement.verdict) > strength(found[place].judgement.verdict):
            found[place] = case
    return found.values()


def _mechanism(draft: Draft) -> Mechanism:
    refs = (statement_ref(n.document, n.statement, n.statement.effect) for n in draft.statements[:MAX_STATEMENTS])
    shown = tuple(grant_ref(g) for g in draft.grants[:SAMPLE])
    return Mechanism(GRANT if shown else IDENTITY_POLICY, tuple(dict.fromkeys(refs)), shown, len(draft.grants))


def _evidence(assembly: Assembly, draft: Draft, gates: Sequence[Gate]) -> tuple[Evidence, ...]:
    """How outsiders get in, the identity statements with their lines, the grants, then what other gates did."""
    cited: set[tuple[str, int]] = set()
    found: list[Evidence] = []
    for named in draft.statements:
        if named.place not in cited and len(found) < MAX_STATEMENTS:
            cited.add(named.place)
            found.append(identity_evidence(named))
    for key, grant in product((draft.key,), draft.grants[:MAX_STATEMENTS]):
        assert key is not None
        evidence, text = grant_evidence(key, grant)
        assembly.documents[evidence.sha256] = text
        found.append(evidence)
    return (*draft.trust, *found, *gate_evidence(gates, cited))


def identity_evidence(named: NamedStatement) -> Evidence:
    """A statement of an identity policy or guardrail with actions, resources and conditions marked."""
    statement, policy = named.statement, named.document.policy
    lines = policy.text.split("\n")
    marks: list[Highlight] = []
    verb = "denies" if statement.effect.value == "Deny" else "allows"
    for elements, label in (
        (statement.actions, f"{verb} the action"), (statement.not_actions, f"{verb} all but this"),
        (statement.resources, "on these keys"), (statement.not_resources, "on all but these"),
    ):  # fmt: skip
        for element in elements or ():
            marks.extend(marks_of(element.span, lines, label))
    for test in statement.conditions:
        marks.extend(marks_of(test.span, lines, f"only if {test.key} passes {test.written_operator}"))
    return Evidence(
        f"{policy.kind.value}_statement", policy.source, policy.name, policy.sha256, statement.span.line_from,
        statement.span.line_to, tuple(sorted(marks, key=lambda m: (m.line, m.col_from, m.label))),
    )  # fmt: skip


def our_grantee(assembly: Assembly, name: str, callers: Iterable[str]) -> Grantee:
    """Our principals as the grantee: the one there is, or their class."""
    known = sorted(set(callers))
    if len(known) == 1:
        parts = known[0].split(":")
        kind = parts[5].partition("/")[0]
        return Grantee(known[0], kind, parts[4], account_of(assembly.world, parts[4]).name, OWN_ACCOUNT)
    accounts = {c.split(":")[4] for c in known}
    account = accounts.pop() if len(accounts) == 1 else ""
    return Grantee(name, "class", account, account_of(assembly.world, account).name if account else "", OWN_ACCOUNT)


def who_of_ours(grantee: Grantee, callers: Iterable[str]) -> str:
    """Our principals in words: the role, or how many there are and where; starts a sentence."""
    known = sorted(set(callers))
    accounts = sorted({c.split(":")[4] for c in known})
    where = f"{len(accounts)} accounts"
    if len(accounts) == 1:
        where = grantee.account_name or f"one of our accounts ({grantee.account_id})"
    if len(known) == 1:
        return f"A {grantee.kind} of {where}, {known[0].rsplit('/', 1)[-1]},"
    return f"{len(known)} users and roles of {where}"
