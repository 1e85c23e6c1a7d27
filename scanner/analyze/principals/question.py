"""What a person types turned into a request on a snapshot: key, principal, action and context."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from ipaddress import ip_address

from scanner.analyze.decision.decide import decide
from scanner.analyze.logic.expression import Variable
from scanner.analyze.logic.values import epoch_seconds
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.binding import Absent, AtLeast, Known, Open
from scanner.analyze.request.caller import (
    Caller,
    UnknownPrincipalError,
    account_of,
    any_identity_of,
    anyone,
    find_role,
    resolve_caller,
)
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.errors import UsageError
from scanner.model.actions import find_action
from scanner.model.arn import is_account_id, key_id_of
from scanner.model.conditions import ConditionKey, find_condition_key
from scanner.model.decision import VERDICT_STRENGTH
from scanner.model.explanation import KeyLabel
from scanner.model.key import KeyFacts
from scanner.model.neutral import terminal_safe
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

DEFAULT_ACTION = "kms:Decrypt"
_CANDIDATES_NAMED = 5
_SHOWN = 200
"""Characters of a typed text that an error repeats."""
_ACTION = re.compile(r"(?:kms:)?([A-Za-z][A-Za-z0-9]*)\Z", re.IGNORECASE)
_ENCRYPTION_CONTEXT = "kms:encryptioncontext:"
_KINDS = {"user": PrincipalKind.USER, "role": PrincipalKind.ROLE}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with what was typed: the principal, and the fixed context with names as given.

    `judged` counts the identities that an account id stood for.
    """

    request: Request
    principal: str
    context: Mapping[str, tuple[str, ...]]
    judged: int = 1


def key_label(world: World, key: KeyFacts) -> KeyLabel:
    """A key as an answer names it."""
    name = account_of(world, key.account_id).name
    aliases = key.aliases or ()
    return KeyLabel(key.arn, key_id_of(key.arn), aliases, key.account_id, name, key.region, key.state, key.manager)


def ask(
    world: World, key: KeyFacts, principal: str, action: str, context: Sequence[str], *, complete: bool = False
) -> Asked:
    """The request that was typed.

    Args:
        action: `kms:Decrypt` or `Decrypt`, in any case; an action nobody knows is a question too (R1.11).
        context: `KEY=VALUE` each; a key that repeats has several values.
        complete: exactly the given request keys exist.

    Raises:
        UsageError: a part cannot be understood, or contradicts the snapshot.
    """
    fixed = _read_context(context)
    name = action_name(action)
    base = Request(
        caller=anyone(key.partition), iam_action=name, resource=key.arn, action=find_action(name), key=key,
        context={k.lower(): v for k, v in fixed.items()}, complete=complete,
        encryption_context=_pairs(fixed) if complete else None,
    )  # fmt: skip
    callers = _callers(world, key, principal)
    requests = [replace(base, caller=caller) for caller in callers]
    request = requests[0] if len(requests) == 1 else max(requests, key=lambda r: _strength(world, r))
    _refuse_contradictions(world, request, fixed)
    return Asked(request, principal, fixed, len(requests))


def _strength(world: World, request: Request) -> tuple[int, bool]:
    verdict = decide(world, request, trace=False).verdict
    return VERDICT_STRENGTH[verdict], not request.caller.is_root_user


# -- the key ----------------------------------------------------------------------------------------------------------


def find_key(world: World, text: str) -> KeyFacts:
    """The one key that an ARN, an alias ARN, a key id or `alias/name` means.

    Raises:
        UsageError: there is none, or several; the message lists them.
    """
    found = [key for key in world.keys.values() if _means(text, key)]
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(_cut(arn) for arn in sorted(k.arn for k in found)[:_CANDIDATES_NAMED])
        more = f" and {len(found) - _CANDIDATES_NAMED} more" if len(found) > _CANDIDATES_NAMED else ""
        raise UsageError(f"`{_cut(text)}` fits {len(found)} keys: {named}{more}", hint="name one of them by its ARN")
    raise UsageError(f"there is no key `{_cut(text)}` in this run", hint=_near_keys(world, text))


def _means(text: str, key: KeyFacts) -> bool:
    if text == key.arn or text == key_id_of(key.arn):
        return True
    if text.startswith("alias/"):
        return text in (key.aliases or ())
    place, _, alias = text.rpartition(":")
    return alias.startswith("alias/") and key.arn.startswith(f"{place}:key/") and alias in (key.aliases or ())


def _near_keys(world: World, text: str) -> str:
    known = sorted({alias for key in world.keys.values() for alias in key.aliases or ()})
    near = get_close_matches(text if "/" in text else f"alias/{text}", known, n=3)
    unread = sum(1 for key in world.keys.values() if key.aliases is None)
    hint = f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else "keys.csv lists the keys of a run"
    return f"{hint}; the aliases of {unread} keys were not read" if unread else hint


# -- the principal ----------------------------------------------------------------------------------------------------


