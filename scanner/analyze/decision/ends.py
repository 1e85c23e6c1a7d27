"""The two ends of requests on keys: what a caller, and what a key, brings to each of them, worked out once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from scanner.analyze.decision.action_groups import Groups, groups_of
from scanner.analyze.decision.grants import accounts_of_grants
from scanner.analyze.decision.layers import LayerResult, guardrails_of, rcps_over, scp_levels
from scanner.analyze.decision.moments import moments_in
from scanner.analyze.decision.sides import Sides, own_policies_of
from scanner.analyze.decision.sights import CallerSight, ResourceSight, Views, concerns, is_damaged, who_asks
from scanner.analyze.decision.verdict import region_expression
from scanner.analyze.request.caller import Caller, may_be_service_linked
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalKind
from scanner.model.value import value_class
from scanner.model.world import World

LISTED = frozenset({PrincipalKind.USER, PrincipalKind.ROLE, PrincipalKind.ROOT_USER, PrincipalKind.FEDERATED})
"""Callers of whom everything that their own side says stands in documents, if they were collected."""
_WITHOUT_CONTEXT = who_asks(())
MOST_ENDS = 100_000
"""Ends that are known again by the object they are of; others by what it holds."""

Said = tuple[int, tuple[int, ...]]
"""What a side says of every action, by number, and the number of that."""


@value_class(eq=False)
class CallerEnd:
    """A caller: what its documents see of keys, and of actions.

    `own` numbers all whose documents beside guardrails say the same where they, by `own_sight`, see the same.
    `said` has what all documents say by what they see of the key, `saw` what they see by the number of the key, both
    for all whose documents are alike. `by` has by account, Region and partition of a key how that is related to the
    caller, `guarded` what the guardrails of others see of the caller.
    """

    caller: Caller
    number: int
    own: int
    own_sight: ResourceSight
    sight: ResourceSight
    groups: Groups
    dated: bool
    said: dict[int, Said]
    saw: dict[int, int]
    by: dict[tuple[str, str, str], int]
    guarded: dict[CallerSight, int]


@value_class(eq=False)
class KeyEnd:
    """A key: `alike` numbers all whose own side says the same; what its documents see of callers, and of actions.

    `rcps` are the guardrails of its account as they see callers, `covered` what they see of the key. `granting` are the
    accounts that its grants concern, None where they may concern any; `granted` the places of actions that some grant
    gives. `place` is what of it counts for how a caller is related to it.
    """

    key: KeyFacts
    number: int
    alike: int
    sight: CallerSight
    views: Views
    groups: Groups
    rcps: CallerSight | None
    covered: int
    dated: bool
    granted_to_some: bool
    granting: frozenset[str] | None
    granted: tuple[int, ...]
    place: tuple[str, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Documents:
    """Everything that documents on the caller's side are looked at for, whoever holds them.

    `own_callers` is what those see of callers that concern keys, `callers` what these see together with guardrails.
    """

    own_sight: ResourceSight
    sight: ResourceSight
    own_callers: CallerSight
    callers: CallerSight
    written: tuple[Hashable, ...]
    groups: Groups
    dated: bool


class Pair:
    """A caller and a key; the request is made where something of it has to be worked out."""

    __slots__ = ("_carried", "_context", "_world", "caller", "key")

    def __init__(
        self, world: World, caller: Caller, key: KeyFacts, carried: Mapping[str, tuple[str, ...]]
    ) -> None:  # fmt: skip
        self._world, self.caller, self.key, self._carried = world, caller, key, carried
        self._context: RequestContext | None = None

    def request(self, number: int) -> Request:
        """What is asked with one action, by its place in the action table."""
        action = KEY_ACTIONS[number]
        return Request(self.caller, action.iam_name, self.key.arn, action, self.key, context=self._carried)

    def context(self) -> RequestContext:
        """The request with some action: what does not hang on it is read from this."""
        if self._context is None:
            self._context = RequestContext(self._world, self.request(0))
        return self._context


@dataclass(slots=True)
class _Known:
    """Ends by the object they are of, which each end keeps, and by the number of that."""

    callers: dict[int, CallerEnd] = field(default_factory=dict)
    keys: dict[int, KeyEnd] = field(default_factory=dict)
    numbered_callers: dict[int, CallerEnd] = field(default_factory=dict)
    numbered_keys: dict[int, KeyEnd] = field(default_factory=dict)


class Ends:
    """The ends of requests of one world that carry the same context, by the objects that they are of."""

    def __init__(self, world: World, sides: Sides, carried: Mapping[str, tuple[str, ...]]) -> None:
        self._world, self._sides, self._kept = world, sides, sides.kept
        self.where = sides.where(world)
        self.asked: Hashable = who_asks(tuple(carried.items())) if carried else _WITHOUT_CONTEXT
        known = cast("_Known", sides.kept.ends.setdefault((self.where, self.asked), _Known()))
        if len(known.callers) + len(known.keys) > MOST_ENDS:
            known.callers.clear()
            known.keys.clear()
        self._known, self.callers, self.keys = known, known.callers, known.keys

    def of_caller(self, pair: Pair) -> CallerEnd:
        """The end of a caller whose object is not known."""
        known, caller = self._known, pair.caller
        number = self._kept.number(self._kept.callers, caller.text, caller)
        found = known.numbered_callers.get(number)
        if found is None:
            found = known.numbered_callers[number] = self._of_caller(pair, number)
        if found.caller is not caller:
            found = replace(found, caller=caller)
        known.callers[id(caller)] = found
        return found

    def of_key(self, pair: Pair) -> KeyEnd:
        """The end of a key whose object is not known."""
        known, key = self._known, pair.key
        number = self._kept.number(self._kept.keys, key.arn, key)
        found = known.numbered_keys.get(number)
        if found is None:
            found = known.numbered_keys[number] = self._of_key(pair, number)
        if found.key is not key:
            found = replace(found, key=key)
        known.keys[id(key)] = found
        return found

    # -- callers ------------------------------------------------------------------------------------------------------

    def _of_caller(self, pair: Pair, number: int) -> CallerEnd:
        caller, kept = pair.caller, self._kept
        levels = scp_levels(pair.context())
        guards = () if isinstance(levels, LayerResult) else tuple(p for level in levels for p in level)
        held = self._documents(own_policies_of(caller), guards)
        by = (levels.applicable, levels.allow, levels.deny) if isinstance(levels, LayerResult) else levels
        alike = self._alike(pair, number, held.written, held.callers, by)
        own = self._alike(pair, number, held.written, held.own_callers, ())
        related = (
            self.where, caller.kind, caller.session_policies == (), caller.is_any_service, caller.account_id,
            caller.partition,
        )  # fmt: skip
        return CallerEnd(
            caller, number, own, held.own_sight, held.sight, held.groups, held.dated,
            kept.caller_rows.setdefault((alike, self.asked), {}), held.sight.seen_by(self.asked),
            kept.related.setdefault(related, {}), {},
        )  # fmt: skip

    def _documents(self, own: tuple[PolicyText, ...], guards: tuple[PolicyText, ...]) -> _Documents:
        """What documents are looked at for: once for all that say the same."""
        at = (self.where, tuple(map(_written, own)), guards)
        found = cast("_Documents | None", self._kept.documents.get(at))
        if found is None:
            sides, where, every = self._sides, self.where, (*own, *guards)
            documents = tuple(p for p in own if concerns(p, "kms"))
            found = self._kept.documents[at] = _Documents(
                sides.sight(where, own, "kms"), sides.sight(where, every, "kms"), sides.caller_sight(where, documents),
                sides.caller_sight(where, (*documents, *guards)), tuple(map(_written, documents)), groups_of(every),
                bool(moments_in(self._world, every)),
            )  # fmt: skip
        return found

    def _alike(self, pair: Pair, number: int, written: Hashable, sight: CallerSight, by: Hashable) -> int:
        """The number of all callers whose own side says the same about every key of which it sees the same.

        Args:
            written: the documents that concern keys, guardrails aside.
            sight: what documents see of the caller.
            by: where guardrails that count are attached.
        """
        caller, kept = pair.caller, self._kept
        if caller.kind not in LISTED or not caller.collected or may_be_service_linked(caller):
            return kept.number_of(("by itself", self.where, number))
        seen = sight.of(number, self.asked, pair.context)
        facts = (
            caller.kind, caller.session_open, caller.boundary is None, caller.session_policies is None,
            caller.session_policies == (),
        )  # fmt: skip
        return kept.number_of(("alike", self.where, facts, written, seen, by))

    def relation(self, mine: CallerEnd, its: KeyEnd) -> int:
        """The number of what of a request is neither said by the caller's documents nor by the key's."""
        caller, key = mine.caller, its.key
        region = region_expression(self._world, Pair(self._world, caller, key, {}).request(0))
        mine.by[its.place] = self._kept.number_of((
            "related", caller.kind, caller.session_policies == (), caller.is_any_service,
            key.account_id == caller.account_id, key.partition == caller.partition, region,
        ))  # fmt: skip
        return mine.by[its.place]

    # -- keys ---------------------------------------------------------------------------------------------------------

    def _of_key(self, pair: Pair, number: int) -> KeyEnd:
        key, where = pair.key, self.where
        own = tuple(p for p in (key.key_policy, key.ram_policy) if p is not None)
        guards = tuple(guardrails_of(self._world, key.account_id, "rcps"))
        rcps, covered = None, 0
        if guards:
            rcps = self._sides.caller_sight(where, guards)
            covered = self._sides.sight(where, guards, "kms").of_key(number, self.asked, pair.context)
        sight = self._sides.sight_of_key(where, number, key)
        return KeyEnd(
            key, number, self._alike_keys(pair, number, own, guards), sight, sight.views_of(self.asked),
            groups_of((*own, *guards)), rcps, covered, bool(moments_in(self._world, (*own, *guards))),
            bool(key.grants), accounts_of_grants(key), _granted_by(key), (key.account_id, key.region, key.partition),
        )  # fmt: skip

    def _alike_keys(
        self, pair: Pair, number: int, own: tuple[PolicyText, ...], guards: tuple[PolicyText, ...]
    ) -> int:  # fmt: skip
        """The number of all keys whose own side says the same about every caller of whom it sees the same."""
        key, kept, where = pair.key, self._kept, self.where
        if key.key_policy is None or key.ram_policy is not None or not key.ram_policy_read or key.gaps:
            return kept.number_of(("key by itself", where, number))
        levels = rcps_over(self._world, key.account_id)
        by = (levels.applicable, levels.allow, levels.deny) if isinstance(levels, LayerResult) else guards
        seen = self._sides.sight(where, own, "kms").of_key(number, self.asked, pair.context)
        facts = (key.manager, key.usage, key.spec, key.state, key.grants_complete)
        return kept.number_of(("key", where, facts, tuple(map(_written, own)), seen, by))


def _granted_by(key: KeyFacts) -> tuple[int, ...]:
    """The places of actions that some grant gives, and of retiring one, which none has to name (R4.22)."""
    given = {"RetireGrant", *(name for grant in key.grants or () for name in grant.operations)}
    return tuple(number for number, action in enumerate(KEY_ACTIONS) if action.name in given)


def _written(policy: PolicyText) -> Hashable:
    """What a document says."""
    return policy.sha256, policy.kind, _named_in_doubt(policy)


def _named_in_doubt(policy: PolicyText) -> str:
    """Where a document stands, if that may be said of it: what a damaged one says is a fact of its own (R10.12)."""
    return f"{policy.source} {policy.name}" if is_damaged(policy) else ""
