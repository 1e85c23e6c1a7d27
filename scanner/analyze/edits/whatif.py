"""A world with other documents in it: which policies stand where a person says `what if`, and which grants are gone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scanner.analyze.language.jsontext import JsonTextError, read_json
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.question import find_key
from scanner.analyze.principals.selectors import selector_of
from scanner.closest import closest
from scanner.errors import UsageError
from scanner.model.arn import AccountId, KeyArn, parse_arn
from scanner.model.neutral import terminal_safe
from scanner.model.organization import Organization
from scanner.model.policy import Document, DocumentKind, Effect, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World

MAX_KEY_POLICY = 32_768
"""Bytes that a key policy may have (R2.17)."""
_NAMED = 5
_COMPARED = 5_000
"""Names that a mistyped one is compared with."""
_SHOWN = 200
_INLINE = "inline policy "


@dataclass(frozen=True, slots=True)
class Replacement:
    """A document to put in the place of another one.

    `target` is what was typed: a key, a principal or policy, a role, the id or name of a guardrail, by `kind`
    (`KEY_POLICY`, `IDENTITY`, `TRUST`, `SCP`, `RCP`). `place` names the file in errors.
    """

    kind: DocumentKind
    target: str
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """The world as it would be.

    `keys` are those whose own policy or grants changed; `everywhere` that some other document changed, which can touch
    every key. `changes` says in words what was put where, one text per replacement and grant.
    """

    world: World
    keys: frozenset[KeyArn]
    everywhere: bool
    changes: tuple[str, ...]


def overlay(world: World, replacements: Sequence[Replacement], revoked: Sequence[str] = ()) -> Overlay:
    """Put documents into a world in the place of those with the same address, and take grants away.

    Every document is parsed as a collected one is. One that AWS would refuse is refused here.

    Args:
        revoked: ids of grants.

    Raises:
        UsageError: a document is no policy (with `file:line`), a target is unknown, fits several, or is given twice.
    """
    drafts = _Draft(world)
    for replacement in replacements:
        drafts.put(replacement)
    for grant_id in revoked:
        drafts.revoke(grant_id)
    return drafts.finished()


def read_replacement(replacement: Replacement, old: PolicyText) -> PolicyText:
    """The document in the place of another one, parsed and found to be one that AWS could hold.

    Raises:
        UsageError: it is not, with `file:line`.
    """
    text = replacement.text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    policy = replace(old, text=text, sha256=digest)
    for line, problem in _problems(policy):
        what = replacement.kind.short_name
        hint = f"AWS would not take it in the place of a {what}; nothing was judged"
        raise UsageError(f"{replacement.place}:{line}: {_cut(problem)}", hint=hint)
    return policy


def _problems(policy: PolicyText) -> Iterable[tuple[int, str]]:
    """Line and words of everything for which AWS refuses a document."""
    try:
        read_json(policy.text)
    except JsonTextError as error:
        return ((error.line, f"not JSON: {error}"),)
    return _problems_of(parse_policy(policy))


def _problems_of(document: Document) -> Iterator[tuple[int, str]]:
    policy = document.policy
    yield from ((1, problem) for problem in document.problems)
    if not document.problems and not document.statements:
        yield 1, "the policy holds no statement"
    for statement in document.statements:
        start = statement.span.line_from
        yield from ((start, f"statement {statement.index}: {damage}") for damage in statement.damage)
    if policy.kind in {DocumentKind.KEY_POLICY, DocumentKind.TRUST}:
        yield from _bad_principals(document)
    if policy.kind is DocumentKind.RCP:
        yield from _no_customer_rcp(document)
    size = len(policy.text.encode("utf-8", "surrogatepass"))
    if policy.kind is DocumentKind.KEY_POLICY and size > MAX_KEY_POLICY:
        yield 1, f"the key policy has {size:,} bytes, AWS takes {MAX_KEY_POLICY:,}"


def _bad_principals(document: Document) -> Iterator[tuple[int, str]]:
    """AWS principals that are no ARN of an identity, no account and no unique id (R2.2 to R2.14)."""
    for statement in document.statements:
        for entry in (*(statement.principals or ()), *(statement.not_principals or ())):
            if entry.type == "AWS" and selector_of(entry.value, "aws").kind == "malformed":
                yield entry.span.line_from, f"`{entry.value}` is no principal"


def _no_customer_rcp(document: Document) -> Iterator[tuple[int, str]]:
    """What AWS takes in no RCP but its own: an Allow, and a Deny of somebody instead of everybody (R3.50)."""
    for statement in document.statements:
        if statement.effect is not Effect.DENY:
            yield statement.span.line_from, f"statement {statement.index}: a customer's RCP holds Deny statements only"
        elif {e.type for e in statement.principals or ()} != {"*"}:
            yield statement.span.line_from, f"statement {statement.index}: the Principal of an RCP is `*`"


class _Draft:
    """The parts of a world while documents are being replaced."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys = dict(world.keys)
        self.principals = dict(world.principals)
        self.organizations = list(world.organizations)
        self.touched: set[KeyArn] = set()
        self.everywhere = False
        self.changes: list[str] = []
        self._given: set[tuple[str, str]] = set()

    def finished(self) -> Overlay:
        """The world with everything in place."""
        world = replace(
            self.world, keys=self.keys, principals=self.principals, organizations=tuple(self.organizations)
        )  # fmt: skip
        return Overlay(world, frozenset(self.touched), self.everywhere, tuple(self.changes))

    def put(self, replacement: Replacement) -> None:
        """Replace one document wherever it stands."""
        place = {
            DocumentKind.KEY_POLICY: self._key_policy,
            DocumentKind.TRUST: self._trust_policy,
            DocumentKind.IDENTITY: self._identity_policy,
        }.get(replacement.kind, self._guardrail)
        place(replacement)

    def _once(self, what: str, address: str) -> None:
        if (what, address) in self._given:
            raise UsageError(f"the {what} `{_cut(address)}` is given twice", hint="give it once")
        self._given.add((what, address))

    # -- keys ----------------------------------------------------------------------------------------------------------

    def _key_policy(self, replacement: Replacement) -> None:
        key = find_key(self.world, replacement.target)
        if key.manager == "AWS":
            raise UsageError(f"`{key.arn}` is an AWS managed key: its policy cannot be changed")
        self._once(replacement.kind.short_name, key.arn)
        blank = PolicyText("", "", DocumentKind.KEY_POLICY, key.arn, "key policy default")
        policy = read_replacement(replacement, key.key_policy or blank)
        gaps = {part: ref for part, ref in key.gaps.items() if part != "key_policy"}
        self.keys[key.arn] = replace(self.keys[key.arn], key_policy=policy, gaps=gaps)
        self.touched.add(key.arn)
        self.changes.append(f"key policy of {key.arn}{_noted(key.key_policy, policy)}")

    def revoke(self, grant_id: str) -> None:
        """Take a grant away from the key that holds it."""
        self._once("grant", grant_id)
        holders = [key for key in self.world.keys.values() if any(g.grant_id == grant_id for g in key.grants or ())]
        if not holders:
            known = {g.grant_id for key in self.world.keys.values() for g in key.grants or ()}
            unread = sum(1 for key in self.world.keys.values() if not key.grants_complete)
            more = f"; the grants of {unread} keys were not read" if unread else ""
            raise _unknown("grant", grant_id, known, more)
        for key in holders:
            facts = self.keys[key.arn]
            kept = tuple(g for g in facts.grants or () if g.grant_id != grant_id)
            self.keys[key.arn] = replace(facts, grants=kept)
            self.touched.add(key.arn)
            self.changes.append(f"grant {grant_id} of {key.arn} revoked")

    # -- principals ----------------------------------------------------------------------------------------------------

    def _trust_policy(self, replacement: Replacement) -> None:
        arn = self._role(replacement.target)
        facts = self.principals[arn]
        self._once(replacement.kind.short_name, arn)
        blank = PolicyText("", "", DocumentKind.TRUST, arn, "trust policy")
        policy = read_replacement(replacement, facts.trust_policy or blank)
        self.principals[arn] = replace(facts, trust_policy=policy)
        self.everywhere = True
        self.changes.append(f"trust policy of {arn}{_noted(facts.trust_policy, policy)}")

    def _role(self, target: str) -> str:
        """The ARN of the one role that a text names: by its ARN, as `role/NAME`, or by its name alone."""
        roles = [p.arn for p in self.world.principals.values() if p.kind is PrincipalKind.ROLE]
        fitting = sorted(arn for arn in roles if target in {arn, *_short_names(arn)})
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            listed = ", ".join(f"`{_cut(arn)}`" for arn in fitting[:_NAMED])
            raise UsageError(f"`{_cut(target)}` names {len(fitting)} roles: {listed}", hint="give the ARN of one")
        typed = roles if parse_arn(target) else [_short_names(arn)[0 if "/" in target else -1] for arn in roles]
        raise _unknown("role", target, typed, _unread_iam(self.world))

    def _identity_policy(self, replacement: Replacement) -> None:
        address = self._address(replacement.target)
        self._once(replacement.kind.short_name, address)
        old = self._at(address)
        policy = read_replacement(replacement, old)
        holders = 0
        for arn, facts in self.principals.items():
            here = any(address_of(held) == address for held in _held(facts))
            holders += here
            if here:
                self.principals[arn] = with_document(facts, address, policy)
        self.everywhere = True
        whose = f" of {holders} principals" if holders > 1 else ""
        self.changes.append(f"identity policy {address}{whose}{_noted(old, policy)}")

    def _at(self, address: str) -> PolicyText:
        return next(p for facts in self.world.principals.values() for p in _held(facts) if address_of(p) == address)

    def _address(self, target: str) -> str:
        """The address of the one identity policy that a text names: its own, or that of its only inline policy."""
        held = [policy for facts in self.world.principals.values() for policy in _held(facts)]
        known = {address_of(policy) for policy in held}
        if target in known and target not in self.world.principals:
            return target
        inline = sorted({address_of(p) for p in held if p.source == target and not is_managed(p)})
        fitting = [*([target] if target in known else []), *inline]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            listed = ", ".join(f"`{_cut(a)}`" for a in fitting[:_NAMED])
            raise UsageError(f"`{_cut(target)}` names {len(fitting)} policies: {listed}", hint="name one of them")
        if target not in self.world.principals:
            raise _unknown("identity policy", target, [*known, *self.world.principals], _unread_iam(self.world))
        attached = [_cut(p.source) for p in _held(self.world.principals[target])][:_NAMED]
        hint = f"name a managed policy by its ARN: {', '.join(attached)}" if attached else "it has no policy at all"
        raise UsageError(f"`{_cut(target)}` has no inline policy that could be replaced", hint=hint)

    # -- guardrails ----------------------------------------------------------------------------------------------------

    def _guardrail(self, replacement: Replacement) -> None:
        source, name = self._guardrail_place(replacement)
        self._once(replacement.kind.short_name, f"{name} ({source})")
        times = 0
        for number, organization in enumerate(self.organizations):
            attached: dict[str, tuple[PolicyText, ...]] = {}
            for at, policies in (_attached(organization, replacement.kind) or {}).items():
                here = [p.source == source and guardrail_name(p, at) == name for p in policies]
                times += sum(here)
                attached[at] = tuple(
                    read_replacement(replacement, p) if it else p for p, it in zip(policies, here, strict=True)
                )
            if replacement.kind is DocumentKind.SCP and organization.scps is not None:
                self.organizations[number] = replace(organization, scps=attached)
            elif replacement.kind is DocumentKind.RCP and organization.rcps is not None:
                self.organizations[number] = replace(organization, rcps=attached)
        self.everywhere = True
        how_often = "once" if times == 1 else f"{times} times"
        self.changes.append(f"{replacement.kind.short_name} {name} ({source}), attached {how_often}")

    def _guardrail_place(self, replacement: Replacement) -> tuple[str, str]:
        """Id and name of the one policy that a text names."""
        kind, target = replacement.kind, replacement.target
        found = {
            (policy.source, guardrail_name(policy, at))
            for organization in self.world.organizations
            for at, policies in (_attached(organization, kind) or {}).items()
            for policy in policies
        }
        fitting = sorted(place for place in found if target in place)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            listed = ", ".join(f"`{_cut(name)}` ({_cut(source)})" for source, name in fitting[:_NAMED])
            raise UsageError(f"`{_cut(target)}` names {len(fitting)} policies: {listed}", hint="name one of them")
        unread = [o.id for o in self.world.organizations if _attached(o, kind) is None]
        if unread or not self.world.organizations:
            whose = f" of {', '.join(unread)}" if unread else ""
            raise UsageError(f"the {kind.short_name}s{whose} were not read, so none of them can be replaced")
        raise _unknown(kind.short_name, target, [text for place in found for text in place], "")


