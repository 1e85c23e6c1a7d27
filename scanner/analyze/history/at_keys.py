"""With which keys of a path something differs between two runs, and how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scanner.analyze.logic.implication import Relation, compare_conditions
from scanner.analyze.paths.hops import PERHAPS
from scanner.model.finding import Finding, KeyUse

_ABSENT = KeyUse(0)
_Profile = Mapping[str, KeyUse]


@dataclass(slots=True)
class AtKeys:
    """Keys that both sides reach and decide otherwise.

    With those that have `grown` some action is stronger than it was, or new, and that is certain with those in
    `surely`; with those that have `less` some is weaker and none differs otherwise. `changed` are as strong on another
    condition: by rank, condition before and condition now, the keys and the actions. With the keys in `otherwise`
    something differs that is not told apart. `some_alike` says that some key is decided alike, so that whoever enters
    is the same and enters as before.
    """

    grown: set[str] = field(default_factory=set)
    surely: set[str] = field(default_factory=set)
    less: set[str] = field(default_factory=set)
    changed: dict[tuple[int, str, str], tuple[set[str], set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: (set(), set()))
    )
    otherwise: set[str] = field(default_factory=set)
    some_alike: bool = False


def compare_keys(old: Sequence[Finding], new: Sequence[Finding]) -> AtKeys:
    """How the keys differ that both sides reach."""
    decided = _decisions(old), _decisions(new)
    strengths = _strengths(old), _strengths(new)
    found, known = AtKeys(), _Known()
    for arn in sorted(decided[0].keys() & decided[1].keys()):
        before, after = (side.get(arn, {}) for side in strengths)
        ranks = [rank for capability, rank in after.items() if rank > before.get(capability, 0)]
        if ranks:
            found.grown.add(arn)
            found.surely.update({arn} if max(ranks) > PERHAPS else ())
        elif decided[0][arn] == decided[1][arn]:
            found.some_alike = True
        else:
            _by_action(arn, _profile(old, arn), _profile(new, arn), (found, known))
    return found


def surely_reached(findings: Sequence[Finding]) -> frozenset[str]:
    """Keys of paths with which something is certainly possible."""
    return frozenset(a for a, ranks in _strengths(findings).items() if max(ranks.values(), default=0) > PERHAPS)


def is_no_more(old: Finding, new: Finding) -> bool:
    """Whether a path gives with every key at most what another one gave with it; false where that is not carried."""
    known = _Known()
    for arn in new.reach.by_key:
        before, after = _profile((old,), arn), _profile((new,), arn)
        if before is None or after is None or known.of(before, after).keys() - {Relation.SAME, Relation.STRONGER}:
            return False
    return len(new.reach.by_key) == new.keys_total


class _Known:
    """How the actions of two profiles differ, decided once for all keys that share both."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], dict[Relation, list[str]]] = {}

    def of(self, before: _Profile, after: _Profile) -> dict[Relation, list[str]]:
        """The actions of either profile by how hard they have become."""
        place = (id(before), id(after))
        if place not in self._found:
            found: dict[Relation, list[str]] = defaultdict(list)
            for action in sorted({*before, *after}):
                found[_relation(before.get(action, _ABSENT), after.get(action, _ABSENT))].append(action)
            self._found[place] = found
        return self._found[place]


def _by_action(arn: str, before: _Profile | None, after: _Profile | None, into: tuple[AtKeys, _Known]) -> None:
    """Tell how one key differs, action by action, where both sides say so."""
    found, known = into
    if before is None or after is None:
        found.otherwise.add(arn)
        return
    relations = known.of(before, after)
    if Relation.WEAKER in relations:
        found.grown.add(arn)
        found.surely.update({arn} if any(after[a].rank > PERHAPS for a in relations[Relation.WEAKER]) else ())
        return
    if any(_hangs_now(before.get(a, _ABSENT), after.get(a, _ABSENT)) for a in relations.get(Relation.STRONGER, ())):
        found.otherwise.add(arn)
        return
    moved = [action for of in (Relation.OTHER, Relation.UNDECIDED) for action in relations.get(of, ())]
    for action in moved:
        was, now = before[action], after[action]
        keys, actions = found.changed[now.rank, was.condition, now.condition]
        keys.add(arn)
        actions.add(action)
    if not moved:
        (found.less if Relation.STRONGER in relations else found.otherwise).add(arn)


def _hangs_now(was: KeyUse, now: KeyUse) -> bool:
    """Whether a use that was sure hangs on what is not known now: that is no proof of less."""
    return now.rank == PERHAPS < was.rank


def _relation(was: KeyUse, now: KeyUse) -> Relation:
    """How hard an action has become, compared with what it was."""
    if was.rank != now.rank:
        return Relation.STRONGER if now.rank < was.rank else Relation.WEAKER
    return compare_conditions(was.residual, now.residual) if was.condition != now.condition else Relation.SAME


def _profile(findings: Sequence[Finding], arn: str) -> _Profile | None:
    """What a side can do with a key by action; None where that is not carried, or several findings say so."""
    places = [(f, f.reach.profile_of[arn]) for f in findings if arn in f.reach.profile_of]
    return places[0][0].reach.profiles[places[0][1]] if len(places) == len(findings) == 1 else None


def _strengths(findings: Sequence[Finding]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for finding in findings:
        for arn, ranks in finding.reach.strength.items():
            held = found.setdefault(arn, {})
            held.update({c: max(rank, held.get(c, 0)) for c, rank in ranks.items()})
    return found


def _decisions(findings: Sequence[Finding]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in findings:
        for arn, decided in finding.reach.by_key.items():
            found.setdefault(arn, []).append(decided)
    return {arn: sorted(decided) for arn, decided in found.items()}
