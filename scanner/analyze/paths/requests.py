"""Several requests of one session that must all pass, or of which one must, decided by the evaluator of every other."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from enum import IntEnum
from functools import lru_cache

from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.layers import guardrails_of, scp_levels
from scanner.analyze.decision.remembered import RememberingWorld, remembered, seen_of_caller
from scanner.analyze.decision.trust import decide_assume
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.hops import ASSUME, NEVER, PERHAPS, SURE, now_or_later, rank_of
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.dependence import Part, hangs_on, looked_at
from scanner.analyze.request.iam_keys import GIVE_ROLE
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import covers_action
from scanner.model.decision import Decision, Verdict
from scanner.model.policy import PolicyText, Statement
from scanner.model.value import value_class
from scanner.model.world import World

CHANGES_IAM = "changes_iam"
_SEES_CALLERS = re.compile(r"aws:principal|aws:user|aws:source|\$\{|\\u", re.IGNORECASE)
"""Text in which a document may tell callers of one account with the same policies apart."""

_SAME_WITHOUT_KEY = frozenset({"aws:requestedregion", "aws:securetransport"})
"""Condition keys that hold what a request carries, or are open, in every request that is not about a key."""


class Look(IntEnum):
    """What documents look at of who asks for what."""

    NOBODY = 0
    CALLERS = 1
    RESOURCES = 2


@value_class
class Passed:
    """What became of requests that must all pass: the decision of the weakest, with the conditions of all."""

    requests: tuple[Request, ...]
    decision: Decision

    @property
    def rank(self) -> int:
        """How strong it is."""
        return rank_of(self.decision)

    @property
    def actions(self) -> str:
        """The actions, as a hop names them."""
        return " + ".join(dict.fromkeys(r.iam_action for r in self.requests))


class Requests:
    """Decides requests of sessions on their own account, each once for all callers that cannot be told apart.

    `looked` counts those about an identity that some document may tell from others of its account, and about policies.
    """

    def __init__(self, world: World) -> None:
        self.looked = 0
        self._world = world
        self._decided: dict[Hashable, Decision] = {}
        self._callers: dict[Hashable, Hashable] = {}
        self._last: tuple[Caller, Hashable] | None = None
        self._looks: dict[Hashable, Look] = {}
        self._anywhere: dict[Hashable, Decision] = {}

    @property
    def shares(self) -> bool:
        """Whether what one asks may stand for all of its class, as it does in a world that keeps sides."""
        return isinstance(self._world, RememberingWorld) and self._world.sides is not None

    def passed(self, requests: Sequence[Request], rules: tuple[str, ...]) -> Passed:
        """What becomes of requests that must all pass; the first that never passes ends it."""
        decisions: list[Decision] = []
        for request in requests:
            decisions.append(self._decision(request))
            if rank_of(decisions[-1]) == NEVER:
                break
        return Passed(tuple(requests), joined(decisions, rules))

    def _decision(self, request: Request) -> Decision:
        trust = request.role.trust_policy if request.role and request.iam_action == ASSUME else None
        place: Hashable = (
            self.class_of(request.caller), request.iam_action, tuple(request.resource.split(":", 5)[:5]),
            tuple(sorted(request.context.items())), trust and trust.sha256,
        )  # fmt: skip
        looks = self._looks_at(place, request, trust)
        if looks is Look.RESOURCES:
            place = (place, request.resource, trust)
        self.looked += not request.any_resource and (looks is Look.RESOURCES or request.role is None)
        if place not in self._decided:
            everywhere = looks is Look.NOBODY and request.iam_action != ASSUME
            self._decided[place] = self._of_any_account(request) if everywhere else self._worked_out(request)
        return self._decided[place]

    def _worked_out(self, request: Request) -> Decision:
        judge = decide_assume if request.iam_action == ASSUME else decide
        return remembered(
            self._world, request, "change",
            lambda: now_or_later(self._world, request, lambda then: judge(then, request, trace=False)),
        )  # fmt: skip

    def _of_any_account(self, request: Request) -> Decision:
        """The decision for whoever has the same documents over and on itself, none of which looks at who asks for what.

        Accounts are told apart by their guardrails: by where they hang, and whether they were read.
        """
        caller = request.caller
        levels = scp_levels(RequestContext(self._world, request))
        bound: Hashable = levels
        if isinstance(levels, tuple):
            bound = tuple(tuple(p.sha256 for p in attached) for attached in levels)
        own = request.any_resource or request.resource.split(":", 5)[4:5] == [caller.account_id]
        place = (
            request.iam_action, tuple(sorted(request.context.items())), own, bound, caller.kind, caller.collected,
            caller.gap, tuple(p.sha256 for p in caller.identity_policies), caller.boundary and caller.boundary.sha256,
        )  # fmt: skip
        if place not in self._anywhere:
            self._anywhere[place] = self._worked_out(request)
        return self._anywhere[place]

    def _looks_at(self, place: Hashable, request: Request, trust: PolicyText | None) -> Look:
        """The most that a document which counts looks at.

        Args:
            place: the request without its resource.
            trust: the policy of a role that is assumed.
        """
        if place not in self._looks:
            caller, role = request.caller, request.role
            documents = [*_own(caller), *guardrails_of(self._world, caller.account_id, "scps")]
            if role is not None and trust is not None:
                documents.extend((*guardrails_of(self._world, role.account_id, "rcps"), trust))
            several = (_look_of(policy, request.iam_action) for policy in documents)
            self._looks[place] = max(several, default=Look.NOBODY) if self.shares else Look.RESOURCES
        return self._looks[place]

    def class_of(self, caller: Caller) -> Hashable:
        """Callers that no document which counts can tell apart; a service is one by its name."""
        if self._last is None or self._last[0] is not caller:
            self._last = caller, self._class_of(caller)
        return self._last[1]

    def _class_of(self, caller: Caller) -> Hashable:
        own = (
            caller.text,
            tuple(p.sha256 for p in caller.identity_policies),
            caller.boundary and caller.boundary.sha256,
        )
        if own not in self._callers:
            seen = self._seen(caller, tuple(dict.fromkeys((*_own(caller), *self._guardrails(caller.account_id)))))
            alike = (
                caller.account_id, caller.kind, own[1:], caller.collected, caller.gap, caller.is_service_linked_role,
                seen,
            )  # fmt: skip
            self._callers[own] = own if seen is None else alike
        return self._callers[own]

    def _seen(self, caller: Caller, documents: tuple[PolicyText, ...]) -> Hashable | None:
        """What documents see of a caller; None where that was not worked out and may be a single one."""
        if caller.is_service:
            return None
        if not any(_SEES_CALLERS.search(p.text) for p in documents):
            return ()
        requests = (Request(caller, action, caller.principal_arn) for action in (GIVE_ROLE, ASSUME))
        seen = tuple(seen_of_caller(self._world, request, documents) for request in requests)
        return None if None in seen else seen

    def _guardrails(self, account_id: str) -> Iterator[PolicyText]:
        yield from guardrails_of(self._world, account_id, "scps")
        yield from guardrails_of(self._world, account_id, "rcps")


def _own(caller: Caller) -> Iterator[PolicyText]:
    yield from caller.identity_policies
    yield from (caller.boundary,) if caller.boundary is not None else ()


@lru_cache(maxsize=65536)
def _look_of(policy: PolicyText, iam_action: str) -> Look:
    """The most that the statements of a document about an action look at, beside the principals that they name."""
    statements = parse_policy(policy).statements
    return max((_look_at(s) for s in statements if covers_action(s, iam_action)), default=Look.NOBODY)


def _look_at(statement: Statement) -> Look:
    everything = statement.resources is None or any(e.value == "*" for e in statement.resources)
    parts = {hangs_on(name) for name in looked_at(statement) if name not in _SAME_WITHOUT_KEY}
    if not everything or statement.not_resources is not None or parts - {Part.CALLER, Part.NOTHING}:
        return Look.RESOURCES
    return Look.CALLERS if Part.CALLER in parts else Look.NOBODY


def joined(decisions: Sequence[Decision], rules: tuple[str, ...]) -> Decision:
    """One decision for requests that must all pass: as strong as the weakest, under the conditions of all."""
    weakest = min(decisions, key=rank_of)
    cited = tuple(dict.fromkeys((*rules, *(rule for d in decisions for rule in d.rules))))
    if rank_of(weakest) == NEVER:
        return replace(weakest, rules=cited)
    if all(d.verdict is Verdict.ALLOWED for d in decisions):
        return Decision(Verdict.ALLOWED, CHANGES_IAM, rules=cited)
    residuals = [d.residual for d in decisions if d.residual is not None]
    return replace(
        weakest, rules=cited, condition=" and ".join(dict.fromkeys(d.condition for d in decisions if d.condition)),
        residual={"all": residuals} if len(residuals) > 1 else next(iter(residuals), None),
        unknowns=tuple(dict.fromkeys(u for d in decisions for u in d.unknowns)),
    )  # fmt: skip


def at_most_possible(passed: Passed, reason: str) -> Passed:
    """The same where something beside the requests is not known: no more than possible, for that reason."""
    if passed.rank <= PERHAPS:
        return passed
    doubtful = Decision(Verdict.UNKNOWN, reason, unknowns=(reason,), rules=passed.decision.rules)
    return replace(passed, decision=doubtful)


def strongest(ways: Iterable[Passed]) -> Passed | None:
    """The strongest way that may pass; among equals the first, so that the rest is not asked after a sure one."""
    best: Passed | None = None
    for way in ways:
        if way.rank > (best.rank if best else NEVER):
            best = way
        if way.rank == SURE:
            break
    return best