def _noted(old: PolicyText | None, new: PolicyText) -> str:
    """A note where a document is the one that was collected, but for white space."""
    same = old is not None and "".join(old.text.split()) == "".join(new.text.split())
    return ", the same as was collected" if same else ""


def missing_principals(document: Document, world: World) -> Iterator[tuple[int, str]]:
    """Line and text of the users and roles that a policy names and that are known not to exist.

    AWS refuses to save such a policy (R2.18). A unique id is what AWS shows in the place of a principal that was
    deleted (R2.14).
    """
    for statement in document.statements:
        for entry in (*(statement.principals or ()), *(statement.not_principals or ())):
            selector = selector_of(entry.value, "aws")
            account = world.accounts.get(AccountId(selector.account_id))
            known = account is not None and account.collected and account.iam_complete
            gone = selector.kind in {"role", "user"} and known and entry.value not in world.principals
            if gone or selector.kind == "unknown_id":
                yield entry.span.line_from, entry.value


def address_of(policy: PolicyText) -> str:
    """How a person names an identity policy: a managed one by its ARN, an inline one as `HOLDER/NAME`."""
    return policy.source if is_managed(policy) else f"{policy.source}/{plain_name(policy)}"


def _short_names(arn: str) -> tuple[str, str, str]:
    """`role/path/NAME`, `role/NAME` and `NAME`."""
    tail = arn.split(":", 5)[-1]
    name = tail.rsplit("/", 1)[-1]
    return tail, f"role/{name}", name


