"""What `explain` and `who-can` answer, before it becomes text or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.model.decision import Check, Decision, GateOutcome, Layer, Side, StatementRef
from scanner.model.finding import FindingVerdict, Highlight, RuleRef

DOES_NOT_APPLY, WITHOUT_EFFECT = "does not apply", "has no effect"
"""What a statement does that came close, and one that is written where no policy is asked."""


@dataclass(frozen=True, slots=True)
class KeyLabel:
    """A key as an answer names it. `manager` is `CUSTOMER` or `AWS`."""

    arn: str
    key_id: str
    aliases: tuple[str, ...]
    account_id: str
    account_name: str
    region: str
    state: str
    manager: str


@dataclass(frozen=True, slots=True)
class Question:
    """Who, what, on which key, and what of the request was fixed.

    `principal` is the caller that was judged, `asked` what was typed; they differ where an account id stands for the
    strongest of its `judged` identities.
    """

    key: KeyLabel
    asked: str
    principal: str
    principal_kind: str
    account_id: str
    account_name: str
    action: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    context_complete: bool = False
    judged: int = 1


@dataclass(frozen=True, slots=True)
class CitedLine:
    """A line of a document with the ranges that decide something."""

    number: int
    text: str
    marks: tuple[Highlight, ...]


@dataclass(frozen=True, slots=True)
class CitedStatement:
    """A statement or grant that takes part in the decision, or comes close.

    `effect` says what it does: `allow`, `deny`, either of them `under a condition` or `perhaps` (unread data decides),
    `does not apply` or `has no effect`. `says` is half a sentence about it.
    """

    layer: Layer
    side: Side
    effect: str
    says: str
    statement: StatementRef
    lines: tuple[CitedLine, ...]
    checks: tuple[Check, ...]
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AsFinding:
    """What findings say where that is not the decision's verdict: of strangers, and of closed accounts.

    A stranger's administrator completes its own side at will, so the key's side counts alone.

    `why` is the reason in words; the caller chooses all that the `condition` asks for, or not.
    """

    verdict: FindingVerdict
    reason: str
    why: str
    condition: str
    caller_chosen: bool
    rules: tuple[RuleRef, ...]


@dataclass(frozen=True, slots=True)
class ActionVerdict:
    """The verdict on one more action, in one line; `finding` as in `Explanation`."""

    action: str
    verdict: str
    reason: str
    condition: str
    finding: AsFinding | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision with everything that led to it.

    `finding` is what findings say where that is another thing than the decision. `why` is the reason in words; `notes`
    say what a reader may otherwise miss. `left_out` counts statements that are not cited, by gate. `actions` holds the
    other actions, where no single one was asked for.
    """

    question: Question
    decision: Decision
    why: str
    rules: tuple[RuleRef, ...]
    statements: tuple[CitedStatement, ...]
    left_out: Mapping[Layer, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    actions: tuple[ActionVerdict, ...] = ()
    finding: AsFinding | None = None

    def outcome_of(self, layer: Layer) -> GateOutcome | None:
        """What a gate did; None where the decision was made without it."""
        return next((gate.outcome for gate in self.decision.gates if gate.layer is layer), None)


@dataclass(frozen=True, slots=True)
class Access:
    """One line of `who-can`: somebody, through what, how sure, and under which condition.

    `selector` is whom the documents name, `kind` its form (`account`, `role`, `service`, `any`, …). `mechanism` is
    `key_policy`, `grant`, `ram`, or empty for an insider, whose mechanisms are judged together. `principals` are those
    behind the selector who get this verdict, as far as the snapshot knows them. The caller chooses all that the
    condition asks for, or its identity provider has `vouched` for the rest of it.
    """

    verdict: FindingVerdict
    selector: str
    kind: str
    account_id: str
    account_name: str
    party: str
    mechanism: str
    path: str
    statements: tuple[StatementRef, ...]
    grants: tuple[str, ...]
    capabilities: tuple[str, ...]
    actions: tuple[str, ...]
    condition: str
    caller_chosen: bool
    vouched: bool
    reasons: tuple[str, ...]
    principals: tuple[str, ...]
    finding_id: str


@dataclass(frozen=True, slots=True)
class WhoCan:
    """Everybody who can use one key.

    `total` counts the lines before the limit; `today` and `perhaps` count selectors outside the account over all lines,
    whatever was asked for: those that can use the key, and further ones that may; `today_lines` counts the lines of the
    former, which may be several for one selector. `key_gaps` says what of the key was
    not read, with ledger rows, `accounts_not_read` which accounts' IAM was not; `left_out` names services that the
    configuration leaves out; `role_paths` says what paths through assumed roles lead to the key.
    """

    key: KeyLabel
    action: str
    insiders: bool
    verdicts: tuple[str, ...]
    access: tuple[Access, ...]
    total: int
    today: int
    today_lines: int
    perhaps: int
    key_gaps: tuple[str, ...]
    accounts_not_read: tuple[str, ...]
    left_out: tuple[str, ...]
    role_paths: str = ""
