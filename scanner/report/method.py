"""What the report says about its own method: severity tables, order of layers, glossary, exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the method section; the first cell of a row is its heading."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


SEVERITY_BASE: Final = Table(
    "Base severity of external access and of paths through roles: party by capability",
    (
        "Party",
        "control, delegate, decrypt, sign",
        "destroy, encrypt, revoke, manage, undocumented",
        "verify, metadata",
    ),
    (
        (
            (
                "`public`: `*` without a fence that pins the caller (R6.3): any principal of any AWS "
                "account that gives itself "
                "permission. With such a fence the party is whoever passes it"
            ),
            "critical",
            "critical",
            "medium",
        ),
        (
            (
                "`federated_open`: an identity provider open to others, no condition that pins the tenant or "
                "subject (R7.11)"
            ),
            "critical",
            "critical",
            "medium",
        ),
        ("`unknown_third_party`", "critical", "high", "low"),
        ("`identified_vendor`: in the `known_vendors` file, not approved here", "high", "medium", "low"),
        (
            ("`expired_partner`; `partner_exceeds_approval`, for the capabilities and keys beyond the approval only"),
            "high",
            "medium",
            "low",
        ),
        (
            "`service_unguarded`: no SourceAccount, SourceArn or SourceOrgID (confused deputy)",
            "medium",
            "low",
            "info",
        ),
        (
            (
                "`partner_role_without_external_id`: an approved partner enters a role whose trust asks for no "
                "`sts:ExternalId` (R7.6)"
            ),
            "medium",
            "low",
            "info",
        ),
        (
            "`federated_pinned`: subject fixed, issuer not listed in `trust.identity_providers`",
            "medium",
            "low",
            "info",
        ),
        ("`own_other_organization`", "medium", "low", "info"),
        ("`same_organization`, crosses a declared boundary", "medium", "low", "info"),
        ("`same_organization`", "low", "info", "info"),
        (
            (
                "`approved_partner` or listed identity provider within its approval; `service_guarded`; "
                "`own_saml_provider`: a SAML provider of the role's own account, Identity Center included"
            ),
            "info",
            "info",
            "info",
        ),
    ),
)

SEVERITY_NOTES: Final = (
    (
        "CreateGrant with a fence (R4.28): limited by `kms:GranteePrincipal` or by `kms:GrantOperations` "
        "without CreateGrant it "
        "counts in the middle column; only with `kms:GrantIsForAWSResource` in the right one, and the fence "
        "steps no further. "
        "The `known_vendors` file names third parties; it approves nothing, and no step follows from it."
    ),
    (
        "An approval (`trust.accounts`) counts through its last day, for the keys and capabilities it names; what "
        "was not read is not covered. Each capability of a finding has its own party, and the finding shows that of "
        "the leading one."
    ),
)

SEVERITY_OTHER_KINDS: Final = Table(
    "Base severity of the other kinds",
    ("Kind", "Case", "Base"),
    (
        ("`ineffective_permission`", "every reason; `unsupported_condition_key`", "info; low"),
        (
            "`key_hygiene`",
            "`unmanageable_key` (R9.10); the same while outsiders can still use it",
            "medium; high",
        ),
        (
            "`key_hygiene`",
            (
                "`weak_fence`: `*` held only by weak conditions; `unlimited_create_grant` to an outside account "
                "(neither ours nor approved for it)"
            ),
            "medium",
        ),
        ("`key_hygiene`", "`stale_grant`: grantee deleted", "info"),
    ),
)
"""One row per case; `test_method.py` ties it to the tables of the analysis."""

SEVERITY_STEPS: Final = (
    (
        "Verdict. `confirmed` does not move. `conditional`: see the table of conditions. `possible` steps "
        "down by one, but "
        "`public`, `federated_open` and `unknown_third_party` in the left column stay at high or above. "
        "`blocked` becomes low "
        "for those three (one edit from exposure), else info. `ineffective` becomes info."
    ),
    "One step up when a key's tags match `severity.sensitive_tags`; not for blocked and ineffective.",
    (
        "One step up when same-organization access crosses into a boundary marked `sensitive`; not for "
        "blocked and "
        "ineffective."
    ),
    "`severity.overrides`, with a reason.",
)

CONDITION_STEPS: Final = Table(
    "Conditional is a real exposure: what steps severity down",
    ("Term", "Keys", "Step"),
    (
        (
            "Chosen by the caller",
            (
                "`kms:EncryptionContext:*`, `kms:EncryptionContextKeys`, `kms:RequestAlias`, algorithm and "
                "spec keys (R6.X), "
                "`aws:UserAgent`, `aws:referer`, `aws:CalledVia*`, `sts:RoleSessionName`, `sts:ExternalId`, "
                "`aws:PrincipalTag/*` of a foreign account, session name of a role the caller may assume"
            ),
            "no step",
        ),
        (
            "Stated by an identity provider",
            "claims of a token or an assertion, such as `aud` and `sub`: the party counts what they pin",
            "no step",
        ),
        (
            "Not chosen by the caller",
            (
                "`kms:ViaService`, `aws:SourceVpc*`, `aws:SourceIp`, `aws:Vpce*`, MFA and session "
                "properties (R6.M), grant keys (R6.K), "
                "`kms:RecipientAttestation:*`, `aws:PrincipalTag/*` inside our organization"
            ),
            "one step down",
        ),
    ),
)

CONDITION_NOTES: Final = (
    (
        "Take the alternatives of the remaining condition as the caller would: the easiest one counts. If "
        "some alternative "
        "consists only of terms the caller chooses, severity does not move. If every alternative holds a "
        "term the caller "
        "cannot choose, it steps down by one, once."
    ),
    (
        "Encryption context partitions data rather than people: the finding prints which data opens, and stays "
        "as severe."
    ),
)

VERDICTS: Final = Table(
    "Verdicts of findings",
    ("Verdict", "Meaning"),
    (
        (
            "confirmed",
            (
                "Some principal is allowed on both sides; or the key side alone allows and the decision has "
                "been handed to an "
                "account that is outside our view and not ours: access.csv then says `unknown`, "
                "because that account's own side was not read (R3.30)"
            ),
        ),
        ("conditional", "Real, under the printed condition"),
        (
            "possible",
            "Hangs on data that was not read or on behaviour that AWS does not document; the reason says which",
        ),
        (
            "blocked",
            (
                "The key side allows, something denies today, or the key's present state or a region that "
                "is not enabled is in "
                "the way. A proof"
            ),
        ),
        ("ineffective", "Written, but proven without effect"),
    ),
)

LAYER_WORDS: Final = {
    "iam": "identity policies",
    "boundary": "permissions boundary",
    "session": "session policy",
    "scp": "service control policies",
    "rcp": "resource control policies",
    "key_policy": "key policy",
    "grant": "grants",
    "ram": "RAM share",
    "trust": "trust policy",
    "key_state": "key state",
    "identity_policy": "identity policy",
    "role": "assumed role",
}

SIDE_WORDS: Final = {"caller": "caller's account", "owner": "key's account"}

GATE_WORDS: Final = {
    "allow": "allows",
    "deny_explicit": "denies",
    "deny_implicit": "does not allow",
    "conditional": "allows under a condition",
    "unread": "not read",
    "not_applicable": "does not apply",
}

LAYERS: Final = Table(
    "Gates of one request, in the order in which findings list them",
    ("Gate", "Side", "What it decides"),
    (
        (
            "identity policies",
            "caller's account",
            "Whether the caller's own policies allow the action on this key",
        ),
        ("permissions boundary", "caller's account", "The most that identity policies can give"),
        (
            "session policy",
            "caller's account",
            "The most that a session can do; of strangers it cannot be read",
        ),
        ("service control policies", "caller's account", "What the caller's organization lets its accounts do"),
        (
            "resource control policies",
            "key's account",
            "What the owner's organization lets anyone do with its keys",
        ),
        ("key policy", "key's account", "Whom the key admits, or to which account it hands the decision"),
        ("grants", "key's account", "Operations given to one principal beside the key policy"),
        ("RAM share", "key's account", "Operations given through AWS Resource Access Manager"),
        ("key state", "key's account", "Whether the key can be used at all at present"),
    ),
)

CAPABILITIES: Final = Table(
    "Capabilities",
    ("Capability", "Actions", "Why it matters"),
    (
        (
            "control",
            "PutKeyPolicy, ReplicateKey, UpdatePrimaryRegion, ImportKeyMaterial",
            "owns the key; from outside only through a role",
        ),
        ("delegate", "CreateGrant", "hands grantable operations to others"),
        ("decrypt", "Decrypt, ReEncryptFrom, DeriveSharedSecret, Decapsulate", "reads existing data"),
        ("sign", "Sign, GenerateMac", "forges"),
        (
            "destroy",
            "ScheduleKeyDeletion, DisableKey, DeleteImportedKeyMaterial",
            "loss of data; only through a role",
        ),
        (
            "encrypt",
            "Encrypt, Encapsulate, GenerateDataKey*, GenerateDataKeyPair*, ReEncryptTo",
            "writes, ransom, cost; reads nothing that exists",
        ),
        ("revoke", "RetireGrant, RevokeGrant", "availability"),
        (
            "manage",
            "tags, aliases, rotation, EnableKey, CancelKeyDeletion, …",
            "changes decisions of others; only through a role",
        ),
        ("verify", "Verify, VerifyMac, GetPublicKey", "low"),
        (
            "metadata",
            "DescribeKey, ListGrants, GetKeyRotationStatus, other reads",
            "reconnaissance (ListGrants names principals)",
        ),
        ("undocumented", "actions that this version does not know", "possible at most, and shown"),
    ),
)

ACCESS_ANALYZER: Final = Table(
    "For readers of IAM Access Analyzer",
    ("Access Analyzer", "Here"),
    (
        ("resource", "key"),
        ("principal", "grantee"),
        ("access level", "capabilities"),
        ("`sources[].type`", "mechanism"),
        ("`isPublic`", "party `public`"),
        ("`resourceControlPolicyRestriction`", "the resource control policy gate, evaluated here"),
        ("ACTIVE, ARCHIVED, RESOLVED", "lifecycle and suppression"),
        ("archive rule", "suppression with an end date"),
    ),
)

EXIT_CODES: Final = Table(
    "Exit codes",
    ("Code", "Meaning"),
    (
        ("0", "complete, nothing at or above `fail_on`; the question was answered"),
        ("1", "a bug in the scanner"),
        ("2", "usage, configuration or input file"),
        ("3", "findings at or above `fail_on`"),
        (
            "4",
            (
                "nothing to report, but coverage is below `min_coverage`, the organization or its control policies "
                "were not read, or the deadline was hit: clean cannot be claimed"
            ),
        ),
        ("5", "nothing could be scanned"),
        ("130, 143", "interrupted"),
    ),
)

PARTIES: Final = (
    "public",
    "federated_open",
    "unknown_third_party",
    "identified_vendor",
    "expired_partner",
    "partner_exceeds_approval",
    "service_unguarded",
    "partner_role_without_external_id",
    "federated_pinned",
    "own_other_organization",
    "same_organization",
    "approved_partner",
    "service_guarded",
    "own_saml_provider",
)
"""Parties in the order of the severity table; filters list them so."""

CONFIDENCE_WORDS: Final = {"D": "documented by AWS", "C": "reported by others", "I": "inferred"}
