"""Findings of a whole world: every key, everybody its policies and grants name, judged and put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from scanner.analyze.edits.outcomes import Outcomes
from scanner.analyze.edits.path_remedies import remedied_paths
from scanner.analyze.edits.world_remedies import remedied_world
from scanner.analyze.edits.world_trials import WorldBench
from scanner.analyze.judging import Judging
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.damaged import is_damaged, is_opaque
from scanner.analyze.keys.severity import rank
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.parts import AnalysisRules, Bench, Hands, OneHand, WriteAccess, remembering, unwanted
from scanner.analyze.paths.graph_export import graph_of
from scanner.analyze.paths.role_paths import RolePaths, keys_by_capability, role_paths_in_words, told_of
from scanner.analyze.permissions.identity_findings import identity_findings
from scanner.analyze.principals.selectors import selector_of
from scanner.analyze.spread import Spread
from scanner.model.finding import Finding, KeyRow
from scanner.model.graph import Graph
from scanner.model.key import KeyFacts
from scanner.model.outcomes import KeyTrials, TakenOver, Trials
from scanner.model.policy import Effect
from scanner.model.world import World

_NONE_KNOWN = Trials()


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
    trials: Trials = field(default_factory=Trials)
    """The edits that were tried, for the next run."""
    taken_over: TakenOver = field(default_factory=TakenOver)


def analyze(
    world: World,
    rules: AnalysisRules,
    *,
    write_key: Callable[[KeyRow], None],
    write_access: WriteAccess,
    lanes: Sequence[Executor] = (),
    on_progress: Callable[[Judging], None] = unwanted,
    known: Trials = _NONE_KNOWN,
) -> AnalysisResult:
    """Judge every customer key of the world that is asked for.

    Args:
        write_key: receives one row per key, also for keys without findings.
        write_access: receives the rows of access.csv as they are decided.
        lanes: executors that do parts of it, each in one process; the result is the same without.
        on_progress: is told how far it is.
        known: trials of an earlier run, which count where their inputs are the same; the result is the same without.
    """
    world = remembering(world, rules)
    hands: Hands = Spread.over(lanes, world, rules) if lanes else OneHand(Bench.of(world, rules))
    bench = hands.bench
    assembly, population = bench.assembly, bench.population
    on_progress(Judging("following roles"))
    hands.prepare()
    through_roles = told_of(bench.paths, assembly, rules.service_principals)
    about: dict[str, Sequence[Finding]] = {key.arn: through_roles.findings_about(key.arn) for key in bench.judged}
    findings: list[Finding] = []
    judged = hands.judge_keys(about, write_access, known.keys)
    tried: dict[str, tuple[KeyTrials, int]] = {}
    for number, (key, found) in enumerate(zip(bench.keys, judged, strict=True), 1):
        if key.manager != "AWS":
            for row in chain(through_roles.rows(assembly, key), found.insiders):
                write_access(row)
        findings.extend(found.findings)
        tried.update({key.arn: (found.trials, found.anew)} if found.trials else {})
        write_key(_key_row(key, (*found.findings, *about.get(key.arn, ())), assembly))
        on_progress(Judging("judging keys", number, len(bench.keys)))
    paths, outcomes = through_roles.findings, Outcomes(known.world)
    if rules.remedies:
        on_progress(Judging("trying edits of trust policies"))
        paths = remedied_paths(through_roles, assembly, population, findings)
    on_progress(Judging("judging identity policies"))
    findings.extend((*paths, *identity_findings(assembly, population, through_roles)))
    if rules.remedies:
        on_progress(Judging("trying edits of other policies"))
        trials = WorldBench(world, partial(_found_beside, hands), rules.remember, bench.inputs, outcomes)
        findings = remedied_world(findings, population, trials)
    return _put_together(bench, through_roles, findings, _trials(tried, outcomes))


def _put_together(
    bench: Bench, through_roles: RolePaths, findings: Sequence[Finding], tried: tuple[Trials, TakenOver]
) -> AnalysisResult:  # fmt: skip
    """Everything that an analysis says, the worst first."""
    ordered = sorted(findings, key=_worst_first)
    graph = graph_of(through_roles, ordered, bench.judged)
    opaque = tuple(key.arn for key in bench.judged if is_opaque(key))
    words, reached = role_paths_in_words(through_roles), keys_by_capability(through_roles)
    cuts = tuple(bench.assembly.cuts)
    return AnalysisResult(tuple(ordered), bench.assembly.documents, opaque, graph, words, cuts, reached, *tried)


def _trials(tried: Mapping[str, tuple[KeyTrials, int]], outcomes: Outcomes) -> tuple[Trials, TakenOver]:
    """The trials at keys, each with how many were made anew, and those that judge all findings."""
    keys_anew = sum(anew > 0 for _, anew in tried.values())
    trials = Trials({arn: trials for arn, (trials, _) in tried.items()}, outcomes.seen)
    return trials, TakenOver(len(tried), keys_anew, len(outcomes.seen), outcomes.anew)


def _found_beside(hands: Hands, world: World) -> Sequence[Finding]:
    """Everything found in a world as it would be with other documents; nothing of it is written or drawn.

    Where it is the world as it is, with all its keys, the paths that were followed there are not followed again.
    """
    wide = replace(hands.bench.rules, service_principals="all", insiders=False, remedies=False)
    beside = hands.on(world, wide)
    bench, as_it_is = beside.bench, world == hands.bench.world
    if not as_it_is:
        beside.prepare()
    judged = beside.judge_keys({}, unwanted, {})
    paths = hands.bench.paths if as_it_is else bench.paths
    through_roles = told_of(paths, bench.assembly, wide.service_principals)
    findings = list(through_roles.findings)
    for found in judged:
        findings.extend(found.findings)
    findings.extend(identity_findings(bench.assembly, bench.population, through_roles))
    return sorted(findings, key=_worst_first)


def _worst_first(finding: Finding) -> tuple[object, ...]:
    of = finding.resource
    return -rank(finding.severity), of.account_id, of.arn, finding.kind, finding.id


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
