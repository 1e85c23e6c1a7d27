"""What our principals do with keys of other accounts, noted while the keys are judged (`design.md` section 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from scanner.analyze.decision.action_groups import Groups, groups_of
from scanner.analyze.decision.every_action import PLACES
from scanner.analyze.keys.judge import Alike, Alone, Asked, Judgement, strength
from scanner.analyze.keys.own_gates import allowing_in, own_identity
from scanner.analyze.principals.principal_classes import IDENTITIES, class_name
from scanner.analyze.principals.selectors import GRANT, RAM
from scanner.analyze.request.caller import Caller
from scanner.model.actions import Action
from scanner.model.decision import Decision
from scanner.model.finding import FindingVerdict
from scanner.model.key import KeyFacts
from scanner.model.world import World

SURE = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL})

_WITHOUT_POLICIES = frozenset({GRANT, RAM})

Place = tuple[str, str, int]
"""Policy name, document hash and statement index."""

Grounds = tuple[tuple[Place, bool], ...]
"""The identity statements that allow an access, each with whether it has conditions."""


class Weighed(NamedTuple):
    """What a judgement says, whoever it is about: thousands of callers share it."""

    action: Action
    verdict: FindingVerdict
    reason: str
    decision: Decision
    asked: Asked | Alone | None

    def of(self, caller: Caller) -> Judgement:
        """The judgement of one of them."""
        return Judgement(caller, *self)


class Share(NamedTuple):
    """Callers who are judged the same: what has an effect for all of them, None for an action that has none."""

    alike: Alike
    told: Sequence[Weighed | None]


class Noted(NamedTuple):
    """What callers of other accounts can do with a key by one naming.

    `actions` in the order in which they are told, which is that of what every share tells.
    """

    key: KeyFacts
    mechanism: str
    actions: Sequence[str]
    shares: Sequence[Share]


@dataclass(slots=True)
class KeyUse:
    """What one class of principals can do with one key of another account.

    `judgements` hold the strongest per mechanism and action; `callers` are those with at least a possible decision,
    `refused` those whom something blocks today. `unread` are the rules and ledger rows that some decision hangs on.
    """

    key: KeyFacts
    judgements: dict[tuple[str, str], Judgement] = field(default_factory=dict)
    callers: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Carried:
    """What identity statements carry: by the statements that allow it.

    `sure` has by key ARN and action name the strongest sure judgement, `unsure` the rules and ledger rows that some
    access hangs on which the statements would allow.
    """

    sure: dict[Grounds, dict[tuple[str, str], Judgement]] = field(default_factory=dict)
    unsure: dict[Grounds, set[str]] = field(default_factory=dict)


@dataclass(slots=True)
class ForeignUses:
    """The uses of a whole analysis, in the order of keys: noted as these are judged, put together where asked for."""

    noted: list[Noted] = field(default_factory=list)
    _fellows: dict[str, list[_Fellows]] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _texts: dict[_Texts, _Texts] = field(default_factory=dict)

    def note(self, key: KeyFacts, mechanism: str, judgements: Sequence[Judgement]) -> None:
        """Remember what collected users and roles of other accounts can do with a key."""
        shares: dict[int, tuple[Alike, dict[str, Weighed]]] = {}
        actions: dict[str, None] = {}
        known: dict[Hashable, Weighed] = {}
        for judgement in judgements:
            if judgement.verdict is not FindingVerdict.INEFFECTIVE and judgement.caller.kind in IDENTITIES:
                share = shares.get(judgement.crowd)
                if share is None:
                    share = shares[judgement.crowd] = judgement.whom, {}
                share[1][judgement.action.name] = _weighed(judgement, known)
                actions[judgement.action.name] = None
        if shares:
            told = tuple(Share(alike, tuple(map(by_action.get, actions))) for alike, by_action in shares.values())
            self.noted.append(Noted(key, mechanism, tuple(actions), told))

    def of_class(self, name: str, is_meant: Callable[[str], bool] = lambda _: True) -> Mapping[str, KeyUse]:
        """What a class can do by key, once everything was noted: with the keys whose ARNs are meant."""
        if not self._fellows:
            for noted in self.noted:
                for class_, some in self._fellows_in(noted).items():
                    self._fellows.setdefault(class_, []).extend(some)
        found: dict[str, KeyUse] = {}
        for _, alike in groupby(self._fellows.get(name, ()), lambda one: id(one.noted)):
            some = tuple(alike)
            key = some[0].noted.key
            if is_meant(key.arn):
                _use(found.setdefault(key.arn, KeyUse(key)), some)
        return found

    def given_without_policies(self) -> Iterator[tuple[str, KeyUse]]:
        """By class what grants and resource shares give at each key: no policy of the caller has to name that."""
        found: dict[tuple[str, str], KeyUse] = {}
        for noted in self.noted:
            if noted.mechanism in _WITHOUT_POLICIES:
                for class_, some in self._fellows_in(noted).items():
                    _use(found.setdefault((class_, noted.key.arn), KeyUse(noted.key)), some)
        return ((class_, use) for (class_, _), use in found.items())

    def carried(self, world: World, documents: frozenset[tuple[str, str]]) -> Carried:
        """What is carried by statements of some identity policies, given by name and hash, in part or alone."""
        found, grounds = Carried(), _GroundsOf(world, documents)
        for noted in self.noted:
            _carry_all(found, noted, grounds)
        return found

    def add(self, later: ForeignUses) -> None:
        """Add what was noted apart from this, at keys that come later and not here."""
        self.noted.extend(later.noted)

    def _fellows_in(self, noted: Noted) -> Mapping[str, Sequence[_Fellows]]:
        """By class the callers of a naming, share by share in the order of names."""
        found: dict[str, list[_Fellows]] = defaultdict(list)
        for share in noted.shares:
            members: dict[str, dict[str, Caller]] = defaultdict(dict)
            for caller in share.alike.callers:
                if caller.account_collected:
                    members[self._class_of(caller)].setdefault(caller.text, caller)
            for name, some in members.items():
                texts = tuple(sorted(some))
                same = self._texts.setdefault(texts, texts)
                found[name].append(_Fellows(noted, some[texts[0]], same, share.told))
        for fellows in found.values():
            fellows.sort(key=lambda one: one.first.text)
        return found

    def _class_of(self, caller: Caller) -> str:
        name = self._names.get(caller.text)
        if name is None:
            name = self._names[caller.text] = class_name(caller)
        return name


_Texts = tuple[str, ...]


class _Fellows(NamedTuple):
    """Callers of one class in one share of a naming: the first of them by name, and the names of all."""

    noted: Noted
    first: Caller
    texts: _Texts
    told: Sequence[Weighed | None]


def _use(use: KeyUse, some: Sequence[_Fellows]) -> None:
    """Add what a class can do by one naming, of equal judgements that of the first caller by name."""
    noted = some[0].noted
    for place, action in enumerate(noted.actions):
        for fellows in some:
            weighed = fellows.told[place]
            if weighed is None:
                continue
            held = use.judgements.get((noted.mechanism, action))
            if held is None or strength(weighed.verdict) > strength(held.verdict):
                use.judgements[noted.mechanism, action] = weighed.of(fellows.first)
            if weighed.verdict is not FindingVerdict.BLOCKED:
                use.callers.update(fellows.texts)
            elif weighed.reason != "no_identity_policy":
                use.refused.update(fellows.texts)
            if weighed.verdict is FindingVerdict.POSSIBLE:
                use.unread.update(weighed.decision.rules)


def _weighed(judgement: Judgement, known: dict[Hashable, Weighed]) -> Weighed:
    """What a judgement says, one thing for all that are known to say the same."""
    action, decision, asked = judgement.action, judgement.decision, judgement.asked
    place = action.name, judgement.verdict, judgement.reason, id(decision), id(asked)
    found = known.get(place)
    if found is None:
        found = known[place] = Weighed(action, judgement.verdict, judgement.reason, decision, asked)
    return found


_Policies = tuple[tuple[str, str], ...]
_Ground = tuple[int, int]
"""What decides which statements of a caller allow an access, by identity: what of its documents matches, their names.

