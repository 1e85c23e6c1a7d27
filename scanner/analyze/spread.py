"""Has executors do parts of an analysis, each as bytes in and bytes out, and puts them together in order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, fields, replace
from itertools import count, cycle, groupby, islice
from threading import Lock
from typing import Any

from scanner.analyze.keys.found import KeyFound
from scanner.analyze.parts import AnalysisRules, Bench, JudgedKey, KnownTrials, WriteAccess, remembering
from scanner.analyze.shared_bytes import SharedBytes
from scanner.model.finding import Finding
from scanner.model.key import KeyFacts
from scanner.model.verdicts import KnownVerdicts
from scanner.model.world import World

_IN_FLIGHT = 8
"""Parts that an executor has, or has done beyond what was put together: a bound on memory."""
_MANY = 3
"""Executors that have time for edges and uses beside the keys."""
_ROUNDS = 8
"""Parts that every executor gets, so that one with costly keys does not keep the others waiting for long."""
_FEWEST_NODES = 8
"""Nodes of one part: fewer are not worth the way."""
_MOST_KEYS = 250
"""Keys of one part: the rows about them wait in memory for their turn."""
_KEPT = 3
"""Worlds that a worker keeps."""

Blobs = tuple[tuple[str, bytes], ...]
"""The hashes and bytes of a world and, where it is as it would be, before it of the world it is made of."""


# -- what is asked and answered ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _EdgesWanted:
    nodes: Sequence[str]

    def done_on(self, bench: Bench) -> object:
        return bench.paths.graph.edges_at(self.nodes)


@dataclass(frozen=True, slots=True)
class _UsesWanted:
    nodes: Sequence[str]

    def done_on(self, bench: Bench) -> object:
        return {node: bench.paths.uses_of(node) for node in self.nodes}


@dataclass(frozen=True, slots=True)
class _KeysWanted:
    """Keys by their places among those of the bench; rows are left out where nobody wants them.

    `given` has the findings of those that need not be judged: of these, only remedies are wanted.
    """

    start: int
    stop: int
    known: KnownTrials
    given: Mapping[str, Sequence[Finding]]
    rows: bool

    def done_on(self, bench: Bench) -> object:
        keys = bench.keys[self.start : self.stop]
        given = {arn: KeyFound(findings) for arn, findings in self.given.items()}
        judged = bench.each_key(keys, self.known, lambda key: given.get(key.arn), rows=self.rows)
        return [replace(j, found=None) if k.arn in given else j for k, j in zip(keys, judged, strict=True)]


@dataclass(frozen=True, slots=True)
class _AllKeysWanted:
    """What is found on the keys of a world that is only compared, with all that rests on them."""

    def done_on(self, bench: Bench) -> object:
        return bench.found_on_keys()


_Wanted = _EdgesWanted | _UsesWanted | _KeysWanted | _AllKeysWanted


# -- in a worker ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Opened:
    """A world that a worker knows, with all that was done on it before."""

    bench: Bench
    shared: SharedBytes


_opened: dict[tuple[str, ...], _Opened] = {}
_alone = Lock()


def work(blobs: Blobs, wanted: bytes) -> bytes:
    """One part of an analysis: what a worker does, whatever executor it belongs to.

    Args:
        blobs: the world and its hash, which is what the worker knows it by; empty bytes for one that was sent before.
        wanted: which part.

    Returns: the part; nothing where the world has to be sent, or sent again.
    """
    with _alone:  # what a bench remembers is made for one thread
        known = _known(blobs)
        if known is None:
            return b""
        request: _Wanted = known.shared.load(wanted)
        return known.shared.dump(request.done_on(known.bench))


def _known(blobs: Blobs) -> _Opened | None:
    """A world by its hash, and kept for longer than those that were not asked for since."""
    *before, (_, content) = blobs
    base = _known(tuple(before)) if before else None
    names = tuple(name for name, _ in blobs)
    known = _opened.pop(names, None)
    if known is None and content and (base or not before):
        known = _open(base, content)
    if known is not None:
        _opened[names] = known
        while len(_opened) > _KEPT:
            del _opened[next(iter(_opened))]
    return known


def _open(base: _Opened | None, content: bytes) -> _Opened:
    if base is None:
        world, rules = SharedBytes().load(content)
        return _Opened(Bench.of(remembering(world, rules), rules), SharedBytes(world))
    facts, rules = base.shared.load(content)
    return _Opened(Bench.of(replace(base.bench.world, **facts), rules), base.shared)


# -- at home ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spread:
    """The parts of an analysis done by executors, each of which stands for one process with what it remembers.

    `world` is the one that others are made of.

    Part n of every kind goes to executor n modulo their number. Results come in the order of the parts, whoever is done
    first. The keys of another world are one part, and its paths are followed here, where most is known about them.
    """

    bench: Bench
    world: World
    lanes: Sequence[Executor]
    blobs: Blobs
    shared: SharedBytes
    _sent: set[tuple[int, str]] = field(default_factory=set)
    _worlds: Iterator[int] = field(default_factory=count)

    @classmethod
    def over(cls, lanes: Sequence[Executor], world: World, rules: AnalysisRules) -> Spread:
        """An analysis of a world over some executors."""
        shared = SharedBytes(world)
        plain = World(**{f.name: getattr(world, f.name) for f in fields(World)})
        return cls(Bench.of(world, rules), world, lanes, (_blob(SharedBytes().dump((plain, rules))),), shared)

    def found_in(self, world: World, rules: AnalysisRules) -> Callable[[], list[Finding]]:
        """Everything found in a world made of this one; an executor begins at once, the call does the rest.

        What both worlds hold is not sent, and stays the same thing there.
        """
        facts = {f.name: getattr(world, f.name) for f in fields(World)}
        other = {name: fact for name, fact in facts.items() if fact is not getattr(self.world, name)}
        beside = replace(self, blobs=(self.blobs[0], _blob(self.shared.dump((other, rules)))))
        asked = beside._asked(next(self._worlds) % len(self.lanes), self.shared.dump(_AllKeysWanted()))
        return lambda: [*self.bench.beside(world, rules).found_on_paths(), *beside._landed(asked)]

    def prepare(self) -> None:
        """Edges from all entry roles, step by step, then what everybody behind them can do with keys.

        Fewer executors have enough to do with the keys: meanwhile both are judged here, where they are needed.
        """
        if len(self.lanes) < _MANY:
            return
        paths = self.bench.paths
        entries = paths.entries()
        known, further = set(entries), list(entries)
        for _ in range(paths.graph.max_hops):
            ends: set[str] = set()
            for edges in self._each(_EdgesWanted(some) for some in self._chunks(further)):
                paths.graph.take(edges)
                ends |= edges.ends
            further = sorted(ends - known)
            known |= ends
        for uses in self._each(_UsesWanted(some) for some in self._chunks(paths.nodes_behind(entries))):
            paths.take_uses(uses)

    def judge_keys(
        self, write_access: WriteAccess, known: KnownTrials, verdicts: KnownVerdicts, *, rows: bool
    ) -> Iterator[JudgedKey]:
        """Every key in turn, as if they had been judged here one by one; the executors begin at once.

        What need not be judged stays here, and only its remedies are asked for.
        """
        keys, bench = self.bench.keys, self.bench
        bounds = shards_of(keys, min(_MOST_KEYS, 1 + len(keys) // (_ROUNDS * len(self.lanes))))
        taken: deque[Mapping[str, KeyFound]] = deque()

        def wanted() -> Iterator[_Wanted]:
            for start, stop in bounds:
                here = keys[start:stop]
                found = ((key.arn, bench.taken_over(key, verdicts)) for key in here)
                taken.append({arn: one for arn, one in found if one})
                given = {arn: one.findings for arn, one in taken[-1].items()}
                yield _KeysWanted(start, stop, {k.arn: known[k.arn] for k in here if k.arn in known}, given, rows)

        parts = self._each(wanted())

        def in_turn() -> Iterator[JudgedKey]:
            judged = iter(keys)
            for part in parts:
                given = taken.popleft()
                for one, key in zip(part, judged, strict=False):
                    told = replace(one, found=given.get(key.arn, one.found))
                    bench.collect(told.found, write_access)
                    yield told

        return in_turn()

    def _chunks(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        size = max(_FEWEST_NODES, 1 + len(names) // (_ROUNDS * len(self.lanes)))
        return (names[start : start + size] for start in range(0, len(names), size))

    def _each(self, wanted: Iterable[_Wanted]) -> Iterator[Any]:
        """The results in order; the first parts are asked for at once, and one more whenever a result was taken."""
        lanes = cycle(range(len(self.lanes)))
        asked = (self._asked(lane, self.shared.dump(one)) for lane, one in zip(lanes, wanted, strict=False))
        flying = deque(islice(asked, _IN_FLIGHT * len(self.lanes)))

        def landing() -> Iterator[Any]:
            while flying:
                yield self._landed(flying.popleft())
                flying.extend(islice(asked, 1))

        return landing()

    def _asked(self, lane: int, wanted: bytes, *, again: bool = False) -> _Flight:
        """A part that an executor was asked for; worlds go with it the first time, or where the worker is a new one."""
        blobs = tuple((n, b"" if (lane, n) in self._sent and not again else content) for n, content in self.blobs)
        self._sent.update((lane, name) for name, _ in blobs)
        return _Flight(lane, wanted, self.lanes[lane].submit(work, blobs, wanted))

    def _landed(self, flight: _Flight) -> Any:
        answer = flight.future.result()
        if not answer:
            answer = self._asked(flight.lane, flight.wanted, again=True).future.result()
        return self.shared.load(answer)


@dataclass(frozen=True, slots=True)
class _Flight:
    lane: int
    wanted: bytes
    future: Future[bytes]


def _blob(content: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(content).hexdigest(), content


def shards_of(keys: Sequence[KeyFacts], size: int) -> Iterator[tuple[int, int]]:
    """Ranges of about `size` keys, from one to before another; where the account changes, unless one has more keys."""
    start = stop = 0
    for _, own in groupby(keys, key=lambda k: (k.region, k.account_id)):
        here = len(list(own))
        if stop > start and stop - start + here > size:
            yield start, stop
            start = stop
        stop += here
        while stop - start > size:
            yield start, start + size
            start += size
    if stop > start:
        yield start, stop