def _callers(world: World, key: KeyFacts, text: str) -> tuple[Caller, ...]:
    """The callers that a text stands for: one, or every identity of an account that was read."""
    if text == "*":
        return (anyone(key.partition),)
    if is_account_id(text):
        account = account_of(world, text)
        if account.collected and account.iam_complete and text in world.accounts:
            return Population(world).identities_of(text, key.partition)
        return (any_identity_of(world, text, key.partition),)
    if "*" in text or "?" in text:
        raise UsageError(
            f"`{_cut(text)}` names no single principal", hint="name one identity, an account id, or `*` for anybody"
        )
    try:
        caller = resolve_caller(world, text)
    except UnknownPrincipalError as error:
        raise UsageError(
            f"`{_cut(text)}` is no principal",
            hint="give the ARN of a user, role or session, an account id, the host name of a service, or `*`",
        ) from error
    refuse_absent(world, caller)
    return (caller,)


def refuse_absent(world: World, caller: Caller) -> None:
    """Refuse a user or role that an account which was read does not hold: a typing error must not read as a no.

    Raises:
        UsageError: there is no such identity.
    """
    if caller.is_service:
        return
    if not is_account_id(caller.account_id):
        raise UsageError(f"`{_cut(caller.text)}` has no account id of 12 digits")
    if not caller.account_collected or caller.account_id not in world.accounts:
        return
    if caller.kind in _KINDS.values():
        exists = caller.text in world.principals
    elif caller.kind is PrincipalKind.SESSION:
        exists = find_role(world, caller.account_id, caller.role_name) is not None
    else:
        return
    if not exists:
        known = [arn for arn, facts in world.principals.items() if facts.account_id == caller.account_id]
        near = get_close_matches(caller.text, known, n=3)
        hint = f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else "check its path and spelling"
        raise UsageError(
            f"`{_cut(caller.text)}` does not exist: the IAM of {caller.account_id} was read and does not hold it",
            hint=hint,
        )


# -- the action -------------------------------------------------------------------------------------------------------


def action_name(text: str) -> str:
    """The action as policies write it.

    Raises:
        UsageError: the text is no single KMS action, or one that concerns no key.
    """
    match = _ACTION.match(text)
    if match is None:
        raise UsageError(f"`{_cut(text)}` is no KMS action", hint="give one action, such as `kms:Decrypt`")
    known = find_action(f"kms:{match[1]}")
    if known is None:
        return f"kms:{match[1]}"
    if known.resource == "account":
        raise UsageError(f"`{known.iam_name}` concerns an account and no key", hint="give an action on a key")
    return known.iam_name


# -- the context ------------------------------------------------------------------------------------------------------


def _read_context(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Condition keys with their values, each checked against the table of condition keys."""
    found: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(
                f"`--context {_cut(pair)}` is no KEY=VALUE",
                hint="for example kms:ViaService=s3.eu-west-1.amazonaws.com",
            )
        row = find_condition_key(name)
        if row is None:
            raise UsageError(f"`{_cut(name)}` is no condition key that this version knows")
        written = names.setdefault(name.lower(), name)
        if written in found and not row.multivalued:
            raise UsageError(f"`{written}` has one value in a request, several are given")
        found[written] = (*found.get(written, ()), _value(row, name, value))
    return found


def _value(row: ConditionKey, name: str, value: str) -> str:
    """A value in the form that requests carry."""
    try:
        if row.type == "bool":
            return {"true": "true", "false": "false"}[value.lower()]
        if row.type == "number":
            float(value)
        elif row.type == "date":
            epoch_seconds(value)
        elif row.type == "ip":
            ip_address(value)
    except (KeyError, ValueError) as error:
        words = {"bool": "true or false", "number": "a number", "date": "a time in ISO 8601", "ip": "an IP address"}
        raise UsageError(f"`{_cut(value)}` is no value of `{_cut(name)}`, which is {words[row.type]}") from error
    return value


def _pairs(fixed: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The encryption context of a complete request."""
    start = len(_ENCRYPTION_CONTEXT)
    return {n[start:]: v[0] for n, v in fixed.items() if n.lower().startswith(_ENCRYPTION_CONTEXT)}


def _refuse_contradictions(world: World, request: Request, fixed: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse values that this request cannot carry: the snapshot, the clock or the action says otherwise."""
    context = RequestContext(world, replace(request, context={}, complete=False, encryption_context=None))
    for name, values in fixed.items():
        match context.bind(name, DocumentKind.IDENTITY):
            case Known(known) if not _same(values, known):
                raise UsageError(
                    f"`{name}` is known to be `{_cut(', '.join(known))}` here, not `{_cut(', '.join(values))}`",
                    hint="leave it out: what a snapshot knows cannot be fixed otherwise",
                )
            case AtLeast(known) if not set(known) <= set(values):
                raise UsageError(f"`{name}` holds `{_cut(', '.join(known))}` in any case")
            case Absent():
                raise UsageError(f"no {request.iam_action} request of this caller on this key carries `{name}`")
            case Open(variable) if not all(_possible(variable, value) for value in values):
                raise UsageError(f"`{name}` cannot be `{_cut(', '.join(values))}` here")
            case _:
                continue


def _same(given: Iterable[str], known: Iterable[str]) -> bool:
    return sorted(given) == sorted(known)


def _possible(variable: Variable, value: str) -> bool:
    """Whether an open value may be this one."""
    if variable.domain and value not in variable.domain:
        return False
    if variable.required is not None and not variable.required.matches(value):
        return False
    return not any(pattern.matches(value) for pattern in variable.excluded)


def _cut(text: str) -> str:
    """A typed text or a name from AWS as an error repeats it: one line, inert, not too long."""
    shown = terminal_safe(text[:_SHOWN])
    return shown if len(text) <= _SHOWN else f"{shown}…"
