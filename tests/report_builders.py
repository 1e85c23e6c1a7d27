"""A small organization's findings for the tests of the reports, and the hostile texts that AWS may hand us."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from scanner.model.approval import EndingApproval
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.decision import Gate, GateOutcome, Layer, Side, StatementRef
from scanner.model.finding import (
    AccessRow,
    CapabilityResult,
    ConditionRef,
    CoverageSummary,
    Evidence,
    Finding,
    FindingsDocument,
    FindingVerdict,
    GapSummary,
    Grantee,
    GrantRef,
    Highlight,
    KeyFactsRef,
    KeyRow,
    Kind,
    Mechanism,
    Path,
    Reach,
    Remediation,
    ResourceRef,
    RowAccess,
    RowPrincipal,
    RuleRef,
    RunInfo,
    Severity,
    SeverityReason,
)
from scanner.model.lifecycle import Suppression

from hostile import CORPUS

OWNER = "012345670123"
STRANGER = "999988887777"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:eu-west-1:{OWNER}:key/{KEY_ID}"
LOG_KEY_ARN = f"arn:aws:kms:us-east-1:{OWNER}:key/9876fedc-98ba-76dc-54fe-ba0987654321"
OPAQUE_KEY_ARN = f"arn:aws:kms:us-east-1:{OWNER}:key/0000aaaa-00aa-00aa-00aa-0000000000aa"

HOSTILE = tuple(CORPUS.values())

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "EnableRoot",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "LegacyShare",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
                "Action": ["kms:Decrypt", "kms:DescribeKey"],
                "Resource": "*",
            },
            {
                "Sid": "PartnerUse",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::444455556666:role/payroll-reader"},
                "Action": "kms:Decrypt",
                "Resource": "*",
                "Condition": {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
            },
        ],
    },
    indent=2,
)
GRANT = json.dumps(
    {
        "GrantId": "a1b2c3",
        "GranteePrincipal": "arn:aws:iam::222233334444:role/batch",
        "Operations": ["Decrypt", "Encrypt"],
        "Constraints": {"EncryptionContextSubset": {"app": "backup"}},
    },
    indent=2,
)


def sha256(text: str) -> str:
    """SHA-256 of a text as hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def line_of(needle: str, text: str = POLICY) -> int:
    """Number of the first line that holds the needle."""
    return next(number for number, line in enumerate(text.split("\n"), 1) if needle in line)


def highlight(needle: str, label: str, text: str = POLICY) -> Highlight:
    """Highlight over the first occurrence of the needle."""
    line = line_of(needle, text)
    column = text.split("\n")[line - 1].index(needle) + 1
    return Highlight(line, column, column + len(needle) - 1, label)


def statement(sid: str, lines: int) -> StatementRef:
    """Reference to a statement of POLICY that spans a number of lines."""
    first = line_of(f'"{sid}"') - 1
    index = ("EnableRoot", "LegacyShare", "PartnerUse").index(sid)
    return StatementRef(KEY_ARN, "key policy `default`", sha256(POLICY), index, sid, "Allow", first, first + lines - 1)


def key_facts(**changes: Any) -> KeyFactsRef:
    """The key with card data."""
    facts = KeyFactsRef(
        arn=KEY_ARN,
        account_id=OWNER,
        account_name="payments-prod",
        region="eu-west-1",
        key_id=KEY_ID,
        family="",
        aliases=("alias/card-data", "alias/card-data-v2"),
        description="Encrypts card data at rest",
        state="Enabled",
        spec="SYMMETRIC_DEFAULT",
        usage="ENCRYPT_DECRYPT",
        manager="CUSTOMER",
        origin="AWS_KMS",
        tags={"app": "payments", "data-class": "pci"},
        created="2024-03-01T09:00:00Z",
        last_used="",
    )
    return replace(facts, **changes)


def resource_of(key: KeyFactsRef) -> ResourceRef:
    """A key as what a finding is about."""
    name = (key.aliases or (key.key_id,))[0]
    return ResourceRef("key", key.arn, name, key.account_id, key.account_name)