def is_managed(policy: PolicyText) -> bool:
    """Whether an identity policy stands by itself and is attached."""
    return ":policy/" in policy.source


def plain_name(policy: PolicyText) -> str:
    """The name of an inline policy, without what holds it."""
    group = policy.source.rsplit("/", 1)[-1]
    return policy.name.removeprefix(_INLINE).removesuffix(f" of group {group}")


def guardrail_name(policy: PolicyText, target: str) -> str:
    """The name of a service or resource control policy, without where it is attached."""
    return policy.name.removeprefix(f"{policy.kind.short_name} ").removesuffix(f" at {target}")


def _held(facts: PrincipalFacts) -> Iterator[PolicyText]:
    """The identity policies of a principal; a managed policy may be its permissions boundary too."""
    yield from facts.identity_policies
    if facts.boundary is not None and is_managed(facts.boundary):
        yield facts.boundary


def with_document(facts: PrincipalFacts, address: str, policy: PolicyText) -> PrincipalFacts:
    """The principal with another text wherever the document of an address stands; each keeps its own kind and name."""

    def put(held: PolicyText) -> PolicyText:
        return replace(held, text=policy.text, sha256=policy.sha256) if address_of(held) == address else held

    boundary = put(facts.boundary) if facts.boundary is not None and is_managed(facts.boundary) else facts.boundary
    return replace(facts, identity_policies=tuple(map(put, facts.identity_policies)), boundary=boundary)


def _attached(organization: Organization, kind: DocumentKind) -> Mapping[str, tuple[PolicyText, ...]] | None:
    return organization.scps if kind is DocumentKind.SCP else organization.rcps


def _unread_iam(world: World) -> str:
    unread = sum(1 for a in world.accounts.values() if not (a.collected and a.iam_complete))
    return f"; the IAM of {unread} accounts was not read" if unread else ""


def _unknown(what: str, given: str, known: Iterable[str], more: str) -> UsageError:
    """The error for a target that the run does not hold, with the name that was probably meant."""
    names = sorted(set(known))
    arn = parse_arn(given)
    likely = [n for n in names if f":{arn.account_id}:" in n] if arn else names
    near = closest(given, likely[:_COMPARED])
    listed = ", ".join(f"`{_cut(name)}`" for name in (likely or names)[:_NAMED])
    hint = f"did you mean `{_cut(near)}`?" if near else f"there is {listed}" if listed else "there is none"
    return UsageError(f"there is no {what} `{_cut(given)}` in this run", hint=hint + more)


def _cut(text: str) -> str:
    shown = terminal_safe(text[:_SHOWN])
    return shown if len(text) <= _SHOWN else f"{shown}…"
