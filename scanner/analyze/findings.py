"""Findings of a whole world: every key, everybody its policies and grants name, judged and put into words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.edits.path_remedies import remedied_paths
from scanner.analyze.edits.remedied import remedied
from scanner.analyze.edits.world_remedies import remedied_world
from scanner.analyze.keys.access import access_rows, insider_rows
from scanner.analyze.keys.assemble import Assembly, external_finding, ineffective_finding
from scanner.analyze.keys.damaged import is_damaged, is_opaque
from scanner.analyze.keys.everybody import Told, tell
from scanner.analyze.keys.hygiene import hygiene_findings, stale_grants
from scanner.analyze.keys.judge import Judgement, best, named_actions, statement_never_applies
from scanner.analyze.keys.severity import SeverityRules, rank
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.graph import DEFAULT_HOPS
from scanner.analyze.paths.graph_export import graph_of
from scanner.analyze.paths.role_paths import RolePaths, follow_roles, keys_by_capability, role_paths_in_words
from scanner.analyze.permissions.identity_findings import identity_findings
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.party import SERVICE_GUARDED, Trust, party_of
from scanner.analyze.principals.reach import Population, Reached
from scanner.analyze.principals.selectors import (
    KEY_POLICY,
    RAM,
    NamedStatement,
    Naming,
    Selector,
    external_selectors,
    granted,
    selector_of,
)
from scanner.model.actions import Action
from scanner.model.finding import AccessRow, Finding, FindingVerdict, KeyRow
from scanner.model.graph import Graph
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.world import World

_STATIC = ("action_not_cross_account", "key_usage", "wrong_partition")
_UNSUPPORTED = ("aws:resourcetag/", "kms:resourcealiases")


@dataclass(frozen=True, slots=True)
class AnalysisRules:
    """What the user decided about the analysis."""

    trust: Trust = field(default_factory=Trust)
    severity: SeverityRules = field(default_factory=SeverityRules)
    service_principals: str = "unguarded"
    insiders: bool = False
    managers: tuple[str, ...] = ("customer",)
    """Whose keys are listed: `customer` keys are judged, `aws` managed ones are inventory (R9.5)."""
    remedies: bool = True
    """Try edits of the key's own documents that would end an access; false leaves general advice."""
    max_role_hops: int = DEFAULT_HOPS
    """Longest chain of assumed roles that is followed."""
    iam_changes: bool = True
    """Follow roles passed to services and changes to IAM; false follows trust policies alone, for tests of both."""
    by_class: bool = True
    """Decide once for callers, keys and actions that cannot be told apart; false decides each by itself, for tests that
    compare both ways."""
    remember: bool = True
    """Decide once what holds with and without an edit; false decides again, for tests that compare both ways."""


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """Findings ordered worst first, and the texts of the grants they cite."""

    findings: tuple[Finding, ...]
    documents: dict[str, str]
    opaque_keys: tuple[str, ...]
    graph: Graph = field(default_factory=Graph)
    role_paths: str = ""
    """What paths through assumed roles there are, in words."""
    cuts: tuple[str, ...] = ()
    """What was not looked at because there was too much of it, in words."""
    reached: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """The keys that each finding about a path surely gets at, by capability."""


def analyze(
    world: World,
    rules: AnalysisRules,
    *,
    write_key: Callable[[KeyRow], None],
    write_access: Callable[[AccessRow], None],
) -> AnalysisResult:
    """Judge every customer key of the world that is asked for.

    Args:
        write_key: receives one row per key, also for keys without findings.
        write_access: receives the rows of access.csv as they are decided.
    """
    world = RememberingWorld.of(world, answers=rules.remedies and rules.remember, sides=rules.by_class)
    population = Population(world)
    assembly, keys = _assembly(world, rules), _keys_of(world, rules)
    judged = [k for k in keys if k.manager != "AWS"]
    through_roles = _followed(assembly, population, judged, rules)
    findings: list[Finding] = []
    opaque: list[str] = []
    for key in keys:
        found: list[Finding] = []
        if key.manager != "AWS":
            found = key_findings(key, population, assembly, rules, write_access)
            if rules.remedies:
                judge = _another_judgement(population, assembly, rules)
                found = remedied(key, found, world, judge, through_roles.findings_about(key.arn))
            for row in through_roles.rows(assembly, key):
                write_access(row)
            opaque.extend([key.arn] if is_opaque(key) else ())
            if rules.insiders:
                for row in insider_rows(world, key, population, assembly.classes):
                    write_access(row)
        findings.extend(found)
        write_key(_key_row(key, (*found, *through_roles.findings_about(key.arn)), assembly))
    bench = (through_roles, assembly, population, findings)
    paths = remedied_paths(*bench) if rules.remedies else through_roles.findings
    findings.extend((*paths, *identity_findings(assembly, population, through_roles)))
    if rules.remedies:
        findings = remedied_world(
            findings, population, partial(_found_beside, rules=rules), touched_only=rules.remember
        )  # fmt: skip
    ordered = sorted(findings, key=_worst_first)
    graph = graph_of(through_roles, ordered, judged)
    words, reached = role_paths_in_words(through_roles), keys_by_capability(through_roles)
    cuts = tuple(assembly.cuts)
    return AnalysisResult(tuple(ordered), assembly.documents, tuple(opaque), graph, words, cuts, reached)