def gates() -> tuple[Gate, ...]:
    """Gates of a request from a stranger's account."""
    return (
        Gate(Layer.IAM, Side.CALLER, GateOutcome.UNREAD, (), "the account is outside our view and can allow itself"),
        Gate(Layer.SCP, Side.CALLER, GateOutcome.UNREAD, (), "guardrails of a stranger are not credited"),
        Gate(Layer.RCP, Side.OWNER, GateOutcome.ALLOW, (), "`RCPFullAWSAccess` allows everything"),
        Gate(
            Layer.KEY_POLICY,
            Side.OWNER,
            GateOutcome.ALLOW,
            (statement("LegacyShare", 12),),
            "statement `LegacyShare` names the root of 999988887777",
        ),
        Gate(Layer.KEY_STATE, Side.OWNER, GateOutcome.ALLOW, (), "the key is enabled"),
    )


def stranger_finding(**changes: Any) -> Finding:
    """A stranger's account can decrypt: critical, confirmed."""
    finding = Finding(
        id="kx-pnfc3b5nav5y",
        fingerprint="a1fce436",
        kind=Kind.EXTERNAL_ACCESS,
        lifecycle="new",
        first_seen="2026-11-22T00:10:00Z",
        last_seen="2026-11-22T00:10:00Z",
        severity=Severity.CRITICAL,
        severity_reasons=(
            SeverityReason("8.1 unknown_third_party", "critical", "an unknown account with `decrypt`"),
            SeverityReason("8.2.1 confirmed", "no step", "the decision was handed to that account"),
        ),
        verdict=FindingVerdict.CONFIRMED,
        verdict_reasons=("delegated_to_third_party",),
        title="Any principal of 999988887777 can decrypt with `alias/card-data`",
        summary="Statement `LegacyShare` hands the decision to the root of an account outside the organization.",
        resource=resource_of(key_facts()),
        key=key_facts(),
        grantee=Grantee(f"arn:aws:iam::{STRANGER}:root", "account", STRANGER, "", "unknown_third_party"),
        mechanism=Mechanism("key_policy", (statement("LegacyShare", 12),)),
        capabilities=(
            CapabilityResult(
                "decrypt",
                ("kms:Decrypt",),
                FindingVerdict.CONFIRMED,
                Severity.CRITICAL,
                ("delegated_to_third_party",),
            ),
            CapabilityResult(
                "metadata",
                ("kms:DescribeKey",),
                FindingVerdict.CONFIRMED,
                Severity.LOW,
                ("delegated_to_third_party",),
            ),
        ),
        path=Path((), gates()),
        reach=Reach(0, (), (), (STRANGER,), truncated=False),
        evidence=(
            Evidence(
                "key_policy",
                KEY_ARN,
                "key policy `default`",
                sha256(POLICY),
                line_of('"LegacyShare"') - 1,
                line_of('"PartnerUse"') - 2,
                (
                    highlight(f'"arn:aws:iam::{STRANGER}:root"', "delegates to every principal of 999988887777"),
                    highlight('"kms:Decrypt"', "allows the action"),
                ),
            ),
        ),
        remediation=Remediation(
            "narrow_principal",
            "Remove statement `LegacyShare`, or name the one role that needs it instead of the account.",
            f"aws kms put-key-policy --region eu-west-1 --key-id {KEY_ID} --policy file://policy.json",
        ),
        rules=(RuleRef("R2.2", "D"), RuleRef("R3.20", "D")),
    )
    if changes.get("key"):
        changes.setdefault("resource", resource_of(changes["key"]))
    return replace(finding, **changes)


