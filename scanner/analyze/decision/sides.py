"""What each side of a request says: worked out once for requests that its documents cannot tell apart."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from scanner.analyze.decision.layers import (
    LayerResult,
    Levels,
    boundary_layer,
    identity_layer,
    key_policy_layer,
    ram_layer,
    rcp_layer,
    rcp_levels,
    rcps_in,
    scp_layer,
    scp_levels,
    scps_in,
    session_layer,
    unless_service_linked,
    without_effect,
)
from scanner.analyze.decision.sights import CallerSight, Glance, Place, ResourceSight, Views, glance_of, who_asks
from scanner.analyze.logic.expression import Expression
from scanner.analyze.request.binding import Binding
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.model.decision import Layer
from scanner.model.key import KeyFacts
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.value import value_class
from scanner.model.world import World

T = TypeVar("T")

MOST_SIDES = 400_000
"""Sides, layers and verdicts that are kept for each `FEW_CALLERS`; beyond them everything is worked out again."""

FEW_CALLERS = 50_000
"""The more callers were met, the more it takes to work everything out again, and the more is kept."""

MOST_WORLDS = 100
"""Worlds that are known again by being the same object; others by what they hold."""


_BOUND_AS = {
    DocumentKind.RCP: DocumentKind.RCP, DocumentKind.KEY_POLICY: DocumentKind.KEY_POLICY,
    DocumentKind.RAM_POLICY: DocumentKind.KEY_POLICY,
}  # fmt: skip
"""Kinds of documents in which condition keys may hold something else than in those of callers (R6.U)."""


@value_class
class CallerSide:
    """What limits and allows on the caller's side; `said` numbers all that a verdict takes from it."""

    identity: LayerResult
    boundary: LayerResult
    session: LayerResult
    scp: LayerResult
    said: int = -1

    @property
    def layers(self) -> tuple[LayerResult, LayerResult, LayerResult, LayerResult]:
        """Identity, boundary, session, service control policies."""
        return self.identity, self.boundary, self.session, self.scp


@value_class
class OwnerSide:
    """What the key's own account says, grants aside; `said` numbers all that a verdict takes from it."""

    rcp: LayerResult
    policy: LayerResult
    ram: LayerResult
    said: tuple[int, int] = (-1, -1)

    @property
    def layers(self) -> tuple[LayerResult, LayerResult, LayerResult]:
        """Resource control policies, key policy, RAM policy."""
        return self.rcp, self.policy, self.ram


def caller_side(context: RequestContext) -> CallerSide:
    """The layers of the caller's side, worked out for this request."""
    return CallerSide(identity_layer(context), boundary_layer(context), session_layer(context), scp_layer(context))


def owner_side(context: RequestContext, key: KeyFacts) -> OwnerSide:
    """The layers of the owner's side, worked out for this request; no policy counts for kms:RetireGrant (R4.22)."""
    rcp = rcp_layer(context, key.account_id, exempt=_is_spared_by_rcps(context.request, key))
    return OwnerSide(rcp, *_own_policies(context))


def _is_spared_by_rcps(request: Request, key: KeyFacts) -> bool:
    return key.manager == "AWS" or request.operation == "RetireGrant"


def _own_policies(context: RequestContext) -> tuple[LayerResult, LayerResult]:
    if context.request.operation == "RetireGrant":
        return without_effect(Layer.KEY_POLICY), without_effect(Layer.RAM)
    return key_policy_layer(context), ram_layer(context)


def own_policies_of(caller: Caller) -> tuple[PolicyText, ...]:
    """Every document on a caller's side beside the guardrails of its account."""
    bound = () if caller.boundary is None else (caller.boundary,)
    return (*caller.identity_policies, *bound, *(caller.session_policies or ()))


def is_plain(request: Request) -> bool:
    """Whether nothing is said of a request beside its context, and its resource is one of which the ARN is known."""
    return (
        (request.key is None or request.resource == request.key.arn) and not request.any_resource
        and not request.alias and not request.complete
        and request.encryption_context is None and request.grant_request is None
    )  # fmt: skip


