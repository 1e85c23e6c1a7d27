"""Policy documents as the evaluator sees them: statements with the place of every part in the text."""

from __future__ import annotations

from enum import StrEnum

from scanner.model.value import value_class


@value_class(order=True)
class Span:
    """A range of the text: lines and columns count from 1, the end is included."""

    line_from: int
    col_from: int
    line_to: int
    col_to: int


class Effect(StrEnum):
    """What a statement does when it applies. `DAMAGED` stands for a value AWS would have refused: it may do either."""

    ALLOW = "Allow"
    DENY = "Deny"
    DAMAGED = "damaged"


class DocumentKind(StrEnum):
    """Where a document stands; decides which elements it may hold."""

    KEY_POLICY = "key_policy"
    RAM_POLICY = "ram_policy"
    IDENTITY = "identity_policy"
    BOUNDARY = "permissions_boundary"
    SESSION = "session_policy"
    TRUST = "trust_policy"
    SCP = "service_control_policy"
    RCP = "resource_control_policy"

    @property
    def name_of_type(self) -> str:
        """The policy type as the Organizations API writes it; for SCP and RCP only."""
        return self.value.upper()

    @property
    def short_name(self) -> str:
        """`SCP` and `RCP`, as people say; for others the full name."""
        return self.name if self in {DocumentKind.SCP, DocumentKind.RCP} else self.value.replace("_", " ")

    @property
    def in_words(self) -> str:
        """The full name with its article."""
        article = "an" if self is DocumentKind.IDENTITY else "a"
        return f"{article} {self.value.replace('_', ' ')}"


@value_class
class PolicyText:
    """A policy as stored: its text, the hash of the text, where it hangs and what people call it.

    `source` is the ARN of what holds the policy (key, role, policy ARN, organization policy id).
    """

    text: str
    sha256: str
    kind: DocumentKind
    source: str
    name: str


@value_class
class PrincipalEntry:
    """One value of a Principal or NotPrincipal element. `type` is `AWS`, `Service`, `Federated` … or `*`."""

    type: str
    value: str
    span: Span


@value_class
class Element:
    """One value of Action, Resource or their negations."""

    value: str
    span: Span


@value_class
class ConditionTest:
    """One operator applied to one key: `values` are alternatives (R5.3, R5.4).

    `operator` is the base name as AWS spells it (`StringEquals`); `qualifier` is empty, `ForAnyValue` or
    `ForAllValues`.
    """

    operator: str
    qualifier: str
    if_exists: bool
    key: str
    values: tuple[str, ...]
    span: Span

    @property
    def written_operator(self) -> str:
        """The operator as a policy writes it."""
        prefix = f"{self.qualifier}:" if self.qualifier else ""
        return f"{prefix}{self.operator}{'IfExists' if self.if_exists else ''}"


@value_class
class Statement:
    """One statement. A list is None where the element is absent, which is not the same as empty.

    `damage` lists what AWS would have refused; such a statement may do anything its readable parts allow.
    """

    index: int
    sid: str
    effect: Effect
    principals: tuple[PrincipalEntry, ...] | None
    not_principals: tuple[PrincipalEntry, ...] | None
    actions: tuple[Element, ...] | None
    not_actions: tuple[Element, ...] | None
    resources: tuple[Element, ...] | None
    not_resources: tuple[Element, ...] | None
    conditions: tuple[ConditionTest, ...]
    span: Span
    damage: tuple[str, ...] = ()


@value_class
class Document:
    """A parsed policy. `problems` says what could not be read; a document with problems proves nothing."""

    policy: PolicyText
    version: str
    statements: tuple[Statement, ...]
    problems: tuple[str, ...] = ()

    @property
    def expands_variables(self) -> bool:
        """Whether `${…}` is a policy variable here (R5.30)."""
        return self.version == "2012-10-17"
