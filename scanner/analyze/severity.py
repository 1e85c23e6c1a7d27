"""The severity tables and nothing else: a lookup with a reason trail, never a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from scanner.model.finding import FindingVerdict, Kind, Severity, SeverityReason

_ORDER = (Severity.INFO, Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
LEFT, MIDDLE, RIGHT = 0, 1, 2
COLUMN = {
    "control": LEFT, "delegate": LEFT, "decrypt": LEFT, "sign": LEFT,
    "destroy": MIDDLE, "encrypt": MIDDLE, "revoke": MIDDLE, "manage": MIDDLE,
    "verify": RIGHT, "metadata": RIGHT, "undocumented": MIDDLE,
}  # fmt: skip
_C, _H, _M, _L, _I = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO
TABLE: dict[str, tuple[Severity, Severity, Severity]] = {
    "public": (_C, _C, _M),
    "unknown_third_party": (_C, _H, _L),
    "federated_open": (_C, _C, _M),
    "service_unguarded": (_M, _L, _I),
    "federated_pinned": (_M, _L, _I),
    "own_other_organization": (_M, _L, _I),
    "same_organization": (_L, _I, _I),
    "service_guarded": (_I, _I, _I),
    "own_saml_provider": (_I, _I, _I),
}
"""Party to base severity by column of capability; the rows whose parts are built."""

EXPOSED_PARTIES = frozenset({"public", "federated_open", "unknown_third_party"})


@dataclass(frozen=True, slots=True)
class Override:
    """A severity the user has decided; empty match members match everything, others are anchored globs."""

    severity: Severity
    reason: str
    kind: str = ""
    party: str = ""
    capability: str = ""
    key: str = ""
    grantee: str = ""


@dataclass(frozen=True, slots=True)
class SeverityRules:
    """What the user adds to the table."""

    sensitive_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a severity is decided from. `tags` are None where they were not read.

    `fence` is the column a fenced CreateGrant counts in (R4.28), if it has one.
    """

    kind: Kind
    party: str
    capability: str
    verdict: FindingVerdict
    caller_chosen: bool
    key_arn: str
    grantee: str
    tags: Mapping[str, str] | None
    reason: str = ""
    fence: int | None = None


def severity_of(exposure: Exposure, rules: SeverityRules) -> tuple[Severity, tuple[SeverityReason, ...]]:
    """The severity of one capability of a finding with every row and step that led to it, in order."""
    if exposure.kind is Kind.INEFFECTIVE_PERMISSION:
        base = Severity.LOW if exposure.reason == "unsupported_condition_key" else Severity.INFO
        trail = [
            SeverityReason("ineffective_permission", base.value, f"written without proven effect: {exposure.reason}")
        ]
        return _overridden(base, trail, exposure, rules)
    column = COLUMN.get(exposure.capability, LEFT) if exposure.fence is None else exposure.fence
    severity = TABLE[exposure.party][column]
    fenced = "" if exposure.fence is None else ", limited by a fence on the grants"
    trail = [
        SeverityReason("base", severity.value, f"{exposure.party} may {exposure.capability or 'act'}{fenced}"),
    ]
    severity = _verdict_step(severity, trail, exposure)
    active = exposure.verdict not in {FindingVerdict.BLOCKED, FindingVerdict.INEFFECTIVE}
    if active and rules.sensitive_tags and exposure.tags is None:
        trail.append(SeverityReason("sensitive_tags", "±0", "the tags of the key were not read"))
    tag = _sensitive_tag(exposure.tags or {}, rules)
    if active and tag:
        severity = _moved(severity, 1)
        trail.append(SeverityReason("sensitive_tags", "+1", f"the key carries {tag}"))
    return _overridden(severity, trail, exposure, rules)


def _verdict_step(severity: Severity, trail: list[SeverityReason], exposure: Exposure) -> Severity:
    verdict = exposure.verdict
    if verdict is FindingVerdict.CONFIRMED:
        trail.append(SeverityReason("verdict", "±0", "confirmed"))
    elif verdict is FindingVerdict.CONDITIONAL:
        if exposure.caller_chosen or exposure.fence is not None:
            why = "the caller chooses what the condition asks for" if exposure.caller_chosen else "the fence is counted"
            trail.append(SeverityReason("verdict", "±0", f"conditional: {why}"))
        else:
            severity = _moved(severity, -1)
            trail.append(SeverityReason("verdict", "-1", "conditional on what the caller cannot choose"))
    elif verdict is FindingVerdict.POSSIBLE:
        severity = _moved(severity, -1)
        trail.append(SeverityReason("verdict", "-1", "possible: what was not read decides"))
    elif verdict is FindingVerdict.BLOCKED:
        severity = Severity.LOW if exposure.party in EXPOSED_PARTIES else Severity.INFO
        trail.append(SeverityReason("verdict", severity.value, "blocked today"))
    else:
        severity = Severity.INFO
        trail.append(SeverityReason("verdict", "info", "without effect"))
    return severity


def _moved(severity: Severity, steps: int) -> Severity:
    return _ORDER[min(max(_ORDER.index(severity) + steps, 0), len(_ORDER) - 1)]


def _sensitive_tag(tags: Mapping[str, str], rules: SeverityRules) -> str:
    for name, values in sorted(rules.sensitive_tags.items()):
        if tags.get(name) in values:
            return f"{name}={tags[name]}"
    return ""


def _overridden(
    severity: Severity, trail: list[SeverityReason], exposure: Exposure, rules: SeverityRules
) -> tuple[Severity, tuple[SeverityReason, ...]]:
    for override in rules.overrides:
        wanted = (
            (override.kind, exposure.kind.value), (override.party, exposure.party),
            (override.capability, exposure.capability), (override.key, exposure.key_arn),
            (override.grantee, exposure.grantee),
        )  # fmt: skip
        if all(not pattern or fnmatchcase(value, pattern.replace("[", "[[]")) for pattern, value in wanted):
            trail.append(SeverityReason("override", override.severity.value, override.reason))
            return override.severity, tuple(trail)
    return severity, tuple(trail)


def rank(severity: Severity) -> int:
    """Position of a severity, info lowest."""
    return _ORDER.index(severity)
