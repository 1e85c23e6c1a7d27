"""What our principals do with keys of other accounts, noted while the keys are judged (`design.md` section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from scanner.analyze.decision.layers import LayerResult
from scanner.analyze.keys.judge import Judgement, strength
from scanner.analyze.keys.own_gates import allowing_in, own_identity
from scanner.analyze.principals.principal_classes import IDENTITIES, class_name
from scanner.analyze.principals.selectors import GRANT
from scanner.model.finding import FindingVerdict
from scanner.model.key import KeyFacts
from scanner.model.world import World

T = TypeVar("T")
SURE = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL})

Place = tuple[str, str, int]
"""Policy name, document hash and statement index."""

Grounds = tuple[tuple[Place, bool], ...]
"""The identity statements that allow an access, each with whether it has conditions."""


@dataclass(slots=True)
class KeyUse:
    """What one class of principals can do with one key of another account.

    `judgements` hold the strongest per mechanism and action; `callers` are those with at least a possible decision.
    `unread` are the rules and ledger rows that some decision hangs on.
    """

    key: KeyFacts
    judgements: dict[tuple[str, str], Judgement] = field(default_factory=dict)
    callers: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ForeignUses:
    """The uses of a whole analysis: by class and key, and what identity statements carry them."""

    by_class: dict[str, dict[str, KeyUse]] = field(default_factory=dict)
    carried: dict[Grounds, dict[tuple[str, str], Judgement]] = field(default_factory=dict)
    """By the statements that allow it: key ARN and action name, each with the strongest sure judgement."""
    unsure: dict[Grounds, set[str]] = field(default_factory=dict)
    """By the statements that would allow it: the rules and ledger rows that some access hangs on."""
    _names: dict[str, str] = field(default_factory=dict)
    _grounds: dict[int, tuple[LayerResult, Grounds]] = field(default_factory=dict)
    """By the layer they come from, which is kept: many judgements rest on the same."""

    def note(self, world: World, key: KeyFacts, mechanism: str, judgements: Sequence[Judgement]) -> None:
        """Remember what collected users and roles of other accounts can do with a key."""
        for judgement in judgements:
            caller = judgement.caller
            if caller.kind not in IDENTITIES or not caller.account_collected:
                continue
            if judgement.verdict is FindingVerdict.INEFFECTIVE:
                continue
            name = self._names.get(caller.text)
            if name is None:
                name = self._names[caller.text] = class_name(caller)
            uses = self.by_class.setdefault(name, {})
            use = uses.get(key.arn)
            if use is None:
                use = uses[key.arn] = KeyUse(key)
            _keep(use.judgements, (mechanism, judgement.action.name), judgement)
            if judgement.verdict is not FindingVerdict.BLOCKED:
                use.callers.add(caller.text)
            if judgement.verdict is FindingVerdict.POSSIBLE:
                use.unread.update(judgement.decision.rules)
                self.unsure.setdefault(self._grounds_of(world, judgement), set()).update(judgement.decision.rules)
            if judgement.verdict in SURE and mechanism != GRANT:
                carried = self.carried.setdefault(self._grounds_of(world, judgement), {})
                _keep(carried, (key.arn, judgement.action.name), judgement)

    def add(self, later: ForeignUses) -> None:
        """Add what was noted apart from this, at keys that come later and not here."""
        for name, uses in later.by_class.items():
            self.by_class.setdefault(name, {}).update(uses)
        for grounds, carried in later.carried.items():
            self.carried.setdefault(grounds, {}).update(carried)
        for grounds, rules in later.unsure.items():
            self.unsure.setdefault(grounds, set()).update(rules)

    def _grounds_of(self, world: World, judgement: Judgement) -> Grounds:
        """The statements in the policies of the caller itself."""
        layer = own_identity(world, judgement)
        if layer is None:
            return ()
        if id(layer) not in self._grounds:
            found = (((name, sha256, index), conditioned) for name, sha256, index, conditioned in allowing_in(layer))
            self._grounds[id(layer)] = layer, tuple(found)
        return self._grounds[id(layer)][1]


def _keep(kept: dict[T, Judgement], place: T, judgement: Judgement) -> None:
    held = kept.get(place)
    if held is None or strength(judgement.verdict) > strength(held.verdict):
        kept[place] = judgement