Whoever has one keeps both.
"""


class _GroundsOf:
    """The statements in policies that are asked about, by name and hash, that allow an access.

    They are looked up once where the same ones match.
    """

    def __init__(self, world: World, documents: frozenset[tuple[str, str]]) -> None:
        self._world, self._documents = world, documents
        self._known: dict[tuple[_Ground, int | str, bool], Grounds] = {}
        self._policies: dict[int, _Policies] = {}
        self._same: dict[_Policies, _Policies] = {}
        self._groups: dict[int, Groups] = {}

    def by_ground(self, alike: Alike) -> Iterator[tuple[Caller, _Ground]]:
        """The first caller by name of each ground, where some policy is asked about."""
        found: dict[_Ground, Caller] = {}
        for caller, matching in zip(alike.callers, alike.grounds, strict=True):
            policies = self._policies.get(id(caller))
            if policies is None:
                policies = self._policies[id(caller)] = self._asked_about(caller)
            if policies:
                ground = id(matching), id(policies)
                known = found.get(ground)
                if known is None or caller.text < known.text:
                    found[ground] = caller
        return ((caller, ground) for ground, caller in found.items())

    def _asked_about(self, caller: Caller) -> _Policies:
        """The policies of a caller, which all noted shares keep; none where no one of them is asked about."""
        policies = tuple([(p.name, p.sha256) for p in caller.identity_policies])
        if not caller.account_collected or self._documents.isdisjoint(policies):
            return ()
        return self._same.setdefault(policies, policies)

    def of(self, weighed: Weighed, caller: Caller, ground: _Ground) -> Grounds:
        """Those of a caller for whom the judgement stands."""
        place = ground, self._group(weighed.action.name, caller, ground[1]), weighed.asked is None
        found = self._known.get(place)
        if found is None:
            layer = own_identity(self._world, weighed.of(caller))
            told = allowing_in(layer) if layer else ()
            found = tuple(((name, sha256, index), conditioned) for name, sha256, index, conditioned in told)
            self._known[place] = found
        return found

    def _group(self, action: str, caller: Caller, policies: int) -> int | str:
        """The same for actions that the policies cannot tell apart."""
        if action not in PLACES:
            return action
        if policies not in self._groups:
            self._groups[policies] = groups_of(caller.identity_policies)
        return self._groups[policies][PLACES[action]]


def _carry_all(found: Carried, noted: Noted, grounds: _GroundsOf) -> None:
    units = [(*unit, share.told) for share in noted.shares for unit in grounds.by_ground(share.alike)]
    units.sort(key=lambda unit: unit[0].text)
    for place in range(len(noted.actions)):
        for first, ground, told in units:
            weighed = told[place]
            if weighed is not None:
                _carry(found, noted, weighed, first, grounds.of(weighed, first, ground))


def _carry(found: Carried, noted: Noted, weighed: Weighed, first: Caller, grounds: Grounds) -> None:
    if weighed.verdict is FindingVerdict.POSSIBLE:
        found.unsure.setdefault(grounds, set()).update(weighed.decision.rules)
    if weighed.verdict in SURE and noted.mechanism != GRANT:
        carried, place = found.sure.setdefault(grounds, {}), (noted.key.arn, weighed.action.name)
        held = carried.get(place)
        if held is None or strength(weighed.verdict) > strength(held.verdict):
            carried[place] = weighed.of(first)
