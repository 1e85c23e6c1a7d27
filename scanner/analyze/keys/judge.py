"""What one selector can do with one key, action by action: decisions summed up for people (product contract, 7.1)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Self

from scanner.analyze.decision.decide import decide, key_side_of, refused_at_once, settled
from scanner.analyze.decision.evaluation import ALL_SOURCES, Evaluation, Sources
from scanner.analyze.decision.every_action import ClassOf, Manner, alike_at
from scanner.analyze.decision.moments import moments_of, moments_to_come
from scanner.analyze.decision.remembered import remembered
from scanner.analyze.decision.verdict import conclude
from scanner.analyze.keys.strangers import chosen_by_strangers
from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.expression import TRUE, Expression, disj
from scanner.analyze.logic.residual import TooComplexError, is_possible
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.reach import CLOSED, Reached
from scanner.analyze.principals.selectors import GRANT, Naming
from scanner.analyze.request.caller import Caller, account_of
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import covers_each, fits_known_action
from scanner.model.actions import ACTIONS, KEY_ACTIONS, Action, new_action
from scanner.model.decision import Decision, Side, Verdict
from scanner.model.finding import FindingVerdict
from scanner.model.key import KeyFacts
from scanner.model.policy import Statement
from scanner.model.principal import PrincipalKind
from scanner.model.value import value_class
from scanner.model.world import World

_STRENGTH = {
    FindingVerdict.CONFIRMED: 4, FindingVerdict.CONDITIONAL: 3, FindingVerdict.POSSIBLE: 2, FindingVerdict.BLOCKED: 1,
    FindingVerdict.INEFFECTIVE: 0,
}  # fmt: skip
_NEVER = "unsatisfiable_condition"
ROOT_USER_ONLY = "root_user_only"
SUSPENDED = "account_suspended"
"""Reason of an access that returns when a closed account is opened again (R6.8)."""
NOT_YET = "not_yet"
"""Reason of an access that begins by itself (R5.26)."""
_STATES = {"Disabled": "key_disabled", "PendingDeletion": "key_pending_deletion"}
_BLOCKED_REASONS = {
    "explicit_deny_iam": "explicit_deny", "explicit_deny_boundary": "explicit_deny",
    "explicit_deny_session": "explicit_deny", "explicit_deny_key_policy": "explicit_deny",
}  # fmt: skip
_WITHOUT_EFFECT = {"not_cross_account": "action_not_cross_account", "key_usage": "key_usage",
                   "partition": "wrong_partition"}  # fmt: skip


_Weighed = tuple[FindingVerdict, str, Decision]
"""Verdict for people, reason, and the decision behind it."""
StrangersContext = Mapping[str, tuple[str, ...]] | None
"""Condition keys that every stranger carries, of those who are reached by one selector."""
_Row = tuple[_Weighed, ...]
"""What is weighed by action, in the order of the action table."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the judgements of a naming answer: about which key, and by which Allow sources.

    `context` holds condition keys that every stranger behind the naming carries.
    """

    key: KeyFacts
    sources: Sources
    context: StrangersContext = None

    def request(self, caller: Caller, action: Action) -> Request:
        """The question of one caller about one action."""
        return question(self.key, caller, action, self.context)


@dataclass(frozen=True, slots=True)
class Alone:
    """A single request that a judgement rests on, where that is not what its action and key ask.

    `callers_side` says that the caller's side alone was judged.
    """

    asked: Request
    sources: Sources = ALL_SOURCES
    callers_side: bool = False

    def request(self, caller: Caller, action: Action) -> Request:
        """The request, whoever is told of it."""
        del caller, action
        return self.asked


@value_class(eq=False)
class Alike:
    """Callers of whom the same is judged, and by caller the same object where the same statements of them match."""

    callers: tuple[Caller, ...]
    grounds: tuple[object, ...]

    @classmethod
    def alone(cls, caller: Caller) -> Self:
        """A caller by itself."""
        return cls((caller,), (object(),))

    def part(self, places: Sequence[int]) -> Alike:
        """Some of them, by their places."""
        return Alike(tuple(self.callers[n] for n in places), tuple(self.grounds[n] for n in places))


@value_class
class Judgement:
    """What one caller can do with one action: the verdict for people, its reason, and the decision behind it.

    The decision holds for everybody alike and has no gates; `asked` is what they are worked out from, None where the
    decision has them or no policy had to be looked at. `alike` is for whom it stands, its caller the first of them;
    None where it stands for its caller alone.
    """

    caller: Caller
    action: Action
    verdict: FindingVerdict
    reason: str
    decision: Decision
    asked: Asked | Alone | None = None
    alike: Alike | None = None

    @property
    def callers(self) -> tuple[Caller, ...]:
        """Everybody for whom it stands."""
        return self.alike.callers if self.alike else (self.caller,)

    @property
    def whom(self) -> Alike:
        """The same, with what matches of them."""
        return self.alike or Alike.alone(self.caller)

    @property
    def crowd(self) -> int:
        """The same for judgements of the same callers, as long as these are kept."""
        return id(self.alike or self.caller)

    def of(self, alike: Alike) -> Judgement:
        """The same of some of the callers for whom it stands."""
        return Judgement(
            alike.callers[0], self.action, self.verdict, self.reason, self.decision, self.asked, alike
        )  # fmt: skip


def strength(verdict: FindingVerdict) -> int:
    """Order of finding verdicts, strongest highest."""
    return _STRENGTH[verdict]


def named_actions(naming: Naming) -> tuple[Action, ...]:
    """Every action on a key that a naming covers, in the order of the action table; then those nobody knows (R1.11)."""
    if naming.mechanism == GRANT:
        known = tuple(a for a in KEY_ACTIONS if a.name in naming.operations)
        return (*known, *(new_action(o) for o in naming.operations if o.lower() not in ACTIONS))
    covered = [covers_each(n.statement) for n in naming.statements]
    known = tuple(action for action, by in zip(KEY_ACTIONS, zip(*covered, strict=True), strict=False) if True in by)
    return (*known, *(new_action(o) for o in dict.fromkeys(o for n in naming.statements for o in _new(n.statement))))


def _new(statement: Statement) -> Iterable[str]:
    """What a statement writes as KMS actions and no action of the table fits."""
    for element in statement.actions or ():
        service, _, operation = element.value.partition(":")
        if service.lower() == "kms" and not fits_known_action(element.value):
            yield operation


def sources_of(naming: Naming) -> Sources:
    """Exactly the Allow sources that name the selector."""
    if naming.mechanism == GRANT:
        return Sources((GRANT,), grants=frozenset(g.grant_id for g in naming.grants))
    return Sources((naming.mechanism,), statements=frozenset(n.place for n in naming.statements))


def judge_one(world: World, caller: Caller, action: Action, asked: Asked) -> Judgement:
    """Judge one action for one caller, by the Allow sources and at the key that are asked about."""
    return remembered(
        world, asked.request(caller, action), ("judge", asked.sources),
        partial(_now_or_later, world, caller, action, asked),
    )  # fmt: skip


def _now_or_later(world: World, caller: Caller, action: Action, asked: Asked) -> Judgement:
    """What holds today, or `not_yet` where a date in some policy behind a refusal opens it later (R5.26)."""
    today = _judge_one(world, caller, action, asked)
    if account_of(world, caller.account_id).status in CLOSED:
        return _suspended(today)
    refused = today.verdict is FindingVerdict.BLOCKED and today.decision.verdict is Verdict.DENIED
    for moment in moments_of(world, asked.request(caller, action)) if refused or today.reason == _NEVER else ():
        then = _judge_one(replace(world, as_of=moment), caller, action, asked)
        if _STRENGTH[then.verdict] > _STRENGTH[FindingVerdict.BLOCKED]:
            return _not_yet(today, moment)
    return today


def _openings(world: World, naming: Naming) -> tuple[str, ...]:
    """Moments to come at which a date that the statements test begins or ends to hold (R5.26)."""
    return moments_to_come(world, (t for n in naming.statements for t in n.statement.conditions))


def _suspended(judgement: Judgement) -> Judgement:
    """What somebody of a closed account could do: nothing today, and all of it once the account is opened again (R6.8).

    AWS Organizations User Guide, "Closing a member account": it can be reopened within 90 days, and then the policies
    that name it work as they did.
    """
    if _STRENGTH[judgement.verdict] <= _STRENGTH[FindingVerdict.BLOCKED]:
        return judgement
    decision = replace(judgement.decision, verdict=Verdict.LATENT, reason=SUSPENDED)
    return replace(judgement, verdict=FindingVerdict.BLOCKED, reason=SUSPENDED, decision=decision)


def _not_yet(judgement: Judgement, moment: str) -> Judgement:
    """An access that begins by itself: blocked today, and never without effect (R5.26)."""
    decision = replace(judgement.decision, condition=f"the time is {moment} or later")
    return replace(judgement, verdict=FindingVerdict.BLOCKED, reason=NOT_YET, decision=decision)


def is_stranger(caller: Caller) -> bool:
    """An account outside our view that is not ours: its administrator completes the caller side at will (R3.30)."""
    return not caller.account_collected and not caller.ours and not caller.is_service


def question(key: KeyFacts, caller: Caller, action: Action, of_strangers: StrangersContext = None) -> Request:
    """What a finding asks: may the caller do the action, in a context that only says who the caller is."""
    known = action if action.is_documented else None
    context = dict(of_strangers or {}) if is_stranger(caller) else {}
    return Request(caller, action.iam_name, key.arn, action=known, key=key, context=context)


def judged_alike(
    world: World, asked: Asked, callers: Sequence[Caller], class_of: ClassOf | None
) -> list[tuple[_Row | None, Alike]]:
    """Everybody who is asked about, sorted by what `judge_one` says of every action.

    Args:
        class_of: who is surely judged alike, where that is known.

    Returns:
        Rows with those of whom they hold, in the order of the first of these; None for a caller whose actions have to
        be judged one by one.
    """
    key, known, strangers, found = asked.key, list[Caller](), list[Caller](), list[tuple[_Row | None, Alike]]()
    closed: dict[str, bool] = {}
    for caller in callers:
        account = caller.account_id
        if account not in closed:
            closed[account] = account_of(world, account).status in CLOSED
        if closed[account] or not key.grants_complete:
            found.append((None, Alike.alone(caller)))
        else:
            (strangers if is_stranger(caller) else known).append(caller)
    told = alike_at(world, known, key, asked.sources, _KNOWN, class_of=class_of)
    told.extend(alike_at(world, strangers, key, asked.sources, _STRANGER, asked.context))
    found.extend((row, Alike(members, grounds)) for row, members, grounds in told)
    places = {id(caller): place for place, caller in enumerate(callers)}
    return sorted(found, key=lambda one: places[id(one[1].callers[0])])


def _judge_one(world: World, caller: Caller, action: Action, asked: Asked) -> Judgement:
    request = asked.request(caller, action)
    refusal = refused_at_once(request)
    if refusal is not None:
        return Judgement(caller, action, *_without_effect(*refusal))
    stranger = is_stranger(caller)
    manner = _STRANGER if stranger else _KNOWN
    weigh = partial(manner.settle, world, request)
    verdict, reason, decision = settled(world, request, asked.sources, manner.kind, weigh)
    if verdict is FindingVerdict.BLOCKED and not stranger and not asked.key.grants_complete:
        whole = decide(world, request, trace=False)
        if whole.verdict is Verdict.UNKNOWN:
            return Judgement(caller, action, FindingVerdict.POSSIBLE, "grants_not_read", whole)
    return Judgement(caller, action, verdict, reason, decision, asked)


def _without_effect(reason: str, rule: str) -> _Weighed:
    """What is refused without looking at any policy."""
    decision = Decision(Verdict.DENIED, reason, rules=(rule,))
    return FindingVerdict.INEFFECTIVE, _WITHOUT_EFFECT.get(reason, reason), decision


def _of_one_known(world: World, request: Request, evaluation: Evaluation) -> _Weighed:
    decision = conclude(world, request, evaluation)
    return *_summed_up(request, decision, evaluation), decision


def _summed_up(request: Request, decision: Decision, evaluation: Evaluation) -> tuple[FindingVerdict, str]:
    match decision.verdict:
        case Verdict.ALLOWED:
            return FindingVerdict.CONFIRMED, "service_admitted" if request.caller.is_service else decision.reason
        case Verdict.CONDITIONAL:
            return FindingVerdict.CONDITIONAL, "residual_condition"
        case Verdict.LATENT:
            return FindingVerdict.BLOCKED, asleep_reason(request, decision)
        case Verdict.UNKNOWN:
            if decision.conditional_access:
                return FindingVerdict.CONDITIONAL, "residual_condition"
            return FindingVerdict.POSSIBLE, decision.reason
        case _:
            if decision.reason in {"no_key_side", "no_grant_role"} or not _may_hold(evaluation.key_side):
                return FindingVerdict.INEFFECTIVE, _NEVER
            return FindingVerdict.BLOCKED, _BLOCKED_REASONS.get(decision.reason, decision.reason)


def asleep_reason(request: Request, decision: Decision) -> str:
    """Why a latent access does not work today: the state of the key, or its Region."""
    if decision.reason != "key_state" or request.key is None:
        return decision.reason
    return _STATES.get(request.key.state, f"key_{request.key.state.lower()}")


def _may_hold(key_side: Expression) -> bool:
    try:
        return is_possible(key_side, axioms_for(key_side))
    except TooComplexError:
        return True


# -- strangers: the key side alone ------------------------------------------------------------------------------------


def of_stranger(world: World, request: Request, evaluation: Evaluation) -> tuple[FindingVerdict, str, Decision]:
    """What a stranger can do: its account counts as far as the key side lets it (R3.30).

    The rest is its administrator's choice.

    Returns:
        Verdict for people, reason, and the decision behind it.
    """
    owner_deny = disj(layer.deny for layer in evaluation.layers if layer.side is Side.OWNER)
    key_view = replace(
        evaluation,
        core=chosen_by_strangers(evaluation.key_side),
        ceiling=TRUE,
        deny=chosen_by_strangers(owner_deny),
        key_side=chosen_by_strangers(evaluation.key_side),
        caller_side=TRUE,
        layers=tuple(x for x in evaluation.layers if x.side is Side.OWNER),
    )
    decision = conclude(world, request, key_view, any_region=True)
    verdict, reason = _summed_up(request, decision, key_view)
    if verdict is FindingVerdict.CONFIRMED:
        reason = "grant_held" if evaluation.grants or evaluation.retiring else "delegated_to_third_party"
    return verdict, reason, decision


_KNOWN: Manner[_Weighed] = Manner("judgement", _without_effect, _of_one_known)
_STRANGER: Manner[_Weighed] = Manner("stranger", _without_effect, of_stranger)


# -- summing up -------------------------------------------------------------------------------------------------------


def best(judgements: Iterable[Judgement]) -> Judgement | None:
    """The strongest judgement; among equals one whose condition the caller chooses, then the root user's (R3.23)."""
    return max(judgements, key=_order, default=None)


