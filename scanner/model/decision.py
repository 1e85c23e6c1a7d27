"""What a judgement says: verdict, the condition it hangs on, and the gates it passed through."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from scanner.model.value import value_class


class Verdict(StrEnum):
    """Answer for one (principal, action, key); `design.md` section 5 of the project defines the order.

    A verdict is never a truth value: `bool()` of it raises.
    """

    DENIED = "denied"
    UNKNOWN = "unknown"
    LATENT = "latent"
    CONDITIONAL = "conditional"
    ALLOWED = "allowed"

    def __bool__(self) -> NoReturn:
        msg = "a verdict has five values and is no bool"
        raise TypeError(msg)


VERDICT_STRENGTH = {
    Verdict.DENIED: 0,
    Verdict.UNKNOWN: 1,
    Verdict.LATENT: 2,
    Verdict.CONDITIONAL: 3,
    Verdict.ALLOWED: 4,
}
"""Weakest first; the verdict of a path is its weakest step."""


class Side(StrEnum):
    """Whose account a gate belongs to."""

    CALLER = "caller"
    OWNER = "owner"


class Layer(StrEnum):
    """A gate of the evaluation (R3.7), in the order a trace lists them."""

    IAM = "iam"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    RCP = "rcp"
    KEY_POLICY = "key_policy"
    GRANT = "grant"
    RAM = "ram"
    TRUST = "trust"
    KEY_STATE = "key_state"


class GateOutcome(StrEnum):
    """What one gate does to the request."""

    ALLOW = "allow"
    DENY_EXPLICIT = "deny_explicit"
    DENY_IMPLICIT = "deny_implicit"
    CONDITIONAL = "conditional"
    UNREAD = "unread"
    NOT_APPLICABLE = "not_applicable"


@value_class
class StatementRef:
    """Points at the statement (or grant) that decided something.

    `source` is the ARN of what holds the document, `document` its name for people (`key policy default`, `SCP p-1`).
    Lines and columns count from 1 in the text as AWS stores it and include the last one; 0 means no text (a grant).
    """

    source: str
    document: str
    sha256: str
    index: int
    sid: str
    effect: str
    line_from: int = 0
    line_to: int = 0
    grant_id: str = ""
    condition_lines: tuple[tuple[int, int], ...] = ()


class CheckOutcome(StrEnum):
    """What became of one part of a statement in one request."""

    HOLDS = "holds"
    FAILS = "fails"
    OPEN = "open"
    """The request decides."""
    UNREAD = "unread"
    """Data nobody collected, or behaviour AWS does not document, decides."""


@dataclass(frozen=True, slots=True)
class Check:
    """One part of a statement held against a request: what it asks, and the value it saw.

    `part` is `principal`, `action`, `resource` or `condition`; `key` the condition key (empty for other parts);
    `operator` the operator or element as written; `wanted` its values. `saw` says in words what the request carries:
    values, `absent`, that the request decides, or what was not read. Lines and columns count from 1 and include the
    last one; 0 means no text.
    """

    part: str
    key: str
    operator: str
    wanted: tuple[str, ...]
    outcome: CheckOutcome
    saw: str
    line_from: int = 0
    col_from: int = 0
    line_to: int = 0
    col_to: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A statement (or grant) that concerns the caller and the action and does not apply, with the check that failed."""

    statement: StatementRef
    check: Check


@value_class
class Gate:
    """One gate with its outcome, the statements that matched and a sentence why."""

    layer: Layer
    side: Side
    outcome: GateOutcome
    statements: tuple[StatementRef, ...] = ()
    why: str = ""


@value_class
class TracedGate(Gate):
    """A gate of a complete trace: `failed` are statements that came close and do not apply."""

    failed: tuple[Failure, ...] = ()


@value_class
class Decision:
    """Verdict for one (principal, action, key) with reason code, residual condition and trace.

    `condition` is the residual as text in plain English (empty when it is simply true or false); `residual` the same as
    nested JSON values. `alternatives` lists its disjunctive form, each alternative a tuple of condition texts.
    The caller chooses all that some alternative asks for, or an identity provider has `vouched` for the rest of it.
    `refs` are ledger rows and rule numbers an `unknown` hangs on.
    """

    verdict: Verdict
    reason: str
    condition: str = ""
    residual: object = None
    caller_chosen: bool = False
    vouched: bool = False
    conditional_access: bool = False
    gates: tuple[Gate, ...] = ()
    unknowns: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def __bool__(self) -> NoReturn:
        msg = "a decision is no bool; compare its verdict"
        raise TypeError(msg)
