"""Findings that outsiders open access for themselves by a tag or an alias, as roles they assume (R8.5, R7.7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.evidence import MAX_STATEMENTS, statement_evidence
from scanner.analyze.keys.judge import Alone, Judgement
from scanner.analyze.keys.sentences import DOES_TO, MAY, who
from scanner.analyze.keys.severity import COLUMN, LEFT, OUTSIDER_OPENS, TABLE, rank
from scanner.analyze.paths.admission import OWN_SAML_PROVIDER
from scanner.analyze.paths.approaches import conditions_of_steps
from scanner.analyze.paths.graph import Chain
from scanner.analyze.paths.hops import ASLEEP, PERHAPS, SURE, Step, choice_of, hop_of, rank_of, verdict_of
from scanner.analyze.paths.path_capabilities import callers_of, standing_at
from scanner.analyze.paths.path_findings import admitting, as_written, carrying, path_grantee
from scanner.analyze.paths.paths import Claim
from scanner.analyze.paths.role_paths import RolePaths
from scanner.analyze.paths.sources import Source
from scanner.analyze.permissions.attribute_flips import Flip, asked_of, like
from scanner.analyze.permissions.attribute_makers import Makers, Making, candidates
from scanner.analyze.permissions.attribute_rules import KeySet
from scanner.analyze.permissions.attribute_words import (
    OPENS,
    attribute_in_words,
    attribute_remedy,
    attribute_summary,
    hiding_more,
    parts_of,
    resource_of,
    whose_keys,
)
from scanner.analyze.permissions.drafts import Case, Draft, finding_of
from scanner.analyze.principals.party import Standing
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller, account_of, resolve_caller
from scanner.model.finding import CapabilityResult, Evidence, Finding, FindingVerdict, Kind
from scanner.model.key import KeyFacts
from scanner.model.principal import PrincipalKind


@dataclass(frozen=True, slots=True)
class _Reach:
    """How an outsider gets to a role; `rank` is that of the weakest step, at most perhaps beyond the limit of roles."""

    claim: Claim
    source: Source
    chain: Chain
    rank: int

    @property
    def steps(self) -> tuple[Step, ...]:
        """The roles assumed, in order."""
        return (self.source.best, *self.chain.steps)

    @property
    def order(self) -> tuple[int, int, tuple[str, ...]]:
        """Strongest first, then shortest, then by name."""
        return -self.rank, len(self.chain.steps), tuple(s.node for s in self.steps)


@dataclass(frozen=True, slots=True)
class _Opened:
    """An outsider makes a change as one role, and gets an action on a key by it, as the same role or another one."""

    flip: Flip
    made: Making
    maker: _Reach
    user: _Reach
    rank: int

    @property
    def steps(self) -> tuple[Step, ...]:
        """The roles assumed: those towards the change, then those towards the use, each once."""
        return tuple({s.node: s for s in (*self.maker.steps, *self.user.steps)}.values())


_Reached = Mapping[str, _Reach]
"""By ARN of a role."""


@dataclass(slots=True)
class _Set:
    """A key set with the roles that may change its attribute, and what a change opens to which roles."""

    keys: KeySet
    makers: dict[str, Caller]
    opened: dict[str, list[Flip]]
    deciders: Makers


class Outsiders:
    """Joins who enters which role with what those roles may change, and with what the change opens to them."""

    def __init__(self, assembly: Assembly, population: Population, through_roles: RolePaths) -> None:
        self._assembly = assembly
        self._population = population
        self._through_roles = through_roles
        self._by_selector: dict[str, dict[str, _Reach]] | None = None
        self._by_role: dict[str, set[str]] = defaultdict(set)

    def findings(self, keys: KeySet, flips: Sequence[Flip], deciders: Makers) -> Iterator[Finding]:
        """One finding per outsider who decrypts, signs, delegates or controls keys of a set by changing them first.

        Users of our own identity providers are no outsiders. A path that is asleep today is told as such a path alone.
        """
        opening = [f for f in flips if f.opens and COLUMN[f.action.capability] == LEFT]
        if not opening:
            return
        given = self._set(keys, opening, deciders)
        if not given.makers or not given.opened:
            return
        by_selector = self._reached()
        for text in sorted(self._who_gets_to(given.makers) & self._who_gets_to(given.opened)):
            found = self._opened(given, by_selector[text])
            if found:
                yield self._finding(given.keys, text, found)

    def _who_gets_to(self, roles: Iterable[str]) -> set[str]:
        """The outsiders who get to one of some roles, by what trust policies call them."""
        if not self._by_role:
            for text, reached in self._reached().items():
                for arn in reached:
                    self._by_role[arn].add(text)
        return {text for arn in roles if arn in self._by_role for text in self._by_role[arn]}

    def _set(self, keys: KeySet, opening: Sequence[Flip], deciders: Makers) -> _Set:
        world, asked = self._assembly.world, asked_of(self._assembly, keys)
        found = candidates(self._population, keys, opening)
        makers = {c.text: c for c in found if c.kind is PrincipalKind.ROLE}
        by_class: dict[object, list[Flip]] = defaultdict(list)
        for flip in opening:
            by_class[like(self._assembly, resolve_caller(world, flip.user), asked)].append(flip)
        opened: dict[str, list[Flip]] = {}
        for arn in keys.users:
            same = like(self._assembly, resolve_caller(world, arn), asked)
            if same in by_class and world.principals[arn].kind is PrincipalKind.ROLE:
                opened[arn] = by_class[same]
        return _Set(keys, makers, opened, deciders)

    def _reached(self) -> dict[str, dict[str, _Reach]]:
        """The roles that every outsider gets to, by what trust policies call it; made when it is first asked for."""
        if self._by_selector is None:
            self._by_selector = defaultdict(dict)
            for claim in (*self._through_roles.claims, *self._through_roles.idle):
                if claim.party != OWN_SAML_PROVIDER:
                    _follow(claim, self._through_roles, self._by_selector[claim.selector.text])
        return self._by_selector

    def _opened(self, given: _Set, reached: _Reached) -> list[_Opened]:
        """For every key and action the strongest way to open it."""
        pairs = [
            (reached[m], reached[u], m == u)
            for m in given.makers.keys() & reached.keys() for u in given.opened.keys() & reached.keys()
        ]  # fmt: skip
        pairs.sort(key=lambda p: (-min(p[0].rank, p[1].rank), not p[2], p[0].order, p[1].order))
        best: dict[tuple[str, str], _Opened] = {}
        for maker, user, _ in pairs:
            ceiling, caller = min(maker.rank, user.rank), given.makers[maker.steps[-1].role.arn]
            for flip in given.opened[user.steps[-1].role.arn]:
                place = (flip.keys[0].arn, flip.action.name)
                held = best[place].rank if place in best else ASLEEP
                made = given.deciders.may_make(caller, flip) if held < ceiling else None
                if made is not None:
                    strength = min(ceiling, rank_of(made.decision), _rank(flip))
                    if strength > held:
                        best[place] = _Opened(flip, made, maker, user, strength)
        return list(best.values())

    # -- the finding --------------------------------------------------------------------------------------------------

    def _finding(self, keys: KeySet, selector: str, found: Sequence[_Opened]) -> Finding:
        told = sorted(((one, self._standing(one)) for one in found), key=lambda t: _worst_first(*t))
        assembly, claims = self._assembly, [r.claim for one, _ in told for r in (one.maker, one.user)]
        grantee = path_grantee(assembly, claims[0], told[0][1])
        attribute, whose, by = attribute_in_words(keys), whose_keys(assembly, keys), self._roles(told[0][0])
        reached: dict[str, KeyFacts] = {k.arn: k for one in found for k in one.flip.keys}

        def title(leading: CapabilityResult) -> str:
            person, may = who(grantee, leading.verdict), MAY[leading.verdict]
            does = f"{DOES_TO[leading.capability]} keys of {whose}"
            return f"{person} {may} give itself, by {attribute}, the right to {does}, by assuming {by}"

        return finding_of(assembly, Draft(
            kind=Kind.ATTRIBUTE_CONTROL,
            parts=(selector, *parts_of(keys)),
            resource=resource_of(assembly, keys),
            grantee=grantee,
            party=grantee.party,
            cases=[_case(one, standing) for one, standing in told],
            title=title,
            summary=attribute_summary(keys, len(reached)),
            remediation=attribute_remedy(keys, foreign=False),
            statements=keys.rules_of([one.user.steps[-1].role.arn for one, _ in told]),
            callers={text for claim in claims for text in callers_of(claim)},
            keys=[k for _, k in sorted(reached.items())],
            keys_total=len(reached),
            hiding=hiding_more(self._assembly, keys),
            trust=tuple(self._trust([one for one, _ in told])),
        ))  # fmt: skip

    def _standing(self, one: _Opened) -> Standing:
        """The graver of where the paths to the change and to the use put the outsider, towards the key."""
        key, capability = one.flip.keys[0], one.flip.action.capability
        return max(
            (standing_at(self._assembly, reach.claim, key, capability) for reach in (one.maker, one.user)),
            key=lambda standing: rank(TABLE[standing.party][LEFT]),
        )

    def _roles(self, one: _Opened) -> str:
        """The roles at the ends of the paths: that of the change and that of the use."""
        ends = dict.fromkeys(reach.steps[-1].role.arn for reach in (one.maker, one.user))
        names = [(arn.rsplit("/", 1)[-1], arn.split(":")[4]) for arn in ends]
        world = self._assembly.world
        return " and ".join(f"role/{name} of {account_of(world, own).name or own}" for name, own in names)

    def _trust(self, found: Iterable[_Opened]) -> list[Evidence]:
        """The statements of trust policies by which the roles are assumed, those of the worst first."""
        evidence: dict[Evidence, None] = {}
        for reach in (r for one in found for r in (one.maker, one.user)):
            written = as_written(reach.claim)
            evidence.update((statement_evidence(n, written), None) for n in reach.source.admission.statements)
            for step in reach.chain.steps:
                hop = hop_of(self._assembly.world, step)
                evidence.update(
                    (statement_evidence(n, admitting(n, step.caller.account_id, step.role)), None)
                    for n in carrying(step, hop)
                )
        return list(evidence)[:MAX_STATEMENTS]


def _follow(claim: Claim, through_roles: RolePaths, found: dict[str, _Reach]) -> None:
    """Add every role that a claim gets to, where the way is stronger or shorter than a known one."""
    for source in claim.sources:
        entry = source.best.rank
        closure = through_roles.paths.graph.closure(source.role.arn)
        ways = [(arn, chain, SURE) for arn, chain in closure.chains.items()]
        ways.extend((arn, chain, PERHAPS) for arn, chain in closure.beyond.items())
        for arn, chain, most in ways:
            reach = _Reach(claim, source, chain, min(entry, chain.rank, most))
            if reach.rank > ASLEEP and (arn not in found or reach.order < found[arn].order):
                found[arn] = reach


def _rank(flip: Flip) -> int:
    """How strong the opened access is; what is possible for want of reading is no more than that."""
    return PERHAPS if flip.verdict is FindingVerdict.POSSIBLE else rank_of(flip.decision)


def _worst_first(one: _Opened, standing: Standing) -> tuple[int, int, str, str]:
    return -rank(TABLE[standing.party][LEFT]), -one.rank, one.flip.keys[0].arn, one.flip.action.name


def _case(one: _Opened, standing: Standing) -> Case:
    """What is opened, as sure as the weakest of the paths, the change and the use."""
    made, opened = one.made.decision, one.flip.decision
    conditions = [*conditions_of_steps(one.steps), *(d.condition for d in (made, opened) if d.condition)]
    rules = (*(r for s in one.steps for r in s.decision.rules), *opened.rules, *made.rules)
    chosen, vouched = choice_of(one.rank, (*(s.decision for s in one.steps), made, opened))
    decision = replace(
        opened, rules=rules, condition="; ".join(conditions), residual=None,
        caller_chosen=chosen, vouched=vouched,
    )  # fmt: skip
    judgement = Judgement(
        one.maker.source.best.caller, one.flip.action, verdict_of(one.rank), OPENS, decision, Alone(one.made.request)
    )
    return Case(judgement, OUTSIDER_OPENS, standing, one.steps)
