"""Small builders for the analyzer's tests: policies, keys, principals and organizations as the evaluator takes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from scanner.analyze.decision.decide import decide
from scanner.analyze.findings import AnalysisResult, AnalysisRules, analyze
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.actions import find_action
from scanner.model.arn import AccountId, KeyArn
from scanner.model.decision import Decision
from scanner.model.finding import AccessRow, Finding, KeyRow, Kind
from scanner.model.key import Grant, GrantConstraints, KeyFacts
from scanner.model.organization import AccountFacts, Organization
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World

OWNER, MEMBER, STRANGER, MANAGER = "111122223333", "444455556666", "999988887777", "000011112222"
"""The account of the keys, another account of the organization, an account nobody knows, the management account."""

KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ORG, ROOT, OU = "o-own0000001", "r-root", "ou-root-prod"
AS_OF = "2026-11-22T00:00:00+00:00"

Json = dict[str, Any]


# -- documents --------------------------------------------------------------------------------------------------------


def iam(account: str, identity: str) -> str:
    """The ARN of an identity: `root`, `role/App`, `user/Ann`, `assumed-role/App/blue`, `federated-user/Bob`."""
    service = "sts" if identity.startswith(("assumed-role/", "federated-user/")) else "iam"
    return f"arn:aws:{service}::{account}:{identity}"


def allow(who: object = None, *actions: str, when: Json | None = None, **parts: Any) -> Json:
    """An Allow on `kms:Decrypt`, or the actions; `who` is a principal element, an ARN, or None in IAM policies."""
    statement: Json = {"Effect": "Allow", "Action": list(actions) or "kms:Decrypt", "Resource": "*"}
    if who is not None:
        statement["Principal"] = {"AWS": who} if isinstance(who, str) and who != "*" else who
    if when is not None:
        statement["Condition"] = when
    return statement | parts


def deny(who: object = None, *actions: str, when: Json | None = None, **parts: Any) -> Json:
    """The same as a Deny."""
    return allow(who, *actions, when=when, **parts) | {"Effect": "Deny"}


def policy(*statements: Json, version: str = "2012-10-17") -> Json:
    """A document."""
    return {"Version": version, "Statement": list(statements)}


def text(document: object, kind: DocumentKind, source: str = "arn:source", name: str = "policy") -> PolicyText:
    """A document in its place; a string is taken as the text itself."""
    written = document if isinstance(document, str) else json.dumps(document, indent=2)
    return PolicyText(written, hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest(), kind, source, name)


FULL = policy(allow(None, "*"))


# -- facts ------------------------------------------------------------------------------------------------------------


def key(*statements: Json, arn: str = KEY, **facts: Any) -> KeyFacts:
    """A symmetric key with these statements; `key_policy=None` with a gap stands for one that was not read."""
    parts = arn.split(":")
    document = text(policy(*statements), DocumentKind.KEY_POLICY, arn, "key policy default")
    base = KeyFacts(KeyArn(arn), AccountId(parts[4]), parts[3], parts[1], document)
    return replace(base, **facts)


def ram(*statements: Json, arn: str = KEY) -> PolicyText:
    """The policy that Resource Access Manager writes."""
    return text(policy(*statements), DocumentKind.RAM_POLICY, arn, "key policy AWS_RAM")


def grant(
    grantee: str, *operations: str, grant_id: str = "g-1", constraints: Json | None = None, **facts: Any
) -> Grant:
    """A grant for Decrypt, or the operations; a host name becomes the service that may use it."""
    service = ":" not in grantee and "." in grantee
    named = {"grantee_service_principal" if service else "grantee_principal": grantee}
    issued = {"issuing_account": OWNER} | facts
    bound = GrantConstraints.from_api(constraints)
    return Grant(grant_id, operations or ("Decrypt",), constraints=bound, **named, **issued)


def principal(arn: str, *documents: Json, boundary: Json | None = None, trust: Json | None = None, **facts: Any) -> (
    PrincipalFacts
):  # fmt: skip
    """A user or role with identity policies; a session with `parent` and `session_policies`."""
    kinds = {
        "user": PrincipalKind.USER, "role": PrincipalKind.ROLE, "assumed-role": PrincipalKind.SESSION,
        "federated-user": PrincipalKind.FEDERATED,
    }  # fmt: skip
    account, resource = arn.split(":")[4], arn.split(":", 5)[5]
    if facts.get("session_policies") is not None:
        sessions = enumerate(facts["session_policies"])
        facts["session_policies"] = tuple(
            text(d, DocumentKind.SESSION, arn, f"session policy {i}") for i, d in sessions
        )
    return PrincipalFacts(
        arn,
        AccountId(account),
        kinds[resource.split("/")[0]],
        identity_policies=tuple(
            text(d, DocumentKind.IDENTITY, arn, f"inline policy {i}") for i, d in enumerate(documents)
        ),
        boundary=None if boundary is None else text(boundary, DocumentKind.BOUNDARY, arn, "boundary"),
        trust_policy=None if trust is None else text(trust, DocumentKind.TRUST, arn, "trust policy"),
        **facts,
    )


def organization(
    scps: Mapping[str, Iterable[Json]] | None = None, rcps: Mapping[str, Iterable[Json]] | None = None, **facts: Any
) -> Organization:
    """OWNER and MEMBER under one OU; targets without SCPs have FullAWSAccess."""
    members = {AccountId(account): (ROOT, OU) for account in (OWNER, MEMBER)}
    return replace(
        Organization(ORG, ROOT, AccountId(MANAGER), members),
        scps=_attached(scps or {}, DocumentKind.SCP),
        rcps=_attached(rcps or {}, DocumentKind.RCP),
    ) if not facts else replace(organization(scps, rcps), **facts)  # fmt: skip


def _attached(targets: Mapping[str, Iterable[Json]], kind: DocumentKind) -> dict[str, tuple[PolicyText, ...]]:
    return {
        target: tuple(text(d, kind, target, f"{kind.short_name} {i} at {target}") for i, d in enumerate(documents))
        for target, documents in targets.items()
    }


def account(account_id: str, **facts: Any) -> AccountFacts:
    """An account of ours that was read."""
    return replace(AccountFacts(AccountId(account_id), ours=True), **facts)


def world(
    *things: KeyFacts | PrincipalFacts | Organization | AccountFacts,
    accounts: Iterable[AccountFacts] = (),
    **facts: Any,
) -> World:
    """Keys, principals, organizations and accounts together, as a snapshot gives them.

    Without an organization of your own OWNER and MEMBER share one; `organizations=()` stands for none that was read.
    Unlisted accounts are strangers.
    """
    own = tuple(t for t in things if isinstance(t, Organization)) or (organization(),)
    known = {OWNER: account(OWNER), MEMBER: account(MEMBER)}
    known |= {t.id: t for t in (*things, *accounts) if isinstance(t, AccountFacts)}
    base = World(
        accounts={AccountId(i): facts for i, facts in known.items()},
        organizations=own,
        keys={t.arn: t for t in things if isinstance(t, KeyFacts)},
        principals={t.arn: t for t in things if isinstance(t, PrincipalFacts)},
        as_of=AS_OF,
        unlisted_accounts_collected=False,
    )
    return replace(base, **facts)


# -- questions --------------------------------------------------------------------------------------------------------


def request(given: World, who: str, action: str = "kms:Decrypt", on: str = KEY, **parts: Any) -> Request:
    """A question about a key of the world; `context` names are lower-case."""
    return Request(
        resolve_caller(given, who), action, on, action=find_action(action), key=given.keys.get(KeyArn(on)), **parts
    )


def ask(given: World, who: str, action: str = "kms:Decrypt", on: str = KEY, **parts: Any) -> Decision:
    """The decision on a key of the world."""
    return decide(given, request(given, who, action, on, **parts))


class Line(NamedTuple):
    """A row of access.csv by its columns."""

    key_arn: str
    principal_arn: str
    principal_account_id: str
    principal_account_name: str
    party: str
    capability: str
    actions: tuple[str, ...]
    decision: str
    reason: str
    conditions: str
    mechanism: str
    path: str
    finding_id: str
    principal_kind: str
    finding_verdict: str


def line_of(row: AccessRow) -> Line:
    """A row as the file has it."""
    arn, principal, access = row
    return Line(arn, *principal[:3], *access[:-1], principal.kind, access.finding_verdict)


@dataclass(frozen=True)
class Analyzed:
    """Everything an analysis says."""

    result: AnalysisResult
    keys: tuple[KeyRow, ...]
    access: tuple[Line, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is found about access, worst first; that nobody manages most of the small keys here is left out."""
        return tuple(f for f in self.result.findings if f.kind is not Kind.KEY_HYGIENE)

    @property
    def about_keys(self) -> tuple[Finding, ...]:
        """The findings that start at a key, without those that start at a policy of ours."""
        return tuple(f for f in self.findings if f.kind in {Kind.EXTERNAL_ACCESS, Kind.INEFFECTIVE_PERMISSION})

    def of(self, kind: Kind) -> list[Finding]:
        """The findings of one kind."""
        return [f for f in self.result.findings if f.kind is kind]

    @property
    def external(self) -> Finding:
        """The one external access there is."""
        (only,) = self.of(Kind.EXTERNAL_ACCESS)
        return only

    @property
    def ineffective(self) -> Finding:
        """The one permission without effect there is."""
        (only,) = self.of(Kind.INEFFECTIVE_PERMISSION)
        return only


def analyzed(given: World, **rules: Any) -> Analyzed:
    """The analysis of a world; edits are tried only with `remedies=True`, because they judge every key again."""
    keys: list[KeyRow] = []
    access: list[AccessRow] = []
    result = analyze(
        given, AnalysisRules(**{"remedies": False} | rules), write_key=keys.append, write_access=access.append
    )
    return Analyzed(result, tuple(keys), tuple(map(line_of, access)))
