"""Decides what the keys of an account of a made-up organization are, whom their policies name, which grants exist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.rows import AliasRow, GrantRow, KeyRow, KeyTagRow, UnitRecord

from synthetic.documents import GRANTS, USE, Json, policy, text, to
from synthetic.shape import ORG_ID, ROOT_ID, TEAMS, VENDORS, Account, Shape

_KINDS = ("root", "foreign", "named", "star")
_SHARES = (55, 20, 13, 12)
"""How many keys in a hundred hand over to IAM of their account only, of other accounts, name roles, or say `*`."""
_READ = dict.fromkeys(("describe_status", "policy_status"), Outcome.OK)
_SERVICES = ("logs.amazonaws.com", "sns.amazonaws.com", "cloudtrail.amazonaws.com", "delivery.logs.amazonaws.com")


class _Key:
    """One key while its documents are drawn."""

    def __init__(self, shape: Shape, account: Account, n: int, rng: Random) -> None:
        self.shape, self.account, self.n, self.rng = shape, account, n, rng
        self.kind = "star" if shape.worst == "star" else rng.choices(_KINDS, _SHARES)[0]

    def policy(self) -> Json:
        """The key policy."""
        own = to({"AWS": self.account.root}, "kms:*", Sid="Enable IAM User Permissions")
        statements = [own, *getattr(self, self.kind)()]
        if self.rng.random() < 0.1:
            source = {"StringEquals": {"aws:SourceAccount": self.account.id}}
            more = {"Condition": source} if self.rng.random() < 0.7 else {}
            service = {"Service": self.rng.choice(_SERVICES)}
            statements.append(to(service, ["kms:GenerateDataKey*", "kms:Decrypt"], Sid="Service", **more))
        if self.rng.random() < 0.05:
            outside = {"StringNotEquals": {"aws:PrincipalOrgID": ORG_ID}}
            statements.append({**to({"AWS": "*"}, "kms:*", Condition=outside), "Effect": "Deny", "Sid": "Perimeter"})
        return policy(*statements)

    def root(self) -> list[Json]:
        """Nobody beside the account; at times its administrators by name."""
        if self.rng.random() < 0.2:
            administrator = {"AWS": self.shape.principal_arn(self.account, 0)}
            return [to(administrator, ["kms:Put*", "kms:ScheduleKeyDeletion", "kms:Describe*"], Sid="Administrators")]
        return []

    def foreign(self) -> list[Json]:
        """Other accounts as a whole: most of the organization, some of strangers."""
        count = 1 + (self.rng.random() < 0.3) + (self.rng.random() < 0.1)
        roots = {self.shape.other_account(self.account, self.rng).root for _ in range(count)}
        if self.rng.random() < 0.12:
            roots.add(f"arn:aws:iam::{self.rng.choice(VENDORS)}:root")
        named = {"AWS": sorted(roots) if len(roots) > 1 else roots.pop()}
        found = [to(named, USE, Sid="Allow use of the key")]
        if self.rng.random() < 0.5:
            for_services = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
            found.append(to(named, GRANTS, Sid="Allow attachment of persistent resources", Condition=for_services))
        return found

    def named(self) -> list[Json]:
        """Single roles: of other accounts, of the own one, now and then one that is gone or a stranger's."""
        arns = set()
        for _ in range(1 + self.rng.randrange(4)):
            drawn = self.rng.random()
            other = self.account if drawn < 0.3 else self.shape.other_account(self.account, self.rng)
            arns.add(self.shape.some_role(other, self.rng))
        if self.rng.random() < 0.08:
            arns.add(f"arn:aws:iam::{self.rng.choice(VENDORS)}:role/collector")
        if self.rng.random() < 0.08:
            arns.add(f"AROA{self.shape.digits('gone', self.account.id, self.n)[:17].upper()}")
        return [to({"AWS": sorted(arns)}, USE, Sid="Roles")]

    def star(self) -> list[Json]:
        """Everybody who fulfils a condition."""
        rng, team = self.rng, self.rng.choice(TEAMS)
        region = self.shape.key_region(self.account, self.n)
        via = {"kms:ViaService": f"{rng.choice(('s3', 'ec2', 'sqs', 'rds'))}.{region}.amazonaws.com"}
        other = self.shape.other_account(self.account, rng)
        conditions: tuple[Json, ...] = (
            {"StringEquals": {"aws:PrincipalOrgID": ORG_ID}},
            {"StringEquals": {"aws:PrincipalOrgID": ORG_ID, **via}},
            {"StringEquals": {"kms:CallerAccount": self.account.id, **via}},
            {"StringEquals": {"kms:CallerAccount": [self.account.id, other.id]}},
            {"StringEquals": {"aws:PrincipalOrgID": ORG_ID, "aws:PrincipalTag/Team": team}},
            {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORG_ID}/{ROOT_ID}/ou-synt-workload/*"}},
            {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::*:role/app/{team}-*"},
             "StringEquals": {"aws:PrincipalOrgID": ORG_ID}},
            {"StringEquals": {"aws:PrincipalAccount": other.id}},
        )  # fmt: skip
        condition = rng.choices(conditions, (20, 12, 20, 12, 12, 8, 10, 6))[0]
        actions: str | list[str] = rng.choice((USE, ["kms:Decrypt", "kms:DescribeKey"], ["kms:Decrypt", *GRANTS]))
        return [to({"AWS": "*"}, actions, Sid="Anybody", Condition=condition)]

    # -- grants ----------------------------------------------------------------------------------------------------

    def grants(self, arn: str) -> Iterator[GrantRow]:
        """One key in ten has some."""
        if self.rng.random() >= 0.1:
            return
        for number in range(1 + self.rng.randrange(3)):
            grantee, service, operations, constraints = self.grant()
            grant_id = self.shape.digits("grant", arn, number) * 2
            yield GrantRow(
                arn, grant_id, f"grant-{number}", "2026-03-01T12:00:00Z", grantee, service, None, None,
                self.account.root, json.dumps(operations), None if constraints is None else json.dumps(constraints),
            )  # fmt: skip

    def grant(self) -> tuple[str | None, str | None, list[str], Json | None]:
        """Grantee, grantee service, operations and constraints of a grant."""
        other, data = self.shape.other_account(self.account, self.rng), ["Decrypt", "GenerateDataKey"]
        drawn = self.rng.random()
        if drawn < 0.35:
            linked = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
            scaled = self.account if drawn < 0.2 else other
            return f"arn:aws:iam::{scaled.id}:role/{linked}", None, [*data, "CreateGrant"], None
        if drawn < 0.6:
            context = {"EncryptionContextSubset": {"tenant": self.account.team}} if drawn < 0.5 else None
            return self.shape.some_role(other, self.rng), None, data, context
        if drawn < 0.7:
            return f"arn:aws:iam::{self.rng.choice(VENDORS)}:root", None, ["Decrypt"], None
        if drawn < 0.8:
            return None, "backup.amazonaws.com", [*data, "CreateGrant"], None
        return self.shape.some_role(self.account, self.rng), None, [*data, "RetireGrant", "DescribeKey"], None


def _facts(shape: Shape, account: Account, n: int, rng: Random) -> dict[str, str | bool | None]:
    """What DescribeKey says: one key in a hundred is asymmetric, one disabled, one about to go."""
    region, drawn = shape.key_region(account, n), rng.random()
    multi = shape.key_id(account, n).startswith("mrk-")
    asymmetric = not multi and drawn < 0.02
    return {
        "state": "Disabled" if 0.1 < drawn < 0.12 else "PendingDeletion" if 0.12 < drawn < 0.13 else "Enabled",
        "manager": "CUSTOMER",
        "spec": "RSA_2048" if asymmetric else "SYMMETRIC_DEFAULT",
        "usage": "SIGN_VERIFY" if asymmetric else "ENCRYPT_DECRYPT",
        "origin": "AWS_KMS",
        "description": f"{account.team} data {region}",
        "multi_region": multi,
        "multi_region_type": "PRIMARY" if multi else None,
        "created": "2025-02-03T04:05:06Z",
    }


def kms(shape: Shape, account: Account) -> Iterator[UnitRecord]:
    """The units of the keys of an account, one for each Region, and that all of it was read."""
    records = {region: UnitRecord(f"kms/{account.id}/{region}") for region in account.regions}
    rng = shape.rng("kms", account.id)
    for n in range(account.keys):
        _add(records[shape.key_region(account, n)], shape, account, n, rng)
    for region, record in records.items():
        found = Outcome.OK if record.rows else Outcome.EMPTY
        shared = Outcome.SKIPPED if record.rows else Outcome.EMPTY
        for call, subject, outcome in (
            ("ListKeys", "", found), ("ListAliases", "", found), ("ListKeys", "OTHER_ACCOUNTS_VIA_RAM", shared)
        ):  # fmt: skip
            record.ledger(LedgerRow(account.id, region, f"kms:{call}", subject, outcome))
        yield record


def _add(record: UnitRecord, shape: Shape, account: Account, n: int, rng: Random) -> None:
    key_id, region, arn = shape.key_id(account, n), shape.key_region(account, n), shape.key_arn(account, n)
    key = _Key(shape, account, n, rng)
    sha = record.document(text(key.policy()))
    grants, tags = list(key.grants(arn)), _tags(account, n, rng)
    outcomes = {
        "GetKeyPolicy": Outcome.OK, "DescribeKey": Outcome.OK, "ListGrants": Outcome.OK if grants else Outcome.EMPTY,
        "ListResourceTags": Outcome.OK if tags else Outcome.EMPTY,
    }  # fmt: skip
    record.rows.append(
        KeyRow(
            arn, account.id, region, key_id, **_facts(shape, account, n, rng), policy_sha256=sha, **_READ,  # type: ignore[arg-type]  # by name
            ram_status=Outcome.EMPTY, aliases_status=Outcome.OK, grants_status=outcomes["ListGrants"],
            tags_status=outcomes["ListResourceTags"],
        )
    )  # fmt: skip
    record.rows.extend([*grants, *(KeyTagRow(arn, name, value) for name, value in tags.items())])
    alias = f"alias/{'app' if n % 2 else 'data'}/{account.name}-{n}"
    record.rows.append(AliasRow(f"arn:aws:kms:{region}:{account.id}:{alias}", alias, arn))
    for call, outcome in outcomes.items():
        record.ledger(LedgerRow(account.id, region, f"kms:{call}", key_id, outcome))
    record.ledger(LedgerRow(account.id, region, "kms:GetKeyPolicy", f"{key_id}/AWS_RAM", Outcome.EMPTY))


def _tags(account: Account, n: int, rng: Random) -> dict[str, str]:
    """Two keys in three carry tags."""
    if rng.random() < 0.34:
        return {}
    team = account.team if rng.random() < 0.85 else rng.choice(TEAMS)
    return {"Team": team, "DataClass": ("public", "internal", "secret")[n % 3]}
