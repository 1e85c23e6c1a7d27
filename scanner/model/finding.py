"""Findings and the rows of a run's tables: the contract between analysis and reports.

`findings.json` is `FindingsDocument` with keys sorted; the CSV files hold `KeyRow`, `AccessRow` and
`scanner.model.coverage.LedgerRow`. Texts that came from AWS are unescaped here: every writer neutralizes them itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from scanner.model.approval import Approval
from scanner.model.decision import Gate, StatementRef
from scanner.model.lifecycle import GREW, History, Suppression, SuppressionState
from scanner.model.remediation import Remediation as Remediation  # noqa: PLC0414  # part of this contract
from scanner.model.rows import AccessRow as AccessRow  # noqa: PLC0414  # the contract is read from this module
from scanner.model.rows import KeyRow as KeyRow  # noqa: PLC0414  # the same
from scanner.model.rows import RowAccess as RowAccess  # noqa: PLC0414  # the same
from scanner.model.rows import RowPrincipal as RowPrincipal  # noqa: PLC0414  # the same
from scanner.model.rows import row_principal as row_principal  # noqa: PLC0414  # the same
from scanner.model.run import CoverageSummary as CoverageSummary  # noqa: PLC0414  # the same
from scanner.model.run import GapSummary as GapSummary  # noqa: PLC0414  # the same
from scanner.model.run import RunInfo as RunInfo  # noqa: PLC0414  # the same
from scanner.model.value import value_class


class Kind(StrEnum):
    """What a finding is about (design.md, section 7 of the project)."""

    EXTERNAL_ACCESS = "external_access"
    ASSUMED_ROLE_PATH = "assumed_role_path"
    FOREIGN_KEY_USE = "foreign_key_use"
    BROAD_KEY_PERMISSION = "broad_key_permission"
    ATTRIBUTE_CONTROL = "attribute_control"
    INEFFECTIVE_PERMISSION = "ineffective_permission"
    KEY_HYGIENE = "key_hygiene"


class FindingVerdict(StrEnum):
    """How sure a finding is, for people; strongest first."""

    CONFIRMED = "confirmed"
    CONDITIONAL = "conditional"
    POSSIBLE = "possible"
    BLOCKED = "blocked"
    INEFFECTIVE = "ineffective"


class Severity(StrEnum):
    """Worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


@value_class
class SeverityReason:
    """One step of the severity trail: the table row or rule, what it did, and why in words."""

    rule: str
    effect: str
    text: str


@dataclass(frozen=True, slots=True)
class Rise:
    """That the severity was lower in the baseline (`before`), and why it is not any more: `why`, perhaps empty."""

    before: Severity
    why: str


@value_class
class KeyFactsRef:
    """The key a finding is about, as a report shows it."""

    arn: str
    account_id: str
    account_name: str
    region: str
    key_id: str
    family: str
    aliases: tuple[str, ...]
    description: str
    state: str
    spec: str
    usage: str
    manager: str
    origin: str
    tags: dict[str, str]
    created: str
    last_used: str


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """What a finding is about, and under which reports group it.

    `kind` is `key`, `role`, `user`, `policy` or `account`; `arn` its ARN; `name` what people call it.
    """

    kind: str
    arn: str
    name: str
    account_id: str
    account_name: str


OWN_ACCOUNT = "own_account"
"""The party of principals of the key's own account, who are no outsiders."""


@value_class
class Grantee:
    """Who the document names. `party` is a row of the severity table, `kind` the form of the selector.

    `vendor` is what the user's approvals or list of vendors call the account.
    """

    selector: str
    kind: str
    account_id: str
    account_name: str
    party: str
    vendor: str = ""
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class GrantRef:
    """A grant as evidence."""

    grant_id: str
    name: str
    created: str
    issuing_account: str
    operations: tuple[str, ...]
    constraints: dict[str, object]


@dataclass(frozen=True, slots=True)
class Mechanism:
    """Through what the access comes: statements of a policy, or grants."""

    kind: str
    statements: tuple[StatementRef, ...] = ()
    grants: tuple[GrantRef, ...] = ()
    grants_total: int = 0


@dataclass(frozen=True, slots=True)
class CapabilityKeys:
    """With how many keys of a path some of a capability's actions hold, with this verdict and condition, and which.

    `sample` names the worst of them; `otherwise` counts keys with which they hold less surely, or on other conditions.
    """

    total: int
    sample: tuple[str, ...]
    otherwise: int = 0