def _order(judgement: Judgement) -> tuple[int, bool, bool]:
    root = judgement.caller.is_root_user and judgement.verdict is FindingVerdict.BLOCKED
    return _STRENGTH[judgement.verdict], judgement.decision.caller_chosen, root


def confirmed_reason(judgements: Sequence[Judgement]) -> str:
    """Why the strongest of several confirmed judgements holds; a lone root user is said (R3.23)."""
    strongest = [j for j in judgements if j.verdict is FindingVerdict.CONFIRMED]
    others = [j for j in strongest if j.caller.kind is not PrincipalKind.ROOT_USER]
    if strongest and not others:
        return ROOT_USER_ONLY
    return others[0].reason if others else ""


def statement_never_applies(
    world: World, key: KeyFacts, naming: Naming, reached: Reached, classes: Classes | None = None
) -> bool:
    """Whether the naming's own conditions are met by no request of anybody behind it, now or later; Denies aside."""
    sources = sources_of(naming)
    worlds = (world, *(replace(world, as_of=moment) for moment in _openings(world, naming)))
    asked = tuple(product(worlds, named_actions(naming)))
    alike: set[Hashable] = set()
    for caller in reached.callers:
        like = classes.of(caller, key) if classes else caller.text
        if like in alike:
            continue
        alike.add(like)
        for then, action in asked:
            request = question(key, caller, action, reached.context)
            if refused_at_once(request) is None:
                side = key_side_of(then, request, key, sources)
                if _may_hold(chosen_by_strangers(side) if is_stranger(caller) else side):
                    return False
    return True