def partner_finding() -> Finding:
    """A role outside may decrypt through S3 only: high, conditional."""
    return stranger_finding(
        id="kx-3v3amusq34ah",
        fingerprint="0b9d77aa",
        severity=Severity.HIGH,
        severity_reasons=(
            SeverityReason("8.1 unknown_third_party", "critical", "an unknown account with `decrypt`"),
            SeverityReason("8.3 conditional", "-1", "`kms:ViaService` is not chosen by the caller"),
        ),
        verdict=FindingVerdict.CONDITIONAL,
        verdict_reasons=("residual_condition",),
        title="Role payroll-reader of 444455556666 can decrypt with `alias/card-data` through S3",
        summary="Statement `PartnerUse` admits the role where S3 in eu-west-1 makes the request for it.",
        grantee=Grantee(
            "arn:aws:iam::444455556666:role/payroll-reader", "role", "444455556666", "payroll", "unknown_third_party"
        ),
        mechanism=Mechanism("key_policy", (statement("PartnerUse", 13),)),
        capabilities=(
            CapabilityResult(
                "decrypt",
                ("kms:Decrypt",),
                FindingVerdict.CONDITIONAL,
                Severity.HIGH,
                ("residual_condition",),
                "`kms:ViaService` is `s3.eu-west-1.amazonaws.com`",
            ),
        ),
        conditions=(
            ConditionRef(
                "kms:ViaService",
                "StringEquals",
                ("s3.eu-west-1.amazonaws.com",),
                "owner",
                "strong",
                chosen_by_caller=False,
                status="residual",
                text="only requests that S3 makes for the caller",
            ),
        ),
        reach=Reach(1, ("payroll",), ("arn:aws:iam::444455556666:role/payroll-reader",), ("444455556666",)),
        evidence=(
            Evidence(
                "key_policy",
                KEY_ARN,
                "key policy `default`",
                sha256(POLICY),
                line_of('"PartnerUse"') - 1,
                line_of('"PartnerUse"') + 11,
                (highlight('"kms:ViaService"', "only requests that S3 makes for the caller"),),
            ),
        ),
    )


def grant_finding() -> Finding:
    """Two grants for a role of our organization whose SCPs were not read: info, possible."""
    grants = (
        GrantRef(
            "a1b2c3",
            "backup",
            "2026-01-02T03:04:05Z",
            OWNER,
            ("Decrypt", "Encrypt"),
            {"EncryptionContextSubset": {"app": "backup"}},
        ),
    )
    return stranger_finding(
        id="kx-7qk2d4n6x0ab",
        fingerprint="77e0c1d2",
        severity=Severity.INFO,
        severity_reasons=(SeverityReason("8.1 same_organization", "low", "a role of the organization"),),
        verdict=FindingVerdict.POSSIBLE,
        verdict_reasons=("guardrail_not_read",),
        title="Role batch of backup may decrypt with `alias/logs` through 2 grants",
        summary="Two grants give the role Decrypt and Encrypt; its service control policies were not read.",
        key=key_facts(
            arn=LOG_KEY_ARN, key_id=LOG_KEY_ARN.rsplit("/", 1)[-1], region="us-east-1", aliases=("alias/logs",)
        ),
        grantee=Grantee("arn:aws:iam::222233334444:role/batch", "role", "222233334444", "backup", "same_organization"),
        mechanism=Mechanism("grant", (), grants, 2),
        path=Path((), ()),
        reach=Reach(1, ("batch",), ("arn:aws:iam::222233334444:role/batch",), ("222233334444",)),
        evidence=(
            Evidence(
                "grant",
                LOG_KEY_ARN,
                "grant a1b2c3",
                sha256(GRANT),
                0,
                0,
                (highlight("arn:aws:iam::222233334444:role/batch", "the grantee", GRANT),),
            ),
        ),
        coverage_refs=("222233334444/global/organizations:ListPoliciesForTarget/222233334444",),
        rules=(RuleRef("R4.11", "C"),),
    )


def ineffective_finding() -> Finding:
    """A statement that AWS refuses from another account: info, ineffective; its document is not at hand."""
    return stranger_finding(
        id="kx-zz9plural0za",
        fingerprint="deadbeef",
        kind=Kind.INEFFECTIVE_PERMISSION,
        severity=Severity.INFO,
        severity_reasons=(SeverityReason("8.4 ineffective_permission", "info", "written, but without effect"),),
        verdict=FindingVerdict.INEFFECTIVE,
        verdict_reasons=("action_not_cross_account",),
        title="Statement 3 allows PutKeyPolicy to 999988887777, which AWS refuses from outside",
        summary="PutKeyPolicy works only from the key's own account.",
        mechanism=Mechanism("key_policy", (replace(statement("LegacyShare", 12), sid="", index=3, sha256="f" * 64),)),
        capabilities=(),
        ineffective_actions=("kms:PutKeyPolicy",),
        path=Path((), ()),
        evidence=(Evidence("key_policy", KEY_ARN, "key policy `default`", "f" * 64, 40, 52),),
    )