@value_class
class CapabilityResult:
    """One capability with its own verdict, condition and severity; the first of a finding leads.

    The caller chooses all that must hold, or its identity provider has `vouched` for the rest of it.
    Findings about paths say with which of their `keys` it holds, and which `statements` give it: those of the last
    role and of the key, or grants.
    """

    capability: str
    actions: tuple[str, ...]
    verdict: FindingVerdict
    severity: Severity
    reasons: tuple[str, ...]
    condition: str = ""
    residual: object = None
    caller_chosen: bool = False
    vouched: bool = False
    keys: CapabilityKeys | None = None
    statements: tuple[StatementRef, ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionRef:
    """One condition of the deciding statements."""

    key: str
    operator: str
    values: tuple[str, ...]
    side: str
    strength: str
    chosen_by_caller: bool
    status: str
    text: str


def path_entry(arn: str, edge: str, *, is_change: bool) -> str:
    """One step in the column `path`: who one is then, and by which actions where no role is assumed as it is."""
    return f"{arn} ({edge})" if is_change else arn


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path: who assumes which role, or becomes it by passing it to a service or by changing IAM.

    `role_arn` can be a user then. `edge` is the action (`sts:AssumeRole` and its siblings), or those that make the
    change joined by ` + `; `verdict` the value of the decision on this step alone, `condition` what remains of it,
    `statements` the lines that carry it: of the trust policy, or of the policies of whoever makes the change.
    `caller_statements` let the one who assumes a role do so on its own side; `caller_side` says where that was not
    read. A step that a role's side alone decides has neither.
    """

    principal: str
    edge: str
    role_arn: str
    verdict: str
    reason: str
    condition: str = ""
    statements: tuple[StatementRef, ...] = ()
    caller_statements: tuple[StatementRef, ...] = ()
    caller_side: str = ""

    @property
    def is_change(self) -> bool:
        """Whether it is more than assuming a role as it is."""
        return not self.edge.startswith("sts:")

    @property
    def in_path(self) -> str:
        """The step as the column `path` has it."""
        return path_entry(self.role_arn, self.edge, is_change=self.is_change)


@dataclass(frozen=True, slots=True)
class Path:
    """How the leading capability is reached: the roles assumed on the way (none for direct use) and gates in order."""

    hops: tuple[Hop, ...] = ()
    layers: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The best way of a path to one action with a key: its `rank` as in `Reach.strength`, and what must hold for it.

    `residual` is the condition as nested JSON values.
    """

    rank: int
    condition: str = ""
    residual: object = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Who is reached: principals with at least a possible decision; `digest` differs where any decision does.

    `by_key` is what the digest holds of each key of a path, up to 1,000: taken away, it leaves what the others say.
    `strength` says of the same keys how strong each capability is: 5 always, 4 as the caller likes or its identity
    provider says, 3 under other conditions, 2 perhaps, 1 not today. `profiles` say it by action, with the conditions,
    once for all keys that share it: `profile_of` has its place by key, for up to 100 different ones.
    """

    principals_total: int = 0
    classes: tuple[str, ...] = ()
    principals_sample: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    truncated: bool = False
    digest: str = ""
    by_key: Mapping[str, str] = field(default_factory=dict)
    strength: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    profiles: tuple[Mapping[str, KeyUse], ...] = ()
    profile_of: Mapping[str, int] = field(default_factory=dict)


@value_class
class Highlight:
    """A range of columns in one line of the evidence with its label; columns count from 1, `col_to` is included."""

    line: int
    col_from: int
    col_to: int
    label: str


@value_class
class Evidence:
    """An excerpt of a document; the text lives once, by hash. A grant is its own document (pretty-printed JSON)."""

    kind: str
    source_arn: str
    document: str
    sha256: str
    excerpt_from: int
    excerpt_to: int
    highlights: tuple[Highlight, ...] = ()


@value_class
class RuleRef:
    """A rule of the authorization specification and how sure it is: D documented, C community, I inferred."""

    rule: str
    confidence: str


@value_class
class Finding:
    """A claim with evidence (product contract of findings.json).

    `key` is the one key the finding is about; kinds that reach several keys, or none, have None there and name the
    worst of them in `keys`, with the whole number in `keys_total`.
    """

    id: str
    fingerprint: str
    kind: Kind
    lifecycle: str
    first_seen: str
    last_seen: str
    severity: Severity
    severity_reasons: tuple[SeverityReason, ...]
    verdict: FindingVerdict
    verdict_reasons: tuple[str, ...]
    title: str
    summary: str
    resource: ResourceRef
    key: KeyFactsRef | None
    grantee: Grantee
    mechanism: Mechanism
    capabilities: tuple[CapabilityResult, ...]
    ineffective_actions: tuple[str, ...] = ()
    conditions: tuple[ConditionRef, ...] = ()
    path: Path = field(default_factory=Path)
    reach: Reach = field(default_factory=Reach)
    evidence: tuple[Evidence, ...] = ()
    remediation: Remediation = field(default_factory=Remediation)
    rules: tuple[RuleRef, ...] = ()
    coverage_refs: tuple[str, ...] = ()
    keys: tuple[KeyFactsRef, ...] = ()
    keys_total: int = 1
    suppression: Suppression | None = None
    rise: Rise | None = None

    @property
    def has_grown(self) -> bool:
        """Whether a gate on new findings counts it: new, reopened, wider, or of higher severity than in the baseline.

        What an approval covered leaves the fingerprint as it was when the approval ends, and is no less to be seen.
        """
        return self.lifecycle in GREW or self.rise is not None

    @property
    def is_suppressed(self) -> bool:
        """Whether a reviewed entry that holds accepts the whole finding: no gate and no headcount has it."""
        return self.suppression is not None and self.suppression.state == SuppressionState.ACTIVE


@dataclass(frozen=True, slots=True)
class FindingsDocument:
    """The content of findings.json."""

    schema_version: int
    engine: int
    run: RunInfo
    coverage: CoverageSummary
    findings: tuple[Finding, ...]
    documents: dict[str, str] = field(default_factory=dict)
    """sha256 -> text of the documents cited as evidence that no snapshot holds (grants as JSON)."""
    resolved: tuple[Finding, ...] = ()
    """Findings of earlier runs that are proven gone; in short form, in no count and no gate."""
    history: History = field(default_factory=History)
