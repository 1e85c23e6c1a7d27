"""The parts of an analysis that can be done apart from each other: edges, uses of keys, keys, worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import chain
from typing import Protocol, Self

from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.edits.inputs import Inputs, digest, listed
from scanner.analyze.edits.outcomes import Outcomes
from scanner.analyze.edits.remedied import remedied
from scanner.analyze.keys.access import insider_rows
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.found import KeyFound, kept, restored
from scanner.analyze.keys.key_findings import key_findings
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.keys.uses import ForeignUses
from scanner.analyze.paths.graph import DEFAULT_HOPS
from scanner.analyze.paths.paths import Paths
from scanner.analyze.paths.role_paths import told_of
from scanner.analyze.permissions.attributes import attribute_findings
from scanner.analyze.permissions.identity_findings import identity_findings
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.analyze.principals.selectors import names_everybody
from scanner.model.finding import AccessRow, Finding
from scanner.model.key import KeyFacts
from scanner.model.outcomes import KeyTrials
from scanner.model.verdicts import KeyVerdicts, KnownVerdicts
from scanner.model.world import World

WriteAccess = Callable[[AccessRow], None]
"""Receives rows of access.csv."""
KnownTrials = Mapping[str, KeyTrials]
"""By key ARN the trials of an earlier run."""
Given = Callable[[KeyFacts], KeyFound | None]
"""What is known about a key without judging it."""


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
    leading: bool = True
    """Answer who can use a key from those who may lead to it; false follows everybody, for tests that compare both
    ways."""
    remember: bool = True
    """Decide once what holds with and without an edit; false decides again, for tests that compare both ways."""


@dataclass(frozen=True, slots=True)
class JudgedKey:
    """The findings of one key with their remedies, and what they were made of; `found` is None for a key of AWS.

    `trials` are the edits of it that were tried; `anew` of them are no outcomes of an earlier run.
    """

    findings: Sequence[Finding] = ()
    found: KeyFound | None = None
    trials: KeyTrials | None = None
    anew: int = 0


def judged_by_nobody(key: KeyFacts) -> None:
    """Nothing is known about a key without judging it."""
    del key


@dataclass(frozen=True, slots=True)
class Bench:
    """A world, the rules it is judged by, and what judging it needs: everything that a part is done on.

    The same part of the same world and rules comes out the same on any bench.
    """

    world: World
    rules: AnalysisRules
    population: Population
    assembly: Assembly
    keys: Sequence[KeyFacts]
    """The keys that are listed, in order of their ARN."""
    paths: Paths
    inputs: Inputs

    @classmethod
    def of(cls, world: World, rules: AnalysisRules) -> Self:
        """A bench with nothing done on it."""
        classes = Classes(world) if rules.by_class else None
        assembly = Assembly(world, rules.trust, rules.severity, classes)
        listed = sorted(world.keys.values(), key=lambda k: k.arn)
        keys = [k for k in listed if k.manager.lower() in rules.managers]
        judged = [k for k in keys if k.manager != "AWS"]
        population = Population(world, [k for k in judged if names_everybody(k)])
        paths = Paths(
            population, judged, rules.trust, max_hops=rules.max_role_hops, iam_changes=rules.iam_changes
        )  # fmt: skip
        return cls(world, rules, population, assembly, keys, paths, Inputs(population, rules.trust, rules))

    @property
    def judged(self) -> list[KeyFacts]:
        """The keys that are judged: those of AWS cannot be shared."""
        return [k for k in self.keys if k.manager != "AWS"]

    def afresh(self) -> Self:
        """The same bench with nothing collected on it; what was decided is still known."""
        return replace(self, assembly=replace(self.assembly, documents={}, uses=ForeignUses(), cuts=[]))

    def beside(self, world: World, rules: AnalysisRules) -> Self:
        """A bench for a world made of this one; where it only lists the same keys again, paths are known already.

        The rules are those of this bench in all that paths depend on.
        """
        made = self.of(world, rules)
        others = (f.name for f in fields(World) if f.name != "keys")
        same = world.keys == self.world.keys and all(getattr(world, n) is getattr(self.world, n) for n in others)
        return replace(made, paths=self.paths) if same else made

    def found_on_paths(self) -> list[Finding]:
        """All findings that start at paths through roles, without remedies; what keys give is not looked at."""
        bench = self.afresh()
        through_roles = told_of(bench.paths, bench.assembly, self.rules.service_principals)
        return [*through_roles.findings, *attribute_findings(bench.assembly, bench.population, through_roles)]

    def found_on_keys(self) -> list[Finding]:
        """All other findings, by rules without remedies."""
        bench = self.afresh()
        judged = chain.from_iterable(key.findings for key in bench.judge_keys(bench.keys, unwanted, {}))
        return [*judged, *identity_findings(bench.assembly)]

    def judge_keys(
        self, keys: Iterable[KeyFacts], write_access: WriteAccess, known: KnownTrials, given: Given = judged_by_nobody,
        *, rows: bool = False,
    ) -> Iterator[JudgedKey]:  # fmt: skip
        """Every key in turn, as `each_key`; the rows about outsiders are written before the key is told."""
        for judged in self.each_key(keys, known, given, rows=rows):
            self.collect(judged.found, write_access)
            yield judged

    def each_key(
        self, keys: Iterable[KeyFacts], known: KnownTrials, given: Given, *, rows: bool
    ) -> Iterator[JudgedKey]:  # fmt: skip
        """Every key in turn, judged where nothing is given about it; what others need of it is not collected.

        Args:
            known: trials that need not be made again where what they depend on is the same.
            rows: make those about principals.
        """
        for key in keys:
            if key.manager == "AWS":
                yield JudgedKey()
                continue
            found = given(key) or self._found_at(key, rows=rows)
            judged = JudgedKey(found.findings)
            if self.rules.remedies:
                judged = self.with_remedies(key, found.findings, known.get(key.arn))
            yield replace(judged, found=found)

    def collect(self, found: KeyFound | None, write_access: WriteAccess) -> None:
        """Write the rows about outsiders, and keep what other findings need of a key."""
        if found is not None:
            self.assembly.documents.update(found.documents)
            self.assembly.uses.add(found.uses)
            for row in found.rows:
                write_access(row)

    def taken_over(self, key: KeyFacts, known: KnownVerdicts) -> KeyFound | None:
        """What an earlier run found about a key, where all that it was judged from is the same."""
        inputs = known.inputs.get(key.arn)
        if inputs is None or self._inputs_of(key, inputs.looked_at, inputs.unread) != inputs.sha256:
            return None
        told = known.load(key.arn)
        return restored(key, told, self.assembly, self.population) if told else None

    def kept(self, key: KeyFacts, found: KeyFound) -> KeyVerdicts:
        """What was found about a key, for the next run."""
        sha256 = self._inputs_of(key, found.looked_at, found.unread)
        return found.taken or kept(key, found, sha256)

    def _inputs_of(self, key: KeyFacts, looked_at: Sequence[str], unread: Sequence[str]) -> str:
        """Everything that judging a key can depend on, and what the ledger says of what findings would cite."""
        return digest((self.inputs.at_key(key, looked_at), self.assembly.unread.answers(unread)))

    def _found_at(self, key: KeyFacts, *, rows: bool) -> KeyFound:
        """Judge a key; what is noted on the way is kept apart from what other keys gave."""
        assembly, people = self.assembly, self.population
        outside: list[AccessRow] = []
        before = assembly.documents, assembly.uses
        assembly.documents, assembly.uses = {}, ForeignUses()
        people.looked_at.clear()
        assembly.unread.looked_at.clear()
        write = outside.append if rows else unwanted
        findings = key_findings(key, people, assembly, self.rules.service_principals, write)
        inside = insider_rows(self.world, key, people, assembly.classes) if rows and self.rules.insiders else ()
        found = KeyFound(
            findings, outside, tuple(inside), assembly.documents, assembly.uses,
            listed(people.looked_at), tuple(sorted(assembly.unread.looked_at)),
        )  # fmt: skip
        assembly.documents, assembly.uses = before
        return found

    def with_remedies(self, key: KeyFacts, found: Sequence[Finding], known: KeyTrials | None) -> JudgedKey:
        """The findings of a key with their remedies, and the trials behind these."""
        inputs, asked = self.inputs, self.population.looked_at
        before = known if known and known.inputs == inputs.at_key(key, known.looked_at) else None
        asked.clear()
        outcomes = Outcomes(before.outcomes if before else None)
        told = remedied(key, found, self.world, self._judge_edited, outcomes)
        if not outcomes.seen:
            return JudgedKey(told)
        looked_at = listed(asked.union(before.looked_at if before else ()))
        trials = KeyTrials(inputs.at_key(key, looked_at), looked_at, outcomes.seen)
        return JudgedKey(told, trials=trials, anew=outcomes.anew)

    def _judge_edited(self, key: KeyFacts) -> list[Finding]:
        """A key as it would be with other documents, services of every kind included; nothing of it is written."""
        assembly = self.assembly
        classes = assembly.classes.afresh() if assembly.classes else None
        aside = Assembly(assembly.world, assembly.trust, assembly.severity, classes)
        return key_findings(key, self.population, aside, "all", unwanted)


def remembering(world: World, rules: AnalysisRules) -> World:
    """The world as it is to be judged: where edits are tried, most decisions hold with and without them."""
    return RememberingWorld.of(world, answers=rules.remedies and rules.remember, sides=rules.by_class)


def unwanted(row: object) -> None:
    """Rows of tables are not wanted beside an analysis."""
    del row


class Hands(Protocol):
    """Who does the parts of an analysis."""

    @property
    def bench(self) -> Bench:
        """The bench on which the parts are put together."""

    def prepare(self) -> None:
        """Judge for the paths of the bench what they will ask; what is left out is judged when they ask."""

    def judge_keys(
        self, write_access: WriteAccess, known: KnownTrials, verdicts: KnownVerdicts, *, rows: bool
    ) -> Iterator[JudgedKey]:
        """Every key of the bench in turn, as `Bench.judge_keys`; others may begin at once.

        Args:
            verdicts: judgements that need not be made again where what they depend on is the same.
            rows: make those about principals, which are left out where nobody wants them.
        """

    def found_in(self, world: World, rules: AnalysisRules) -> Callable[[], list[Finding]]:
        """Everything found in a world made of this one, by rules without remedies; whoever calls waits for it."""


@dataclass(frozen=True, slots=True)
class OneHand:
    """Does every part in place and when it is needed."""

    bench: Bench

    def prepare(self) -> None:
        """Nothing beforehand."""

    def judge_keys(
        self, write_access: WriteAccess, known: KnownTrials, verdicts: KnownVerdicts, *, rows: bool
    ) -> Iterator[JudgedKey]:
        """Every key in turn."""
        given = partial(self.bench.taken_over, known=verdicts)
        return self.bench.judge_keys(self.bench.keys, write_access, known, given, rows=rows)

    def found_in(self, world: World, rules: AnalysisRules) -> Callable[[], list[Finding]]:
        """Everything found in another world, when it is called."""

        def found() -> list[Finding]:
            bench = self.bench.beside(world, rules)
            return [*bench.found_on_paths(), *bench.found_on_keys()]

        return found