def accepted(finding: Finding) -> Finding:
    """The finding, accepted by a reviewed entry that holds."""
    return replace(finding, suppression=Suppression("why", "who", "RISK-1", "2027-03-31", "active"))


ENDING = EndingApproval("account", "222233334444", "Payroll SaaS", "RISK-1042", "hr@acme.example", "2026-12-01")


def run_info(**changes: Any) -> RunInfo:
    """A run over two accounts with one gap."""
    run = RunInfo(
        run_id="2026-11-22T0010Z-7f3a",
        started="2026-11-22T00:10:00Z",
        finished="2026-11-22T00:24:02Z",
        as_of="2026-11-22T00:10:00Z",
        organization_id="o-ab12cd34ef",
        organization_read=True,
        caller_arn="arn:aws:sts::111122223333:assumed-role/audit/kms-scan",
        scope="all accounts of the organization, all enabled regions, customer keys",
        asserted_context={"aws:SecureTransport": "true"},
        snapshot_hash="5" * 64,
        config_hash="6" * 64,
        versions={"kms-scan": "0.1.0", "python": "3.11.2"},
        accounts=24,
        regions=17,
        keys=1204,
        customer_keys=212,
        headline=(
            "Two accounts outside the organization can decrypt data in payments-prod; 3 of 412 account-regions were "
            "not read; paths through assumed roles: 2 outsiders reach 3 keys"
        ),
        limits=(
            "Paths through assumed roles: followed through the trust policies that were read.",
            "Session policies of strangers are not visible.",
            "VPC endpoint policies are not read.",
            "Grants and tags written in the last five minutes may be missing.",
        ),
        fail_on="high",
        min_coverage=100.0,
        gate_findings=False,
        gate_coverage=False,
        exit_code=3,
        role_paths="2 outsiders reach 3 keys",
    )
    return replace(run, **changes)


def coverage_summary() -> CoverageSummary:
    """409 of 412 account-regions, two gaps, one opaque key."""
    return CoverageSummary(
        units_total=412,
        units_read=409,
        percent=99.27,
        gaps=(
            GapSummary(
                "222233334444",
                "backup",
                ("global",),
                "organizations:ListPoliciesForTarget",
                "denied",
                ("222233334444",),
                "User is not authorized to perform organizations:ListPoliciesForTarget",
                "Allow `organizations:ListPoliciesForTarget` to the caller, or run from the management account.",
                1,
                units=1,
            ),
            GapSummary(
                "333344445555",
                "media",
                ("me-south-1", "me-central-1"),
                "kms:ListKeys",
                "denied_by_scp",
                (),
                "with an explicit deny in a service control policy",
                "Exempt the audit role from SCP p-9x8y.",
                0,
                units=3,
                units_before=1,
            ),
        ),
        opaque_keys=(OPAQUE_KEY_ARN,),
        not_scanned=("sandbox (555566667777): excluded by `accounts.exclude`",),
        guardrails="Resource control policies were read; service control policies of 1 account were not.",
    )


def document(**changes: Any) -> FindingsDocument:
    """Four findings, deliberately not worst first."""
    built = FindingsDocument(
        schema_version=1,
        engine=1,
        run=run_info(),
        coverage=coverage_summary(),
        findings=(ineffective_finding(), grant_finding(), partner_finding(), stranger_finding()),
        documents={sha256(GRANT): GRANT},
    )
    return replace(built, **changes)


def documents(digest: str) -> str | None:
    """Policy texts that the snapshot holds."""
    return {sha256(POLICY): POLICY}.get(digest)


