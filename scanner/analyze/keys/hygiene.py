"""What is wrong with a key itself: nobody left to manage it, weak fences, unlimited CreateGrant, grants to the dead."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scanner.analyze.decision.gates import statement_ref
from scanner.analyze.decision.layers import key_policy_layer
from scanner.analyze.decision.moments import CLOCK
from scanner.analyze.keys.assemble import Assembly, fence_of
from scanner.analyze.keys.everybody import Told
from scanner.analyze.keys.evidence import MAX_STATEMENTS, grant_evidence, grant_ref, statement_evidence
from scanner.analyze.keys.identity import finding_id, fingerprint
from scanner.analyze.keys.judge import Judgement
from scanner.analyze.keys.rules import rules_of
from scanner.analyze.keys.sentences import hygiene_remedy, hygiene_title
from scanner.analyze.keys.severity import LEFT, Exposure, severity_of
from scanner.analyze.keys.shell import revoke_block
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.expression import conj, neg
from scanner.analyze.logic.residual import TooComplexError, is_possible
from scanner.analyze.principals.party import OUTSIDE_PARTIES, Standing
from scanner.analyze.principals.reach import CLOSED, Population, reached_by
from scanner.analyze.principals.selectors import (
    GRANT,
    KEY_POLICY,
    NamedStatement,
    Naming,
    Selector,
    granted,
    is_fence,
    selector_of,
)
from scanner.analyze.request.caller import Caller, account_of, any_identity_of
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import MatchKind, covers_action
from scanner.analyze.statements.statement import either
from scanner.model.actions import find_action
from scanner.model.conditions import Source, find_condition_key
from scanner.model.finding import (
    OWN_ACCOUNT,
    CapabilityResult,
    Evidence,
    Finding,
    FindingVerdict,
    Grantee,
    Kind,
    Mechanism,
    Reach,
    Remediation,
)
from scanner.model.key import Grant, KeyFacts
from scanner.model.policy import Effect, Statement
from scanner.model.principal import PrincipalKind

_MANAGE, _DELEGATE = "kms:PutKeyPolicy", "kms:CreateGrant"
_IN_FORCE = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL, FindingVerdict.POSSIBLE})
_IDENTITIES = frozenset({"role", "user", "session", "federated", "unknown_id"})
_GRANTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Fault:
    """One thing that is wrong with a key, and what shows it. `details` are what makes it another finding when changed.

    `reasons` are further reason codes, `refs` what was not read.
    """

    reason: str
    verdict: FindingVerdict
    grantee: Grantee
    capability: str
    actions: tuple[str, ...]
    summary: str
    details: tuple[str, ...]
    statements: tuple[tuple[NamedStatement, Selector], ...] = ()
    grants: tuple[Grant, ...] = ()
    reasons: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    in_use: bool = False


def hygiene_findings(
    assembly: Assembly,
    key: KeyFacts,
    population: Population,
    told: Sequence[Told],
    external: Sequence[Finding],
    stale: Mapping[str, Selector],
) -> Iterator[Finding]:
    """At most one finding per reason.

    Args:
        told: everybody the key's documents name and what they can do.
        external: the findings made of that.
        stale: see `stale_grants`.
    """
    faults = (
        _unmanageable(assembly, key, population, tuple(f for f in external if _uses(f))),
        _weak_fence(told, external),
        _unlimited_create_grant(assembly, key, told),
        _stale_grants(assembly, key, stale),
    )
    for fault in faults:
        if fault is not None:
            yield _finding(assembly, key, fault)


def _uses(finding: Finding) -> bool:
    """Whether somebody outside uses the key; an id that perhaps nobody holds any more is nobody."""
    perhaps_nobody = finding.grantee.kind == "unknown_id" and _is_possible(finding)
    return finding.verdict in _IN_FORCE and finding.grantee.kind != "service" and not perhaps_nobody


def _is_possible(finding: Finding) -> bool:
    return finding.verdict is FindingVerdict.POSSIBLE


# -- nobody left who can change the key policy (R9.10) ----------------------------------------------------------------


def _unmanageable(assembly: Assembly, key: KeyFacts, population: Population, uses: Sequence[Finding]) -> _Fault | None:
    """A fault where no identity of the key's account, present or to come, passes the key policy for PutKeyPolicy.

    Only the key policy counts: identity policies and guardrails can be changed by somebody else. Where the account's
    identities were not read, whoever the policy names may exist.
    """
    if key.key_policy is None:
        return None
    document = parse_policy(key.key_policy)
    concerned = [s for s in document.statements if covers_action(s, _MANAGE)]
    to_come = any_identity_of(population.world, key.account_id, key.partition)
    if _passes(population, key, to_come, MatchKind.STAR, MatchKind.ACCOUNT):
        return None
    known = [c for c in population.identities_of(key.account_id, key.partition) if c.kind is not PrincipalKind.ACCOUNT]
    if _somebody_passes(assembly, key, population, known):
        return None
    own = selector_of(key.account_id, key.partition)
    entries = (e for s in concerned if s.effect is not Effect.DENY for e in s.principals or ())
    named = (selector_of(e.value, key.partition) for e in entries if e.type == "AWS")
    perhaps = {s.text for s in named if s.kind in _IDENTITIES and s.account_id in {"", key.account_id}}
    dated = any(t.key.lower() in CLOCK for s in concerned for t in s.conditions)
    unsure = dated or (not known and bool(perhaps))
    account = account_of(population.world, key.account_id)
    use_unread = {*key.gaps.values(), *(r for f in uses for r in f.coverage_refs)}
    return _Fault(
        "unmanageable_key",
        FindingVerdict.POSSIBLE if unsure else FindingVerdict.CONFIRMED,
        Grantee(own.text, own.kind, key.account_id, account.name, OWN_ACCOUNT),
        "control",
        (_MANAGE,),
        _who_managed(sorted(perhaps), known=bool(known)),
        tuple(sorted(perhaps)),
        tuple((NamedStatement(document, s), own) for s in concerned),
        reasons=("caller_side_not_collected",) if not known and perhaps else (),
        refs=(*(use_unread if all(map(_is_possible, uses)) else ()), *(() if known else (account.gap,))),
        in_use=bool(uses),
    )


def _somebody_passes(assembly: Assembly, key: KeyFacts, population: Population, callers: Sequence[Caller]) -> bool:
    """Whether one of the callers may change the key policy; those it names are asked first, each class once."""
    text = key.key_policy.text if key.key_policy else ""
    asked: set[Hashable] = set()
    for caller in sorted(callers, key=lambda c: c.principal_arn not in text):
        class_ = assembly.classes.of(caller, key) if assembly.classes else caller.text
        if class_ not in asked and _passes(population, key, caller):
            return True
        asked.add(class_)
    return False


def _who_managed(names: Sequence[str], *, known: bool) -> str:
    if not names:
        return "The key policy lets nobody of its account change it"
    who = _listed(names)
    if known:
        return f"The key policy lets only {who} change it, which is gone, was never there or is denied it"
    return f"The key policy lets only {who} change it; whether that exists was not read"


def _passes(population: Population, key: KeyFacts, caller: Caller, *kinds: MatchKind) -> bool:
    """Whether the key policy may let the caller change it, in any request; `kinds` limits how a statement names it."""
    request = Request(caller, _MANAGE, key.arn, action=find_action(_MANAGE), key=key)
    layer = key_policy_layer(RequestContext(population.world, request))
    expression = conj((either(layer.matches, Effect.ALLOW, *kinds), neg(layer.deny)))
    try:
        return is_possible(expression, axioms_for(expression))
    except TooComplexError:
        return True


# -- `*` behind weak conditions only (R6.3) ---------------------------------------------------------------------------


def _weak_fence(told: Sequence[Told], external: Sequence[Finding]) -> _Fault | None:
    public = [t for t in told if t.naming.selector.kind == "any" and _in_force(t.judgements)]
    statements = tuple(
        (named, t.naming.selector) for t in public for named in t.naming.statements if _is_held_weakly(named.statement)
    )
    if not statements:
        return None
    finding = max(
        (f for f in external if f.grantee.kind == "any"), key=lambda f: f.verdict is not FindingVerdict.POSSIBLE
    )
    possible = _is_possible(finding)
    names = sorted({t.key for named, _ in statements for t in named.statement.conditions})
    texts = sorted({f"{t.written_operator} {t.key}" for named, _ in statements for t in named.statement.conditions})
    return _Fault(
        "weak_fence",
        FindingVerdict.POSSIBLE if possible else FindingVerdict.CONFIRMED,
        finding.grantee,
        finding.capabilities[0].capability,
        finding.capabilities[0].actions,
        f"The policy admits everybody, and only {_listed(names)} holds strangers back: none of it says who they are",
        tuple(texts),
        statements,
        reasons=finding.verdict_reasons if possible else (),
        refs=finding.coverage_refs if possible else (),
    )


def _is_held_weakly(statement: Statement) -> bool:
    """Whether a statement asks something of the caller or the request, and nothing that a stranger cannot meet (R6.3).

    Tests that say who calls and hold make a selector of their own; those that are still here with `*` do not hold.
    """
    rows = [(test, find_condition_key(test.key)) for test in statement.conditions]
    strong = any(r and r.strength == 3 and r.source is Source.REQUEST and is_fence(test) for test, r in rows)
    return not strong and any(r and r.strength and r.source in {Source.CALLER, Source.REQUEST} for _, r in rows)


def _in_force(judgements: Sequence[Judgement], action: str = "") -> list[Judgement]:
    return [j for j in judgements if j.verdict in _IN_FORCE and action in {"", j.action.iam_name}]


# -- CreateGrant without a limit for outsiders (R4.28, R8.2) ----------------------------------------------------------


def _unlimited_create_grant(assembly: Assembly, key: KeyFacts, told: Sequence[Told]) -> _Fault | None:
    found: list[tuple[Naming, Standing, FindingVerdict]] = []
    unread: set[str] = set()
    for t in told:
        able = _in_force(t.judgements, _DELEGATE)
        if not able or t.naming.mechanism == GRANT or not _unlimited(t.naming):
            continue
        standing = assembly.standing(t.naming, key, "delegate", able)
        if standing.party in OUTSIDE_PARTIES:
            sure = any(j.verdict is not FindingVerdict.POSSIBLE for j in able)
            found.append((t.naming, standing, FindingVerdict.CONFIRMED if sure else FindingVerdict.POSSIBLE))
            unread.update(rule for j in able for rule in j.decision.rules)
    if not found:
        return None
    naming, standing, verdict = max(found, key=lambda f: f[2] is FindingVerdict.CONFIRMED)
    names = sorted({n.selector.text for n, _, _ in found})
    return _Fault(
        "unlimited_create_grant",
        verdict,
        assembly.grantee(naming, key, standing),
        "delegate",
        (_DELEGATE,),
        f"{_listed(names)} may create grants on the key for anybody and any operation; such grants stay when the "
        "statement is removed",
        tuple(names),
        tuple((named, n.selector) for n, _, _ in found for named in _unlimited(n)),
        refs=tuple(unread) if verdict is FindingVerdict.POSSIBLE else (),
    )


def _unlimited(naming: Naming) -> tuple[NamedStatement, ...]:
    return tuple(
        n for n in naming.statements if covers_action(n.statement, _DELEGATE) and fence_of(n.statement) == LEFT
    )


# -- grants to the dead (R4.9) ----------------------------------------------------------------------------------------


def stale_grants(key: KeyFacts, population: Population) -> Mapping[str, Selector]:
    """Grants whose grantee is proven to be deleted: grant id to the grantee as the grant names it."""
    found: dict[str, Selector] = {}
    gone: dict[str, bool] = {}
    for grant in key.grants or ():
        name = grant.grantee_principal
        if name and name not in gone:
            gone[name] = _is_deleted(selector_of(name, key.partition), key, population)
        if name and gone[name]:
            found[grant.grant_id] = selector_of(name, key.partition)
    return found


def _is_deleted(selector: Selector, key: KeyFacts, population: Population) -> bool:
    if selector.kind == "unknown_id":
        own = population.identities_of(key.account_id, key.partition)
        if population.holder_of(selector.text) or any(c.kind is PrincipalKind.ACCOUNT for c in own):
            return False
        return reached_by(selector, key, population).dead == "principal_deleted"
    if selector.kind not in {"role", "user", "session"} or selector.partition != key.partition:
        return False
    if account_of(population.world, selector.account_id).status in CLOSED:
        return False
    return reached_by(selector, key, population).dead == "nobody_there"


def _stale_grants(assembly: Assembly, key: KeyFacts, stale: Mapping[str, Selector]) -> _Fault | None:
    if not stale:
        return None
    grants = tuple(g for g in key.grants or () if g.grant_id in stale)
    first = stale[grants[0].grant_id]
    operations = [find_action(f"kms:{o}") for o in granted(first, grants[:1], key.partition).operations]
    leading = next((a.capability for a in operations if a), "undocumented")
    if first.account_id == key.account_id:
        name = account_of(assembly.world, first.account_id).name
        grantee = Grantee(first.text, first.kind, first.account_id, name, OWN_ACCOUNT)
    else:
        naming = Naming(first, GRANT, grants=grants[:1])
        grantee = assembly.grantee(naming, key, assembly.standing(naming, key, leading, ()))
    names = sorted({s.text for s in stale.values()})
    count = f"{len(grants)} grants name" if len(grants) > 1 else "A grant names"
    return _Fault(
        "stale_grant",
        FindingVerdict.CONFIRMED,
        grantee,
        leading,
        tuple(dict.fromkeys(f"kms:{o}" for g in grants for o in g.operations)),
        f"{count} {_listed(names)}, which was deleted; an identity that takes its name gains nothing by it",
        tuple(sorted(stale)),
        grants=grants,
    )


# -- put together -----------------------------------------------------------------------------------------------------


def _finding(assembly: Assembly, key: KeyFacts, fault: _Fault) -> Finding:
    facts = assembly.key_ref(key)
    exposure = Exposure(
        Kind.KEY_HYGIENE, fault.grantee.party, fault.capability, fault.verdict, False, key.arn, fault.grantee.selector,
        key.tags, reason=fault.reason, in_use=fault.in_use, kin=assembly.kin_of(key),
    )  # fmt: skip
    severity, trail = severity_of(exposure, assembly.severity)
    reasons = (fault.reason, *fault.reasons)
    kind, text = hygiene_remedy(fault.reason)
    command = ""
    if fault.grants:
        command = revoke_block(key, [fault.grants[0].grant_id])
    return Finding(
        id=finding_id(Kind.KEY_HYGIENE, key.arn, fault.reason),
        fingerprint=fingerprint([fault.reason, fault.verdict, fault.in_use, fault.details]),
        kind=Kind.KEY_HYGIENE,
        lifecycle="new",
        first_seen=assembly.world.as_of,
        last_seen=assembly.world.as_of,
        severity=severity,
        severity_reasons=trail,
        verdict=fault.verdict,
        verdict_reasons=reasons,
        title=hygiene_title(fault.reason, fault.verdict, facts, in_use=fault.in_use),
        summary=fault.summary,
        resource=assembly.key_resource(key),
        key=facts,
        grantee=fault.grantee,
        mechanism=_mechanism(fault),
        capabilities=(CapabilityResult(fault.capability, fault.actions, fault.verdict, severity, reasons),),
        reach=Reach(),
        evidence=tuple(_evidence(assembly, key, fault)),
        remediation=Remediation(kind, text, command),
        rules=rules_of(reasons, ()),
        coverage_refs=assembly.unread.cited(fault.refs),
    )


def _mechanism(fault: _Fault) -> Mechanism:
    cited = fault.statements[:MAX_STATEMENTS]
    statements = tuple(statement_ref(n.document, n.statement, n.statement.effect) for n, _ in cited)
    grants = tuple(grant_ref(g) for g in fault.grants[:_GRANTS_SHOWN])
    return Mechanism(GRANT if fault.grants else KEY_POLICY, statements, grants, len(fault.grants))


def _evidence(assembly: Assembly, key: KeyFacts, fault: _Fault) -> Iterator[Evidence]:
    """The statements or grants; of a policy that names nobody, the whole of it."""
    for named, selector in fault.statements[:MAX_STATEMENTS]:
        yield statement_evidence(named, selector)
    for grant in fault.grants[:MAX_STATEMENTS]:
        evidence, text = grant_evidence(key, grant)
        assembly.documents[evidence.sha256] = text
        yield evidence
    if not fault.statements and not fault.grants and key.key_policy:
        policy = key.key_policy
        last = policy.text.count("\n") + 1
        yield Evidence("policy_statement", policy.source, policy.name, policy.sha256, 1, last)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
