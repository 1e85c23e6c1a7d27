"""Every action of a caller on a key decided at once, and once for all callers and keys that are decided from the same.

A side of a request says something for every action: a row of numbers, equal where all that a verdict takes is equal.
The row of a caller's side and the row of a key's side together give the row of verdicts (`design.md` section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar, cast

from scanner.analyze.decision.action_groups import Groups, groups_of
from scanner.analyze.decision.decide import decide, decided_with, grants_of, refused_at_once, said_by_grants, settled
from scanner.analyze.decision.evaluation import ALL_SOURCES, Evaluation, Sources
from scanner.analyze.decision.grants import accounts_of_grants
from scanner.analyze.decision.layers import LayerResult, guardrails_of, rcps_over, scp_levels
from scanner.analyze.decision.moments import moments_in
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.decision.sides import Sides, own_policies_of
from scanner.analyze.decision.sights import CallerSight, ResourceSight, concerns, is_damaged, who_asks
from scanner.analyze.decision.verdict import conclude, region_expression
from scanner.analyze.logic.expression import Expression
from scanner.analyze.request.caller import Caller, may_be_service_linked
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS, Action
from scanner.model.decision import Decision, Verdict
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

T = TypeVar("T")
PLACES = {action.name: number for number, action in enumerate(KEY_ACTIONS)}
"""Where an action stands in a row."""
_WITHOUT_CONTEXT = who_asks(())
_UNGRANTED = (None,) * len(KEY_ACTIONS)
_LISTED = frozenset({PrincipalKind.USER, PrincipalKind.ROLE, PrincipalKind.ROOT_USER, PrincipalKind.FEDERATED})
"""Callers of whom everything that their own side says stands in documents, if they were collected."""


@dataclass(frozen=True, slots=True)
class Manner(Generic[T]):
    """What is worked out for each action.

    Args:
        kind: a name; see `scanner.analyze.decision.decide.settled` for what it may rest on.
        refused: makes it of the reason and the rule by which no policy has to be looked at.
        settle: makes it of an evaluation.
    """

    kind: str
    refused: Callable[[str, str], T]
    settle: Callable[[World, Request, Evaluation], T]


@dataclass(frozen=True, slots=True)
class _Who:
    """A caller: `alike` numbers all whose own documents say the same; what they see of keys, and of actions."""

    alike: int
    sight: ResourceSight
    groups: Groups
    dated: bool


@dataclass(frozen=True, slots=True)
class _Its:
    """A key: `alike` numbers all whose own side says the same; what its documents see of callers, and of actions.

    `rcps` are the guardrails of its account. `granting` are the accounts that its grants concern, None where they may
    concern any; `granted` the places of actions that some grant gives.
    """

    alike: int
    sight: CallerSight
    groups: Groups
    rcps: tuple[CallerSight, ResourceSight] | None
    dated: bool
    granting: frozenset[str] | None
    granted: tuple[int, ...]


def every_action(
    world: World, caller: Caller, key: KeyFacts, sources: Sources, manner: Manner[T],
    context: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[T, ...] | None:  # fmt: skip
    """What is worked out for every action of the action table, in its order.

    Equal rows are the same object, wherever caller and key are.

    Args:
        context: what the request is said to carry, by lower-case name of the condition key.

    Returns:
        None where the world keeps no sides, or a date in some document may open later what is refused today (R5.26).
    """
    if not isinstance(world, RememberingWorld) or world.sides is None:
        return None
    world.sides.make_room()
    return _Pair(world, world.sides, caller, key, sources, context or {}).row(manner)


DECISION = Manner("decision", lambda reason, rule: Decision(Verdict.DENIED, reason, rules=(rule,)), conclude)


def decisions(world: World, caller: Caller, key: KeyFacts) -> Callable[[Action], Decision]:
    """What is decided about any action of a caller on a key, as `decide` decides it without a trace."""
    row = every_action(world, caller, key, ALL_SOURCES, DECISION)

    def decided(action: Action) -> Decision:
        if row is not None and action.name in PLACES:
            return row[PLACES[action.name]]
        return decide(world, Request(caller, action.iam_name, key.arn, action=action, key=key), trace=False)

    return decided


class _Pair:
    """A caller and a key. The request is made, and the place of it, where something has to be worked out."""

    def __init__(
        self, world: World, sides: Sides, caller: Caller, key: KeyFacts, sources: Sources,
        context: Mapping[str, tuple[str, ...]],
    ) -> None:  # fmt: skip
        self._world, self._sides, self._caller, self._key = world, sides, caller, key
        self._sources, self._carried = sources, context
        kept = sides.kept
        self._where = sides.where(world)
        self._caller_number = kept.number(kept.callers, caller.text, caller)
        self._key_number = kept.number(kept.keys, key.arn, key)
        self._how_asked = who_asks(tuple(context.items())) if context else _WITHOUT_CONTEXT
        self._made: RequestContext | None = None

    def _request(self, number: int) -> Request:
        action = KEY_ACTIONS[number]
        return Request(
            self._caller, action.iam_name, self._key.arn, action=action, key=self._key, context=self._carried
        )  # fmt: skip

    def _context(self) -> RequestContext:
        if self._made is None:
            self._made = RequestContext(self._world, self._request(0))
        return self._made

    def row(self, manner: Manner[T]) -> tuple[T, ...] | None:
        """What is worked out for every action."""
        who, its = self._who(), self._its()
        if who.dated or its.dated:
            return None
        caller, key, kept = self._caller, self._key, self._sides.kept
        mine, own = self._said_by_caller(who), self._said_by_key(its)
        granted = self._granted(its) if key.grants else ()
        how = (
            manner.kind, caller.kind, caller.session_policies == (), caller.is_any_service,
            key.account_id == caller.account_id, key.partition == caller.partition, self._region(),
        )  # fmt: skip
        place = (how, mine[0], own[0], granted)
        found = kept.rows.get(place)
        if found is None:
            told = zip(mine[1], own[1], granted or _UNGRANTED, strict=True)
            found = kept.rows[place] = self._worked_out(manner, tuple(told), kept.results.setdefault(how, {}))
        return cast("tuple[T, ...]", found)

    def _region(self) -> Expression:
        caller, key, kept = self._caller, self._key, self._sides.kept
        at = (self._where, caller.kind, caller.account_id, key.account_id, key.region)
        found = kept.regions.get(at)
        if found is None:
            found = kept.regions[at] = region_expression(self._world, self._request(0))
        return found

    def _worked_out(
        self, manner: Manner[T], told: tuple[Hashable, ...], known: dict[Hashable, object]
    ) -> tuple[object, ...]:
        """The row that follows from what both sides and grants say of each action.

        Args:
            known: what is known to follow from it, for callers and keys of this kind.
        """
        found: list[object] = []
        for number, (said, refused) in enumerate(zip(told, self._refused(manner), strict=True)):
            if refused is None and said not in known:
                request = self._request(number)
                settle = partial(manner.settle, self._world, request)
                known[said] = settled(self._world, request, self._sources, manner.kind, settle)
            found.append(known[said] if refused is None else refused)
        return tuple(found)

    def _refused(self, manner: Manner[T]) -> tuple[object | None, ...]:
        """What no policy has to be looked at for, by action."""
        key, caller, known = self._key, self._caller, self._sides.kept.refused
        place = (
            manner.kind, key.account_id == caller.account_id, caller.is_service, caller.partition == key.partition,
            key.manager, key.usage, key.spec,
        )  # fmt: skip
        if place not in known:
            refusals = (refused_at_once(self._request(number)) for number in range(len(KEY_ACTIONS)))
            known[place] = tuple(refusal and manner.refused(*refusal) for refusal in refusals)
        return known[place]

    # -- the caller's side --------------------------------------------------------------------------------------------

    def _who(self) -> _Who:
        kept, at = self._sides.kept, (self._where, self._caller_number, self._how_asked)
        found = kept.whos.get(at)
        if found is None:
            context = self._context()
            levels = scp_levels(context)
            guards = () if isinstance(levels, LayerResult) else tuple(p for level in levels for p in level)
            own = own_policies_of(self._caller)
            sight = self._sides.own_sight(self._sides.place(context), context)
            dated = bool(moments_in(self._world, (*own, *guards)))
            found = kept.whos[at] = _Who(self._alike(own, levels, guards), sight, groups_of((*own, *guards)), dated)
        return cast("_Who", found)

    def _alike(
        self, own: tuple[PolicyText, ...], levels: LayerResult | tuple[tuple[PolicyText, ...], ...],
        guards: tuple[PolicyText, ...],
    ) -> int:  # fmt: skip
        """The number of all callers whose own side says the same about every key of which it sees the same."""
        caller, kept = self._caller, self._sides.kept
        if caller.kind not in _LISTED or not caller.collected or may_be_service_linked(caller):
            return kept.number_of(("by itself", self._where, self._caller_number))
        documents = tuple(p for p in own if concerns(p, "kms"))
        written = tuple((p.sha256, p.kind, _named_in_doubt(p)) for p in documents)
        sight = self._sides.caller_sight(self._where, (*documents, *guards))
        seen = sight.of(self._caller_number, self._how_asked, self._context)
        by = (levels.applicable, levels.allow, levels.deny) if isinstance(levels, LayerResult) else levels
        facts = (
            caller.kind, caller.session_open, caller.boundary is None, caller.session_policies is None,
            caller.session_policies == (),
        )  # fmt: skip
        return kept.number_of(("alike", self._where, facts, written, seen, by))

    def _said_by_caller(self, who: _Who) -> tuple[int, tuple[int, ...]]:
        kept = self._sides.kept
        asked = self._how_asked
        at = (who.alike, who.sight.of_key(self._key_number, asked, self._context), asked)
        found = kept.caller_rows.get(at)
        if found is None:
            said: dict[int, int] = {}
            for number in dict.fromkeys(who.groups):
                context = RequestContext(self._world, self._request(number))
                said[number] = self._sides.caller_side(self._sides.place(context), context).said
            row = tuple(said[number] for number in who.groups)
            found = kept.caller_rows[at] = kept.number_of(row), row
        return found

    # -- the key's side -----------------------------------------------------------------------------------------------

    def _its(self) -> _Its:
        kept, at = self._sides.kept, (self._where, self._key_number, self._how_asked)
        found = kept.its.get(at)
        if found is None:
            key = self._key
            own = tuple(p for p in (key.key_policy, key.ram_policy) if p is not None)
            guards = tuple(guardrails_of(self._world, key.account_id, "rcps"))
            where, rcps = self._where, None
            if guards:
                rcps = self._sides.caller_sight(where, guards), self._sides.sight(where, guards, "kms")
            dated = bool(moments_in(self._world, (*own, *guards)))
            sight = self._sides.sight_of_key(where, self._key_number, key)
            alike = self._alike_keys(own, guards)
            found = kept.its[at] = _Its(
                alike, sight, groups_of((*own, *guards)), rcps, dated, accounts_of_grants(key), _granted_by(key)
            )  # fmt: skip
        return cast("_Its", found)

    def _alike_keys(self, own: tuple[PolicyText, ...], guards: tuple[PolicyText, ...]) -> int:
        """The number of all keys whose own side says the same about every caller of whom it sees the same."""
        key, kept, where = self._key, self._sides.kept, self._where
        if key.key_policy is None or key.ram_policy is not None or not key.ram_policy_read or key.gaps:
            return kept.number_of(("key by itself", where, self._key_number))
        levels = rcps_over(self._world, key.account_id)
        by = (levels.applicable, levels.allow, levels.deny) if isinstance(levels, LayerResult) else guards
        seen = self._sides.sight(where, own, "kms").of_key(self._key_number, self._how_asked, self._context)
        facts = (key.manager, key.usage, key.spec, key.state, key.grants_complete)
        written = tuple((p.sha256, p.kind, _named_in_doubt(p)) for p in own)
        return kept.number_of(("key", where, facts, written, seen, by))

    def _said_by_key(self, its: _Its) -> tuple[int, tuple[int, ...]]:
        kept, key, asked = self._sides.kept, self._key, self._how_asked
        guarded = its.rcps and (
            its.rcps[0].of(self._caller_number, asked, self._context),
            its.rcps[1].of_key(self._key_number, asked, self._context),
        )
        seen = its.sight.of(self._caller_number, asked, self._context)
        at = (its.alike, asked, seen, guarded, self._sources)
        found = kept.key_rows.get(at)
        if found is None:
            known: dict[int, Hashable] = {}
            for number in dict.fromkeys(its.groups):
                context = RequestContext(self._world, self._request(number))
                side = self._sides.owner_side(self._sides.place(context), context, key)
                known[number] = side.said, self._sources.admitted(side.policy.matches, side.ram.matches)
            facts = (decided_with(self._request(n), key, self._sources) for n in range(len(KEY_ACTIONS)))
            whole = (self._sources.mechanisms, key.manager, key.usage, key.spec)
            said = zip(its.groups, facts, strict=True)
            row = tuple(kept.number_of((known[group], fact, whole)) for group, fact in said)
            found = kept.key_rows[at] = kept.number_of(row), row
        return found

    def _granted(self, its: _Its) -> tuple[Hashable, ...]:
        """What grants give the caller, by action; empty where none concerns it."""
        caller = self._caller
        if "grant" not in self._sources.mechanisms:
            return ()
        if its.granting is not None and caller.kind in _LISTED and caller.account_id not in its.granting:
            return ()
        kept = self._sides.kept
        at = (self._where, self._key_number, self._caller_number, self._how_asked, self._sources.grants)
        if at not in kept.granted:
            given = {number: self._given(number) for number in its.granted}
            kept.granted[at] = tuple(map(given.get, range(len(KEY_ACTIONS)))) if any(given.values()) else ()
        return kept.granted[at]

    def _given(self, number: int) -> Hashable:
        context = RequestContext(self._world, self._request(number))
        said = said_by_grants(*grants_of(context, self._key, self._sources))
        return said if any(said) else None


def _granted_by(key: KeyFacts) -> tuple[int, ...]:
    """The places of actions that some grant gives, and of retiring one, which none has to name (R4.22)."""
    given = {"RetireGrant", *(name for grant in key.grants or () for name in grant.operations)}
    return tuple(number for number, action in enumerate(KEY_ACTIONS) if action.name in given)


def _named_in_doubt(policy: PolicyText) -> str:
    """Where a document stands, if that may be said of it: what a damaged one says is a fact of its own (R10.12)."""
    return f"{policy.source} {policy.name}" if is_damaged(policy) else ""