def _found_beside(world: World, rules: AnalysisRules) -> Sequence[Finding]:
    """Everything found in a world as it would be with other documents; nothing of it is written or drawn."""
    wide = replace(rules, service_principals="all", insiders=False, remedies=False)
    population = Population(world)
    assembly = _assembly(world, wide)
    judged = [k for k in _keys_of(world, wide) if k.manager != "AWS"]
    through_roles = _followed(assembly, population, judged, wide)
    findings = list(through_roles.findings)
    for key in judged:
        findings.extend(key_findings(key, population, assembly, wide, _unwanted))
    findings.extend(identity_findings(assembly, population, through_roles))
    return sorted(findings, key=_worst_first)


def _followed(
    assembly: Assembly, population: Population, keys: Sequence[KeyFacts], rules: AnalysisRules
) -> RolePaths:  # fmt: skip
    return follow_roles(
        assembly, population, keys, rules.max_role_hops, rules.service_principals, iam_changes=rules.iam_changes
    )  # fmt: skip


def _worst_first(finding: Finding) -> tuple[object, ...]:
    of = finding.resource
    return -rank(finding.severity), of.account_id, of.arn, finding.kind, finding.id


def _keys_of(world: World, rules: AnalysisRules) -> list[KeyFacts]:
    """The keys that are listed, in order."""
    return [k for k in sorted(world.keys.values(), key=lambda k: k.arn) if k.manager.lower() in rules.managers]


def _assembly(world: World, rules: AnalysisRules) -> Assembly:
    classes = Classes(world) if rules.by_class else None
    return Assembly(world, rules.trust, rules.severity, classes)


def _unwanted(row: object) -> None:
    """Rows of tables are not wanted beside an analysis."""
    del row


def _another_judgement(
    population: Population, assembly: Assembly, rules: AnalysisRules
) -> Callable[[KeyFacts], list[Finding]]:  # fmt: skip
    """Judges keys as they would be with other documents, beside the analysis: nothing of it is written."""
    wide = replace(rules, service_principals="all")

    def judge_key(key: KeyFacts) -> list[Finding]:
        classes = assembly.classes.afresh() if assembly.classes else None
        aside = Assembly(assembly.world, assembly.trust, assembly.severity, classes)
        return key_findings(key, population, aside, wide, _unwanted)

    return judge_key


def key_findings(
    key: KeyFacts,
    population: Population,
    assembly: Assembly,
    rules: AnalysisRules,
    write_access: Callable[[AccessRow], None],
) -> list[Finding]:
    """The findings of one key; `write_access` receives the rows of access.csv behind them."""
    found: dict[str, Finding] = {}
    without_effect: dict[tuple[object, str], list[Naming]] = {}
    everybody = tuple(tell(key, population, assembly))
    stale = stale_grants(key, population)
    for told in everybody:
        assembly.uses.note(assembly.world, key, told.naming.mechanism, told.judgements)
        if told.naming.selector.kind == "service" and not _wants_service(told.naming, key, assembly, rules):
            continue
        if any(j.verdict is not FindingVerdict.INEFFECTIVE for j in told.judgements):
            finding = external_finding(assembly, key, told.naming, told.judgements)
            found[finding.id] = finding
            for row in access_rows(assembly, key, told.naming, told.judgements, finding):
                write_access(row)
        for part, reason in _ineffective_parts(assembly, key, told):
            if part.grants and stale.get(part.grants[0].grant_id) == part.selector:
                continue
            without_effect.setdefault((_place(part), reason), []).append(part)
    for named in _unsupported(key):
        part = Naming(_first_selector(named, key), named[1], (named[0],))
        without_effect.setdefault((_place(part), "unsupported_condition_key"), []).append(part)
    for finding in hygiene_findings(assembly, key, population, everybody, tuple(found.values()), stale):
        found[finding.id] = finding
    for (_, reason), parts in sorted(without_effect.items(), key=lambda item: str(item[0])):
        finding = ineffective_finding(assembly, key, parts, reason)
        found[finding.id] = finding
    return list(found.values())