@dataclass(slots=True)
class Kept:
    """Everything that was worked out, and the numbers of what was met."""

    things: list[object] = field(default_factory=list)
    worlds: dict[Hashable, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    callers: dict[str, list[tuple[int, object]]] = field(default_factory=dict)
    keys: dict[str, list[tuple[int, object]]] = field(default_factory=dict)
    count: int = 0
    said: dict[Hashable, int] = field(default_factory=dict)
    caller_sides: dict[Hashable, CallerSide] = field(default_factory=dict)
    key_sides: dict[Hashable, tuple[LayerResult, LayerResult, int]] = field(default_factory=dict)
    layers: dict[Hashable, LayerResult] = field(default_factory=dict)
    scps: dict[tuple[int, int], Levels | LayerResult] = field(default_factory=dict)
    rcps: dict[tuple[int, str, bool, bool], Levels | LayerResult] = field(default_factory=dict)
    levels: dict[Hashable, int] = field(default_factory=dict)
    resource_sights: dict[Hashable, ResourceSight] = field(default_factory=dict)
    own_sights: dict[Hashable, ResourceSight] = field(default_factory=dict)
    key_sights: dict[Hashable, CallerSight] = field(default_factory=dict)
    caller_sights: dict[Hashable, CallerSight] = field(default_factory=dict)
    views: dict[int, dict[Hashable, dict[Hashable, Views]]] = field(default_factory=dict)
    sure: dict[tuple[int, Binding], Expression] = field(default_factory=dict)
    guards: dict[Hashable, tuple[Hashable, CallerSight, ResourceSight]] = field(default_factory=dict)
    verdicts: dict[Hashable, object] = field(default_factory=dict)
    own_said: dict[Hashable, tuple[Hashable, ...]] = field(default_factory=dict)
    documents: dict[Hashable, object] = field(default_factory=dict)
    ends: dict[Hashable, object] = field(default_factory=dict)
    afar: dict[int, list[object]] = field(default_factory=dict)
    related: dict[Hashable, dict[tuple[str, str, str], int]] = field(default_factory=dict)
    caller_rows: dict[Hashable, dict[int, tuple[int, tuple[int, ...]]]] = field(default_factory=dict)
    key_rows: dict[Hashable, dict[int, dict[tuple[int, int, int], tuple[int, tuple[int, ...]]]]] = field(
        default_factory=dict
    )
    key_said: dict[Hashable, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    facts: dict[tuple[Hashable, tuple[str, ...]], tuple[int, ...]] = field(default_factory=dict)
    results: dict[Hashable, dict[Hashable, object]] = field(default_factory=dict)
    refused: dict[Hashable, tuple[object | None, ...]] = field(default_factory=dict)
    granted: dict[Hashable, tuple[Hashable, ...]] = field(default_factory=dict)
    rows: dict[Hashable, dict[Hashable, object]] = field(default_factory=dict)

    def number_of(self, said: Hashable) -> int:
        """The number of what a side or layer says."""
        return self.said.setdefault(said, len(self.said))

    def number(self, known: dict[str, list[tuple[int, object]]], name: str, thing: object) -> int:
        """The number of a caller or key among all that were met."""
        held = known.get(name)
        if held is None:
            held = known[name] = []
        for number, other in held:
            if other is thing:
                return number
        for number, other in held:
            if other == thing:
                return number
        self.count += 1
        held.append((self.count, thing))
        return self.count


class Sides:
    """The sides of plain requests that were worked out, and what follows from two sides.

    Callers, keys and guardrails are known again by all they hold, worlds by everything but the keys and principals that
    they list. What documents see of a request stands for the request: where that is the same, a side says the same.
    """

    def __init__(self) -> None:
        self.kept = Kept()
        self._busy = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Forget nothing meanwhile: numbers are handed on that mean something only with what is kept now."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    def make_room(self) -> None:
        """Forget everything once there is too much of it, unless some work needs it."""
        kept = self.kept
        if self._busy:
            return
        most = MOST_SIDES * (1 + len(kept.callers) // FEW_CALLERS)
        if len(kept.caller_sides) + len(kept.key_sides) + len(kept.layers) + len(kept.verdicts) > most:
            self.kept = Kept()

    def place(self, context: RequestContext, caller: int | None = None, key: int | None = None) -> Place:
        """Where a request stands.

        Args:
            caller, key: their numbers, where these are known.
        """
        kept, request = self.kept, context.request
        carried, keyless = tuple(request.context.items()) if request.context else (), request.key is None
        no_role, assumes = request.role is None, request.iam_action[:4].lower() == "sts:"
        if caller is None:
            caller = kept.number(kept.callers, request.caller.text, request.caller)
        if key is None and request.key is not None:
            key = kept.number(kept.keys, request.key.arn, request.key)
        return Place(
            kept.seen.get(id(context.world)) or self.where(context.world), caller, key,
            (request.iam_action, request.action is None, no_role, keyless, carried),
            who_asks(carried, keyless=keyless, about_role=not no_role, assumes=assumes),
        )  # fmt: skip

    def caller_side(self, place: Place, context: RequestContext) -> CallerSide:
        """The layers of the caller's side."""
        kept = self.kept
        seen = self.own_sight(place, context).of(place, context)
        whole = (place.where, place.caller, place.how, seen)
        found = kept.caller_sides.get(whole)
        if found is None:
            own = (identity_layer(context), boundary_layer(context), session_layer(context))
            layers = (*own, self._scp(place, context))
            found = kept.caller_sides[whole] = CallerSide(*layers, kept.number_of(tuple(map(_said_by, layers))))
        return found

    def said_by_caller(self, own: Hashable, place: Place, context: RequestContext) -> int:
        """The number of what the caller's side says, as `caller_side` has it.

        Args:
            own: the same for requests of which all documents beside guardrails say the same.
        """
        kept = self.kept
        found = kept.own_said.get(own)
        if found is None:
            layers = (identity_layer(context), boundary_layer(context), session_layer(context))
            found = kept.own_said[own] = tuple(map(_said_by, layers))
        return kept.number_of((*found, _said_by(self._scp(place, context))))

    def owner_side(self, place: Place, context: RequestContext, key: KeyFacts) -> OwnerSide:
        """The layers of the owner's side of a request on a key."""
        kept = self.kept
        rcp = self.rcp(place, context, key.account_id, exempt=_is_spared_by_rcps(context.request, key))
        whole = (
            place.where,
            place.key,
            place.how,
            self.sight_of_key(place.where, place.key or 0, key).of(place.caller, place.who, lambda: context),
        )
        own = kept.key_sides.get(whole)
        if own is None:
            policy, ram = _own_policies(context)
            matches = tuple((m.effect, m.kind, m.applies) for m in (*policy.matches, *ram.matches))
            said = (_said_by(policy), _said_by(ram), matches, len(policy.matches))
            own = kept.key_sides[whole] = policy, ram, kept.number_of(said)
        return OwnerSide(rcp, own[0], own[1], (kept.number_of(_said_by(rcp)), own[2]))

    def rcp(self, place: Place, context: RequestContext, owner: str, *, exempt: bool) -> LayerResult:
        """Resource control policies of an owner; see `scanner.analyze.decision.layers.rcp_layer`."""
        at = (place.where, owner, exempt, context.request.caller.is_service_linked_role)
        levels = self.kept.rcps.get(at)
        if levels is None:
            levels = self.kept.rcps[at] = rcp_levels(context, owner, exempt=exempt)
        if isinstance(levels, LayerResult):
            return unless_service_linked(levels, context)
        layer = self._guarding(place, context, (Layer.RCP, owner), levels, rcps_in)
        return unless_service_linked(layer, context)

    def settled(self, place: Hashable, settle: Callable[[], T]) -> T:
        """What follows from two sides, worked out once."""
        verdicts = self.kept.verdicts
        if place not in verdicts:
            verdicts[place] = settle()
        return verdicts[place]  # type: ignore[return-value]  # what `settle` gave for this place

    # -- what is seen -------------------------------------------------------------------------------------------------

    def where(self, world: World) -> int:
        """The number of everything in a world that decisions look at beside the request."""
        kept, known = self.kept, self.kept.seen.get(id(world))
        if known is not None:
            return known
        held = (world.accounts, world.organizations, world.asserted)
        place = (
            *map(id, held), world.as_of, world.credit_scp, world.credit_rcp, world.unlisted_accounts_collected,
            world.organization_gap,
        )  # fmt: skip
        if place not in kept.worlds:
            kept.worlds[place] = len(kept.worlds)
            kept.things.append(held)
        if len(kept.seen) < MOST_WORLDS:
            kept.things.append(world)
            kept.seen[id(world)] = kept.worlds[place]
        return kept.worlds[place]

    def own_sight(self, place: Place, context: RequestContext) -> ResourceSight:
        """What the caller's own policies see of resources; its guardrails see for themselves."""
        service = context.request.iam_action.partition(":")[0].lower()
        at = (place.where, place.caller, service)
        found = self.kept.own_sights.get(at)
        if found is None:
            levels = scp_levels(context)
            guards = () if isinstance(levels, LayerResult) else tuple(p for level in levels for p in level)
            found = self.sight(place.where, (*own_policies_of(context.request.caller), *guards), service)
            self.kept.own_sights[at] = found
        return found

    def sight(self, where: int, policies: Iterable[PolicyText], service: str) -> ResourceSight:
        """What documents of one kind see of resources, and of actions of a service."""
        glances: dict[Glance, None] = {}
        kind = DocumentKind.IDENTITY
        for policy in policies:
            glances[glance_of(policy, service)] = None
            kind = _BOUND_AS.get(policy.kind, kind)
        at = (where, kind, tuple(glances))
        found = self.kept.resource_sights.get(at)
        if found is None:
            found = self.kept.resource_sights[at] = ResourceSight(glances, kind, self.kept.number_of)
        return found

    def caller_sight(self, where: int, policies: tuple[PolicyText, ...]) -> CallerSight:
        """What documents see of callers."""
        at = (where, policies)
        found = self.kept.caller_sights.get(at)
        if found is None:
            views = self.kept.views.setdefault(where, {})
            found = self.kept.caller_sights[at] = CallerSight(policies, self.kept.number_of, views, self.kept.sure)
        return found

    def sight_of_key(self, where: int, number: int, key: KeyFacts) -> CallerSight:
        """What the policies of a key see of callers; its guardrails see for themselves."""
        at = (where, number)
        found = self.kept.key_sights.get(at)
        if found is None:
            own = tuple(p for p in (key.key_policy, key.ram_policy) if p is not None)
            found = self.kept.key_sights[at] = self.caller_sight(where, own)
        return found

    # -- guardrails ---------------------------------------------------------------------------------------------------

    def _scp(self, place: Place, context: RequestContext) -> LayerResult:
        at = (place.where, place.caller)
        levels = self.kept.scps.get(at)
        if levels is None:
            levels = self.kept.scps[at] = scp_levels(context)
        if isinstance(levels, LayerResult):
            return unless_service_linked(levels, context)
        whose = (Layer.SCP, context.request.caller.account_id)
        return unless_service_linked(self._guarding(place, context, whose, levels, scps_in), context)

    def _guarding(
        self, place: Place, context: RequestContext, whose: Hashable, levels: Levels,
        work: Callable[[Levels, RequestContext], LayerResult],
    ) -> LayerResult:  # fmt: skip
        """What guardrails say, for all requests of which they see the same.

        Args:
            whose: the kind of guardrail with the account that it binds; in one world that decides the levels.
        """
        kept, service = self.kept, context.request.iam_action.partition(":")[0].lower()
        at = (place.where, whose, service)
        guards = kept.guards.get(at)
        if guards is None:
            policies = tuple(dict.fromkeys(p for attached in levels for p in attached))
            looking = (place.where, kept.levels.setdefault((work, levels), len(kept.levels)), service)
            sights = self.caller_sight(place.where, policies), self.sight(place.where, policies, service)
            guards = kept.guards[at] = (looking, *sights)
        whole = (
            guards[0], place.how, guards[1].of(place.caller, place.who, lambda: context), guards[2].of(place, context),
        )  # fmt: skip
        found = kept.layers.get(whole)
        if found is None:
            found = kept.layers[whole] = work(levels, context)
        return found


def _said_by(layer: LayerResult) -> Hashable:
    return layer.applicable, layer.allow, layer.deny
