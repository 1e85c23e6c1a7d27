"""What documents see of a request: equal for requests that they cannot tell apart."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.expression import FALSE, TRUE, Expression
from scanner.analyze.logic.patterns import Pattern, glob, tokens_of
from scanner.analyze.request.binding import Binding
from scanner.analyze.request.caller import Caller, is_service_name, may_be_service_linked
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.dependence import Part, hangs_on, looked_at
from scanner.analyze.statements.condition import condition_expression
from scanner.analyze.statements.match import OF_UNIQUE_IDS, match_principals, may_be_of, names_principals
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.policy import ConditionTest, Document, DocumentKind, Effect, PolicyText, Statement
from scanner.model.principal import PrincipalKind


class Place(NamedTuple):
    """Where a request stands among those of an analysis, by numbers.

    `where` is that of the world, `key` None for a request that is not about a key. `how` is what else of it counts for
    what is asked, `who` what else counts for who asks.
    """

    where: int
    caller: int
    key: int | None
    how: Hashable
    who: Hashable


def who_asks(
    carried: Hashable, *, keyless: bool = False, about_role: bool = False, assumes: bool = False
) -> Hashable:  # fmt: skip
    """What counts of a request for what is seen of its caller, beside the caller.

    Args:
        carried: what the request is said to carry.
        keyless: it is not about a key; kms:CallerAccount and kms:ViaService are then absent.
        about_role: it is about a role or user.
        assumes: it assumes a role.
    """
    return keyless, about_role, assumes, carried


@dataclass(frozen=True, slots=True)
class Look:
    """A test of a document that hangs on the resource alone; `place` says which one of which text it is."""

    place: tuple[str, DocumentKind, int, int]
    document: Document = field(compare=False)
    effect: Effect = field(compare=False)
    test: ConditionTest = field(compare=False)

    @property
    def key(self) -> str:
        """The condition key, in lower case."""
        return self.test.key.lower()


@dataclass(frozen=True, slots=True)
class Glance:
    """What one document looks at of the resource of a request.

    `looks` are tests whose outcome counts, `names` condition keys of which the values count: they hang on the action
    too, or are filled in somewhere. `resources` are per statement those that it names. `by_action` says that some name
    hangs on the action, `single` that a resource may be told by its ARN.
    """

    looks: tuple[Look, ...]
    names: frozenset[str]
    resources: tuple[tuple[str, ...], ...]
    by_action: bool
    single: bool


@lru_cache(maxsize=65536)
def is_damaged(policy: PolicyText) -> bool:
    """Whether some of a document could not be read (R10.12)."""
    document = parse_policy(policy)
    return bool(document.problems) or any(s.damage for s in document.statements)


@lru_cache(maxsize=65536)
def concerns(policy: PolicyText, service: str) -> bool:
    """Whether a document may say something about a service, as far as it can be read."""
    return is_damaged(policy) or any(may_be_of(s, service) for s in parse_policy(policy).statements)


@lru_cache(maxsize=65536)
def glance_of(policy: PolicyText, service: str) -> Glance:
    """What a document looks at in requests to a service."""
    looks: list[Look] = []
    names: set[str] = set()
    resources: dict[tuple[str, ...], None] = {}
    single = False
    document = parse_policy(policy)
    for statement in document.statements:
        if not may_be_of(statement, service):
            continue
        filled_in: list[ConditionTest] = []
        for number, test in enumerate(statement.conditions):
            if hangs_on(test.key.lower()) is Part.KEY and not any("${" in value for value in test.values):
                place = (policy.sha256, policy.kind, statement.index, number)
                looks.append(Look(place, document, statement.effect, test))
            else:
                filled_in.append(test)
        written = looked_at(replace(statement, conditions=tuple(filled_in)) if statement.conditions else statement)
        names.update(n for n in written if hangs_on(n) in {Part.KEY, Part.ACTION})
        for elements in (statement.resources, statement.not_resources):
            texts = tuple(e.value for e in elements or ())
            single = single or any("${" in text for text in texts)
            if texts and "*" not in texts:
                resources[texts] = None
    by_action = any(hangs_on(n) is Part.ACTION for n in names)
    return Glance(tuple(looks), frozenset(names), tuple(resources), by_action, single)


class ResourceSight:
    """What documents that name no principals see of the resource and the action, by number.

    Documents that read the same give the same number to what is the same.
    """

    def __init__(self, glances: Iterable[Glance], kind: DocumentKind, number_of: Callable[[Hashable], int]) -> None:
        parts = tuple(glances)
        self._number_of = number_of
        self._kind = kind
        self._looks = tuple(dict.fromkeys(look for g in parts for look in g.looks))
        self._names = tuple(sorted(frozenset[str]().union(*(g.names for g in parts))))
        self._of_key = tuple(n for n in self._names if hangs_on(n) is Part.KEY)
        texts = dict.fromkeys(r for g in parts for r in g.resources)
        self._resources = tuple(tuple(glob(tokens_of(text)) for text in several) for several in texts)
        self._by_action = any(g.by_action for g in parts)
        self._single = any(g.single for g in parts)
        self._found: dict[Hashable, int] = {}
        self._of_keys: dict[Hashable, dict[int, int]] = {}
        self._outcomes: dict[tuple[int, Binding], Expression] = {}

    def of(self, place: Place, context: RequestContext) -> int:
        """The number of what is seen of a request."""
        if place.key is None:
            return self._seen(context)
        at = (place.key, place.how if self._by_action else place.who)
        found = self._found.get(at)
        if found is None:
            found = self._found[at] = self._seen(context)
        return found

    def of_key(self, key: int, who: Hashable, asked: Callable[[], RequestContext]) -> int:
        """The number of what is seen of a request's key, whatever the action.

        What a condition key that hangs on the action holds is decided by the action and the kind of key (R1.2, R5.50).

        Args:
            key, who: as in the place of the request.
            asked: the request, made where it has to be looked at.
        """
        known = self.seen_by(who)
        found = known.get(key)
        if found is None:
            context = asked()
            one = context.request.key
            kind = (one.spec, one.usage) if one is not None and self._by_action else ()
            seen = (*self._covered(context), tuple(context.bind(n, self._kind) for n in self._of_key), kind)
            found = known[key] = self._number_of(seen)
        return found

    def seen_by(self, who: Hashable) -> dict[int, int]:
        """By the number of a key what `of_key` has seen of it."""
        return self._of_keys.setdefault(who, {})

    def _covered(self, context: RequestContext) -> tuple[Hashable, ...]:
        arn = context.request.resource
        outcomes = tuple([self._outcome(number, look, context) for number, look in enumerate(self._looks)])
        return tuple([_cover(patterns, arn) for patterns in self._resources]), arn if self._single else "", outcomes

    def _outcome(self, number: int, look: Look, context: RequestContext) -> Expression:
        """What becomes of a test, once for all resources for which its condition key holds the same."""
        at = number, context.bind(look.key, look.document.policy.kind)
        found = self._outcomes.get(at)
        if found is None:
            found = self._outcomes[at] = condition_expression(look.test, look.document, context, look.effect)
        return found

    def _seen(self, context: RequestContext) -> int:
        values = tuple(context.bind(name, self._kind) for name in self._names)
        return self._number_of((*self._covered(context), values))


def _cover(patterns: Iterable[Pattern], arn: str) -> bool:
    return any(pattern.matches(arn) for pattern in patterns)


class View(NamedTuple):
    """A caller as documents see it that name nobody in particular: equal numbers for whom these cannot tell apart.

    `elsewhere` is the same also for members of other accounts, where documents name none of their accounts.
    `marks` are the ways in which a document may mean a single member of an account: a user or a session of one, a role,
    the root user. They are None for everybody else.
    """

    number: int
    elsewhere: int
    account_id: str
    marks: tuple[str, ...] | None


Views = dict[int, View]
"""By caller, for documents that look at the same condition keys of callers."""


class CallerSight:
    """What documents see of who asks: how they name them, and what the condition keys hold that they test.

    Documents that read the same give the same number to those whom they cannot tell apart. Views, and outcomes that are
    sure, are shared by all sights of one world.
    """

    def __init__(
        self, policies: Iterable[PolicyText], number_of: Callable[[Hashable], int],
        views: dict[Hashable, dict[Hashable, Views]], sure: dict[tuple[int, Binding], Expression],
    ) -> None:  # fmt: skip
        self._number_of, self._sure = number_of, sure
        self._naming: list[Statement] = []
        self._tests: list[tuple[Document, Statement, ConditionTest, int]] = []
        self._individual = False
        names: dict[str, None] = {}
        for policy in policies:
            document = parse_policy(policy)
            for statement in document.statements:
                if names_principals(policy.kind):
                    self._individual = self._individual or statement.not_principals is not None
                    self._naming.append(statement)
                open_ = tuple(t for t in statement.conditions if any("${" in v for v in t.values))
                alone = (t for t in statement.conditions if t not in open_ and _is_of_caller(t.key))
                self._tests.extend(
                    (document, statement, t, self._number_of(_asked_by(t, statement, policy))) for t in alone
                )
                written = looked_at(replace(statement, conditions=open_) if statement.conditions else statement)
                names.update((n, None) for n in written if _is_of_caller(n))
        self._names = tuple(names)
        self._tested = tuple(dict.fromkeys(t.key.lower() for _, _, t, _ in self._tests))
        named = tuple(e.value for s in self._naming for e in (*(s.principals or ()), *(s.not_principals or ())))
        self._singled_out = frozenset(mark for text in named for mark in _marks_in(text))
        self._accounts = frozenset(map(_account_in, named))
        self._views = views.setdefault((self._tested, self._names), {})
        self._of_alike: dict[tuple[int, int], int] = {}
        self._outcomes: dict[tuple[Binding, ...], tuple[Expression, ...]] = {}

    def of(self, caller: int, who: Hashable, asked: Callable[[], RequestContext]) -> int:
        """The number of what is seen of a request's caller.

        Args:
            caller, who: as in the place of the request.
            asked: the request, made where it has to be looked at.
        """
        return self.seen_of(self.view_of(caller, who, asked), caller, asked)

    def seen_of(self, view: View, caller: int, asked: Callable[[], RequestContext]) -> int:
        """The same for a caller that was looked at."""
        if self._individual or view.marks is None or not self._singled_out.isdisjoint(view.marks):
            alike = view.number, caller
        else:
            alike = view.number if view.account_id in self._accounts else view.elsewhere, 0
        found = self._of_alike.get(alike)
        if found is None:
            found = self._of_alike[alike] = self._number_of(self._seen(alike, asked()))
        return found

    @property
    def individual(self) -> bool:
        """Whether somebody is told from everybody else just by who it is."""
        return self._individual

    @property
    def known(self) -> tuple[frozenset[str], frozenset[str]]:
        """The accounts of everybody whom documents name, and the marks of members among them (see `View`)."""
        return self._accounts, self._singled_out

    @property
    def asks(self) -> tuple[int, ...]:
        """The numbers of the tests: the same for documents that test the same."""
        return tuple(number for *_, number in self._tests)

    def view_of(self, caller: int, who: Hashable, asked: Callable[[], RequestContext]) -> View:
        """How documents that look at the same condition keys see a request's caller; arguments as in `of`."""
        views = self._views.get(who) or self.views_of(who)
        view = views.get(caller)
        if view is None:
            view = views[caller] = self._viewed(asked())
        return view

    def comes_to(self, context: RequestContext) -> Hashable:
        """What becomes of the tests, and what is filled in elsewhere: the same for all documents that ask the same."""
        found = tuple(self._tried(*test, context) for test in self._tests)
        return found, tuple(context.bind(name, DocumentKind.KEY_POLICY) for name in self._names)

    def views_of(self, who: Hashable) -> Views:
        """The callers that were looked at for documents like these; see `of` for what `who` is."""
        return self._views.setdefault(who, {})

    def _viewed(self, context: RequestContext) -> View:
        one = context.request.caller
        held = tuple(context.bind(name, DocumentKind.KEY_POLICY) for name in (*self._tested, *self._names))
        linked = one.text if may_be_service_linked(one) else one.is_service_linked_role
        facts = (one.kind, one.partition, linked, held)
        number, elsewhere = self._number_of((one.account_id, facts)), self._number_of(("elsewhere", facts))
        return View(number, elsewhere, one.account_id, _marks_of(one))

    def _seen(self, alike: tuple[int, int], context: RequestContext) -> Hashable:
        one = context.request.caller
        return (
            one.text if may_be_service_linked(one) else one.is_service_linked_role, self._named(alike, one),
            self._outcome(context), tuple(context.bind(name, DocumentKind.KEY_POLICY) for name in self._names),
        )  # fmt: skip

    def _named(self, alike: tuple[int, int], caller: Caller) -> Hashable:
        """How statements name a caller: members of an account alike, unless they may mean a single one."""
        if not self._naming:
            return None
        if self._individual:
            return alike[1]
        return tuple(match_principals(statement, caller) for statement in self._naming)

    def _outcome(self, context: RequestContext) -> tuple[Expression, ...]:
        """What becomes of the tests, once for all callers for whom the condition keys hold the same."""
        held = tuple(context.bind(name, DocumentKind.KEY_POLICY) for name in self._tested)
        found = self._outcomes.get(held)
        if found is None:
            found = self._outcomes[held] = tuple(self._tried(*test, context) for test in self._tests)
        return found

    def _tried(
        self, document: Document, statement: Statement, test: ConditionTest, number: int, context: RequestContext
    ) -> Expression:  # fmt: skip
        """What becomes of a test; where that is sure, once for all documents that ask the same."""
        at = number, context.bind(test.key, document.policy.kind)
        found = self._sure.get(at)
        if found is None:
            found = condition_expression(test, document, context, statement.effect)
            if found in (TRUE, FALSE):
                self._sure[at] = found
        return found


