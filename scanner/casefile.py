"""Case files to worlds: the format in which people write down assertions about access (tests/cases/README.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from scanner.closest import closest
from scanner.model.arn import AccountId, KeyArn, parse_arn
from scanner.model.key import Grant, GrantConstraints, KeyFacts
from scanner.model.organization import AccountFacts, Organization
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World

FULL_AWS_ACCESS = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
_MEMBERS: Mapping[str, frozenset[str]] = {
    name: frozenset(members.split())
    for name, members in {
        "case": "id title world snapshot requests rule_refs confidence tags",
        "world": "accounts orgs keys principals unread as_of",
        "account": "collected opted_in_regions org_unknown",
        "organization": "id root management_account members scp_enabled rcp_enabled scps rcps",
        "key": "arn key_policy ram_policy grants tags aliases manager spec usage origin state multi_region "
        "multi_region_type",
        "grant": "grant_id grantee_principal grantee_service_principal retiring_principal retiring_service_principal "
        "operations constraints issuing_account",
        "principal": "arn identity_policies boundary tags trust_policy unique_id role user session_policies "
        "session_tags",
        "unread mark": "account key part",
        "request": "principal action resource context context_complete encryption_context grant_request expect reason "
        "why path",
        "grant request": "operations constraints",
    }.items()
}
AS_OF = "2026-11-22T00:00:00+00:00"
"""Evaluation time of case files that name none."""


class CaseFormatError(ValueError):
    """A case does not have the documented form; the message names the place."""


def _policy(document: Any, kind: DocumentKind, source: str, name: str) -> PolicyText:
    text = document if isinstance(document, str) else json.dumps(document, indent=2)
    return PolicyText(text, hashlib.sha256(text.encode()).hexdigest(), kind, source, name)


def flag(value: Any) -> bool:
    """A yes or no of a case file; YAML scalars arrive as text."""
    if isinstance(value, bool):
        return value
    if value in {"true", "false"}:
        return bool(value == "true")
    msg = f"`{value}` is neither true nor false"
    raise CaseFormatError(msg)


def build_world(world: Mapping[str, Any]) -> World:
    """Build the world of a case.

    Raises:
        CaseFormatError: a part is missing or has the wrong form.
    """
    known_members("world", world, "world")
    try:
        _check_members(world)
        unread = _Unread(world.get("unread", ()))
        accounts = {
            AccountId(account_id): _account(account_id, facts, unread)
            for account_id, facts in world.get("accounts", {}).items()
        }
        for account_id in unread.accounts:
            accounts.setdefault(AccountId(account_id), _account(account_id, {}, unread))
        uncollected = frozenset(a.id for a in accounts.values() if not a.collected)
        keys = (_key(key, unread) for key in world.get("keys", ()))
        return World(
            accounts=accounts,
            organizations=tuple(_organization(o, unread) for o in world.get("orgs", ())),
            keys={key.arn: key for key in keys},
            principals={p["arn"]: _principal(p, unread, uncollected) for p in world.get("principals", ())},
            as_of=_moment(world.get("as_of", AS_OF)),
        )
    except CaseFormatError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        msg = f"the world has not the documented form: {type(error).__name__} {error}"
        raise CaseFormatError(msg) from error


def known_members(kind: str, data: Any, place: str) -> None:
    """Refuse a member that no `kind` has: a misspelt one would be read as one that is absent.

    Raises:
        CaseFormatError: naming the place, and the member that was probably meant.
    """
    if not isinstance(data, Mapping):
        return
    for name in data:
        if name not in _MEMBERS[kind]:
            near = closest(str(name), sorted(_MEMBERS[kind]))
            meant = f" (did you mean `{near}`?)" if near else ""
            article = "an" if kind[0] in "aou" else "a"
            msg = f"`{place}.{name}` is no member of {article} {kind}{meant}"
            raise CaseFormatError(msg)


def _check_members(world: Mapping[str, Any]) -> None:
    for account_id, facts in world.get("accounts", {}).items():
        known_members("account", facts, f"world.accounts.{account_id}")
    lists = {"orgs": "organization", "keys": "key", "principals": "principal", "unread": "unread mark"}
    for name, kind in lists.items():
        for index, entry in enumerate(world.get(name, ())):
            known_members(kind, entry, f"world.{name}.{index}")
    for index, key in enumerate(world.get("keys", ())):
        for number, grant in enumerate(key.get("grants", ())):
            known_members("grant", grant, f"world.keys.{index}.grants.{number}")


def texts(value: Any, name: str) -> tuple[str, ...]:
    """A list of texts; a lone text is refused, because it would be read letter by letter."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        msg = f"`{name}` is no list of texts"
        raise CaseFormatError(msg)
    return tuple(value)


def _moment(value: Any) -> str:
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError as error:
        msg = f"`as_of` is `{value}`, no time in ISO 8601"
        raise CaseFormatError(msg) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).isoformat()


class _Unread:
    """The gaps that a world declares: guardrails, parts of keys, the IAM of accounts."""

    def __init__(self, marks: Sequence[Any]) -> None:
        self.guardrails = {m for m in marks if isinstance(m, str)}
        self.parts: dict[str, set[str]] = {}
        self.accounts: set[str] = set()
        for mark in marks:
            if isinstance(mark, Mapping) and "key" in mark:
                self.parts.setdefault(mark["key"], set()).add(mark["part"])
            elif isinstance(mark, Mapping):
                self.accounts.add(mark["account"])
            elif mark not in {"scp", "rcp"}:
                msg = f"`{mark}` in `unread` is neither scp, rcp, a part of a key nor the IAM of an account"
                raise CaseFormatError(msg)


