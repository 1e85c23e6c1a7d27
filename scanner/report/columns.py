"""The columns of the CSV files: names, order and meaning, declared once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `description` feeds the documentation."""

    name: str
    description: str


_LABEL = "its name with the id, `payroll (012345670123)`: spreadsheets drop leading zeros of an id that stands alone"
SCHEMA_VERSION = Column("schema_version", "version of the column list; columns are only ever added at the end")


def _columns(*pairs: tuple[str, str]) -> tuple[Column, ...]:
    return (SCHEMA_VERSION, *(Column(name, description) for name, description in pairs))


FINDINGS = _columns(
    ("finding_id", "stable id of the finding"),
    ("fingerprint", "changes when the access changes"),
    ("kind", "what the finding is about"),
    (
        "lifecycle",
        "new, reopened, widened, narrowed, unchanged, not_rechecked or engine_changed; `new` without a baseline",
    ),
    ("severity", "critical, high, medium, low or info"),
    ("verdict", "confirmed, conditional, possible, blocked or ineffective"),
    ("verdict_reason", "reason codes of the verdict"),
    ("title", "the claim in one sentence"),
    ("key_account_id", "account that owns the key"),
    ("key_account_name", _LABEL),
    ("key_region", "region of the key"),
    ("key_arn", "ARN of the key"),
    ("key_aliases", "aliases of the key"),
    ("key_state", "state when it was read"),
    ("key_tags", "tags as `name=value`"),
    ("keys_reached", "number of keys the finding is about"),
    ("grantee_party", "row of the severity table the grantee falls in"),
    ("grantee_kind", "form of the grantee: account, role, user, service, …"),
    ("grantee_account_id", "account of the grantee, where there is one"),
    ("grantee_account_name", f"{_LABEL}; empty where no account is named"),
    ("grantee_selector", "what the policy or grant names"),
    ("vendor", "name of a known vendor"),
    ("mechanism", "key_policy, grant, ram or role"),
    ("entry_role_arn", "role through which outsiders enter; empty where none is involved"),
    ("capabilities", "what the grantee can do, each once, the leading capability first"),
    ("actions", "the KMS actions behind the capabilities"),
    ("conditions", "conditions that remain, each after the capability or actions it bounds unless it bounds them all"),
    ("principals_reached", "number of known principals with at least a possible decision"),
    ("principals_sample", "some of them"),
    ("statement_sids", "deciding statements: Sid, or index where there is none"),
    ("grant_ids", "deciding grants"),
    ("approval_ref", "ticket of the approval, where there is one"),
    ("approval_expires", "end of the approval"),
    ("suppressed", "yes where a reviewed entry that holds accepts the whole finding, else no"),
    ("suppressed_by", "owner of the entry that names it; it is void, or covers a part, beside a `no`"),
    ("suppressed_until", "end of that entry"),
    ("first_seen", "start of the first run with this finding, ISO 8601 UTC"),
    ("last_seen", "start of this run, ISO 8601 UTC"),
    ("remediation", "what to do"),
    ("coverage_note", "rows of coverage.csv that weaken the verdict"),
    ("report_link", "the finding in report.html"),
)

KEYS = _columns(
    ("key_arn", "ARN of the key"),
    ("account_id", "account that owns the key"),
    ("account_name", _LABEL),
    ("region", "region of the key"),
    ("aliases", "aliases of the key"),
    ("state", "state when it was read"),
    ("manager", "CUSTOMER or AWS"),
    ("spec", "key spec"),
    ("usage", "key usage"),
    ("origin", "where the key material comes from"),
    ("family", "id shared by the replicas of a multi-Region key"),
    ("tags", "tags as `name=value`"),
    (
        "last_used",
        "last cryptographic use, or `not since …`; empty where not asked",
    ),
    ("policy_read", "outcome of reading the key policy"),
    ("grants_read", "outcome of reading the grants"),
    ("ram_read", "outcome of reading the RAM policy"),
    ("delegates_to_iam", "whether the key policy hands the decision to IAM policies of the account"),
    ("grants", "number of grants"),
    ("critical", "critical findings on this key"),
    ("high", "high findings"),
    ("medium", "medium findings"),
    ("low", "low findings"),
    ("info", "info findings"),
    ("suppressed", "suppressed findings"),
)

ACCESS = _columns(
    ("key_arn", "ARN of the key"),
    ("principal_arn", "who; the root ARN for an account that was not read, `*` for any AWS account"),
    ("principal_account_id", "account of the principal"),
    ("principal_account_name", f"{_LABEL}; empty where no account is named"),
    ("party", "row of the severity table"),
    ("capability", "what the actions amount to"),
    ("actions", "the KMS actions that share this decision"),
    (
        "decision",
        (
            "allowed, conditional, latent or unknown; denied access has no row. Unknown where the other account's own "
            "side was not read (R3.30): what our side allows is then in `finding_verdict`"
        ),
    ),
    ("reason", "reason code of the decision"),
    ("conditions", "under which conditions"),
    ("mechanism", "key_policy, grant, ram or role"),
    ("path", "`direct`, or the roles that are assumed one after the other, joined by ` > `"),
    ("finding_id", "finding that covers the row"),
    ("principal_kind", "role, user, session, root_user, account, any, service, federated or unique_id"),
    (
        "finding_verdict",
        "verdict of that finding, which an account that was not read has although `decision` is unknown",
    ),
    ("key_aliases", "aliases of the key"),
)

COVERAGE = _columns(
    ("account_id", "account the call was made in"),
    ("account_name", _LABEL),
    ("region", "region, `global`, or `*` where the account's regions are unknown"),
    ("call", "service and operation"),
    ("subject", "key, account or policy; empty for the whole account and region"),
    ("outcome", "how the call ended"),
    ("error_code", "error code of AWS"),
    ("message", "error message"),
    ("what_to_do", "how to close the gap"),
    ("findings_affected", "number of findings that this row weakens"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file; `one_row_per` and `note` feed the documentation."""

    name: str
    one_row_per: str
    note: str
    columns: tuple[Column, ...]


TABLES = (
    Table("findings.csv", "finding", "Worst first. Written by `run` and `report`.", FINDINGS),
    Table("keys.csv", "key, also for keys without findings", "Written by `run` and `analyze`.", KEYS),
    Table(
        "access.csv",
        "key, principal, path and set of actions that share one decision",
        "Written by `run` and `analyze`, row by row: it may hold millions.",
        ACCESS,
    ),
    Table(
        "coverage.csv",
        "account, region, call and subject",
        "Written by `run` and `analyze`: what was read, what was not, and what to do about it.",
        COVERAGE,
    ),
)


def names(columns: tuple[Column, ...]) -> list[str]:
    """Header line of a table."""
    return [column.name for column in columns]