def _wants_service(naming: Naming, key: KeyFacts, assembly: Assembly, rules: AnalysisRules) -> bool:
    if rules.service_principals == "none":
        return False
    guarded = party_of(naming, key, assembly.world, assembly.trust) == SERVICE_GUARDED
    return rules.service_principals == "all" or not guarded


def _place(part: Naming) -> object:
    return part.statements[0].place if part.statements else part.grants[0].grant_id


def _ineffective_parts(assembly: Assembly, key: KeyFacts, told: Told) -> Iterator[tuple[Naming, str]]:
    """Statements and grants of a naming that are proven to do nothing, each with the reason."""
    naming, reached = told.written, told.everybody
    if naming is None:
        return
    parts = [Naming(naming.selector, naming.mechanism, (s,)) for s in naming.statements]
    parts.extend(granted(naming.selector, (g,), key.partition) for g in naming.grants)
    for part in parts:
        reason = reached.dead or _reason_without_effect(assembly, key, part, reached, told.asked)
        if reason:
            yield part, reason


def _reason_without_effect(
    assembly: Assembly, key: KeyFacts, part: Naming, reached: Reached, judgements: Sequence[Judgement]
) -> str:
    actions = named_actions(part)
    by_action: dict[Action, list[Judgement]] = {}
    for judgement in judgements:
        by_action.setdefault(judgement.action, []).append(judgement)
    static = {
        reason
        for action in actions
        for reason in (_static_reason(by_action.get(action, ())),)
    }  # fmt: skip
    if not actions or not reached.callers:
        return ""
    if static <= set(_STATIC):
        return next(reason for reason in _STATIC if reason in static)
    conditions = part.grants or any(n.statement.conditions for n in part.statements)
    damaged = any(n.statement.damage for n in part.statements)
    if conditions and not damaged and statement_never_applies(assembly.world, key, part, reached, assembly.classes):
        return "unsatisfiable_condition"
    return ""


def _static_reason(judgements: Sequence[Judgement]) -> str:
    """Why no caller can do the action whatever the conditions; empty where that depends on them."""
    strongest = best(judgements)
    if strongest is None or strongest.verdict is not FindingVerdict.INEFFECTIVE:
        return ""
    return strongest.reason if strongest.reason in _STATIC else ""


def _unsupported(key: KeyFacts) -> Iterator[tuple[NamedStatement, str]]:
    """Statements of the key's policies that test keys AWS documents as unsupported there (R6.U)."""
    for policy, mechanism in ((key.key_policy, KEY_POLICY), (key.ram_policy, RAM)):
        if policy is None:
            continue
        document = parse_policy(policy)
        for statement in document.statements:
            if any(t.key.lower().startswith(_UNSUPPORTED) for t in statement.conditions):
                yield NamedStatement(document, statement), mechanism


def _first_selector(named: tuple[NamedStatement, str], key: KeyFacts) -> Selector:
    external = external_selectors(named[0].statement, key)
    return external[0] if external else selector_of(key.account_id, key.partition)


def _key_row(key: KeyFacts, findings: Sequence[Finding], assembly: Assembly) -> KeyRow:
    counts = dict.fromkeys(("critical", "high", "medium", "low", "info"), 0)
    for finding in findings:
        counts[finding.severity.value] += 1
    facts = assembly.key_ref(key)
    return KeyRow(
        key_arn=key.arn, account_id=key.account_id, account_name=facts.account_name, region=key.region,
        aliases=facts.aliases, state=key.state, manager=key.manager, spec=key.spec, usage=key.usage,
        origin=key.origin, family=key.family, tags=facts.tags, last_used=key.last_used,
        policy_read=_read_state(key, "key_policy"), grants_read=_read_state(key, "grants"),
        ram_read=_read_state(key, "ram_policy"), delegates_to_iam=_delegates(key), grants=len(key.grants or ()),
        **counts,
    )  # fmt: skip


def _read_state(key: KeyFacts, part: str) -> str:
    if key.manager == "AWS":
        return "skipped"
    policy = {"key_policy": key.key_policy, "ram_policy": key.ram_policy}.get(part)
    if policy is not None and is_damaged(policy):
        return "malformed"
    return "not read" if part in key.gaps else "read"


def _delegates(key: KeyFacts) -> str:
    """Whether the key policy lets IAM policies of its own account count (R2.2)."""
    if key.manager == "AWS":
        return ""
    if key.key_policy is None or is_opaque(key):
        return "unknown"
    own = selector_of(key.account_id, key.partition).text
    document = parse_policy(key.key_policy)
    named = (
        selector_of(e.value, key.partition).text
        for s in document.statements
        if s.effect is Effect.ALLOW
        for e in s.principals or ()
    )  # fmt: skip
    return "yes" if own in named else "no"