def _account(account_id: str, facts: Mapping[str, Any], unread: _Unread) -> AccountFacts:
    regions = facts.get("opted_in_regions")
    return AccountFacts(
        id=AccountId(account_id),
        collected=flag(facts.get("collected", True)),
        iam_complete=account_id not in unread.accounts,
        organization_unknown=flag(facts.get("org_unknown", False)),
        opted_in_regions=None if regions is None else frozenset(texts(regions, "opted_in_regions")),
        ours=True,
        gap=f"{account_id}/global/iam:GetAccountAuthorizationDetails/" if account_id in unread.accounts else "",
    )


def _organization(data: Mapping[str, Any], unread: _Unread) -> Organization:
    return Organization(
        id=data["id"],
        root=data["root"],
        management_account=AccountId(data["management_account"]),
        members={AccountId(account): texts(path, "members") for account, path in data["members"].items()},
        scps=None if "scp" in unread.guardrails else _attached(data.get("scps", {}), DocumentKind.SCP),
        rcps=None if "rcp" in unread.guardrails else _attached(data.get("rcps", {}), DocumentKind.RCP),
        scp_enabled=flag(data.get("scp_enabled", True)),
        rcp_enabled=flag(data.get("rcp_enabled", True)),
    )


def _attached(targets: Mapping[str, Any], kind: DocumentKind) -> dict[str, tuple[PolicyText, ...]]:
    return {
        target: tuple(
            _policy(FULL_AWS_ACCESS if d == "FullAWSAccess" else d, kind, target, f"{kind.value} {i} of {target}")
            for i, d in enumerate(documents)
        )
        for target, documents in targets.items()
    }


def _key(data: Mapping[str, Any], unread: _Unread) -> KeyFacts:
    arn = parse_arn(data["arn"])
    if arn is None:
        msg = f"`{data['arn']}` is no key ARN"
        raise CaseFormatError(msg)
    gaps = {part: f"{arn.account_id}/{arn.region}/{part}/{data['arn']}" for part in unread.parts.get(data["arn"], ())}
    ram = data.get("ram_policy")
    usage = data.get("usage", "ENCRYPT_DECRYPT")
    return KeyFacts(
        arn=KeyArn(data["arn"]),
        account_id=arn.account_id,
        region=arn.region,
        partition=arn.partition,
        key_policy=None
        if "key_policy" in gaps
        else _policy(data["key_policy"], DocumentKind.KEY_POLICY, data["arn"], "key policy default"),
        ram_policy=None if ram is None else _policy(ram, DocumentKind.RAM_POLICY, data["arn"], "key policy AWS_RAM"),
        grants=None if "grants" in gaps else tuple(_grant(g) for g in data.get("grants", ())),
        tags=None if "tags" in gaps else dict(data.get("tags", {})),
        aliases=None if "aliases" in gaps else texts(data.get("aliases", []), "aliases"),
        manager=data.get("manager", "CUSTOMER"),
        spec=data.get("spec", "SYMMETRIC_DEFAULT"),
        usage=usage,
        origin=data.get("origin", "AWS_KMS"),
        state=data.get("state", "Enabled"),
        multi_region=flag(data.get("multi_region", False)),
        multi_region_type=data.get("multi_region_type", ""),
        gaps=gaps,
    )


def _grant(data: Mapping[str, Any]) -> Grant:
    return Grant(
        grant_id=data["grant_id"],
        operations=texts(data["operations"], "operations"),
        grantee_principal=data.get("grantee_principal", ""),
        grantee_service_principal=data.get("grantee_service_principal", ""),
        retiring_principal=data.get("retiring_principal", ""),
        retiring_service_principal=data.get("retiring_service_principal", ""),
        issuing_account=data["issuing_account"],
        constraints=GrantConstraints.from_api(data.get("constraints")),
    )


def _principal(data: Mapping[str, Any], unread: _Unread, uncollected: frozenset[str]) -> PrincipalFacts:
    arn = parse_arn(data["arn"])
    if arn is None:
        msg = f"`{data['arn']}` is no ARN of a principal"
        raise CaseFormatError(msg)
    kinds = {
        "user": PrincipalKind.USER, "role": PrincipalKind.ROLE, "assumed-role": PrincipalKind.SESSION,
        "federated-user": PrincipalKind.FEDERATED, "root": PrincipalKind.ROOT_USER,
    }  # fmt: skip
    source = data["arn"]
    hidden = arn.account_id in unread.accounts or arn.account_id in uncollected
    if hidden and arn.service == "iam":
        gap = f"{arn.account_id}/global/iam:GetAccountAuthorizationDetails/"
        return PrincipalFacts(
            source,
            arn.account_id,
            kinds[arn.resource.split("/")[0]],
            parent=data.get("role", data.get("user", "")),
            complete=False,
            gap=gap,
        )
    sessions = data.get("session_policies")
    boundary, trust = data.get("boundary"), data.get("trust_policy")
    return PrincipalFacts(
        arn=source,
        account_id=arn.account_id,
        kind=kinds[arn.resource.split("/")[0]],
        identity_policies=tuple(
            _policy(d, DocumentKind.IDENTITY, source, f"identity policy {i}")
            for i, d in enumerate(data.get("identity_policies", ()))
        ),
        boundary=None if boundary is None else _policy(boundary, DocumentKind.BOUNDARY, source, "boundary"),
        tags=dict(data.get("tags", {})),
        trust_policy=None if trust is None else _policy(trust, DocumentKind.TRUST, source, "trust policy"),
        unique_id=data.get("unique_id", ""),
        parent=data.get("role", data.get("user", "")),
        session_policies=None
        if sessions is None
        else tuple(_policy(d, DocumentKind.SESSION, source, f"session policy {i}") for i, d in enumerate(sessions)),
        session_tags=dict(data.get("session_tags", {})),
    )