def _asked_by(test: ConditionTest, statement: Statement, policy: PolicyText) -> Hashable:
    """What a test without variables asks, whichever document it stands in."""
    return "test", test.written_operator, test.key.lower(), test.values, statement.effect, policy.kind


_MEMBERS = frozenset({PrincipalKind.USER, PrincipalKind.ROLE, PrincipalKind.ROOT_USER})
_ANYBODY = "*"
"""Mark of an entry that may mean any single member of an account."""
_SOME_ID = "id"
"""Mark of every entry that is a unique id, and of those whose own one was not read."""


def _marks_in(principal: str) -> tuple[str, ...]:
    """Which members of accounts an entry of a Principal element may mean by themselves (R2.4, R2.5, R2.6, R2.14)."""
    arn = parse_arn(principal)
    if arn is None:
        if principal.startswith(OF_UNIQUE_IDS):
            return principal, _SOME_ID
        nobody = principal == "*" or is_account_id(principal) or is_service_name(principal)
        return () if nobody else (_ANYBODY,)
    if arn.resource == "root":
        return ()
    kind, _, name = arn.resource.partition("/")
    if kind in {"user", "role"}:
        return (_mark(arn.account_id, name.rsplit("/", 1)[-1]),)
    return (_mark(arn.account_id, name.partition("/")[0] if kind == "assumed-role" else _ANYBODY),)


def _account_in(principal: str) -> str:
    """The account that an entry of a Principal element is about; nothing for one that is about none."""
    arn = parse_arn(principal)
    return arn.account_id if arn else principal


def _marks_of(member: Caller) -> tuple[str, ...] | None:
    """The marks of entries that may mean a member of an account by itself; a session goes by the name of its user."""
    if member.kind not in _MEMBERS and (member.kind is not PrincipalKind.FEDERATED or member.parent_user is None):
        return None
    name, account = (member.parent_user or member.principal_arn).rsplit("/", 1)[-1], member.account_id
    return _ANYBODY, _mark(account, _ANYBODY), _mark(account, name), member.unique_id or _SOME_ID


def _mark(account_id: str, name: str) -> str:
    return f"{account_id}/{name}"


def _is_of_caller(name: str) -> bool:
    return hangs_on(name.lower()) is Part.CALLER
