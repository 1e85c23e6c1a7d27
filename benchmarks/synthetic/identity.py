"""Decides what the users and roles of one account of a made-up organization may do, and who may become them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from random import Random

from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.rows import (
    GroupMemberRow,
    GroupRow,
    IdentityProviderRow,
    PolicyRow,
    PrincipalPolicyRow,
    PrincipalRow,
    RegionRow,
    UnitRecord,
)

from synthetic.documents import (
    BOUNDARY,
    MANAGED,
    SHARES,
    USE,
    Json,
    allow,
    customer_policies,
    digest_of,
    managed_arn,
    policy,
    text,
    trust,
)
from synthetic.shape import LINKED_SERVICES, OPT_IN_REGION, REGIONS, SLOTS, TEAMS, VENDORS, Account, Shape

_SETS = {"ViewOnlyAccess": "job-function/", "Billing": "job-function/", "DataScientist": "job-function/",
         "DatabaseAdministrator": "job-function/"}  # fmt: skip
_RENAMED = {"KeyAdministrator": "AWSKeyManagementServicePowerUser", "Support": "AWSSupportAccess"}
_SERVICES = {"lambda": "lambda.amazonaws.com", "ec2": "ec2.amazonaws.com", "ecs": "ecs-tasks.amazonaws.com"}
_BASICS = {
    "lambda": ("service-role/AWSLambdaBasicExecutionRole", "service-role/AWSLambdaVPCAccessExecutionRole"),
    "ec2": ("AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy"),
    "ecs": ("service-role/AmazonECSTaskExecutionRolePolicy", "AWSXRayDaemonWriteAccess"),
}
_MORE = ("AmazonS3ReadOnlyAccess", "AmazonDynamoDBFullAccess", "AmazonSQSFullAccess", "IAMReadOnlyAccess",
         "AmazonEC2ContainerRegistryReadOnly", "service-role/AWSBackupServiceRolePolicyForBackup")  # fmt: skip
_GITHUB = "token.actions.githubusercontent.com"
_GROUP = "developers"
_CENTRALS = 5
"""How many accounts hold keys that everybody may use."""


def shared_documents() -> dict[str, str]:
    """The documents that every account uses, by hash; they are written once."""
    texts = [text(d) for d in (*MANAGED.values(), BOUNDARY, *map(_service_trust, _services()))]
    return {digest_of(t): t for t in texts}


def _services() -> Iterator[str]:
    yield from _SERVICES.values()
    yield from (service for service, _ in LINKED_SERVICES)


def _service_trust(service: str) -> Json:
    return trust({"Service": service})


@lru_cache(maxsize=256)
def _shared(document: str) -> str:
    """The hash of a document that `shared_documents` holds, by the name of its policy or service."""
    found = _service_trust(document) if "amazonaws.com" in document else MANAGED.get(document, BOUNDARY)
    return digest_of(text(found))


def entered(account: Account) -> UnitRecord:
    """The unit of an account: it was entered, and its Regions were listed."""
    record = UnitRecord(f"account/{account.id}")
    record.ledger(LedgerRow(account.id, "global", "sts:AssumeRole", "", Outcome.OK))
    record.ledger(LedgerRow(account.id, "global", "ec2:DescribeRegions", "", Outcome.OK))
    record.rows.extend(RegionRow(account.id, region, "ENABLED_BY_DEFAULT", scanned=True) for region in REGIONS)
    opted = OPT_IN_REGION in account.regions
    record.rows.append(RegionRow(account.id, OPT_IN_REGION, "ENABLED" if opted else "DISABLED", scanned=opted))
    return record


class _Iam:
    """The IAM of one account while it is written down."""

    def __init__(self, shape: Shape, account: Account) -> None:
        self.shape, self.account = shape, account
        self.rng = shape.rng("iam", account.id)
        self.record = UnitRecord(f"iam/{account.id}")
        self.known: dict[str, str] = {}
        central = shape.accounts[(account.number * 7 + 1) % min(_CENTRALS, len(shape.accounts))]
        partner = shape.accounts[(account.number + 1) % len(shape.accounts)]
        self.customer = customer_policies(account.id, central.id, partner.id)

    def own(self, name: str) -> str:
        """The ARN of a managed policy of the account."""
        return f"arn:aws:iam::{self.account.id}:policy/{name}"

    def managed(self, name: str) -> tuple[str, str]:
        """ARN and hash of a managed policy, noted as one that the account uses."""
        if name in self.customer:
            arn = self.own(name)
            sha = self.known.get(arn) or self.record.document(text(self.customer[name]))
        else:
            arn = self.own(name) if name == "WorkloadBoundary" else managed_arn(name)
            sha = _shared(name)
        if arn not in self.known:
            self.known[arn] = sha
            aws = arn.startswith("arn:aws:iam::aws:")
            self.record.rows.append(PolicyRow(self.account.id, arn, arn.rsplit("/", 1)[-1], aws, "v1", sha))
        return arn, sha

    def attach(self, principal: str, name: str) -> None:
        """Attach a managed policy."""
        arn, sha = self.managed(name)
        self.record.rows.append(PrincipalPolicyRow(principal, "managed", arn.rsplit("/", 1)[-1], arn, "", sha))

    def inline(self, principal: str, name: str, document: Json) -> None:
        """Put an inline policy."""
        sha = self.record.document(text(document))
        self.record.rows.append(PrincipalPolicyRow(principal, "inline", name, "", "", sha))

    # -- one principal ---------------------------------------------------------------------------------------------

    def add(self, n: int) -> None:
        """The n-th principal with what it holds."""
        kind, arn = self.shape.kind(n), self.shape.principal_arn(self.account, n)
        arn_kind, path, name = self.shape.principal(self.account, n)
        tags = self.tags(kind, n)
        boundary = None
        if kind in _SERVICES and self.rng.random() < 0.12:
            boundary, _ = self.managed("WorkloadBoundary")
        self.record.rows.append(
            PrincipalRow(
                arn, self.account.id, arn_kind, name, path, self.unique_id(arn_kind, n), json.dumps(tags), boundary,
                self.trust_of(kind, n), None,
            )
        )  # fmt: skip
        self.policies_of(kind, arn, n)
        if self.shape.worst == "unique":
            self.inline(arn, "own", self.one_of_a_kind(n))

    def unique_id(self, kind: str, n: int) -> str:
        """The id that IAM would give."""
        digits = self.shape.digits("id", self.account.id, n)[:17].upper()
        return ("AIDA" if kind == "user" else "AROA") + digits.translate(str.maketrans("0189", "GHJK"))

    def tags(self, kind: str, n: int) -> dict[str, str]:
        """The tags: a team and a stage for every second workload."""
        if self.shape.worst == "unique":
            return {"Team": f"team-{self.account.id}-{n}", "Serial": str(n)}
        if kind in _SERVICES and self.rng.random() < 0.5:
            team = self.account.team if self.rng.random() < 0.8 else self.rng.choice(TEAMS)
            return {"Team": team, "Stage": self.account.stage}
        return {}

    def trust_of(self, kind: str, n: int) -> str | None:
        """The hash of the trust policy; users have none."""
        if kind in _SERVICES:
            return _shared(_SERVICES[kind])
        if kind == "linked":
            return _shared(LINKED_SERVICES[n % len(LINKED_SERVICES)][0])
        document = self.trust_document(kind, n)
        return None if document is None else self.record.document(text(document))

    def trust_document(self, kind: str, n: int) -> Json | None:
        """Who may become a role that no service runs as."""
        first, account = self.shape.accounts[0], self.account
        match kind:
            case "user":
                return None
            case "admin" | "scanner":
                return trust({"AWS": first.root})
            case "sso":
                provider = f"arn:aws:iam::{account.id}:saml-provider/AWSSSO_1a2b3c4d5e6f7a8b_DO_NOT_DELETE"
                audience = {"SAML:aud": "https://signin.aws.amazon.com/saml"}
                return trust(
                    {"Federated": provider}, ["sts:AssumeRoleWithSAML", "sts:TagSession"], StringEquals=audience
                )
            case "ci":
                repository = f"repo:synthetic/{account.team}:*"
                held = {"StringEquals": {f"{_GITHUB}:aud": "sts.amazonaws.com"}}
                if n % 3:
                    held["StringLike"] = {f"{_GITHUB}:sub": repository}
                provider = f"arn:aws:iam::{account.id}:oidc-provider/{_GITHUB}"
                return trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", **held)
            case "vendor":
                vendor = {"AWS": f"arn:aws:iam::{VENDORS[(n + account.number) % len(VENDORS)]}:root"}
                if (n // len(SLOTS) + account.number) % 5 < 3:
                    return trust(vendor, StringEquals={"sts:ExternalId": f"tenant-{account.id[-4:]}"})
                return trust(vendor)
            case "chain":
                source = self.shape.other_account(account, self.rng)
                return trust({"AWS": self.shape.some_role(source, self.rng)})
            case _:
                return trust({"AWS": self.shape.other_account(account, self.rng).root})

    def policies_of(self, kind: str, arn: str, n: int) -> None:
        """Attach and put what a principal of this kind has."""
        rng = self.rng
        match kind:
            case "admin":
                self.attach(arn, "AdministratorAccess")
            case "scanner":
                self.attach(arn, "SecurityAudit")
            case "sso":
                self.permission_set(arn, n)
            case "linked":
                linked = ("AutoScalingServiceRolePolicy", "AWSSupportServiceRolePolicy", "AmazonRDSServiceRolePolicy")
                self.attach(arn, f"aws-service-role/{linked[n % 3]}")
            case "user":
                self.grouped(arn)
            case "vendor":
                self.attach(arn, rng.choice(("SecurityAudit", "ReadOnlyAccess", "KeysByAlias")))
            case "cross" | "chain":
                self.attach(arn, rng.choice(("AppDataKeys", "DeployElsewhere", "CentralKeys", "EverythingWithKeys")))
            case "ci":
                self.attach(arn, rng.choice(("PowerUserAccess", "DeployElsewhere", "AppDataKeys")))
            case _:
                self.workload(kind, arn)

    def permission_set(self, arn: str, n: int) -> None:
        """The policies of an Identity Center role."""
        name = self.shape.permission_set(n)
        if name.startswith("Team"):
            self.attach(arn, "ReadOnlyAccess")
            self.inline(arn, "AwsSSOInlinePolicy", policy(allow(["kms:Decrypt", "kms:DescribeKey"], Sid=name)))
        else:
            self.attach(arn, _RENAMED.get(name, _SETS.get(name, "") + name))

    def grouped(self, arn: str) -> None:
        """What a user has through its group."""
        group = f"arn:aws:iam::{self.account.id}:group/{_GROUP}"
        self.record.rows.append(GroupMemberRow(group, arn))
        for name in ("ReadOnlyAccess", "TeamKeys"):
            policy_arn, sha = self.managed(name)
            short = policy_arn.rsplit("/", 1)[-1]
            self.record.rows.append(PrincipalPolicyRow(arn, "group_managed", short, policy_arn, group, sha))

    def workload(self, kind: str, arn: str) -> None:
        """What a role that a service runs as has: basics of AWS, templates of the customer, at times its own policy."""
        rng = self.rng
        names = {rng.choice(_BASICS[kind])}
        names.update(rng.choices(tuple(SHARES), tuple(SHARES.values()), k=1 + (rng.random() < 0.4)))
        if rng.random() < 0.3:
            names.add(rng.choice(_MORE))
        for name in sorted(names):
            self.attach(arn, name)
        if rng.random() < 0.1:
            self.inline(arn, "keys", self.named_keys(rng))

    def named_keys(self, rng: Random) -> Json:
        """An inline policy on single keys of the account and of another one."""
        own, other = self.account, self.shape.other_account(self.account, rng)
        keys = [self.shape.some_key(a, rng) for a in ((own, other) if rng.random() < 0.6 else (own,))]
        if rng.random() < 0.3:
            condition = {"StringEquals": {"kms:EncryptionContext:service": self.account.team}}
            return policy(allow(["kms:Decrypt", "kms:GenerateDataKey"], keys, Condition=condition))
        return policy(allow(USE, keys))

    def one_of_a_kind(self, n: int) -> Json:
        """A policy that nobody else has."""
        condition = {"StringEquals": {"aws:ResourceTag/Serial": f"{self.account.id}-{n}"}}
        return policy(allow(["kms:Decrypt", "kms:DescribeKey"], Condition=condition, Sid=f"Own{n}"))


def iam(shape: Shape, account: Account) -> UnitRecord:
    """The unit of the IAM of an account: everything in it, and that it was read."""
    work = _Iam(shape, account)
    for n in range(account.principals):
        work.add(n)
    record, own = work.record, account.id
    if any(shape.kind(n) == "user" for n in range(account.principals)):
        digits = shape.digits("group", own)[:17].upper()
        record.rows.append(GroupRow(f"arn:aws:iam::{own}:group/{_GROUP}", own, _GROUP, "/", f"AGPA{digits}"))
    record.rows.append(
        IdentityProviderRow(f"arn:aws:iam::{own}:saml-provider/AWSSSO_1a2b3c4d5e6f7a8b_DO_NOT_DELETE", own, "saml")
    )
    record.rows.append(IdentityProviderRow(f"arn:aws:iam::{own}:oidc-provider/{_GITHUB}", own, "oidc"))
    for call in ("GetAccountAuthorizationDetails", "ListOpenIDConnectProviders", "ListSAMLProviders"):
        record.ledger(LedgerRow(own, "global", f"iam:{call}", "", Outcome.OK))
    return record