def key_rows() -> tuple[KeyRow, ...]:
    """Three keys, one of them opaque."""
    row = KeyRow(
        key_arn=KEY_ARN,
        account_id=OWNER,
        account_name="payments-prod",
        region="eu-west-1",
        aliases=("alias/card-data", "alias/card-data-v2"),
        state="Enabled",
        manager="CUSTOMER",
        spec="SYMMETRIC_DEFAULT",
        usage="ENCRYPT_DECRYPT",
        origin="AWS_KMS",
        family="",
        tags={"app": "payments", "data-class": "pci"},
        last_used="",
        policy_read="ok",
        grants_read="empty",
        ram_read="skipped",
        delegates_to_iam="yes",
        grants=0,
        critical=1,
        high=1,
        info=1,
    )
    logs = replace(
        row,
        key_arn=LOG_KEY_ARN,
        region="us-east-1",
        aliases=("alias/logs",),
        grants_read="ok",
        grants=2,
        critical=0,
        high=0,
    )
    opaque = replace(
        logs, key_arn=OPAQUE_KEY_ARN, aliases=(), policy_read="denied", delegates_to_iam="unknown", grants=0, info=0
    )
    return row, logs, opaque


def ledger() -> tuple[LedgerRow, ...]:
    """Three rows, one of them cited by a finding."""
    return (
        LedgerRow(
            "222233334444",
            "global",
            "organizations:ListPoliciesForTarget",
            "222233334444",
            Outcome.DENIED,
            "AccessDeniedException",
            "User is not authorized to perform organizations:ListPoliciesForTarget",
            "Allow the action to the caller",
        ),
        LedgerRow("333344445555", "me-south-1", "kms:ListKeys", "", Outcome.DENIED_BY_SCP, "AccessDeniedException"),
        LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.OK),
    )


def key_aliases() -> dict[str, tuple[str, ...]]:
    """The aliases of the keys by ARN."""
    return {row.key_arn: row.aliases for row in key_rows()}


def access_rows() -> tuple[AccessRow, ...]:
    """One row."""
    return (
        AccessRow(
            KEY_ARN,
            RowPrincipal(f"arn:aws:iam::{STRANGER}:root", STRANGER, "", "account"),
            RowAccess(
                party="unknown_third_party",
                capability="decrypt",
                actions=("kms:Decrypt", "kms:ReEncryptFrom"),
                decision="unknown",
                reason="delegated_to_third_party",
                conditions="",
                mechanism="key_policy",
                path="",
                finding_id="kx-pnfc3b5nav5y",
            ),
        ),
    )


_OURS = frozenset(
    {
        "id",
        "fingerprint",
        "lifecycle",
        "party",
        "capability",
        "sha256",
        "outcome",
        "policy_read",
        "grants_read",
        "ram_read",
    }
)
"""Fields that our own analysis fills with its own words."""


def poisoned(value: Any, text: str) -> Any:
    """The same value with the text behind every string that AWS or a user fills, numbers and enumerations kept."""
    if isinstance(value, Enum) or (not isinstance(value, (str, tuple, dict)) and not is_dataclass(value)):
        return value
    if isinstance(value, str):
        return text
    if isinstance(value, (AccessRow, RowPrincipal, RowAccess)):
        told = [name for name in value._fields if name not in _OURS]
        return value._replace(**{name: poisoned(getattr(value, name), text) for name in told})
    if isinstance(value, tuple):
        return tuple(poisoned(item, text) for item in value)
    if isinstance(value, dict):
        return dict.fromkeys((text,), text) if value else {}
    changes: dict[str, Any] = {
        field.name: poisoned(getattr(value, field.name), text)
        for field in fields(value)
        if field.name not in _OURS and field.name != "documents"
    }
    built: Any = type(value)
    return built(**({field.name: getattr(value, field.name) for field in fields(value)} | changes))


def hostile_document(text: str) -> FindingsDocument:
    """The document with one hostile text in every field, the evidence's policy included."""
    run = run_info(ending_approvals=(ENDING,))
    base = document(run=run, findings=(stranger_finding(), partner_finding(), grant_finding()))
    policy = f'{{\n  "Sid": "{text}"\n}}'
    poisoned_base: FindingsDocument = poisoned(base, text)
    return replace(poisoned_base, documents={sha256(POLICY): policy, sha256(GRANT): policy})


def whole(parts: Iterable[str]) -> bytes:
    """A file from the parts that are written one by one."""
    return "".join(parts).encode("ascii")
