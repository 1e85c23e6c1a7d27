"""Findings of a whole world: every key, everybody its policies and grants name, judged and put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from scanner.analyze.edits.outcomes import Outcomes
from scanner.analyze.edits.path_remedies import remedied_paths
from scanner.analyze.edits.remedied import with_other_ways
from scanner.analyze.edits.world_remedies import WorldRemedies
from scanner.analyze.edits.world_trials import WorldBench
from scanner.analyze.judging import Judging
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.damaged import is_damaged, is_opaque
from scanner.analyze.keys.found import KeyFound
from scanner.analyze.keys.severity import rank
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.parts import AnalysisRules, Bench, Hands, JudgedKey, OneHand, WriteAccess, remembering, unwanted
from scanner.analyze.paths.graph_export import graph_of
from scanner.analyze.paths.role_paths import RolePaths, keys_by_capability, role_paths_in_words, told_of
from scanner.analyze.permissions.attributes import attribute_findings
from scanner.analyze.permissions.identity_findings import identity_findings
from scanner.analyze.principals.selectors import selector_of
from scanner.analyze.spread import Spread
from scanner.model.finding import Finding, KeyRow
from scanner.model.graph import Graph
from scanner.model.key import KeyFacts
from scanner.model.outcomes import KeyTrials, TakenOver, Trials
from scanner.model.policy import Effect
from scanner.model.verdicts import KeyPaths, KeyVerdicts, KnownVerdicts
from scanner.model.world import World

_NONE_KNOWN = Trials()
Keep = Callable[[KeyVerdicts, KeyPaths], None]
"""Receives what was found about a key, and what paths through roles lead to there."""


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


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The judgements of keys that an earlier run left, and who keeps those of this one for the next."""

    known: KnownVerdicts = field(default_factory=KnownVerdicts)
    keep: Keep | None = None

    def want_rows(self, write_access: WriteAccess) -> bool:
        """Whether anybody wants rows about principals."""
        return write_access is not unwanted or self.keep is not None

    def keep_of(self, bench: Bench, key: KeyFacts, found: KeyFound, through_roles: RolePaths) -> None:
        """Keep what was found about a key, where somebody does."""
        if self.keep is not None:
            self.keep(bench.kept(key, found), through_roles.at(bench.assembly, key))


_JUDGED_ANEW = Verdicts()


@dataclass(slots=True)
class _Tried:
    """The trials at keys, and how many keys and trials were judged now."""

    trials: dict[str, KeyTrials] = field(default_factory=dict)
    keys_anew: int = 0
    judged: int = 0
    judged_anew: int = 0

    def add(self, arn: str, key: JudgedKey) -> None:
        """One more key."""
        if key.found is not None:
            self.judged += 1
            self.judged_anew += key.found.taken is None
        if key.trials is not None:
            self.trials[arn] = key.trials
            self.keys_anew += key.anew > 0

    def told(self, others: Outcomes) -> tuple[Trials, TakenOver]:
        """All trials with those that judge all findings, and what of it was taken over."""
        trials = Trials(self.trials, others.seen)
        return trials, TakenOver(
            len(self.trials), self.keys_anew, len(others.seen), others.anew, self.judged, self.judged_anew
        )


def analyze(
    world: World,
    rules: AnalysisRules,
    *,
    write_key: Callable[[KeyRow], None],
    write_access: WriteAccess,
    lanes: Sequence[Executor] = (),
    on_progress: Callable[[Judging], None] = unwanted,
    known: Trials = _NONE_KNOWN,
    verdicts: Verdicts = _JUDGED_ANEW,
) -> AnalysisResult:
    """Judge every customer key of the world that is asked for.

    Args:
        write_key: receives one row per key, also for keys without findings.
        write_access: receives the rows of access.csv as they are decided.
        lanes: executors that do parts of it, each in one process; the result is the same without.
        on_progress: is told how far it is.
        known: trials of an earlier run, which count where their inputs are the same; the result is the same without.
        verdicts: judgements of keys of an earlier run, which count likewise, and who keeps those of this one.
    """
    world = remembering(world, rules)
    hands: Hands = Spread.over(lanes, world, rules) if lanes else OneHand(Bench.of(world, rules))
    bench = hands.bench
    on_progress(Judging("following roles"))
    hands.prepare()
    judged = hands.judge_keys(write_access, known.keys, verdicts.known, rows=verdicts.want_rows(write_access))
    through_roles = told_of(bench.paths, bench.assembly, rules.service_principals)
    findings: list[Finding] = []
    tried = _Tried()
    attributes = list(attribute_findings(bench.assembly, bench.population, through_roles))
    for number, (key, found) in enumerate(zip(bench.keys, judged, strict=True), 1):
        if found.found is not None:
            _hand_out(bench, key, found.found, through_roles, write_access, verdicts)
        paths = through_roles.findings_about(key.arn)
        told = with_other_ways(found.findings, paths) if rules.remedies else found.findings
        findings.extend(told)
        tried.add(key.arn, found)
        write_key(_key_row(key, (*told, *paths), bench.assembly))
        on_progress(Judging("judging keys", number, len(bench.keys)))
    on_progress(Judging("judging identity policies"))
    findings.extend((*identity_findings(bench.assembly), *attributes))
    outcomes = Outcomes(known.world)
    if rules.remedies:
        findings = _with_remedies(hands, through_roles, findings, outcomes, on_progress)
    else:
        findings.extend(through_roles.findings)
    return _put_together(bench, through_roles, findings, tried.told(outcomes))


def _hand_out(
    bench: Bench, key: KeyFacts, found: KeyFound, through_roles: RolePaths, write_access: WriteAccess,
    verdicts: Verdicts,
) -> None:  # fmt: skip
    """Write the rows about paths and insiders, and keep what was found for the next run."""
    for row in chain(through_roles.rows(bench.assembly, key), found.insiders):
        write_access(row)
    verdicts.keep_of(bench, key, found, through_roles)
    through_roles.told_all(key)


def _with_remedies(
    hands: Hands,
    through_roles: RolePaths,
    findings: Sequence[Finding],
    outcomes: Outcomes,
    on_progress: Callable[[Judging], None],
) -> list[Finding]:
    """All findings with remedies: those given, and those about paths; whoever tries edits begins before it is asked."""
    bench = hands.bench
    trials = WorldBench(bench.world, partial(_found_beside, hands), bench.rules.remember, bench.inputs, outcomes)
    others = WorldRemedies(findings, bench.population, trials)
    others.begin()
    on_progress(Judging("trying edits of trust policies"))
    paths = remedied_paths(through_roles, bench.assembly, bench.population, findings)
    on_progress(Judging("trying edits of other policies"))
    return [*others.told(), *paths]


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


def _found_beside(hands: Hands, world: World) -> Callable[[], Sequence[Finding]]:
    """Everything found in a world as it would be with other documents; nothing of it is written or drawn."""
    wide = replace(hands.bench.rules, service_principals="all", insiders=False, remedies=False)
    found = hands.found_in(world, wide)
    return lambda: sorted(found(), key=_worst_first)


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
