"""The severity tables and nothing else: a lookup with a reason trail, never a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from scanner.model.finding import FindingVerdict, Kind, Severity, SeverityReason
from scanner.model.value import value_class

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
    "identified_vendor": (_H, _M, _L),
    "expired_partner": (_H, _M, _L),
    "partner_exceeds_approval": (_H, _M, _L),
    "service_unguarded": (_M, _L, _I),
    "partner_role_without_external_id": (_M, _L, _I),
    "federated_pinned": (_M, _L, _I),
    "own_other_organization": (_M, _L, _I),
    "same_organization": (_L, _I, _I),
    "approved_partner": (_I, _I, _I),
    "service_guarded": (_I, _I, _I),
    "own_saml_provider": (_I, _I, _I),
}
"""Party to base severity by column of capability."""

ACROSS_BOUNDARY: tuple[Severity, Severity, Severity] = (_M, _L, _I)
"""The row of `same_organization` where the access crosses a declared boundary."""

KEY_HYGIENE: dict[str, Severity] = {
    "unmanageable_key": _M, "weak_fence": _M, "unlimited_create_grant": _M, "stale_grant": _I,
}  # fmt: skip
"""Base severity of `key_hygiene` by reason."""

UNMANAGEABLE_IN_USE = _H
"""Base of `unmanageable_key` while outsiders can still use the key."""

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


@value_class
class Exposure:
    """What a severity is decided from. `tags` are None where they were not read.

    `fence` is the column a fenced CreateGrant counts in (R4.28), if it has one. `note` says why the party is what it
    is. `crosses` are boundaries inside the organization that the access crosses, `into_sensitive` those of them that it
    enters and that are sensitive. `in_use` holds for a key that outsiders can use, `vouched` where what the condition
    asks for is stated by an identity provider or chosen by the caller. `kin` are the tags of related multi-Region keys
    by Region, None where they were not read: data of one opens with every other (R9.8).
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
    note: str = ""
    crosses: tuple[str, ...] = ()
    into_sensitive: tuple[str, ...] = ()
    in_use: bool = False
    vouched: bool = False
    kin: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)


def severity_of(exposure: Exposure, rules: SeverityRules) -> tuple[Severity, tuple[SeverityReason, ...]]:
    """The severity of one capability of a finding with every row and step that led to it, in order."""
    if exposure.kind is Kind.INEFFECTIVE_PERMISSION:
        base = Severity.LOW if exposure.reason == "unsupported_condition_key" else Severity.INFO
        trail = [
            SeverityReason("ineffective_permission", base.value, f"written without proven effect: {exposure.reason}")
        ]
        return _overridden(base, trail, exposure, rules)
    severity, why = _hygiene(exposure) if exposure.kind is Kind.KEY_HYGIENE else _base(exposure)
    trail = [SeverityReason("base", severity.value, why)]
    severity = _verdict_step(severity, trail, exposure)
    active = exposure.verdict not in {FindingVerdict.BLOCKED, FindingVerdict.INEFFECTIVE}
    if active and rules.sensitive_tags:
        severity = _tagged(severity, trail, exposure, rules)
    if active:
        severity = _into_sensitive(severity, trail, exposure)
    return _overridden(severity, trail, exposure, rules)


def _base(exposure: Exposure) -> tuple[Severity, str]:
    """The cell of the table, and the sentence on it."""
    column = COLUMN.get(exposure.capability, LEFT) if exposure.fence is None else exposure.fence
    row = ACROSS_BOUNDARY if exposure.crosses else TABLE[exposure.party]
    text = f"{exposure.party} may {exposure.capability or 'act'}"
    if exposure.fence is not None:
        text += ", limited by a fence on the grants"
    if exposure.crosses:
        text += f", across the boundary of {' and '.join(exposure.crosses)}"
    return row[column], f"{text}: {exposure.note}" if exposure.note else text


def _hygiene(exposure: Exposure) -> tuple[Severity, str]:
    if exposure.in_use and exposure.reason == "unmanageable_key":
        return UNMANAGEABLE_IN_USE, f"{exposure.reason}, and outsiders can use the key"
    return KEY_HYGIENE[exposure.reason], exposure.reason


def _verdict_step(severity: Severity, trail: list[SeverityReason], exposure: Exposure) -> Severity:
    verdict = exposure.verdict
    if verdict is FindingVerdict.CONFIRMED:
        trail.append(SeverityReason("verdict", "±0", "confirmed"))
    elif verdict is FindingVerdict.CONDITIONAL:
        why = _why_no_step(exposure)
        if why:
            trail.append(SeverityReason("verdict", "±0", f"conditional: {why}"))
        else:
            severity = _moved(severity, -1)
            trail.append(SeverityReason("verdict", "-1", "conditional on what the caller cannot choose"))
    elif verdict is FindingVerdict.POSSIBLE:
        severity = _possible(severity, trail, exposure)
    elif verdict is FindingVerdict.BLOCKED:
        severity = Severity.LOW if exposure.party in EXPOSED_PARTIES else Severity.INFO
        trail.append(SeverityReason("verdict", severity.value, "blocked today"))
    else:
        severity = Severity.INFO
        trail.append(SeverityReason("verdict", "info", "without effect"))
    return severity


def _why_no_step(exposure: Exposure) -> str:
    """Why a condition steps nothing down: it is the caller's choice, or counted elsewhere already."""
    if exposure.caller_chosen:
        return "the caller chooses what the condition asks for"
    if exposure.vouched:
        return "the party counts what the identity provider states"
    return "the fence is counted" if exposure.fence is not None else ""


def _possible(severity: Severity, trail: list[SeverityReason], exposure: Exposure) -> Severity:
    """One step down; decrypting, signing, granting and control by outsiders stay at high or above."""
    text = "possible: what was not read decides"
    left = exposure.fence is None and COLUMN.get(exposure.capability, LEFT) == LEFT
    if exposure.kind is not Kind.KEY_HYGIENE and left and exposure.party in EXPOSED_PARTIES:
        lower = max(_moved(severity, -1), Severity.HIGH, key=rank)
        trail.append(SeverityReason("verdict", "-1", f"{text}; never below high for {exposure.party}"))
        return lower
    trail.append(SeverityReason("verdict", "-1", text))
    return _moved(severity, -1)


def _moved(severity: Severity, steps: int) -> Severity:
    return _ORDER[min(max(_ORDER.index(severity) + steps, 0), len(_ORDER) - 1)]


def _into_sensitive(severity: Severity, trail: list[SeverityReason], exposure: Exposure) -> Severity:
    """One step up where the access enters what is marked sensitive."""
    if not exposure.into_sensitive:
        return severity
    where = " and ".join(exposure.into_sensitive)
    trail.append(SeverityReason("sensitive_boundary", "+1", f"crosses into {where}, marked sensitive"))
    return _moved(severity, 1)


def _tagged(
    severity: Severity, trail: list[SeverityReason], exposure: Exposure, rules: SeverityRules
) -> Severity:  # fmt: skip
    """One step up where the key, or a related multi-Region key whose data it opens (R9.8), carries a sensitive tag."""
    why = _sensitive(exposure, rules)
    if why:
        trail.append(SeverityReason("sensitive_tags", "+1", why))
        return _moved(severity, 1)
    if exposure.tags is None:
        trail.append(SeverityReason("sensitive_tags", "±0", "the tags of the key were not read"))
    unread = [region for region, tags in sorted(exposure.kin.items()) if tags is None]
    if unread:
        text = f"the tags of the related key in {', '.join(unread)} were not read"
        trail.append(SeverityReason("sensitive_tags", "±0", text))
    return severity


def _sensitive(exposure: Exposure, rules: SeverityRules) -> str:
    """Which sensitive tag the key carries, or else a related one; empty where none does."""
    own = _sensitive_tag(exposure.tags or {}, rules)
    if own:
        return f"the key carries {own}"
    found = ((region, _sensitive_tag(tags or {}, rules)) for region, tags in sorted(exposure.kin.items()))
    texts = (f"the related key in {r}, whose data opens with this one (R9.8), carries {tag}" for r, tag in found if tag)
    return next(texts, "")


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


# -- findings about our own permissions (the other kinds of the severity table) ----------------------------------------

IDENTITY_ROWS: dict[str, tuple[Severity, str]] = {
    "foreign_encrypt": (_M, "we may encrypt under a key of an unknown or unapproved owner (R8.11)"),
    "foreign_use": (_L, "we may use a key of an unknown or unapproved owner"),
    "own_keys_elsewhere": (_I, "the key belongs to an approved owner or to an account of ours"),
    "completes_foreign_access": (_M, "the statement completes an access to keys of another account"),
    "strong_on_every_key": (
        _L,
        "control, delegate, decrypt or sign on every key; no foreign key was seen to be reached",
    ),
    "administrator": (_I, "a statement of administrators"),
    "aws_managed_policy": (_I, "a policy that AWS writes"),
    "weaker_capabilities": (_I, "weaker capabilities only"),
    "opens_denied_access": (_M, "an insider opens access that is denied today"),
    "decides_for_others": (_L, "an insider decides access of others only"),
    "foreign_attributes": (_L, "our rules hang on attributes of a foreign key (R8.6)"),
}
"""Base severity and its words, by case."""

OUTSIDER_OPENS = "outsider_opens_access"
"""The case of which the row is that of the party: an outsider who opens access to itself by an attribute."""


def _identity_base(row: str, exposure: Exposure) -> tuple[Severity, list[SeverityReason]]:
    if row != OUTSIDER_OPENS:
        severity, text = IDENTITY_ROWS[row]
        return severity, [SeverityReason("base", severity.value, text)]
    severity, text = _base(exposure)
    why = "only after a change of a tag or alias, which it may make itself"
    trail = [SeverityReason("base", severity.value, text), SeverityReason("by_attribute", "-1", why)]
    return _moved(severity, -1), trail


def identity_severity(
    row: str, exposure: Exposure, rules: SeverityRules
) -> tuple[Severity, tuple[SeverityReason, ...]]:
    """The severity of one capability of a finding about our own permissions.

    An unread owner takes no step: that we may use a stranger's key is the claim (product contract, 8.4).
    """
    severity, trail = _identity_base(row, exposure)
    if exposure.verdict is FindingVerdict.POSSIBLE and exposure.kind is not Kind.ATTRIBUTE_CONTROL:
        trail.append(SeverityReason("verdict", "±0", "possible: what was not read decides, which takes no step here"))
    elif exposure.verdict is FindingVerdict.CONDITIONAL and exposure.kind is Kind.BROAD_KEY_PERMISSION:
        trail.append(SeverityReason("verdict", "±0", "conditional: counted by the row"))
    else:
        severity = min(severity, _verdict_step(severity, trail, exposure), key=rank)
    if exposure.verdict is not FindingVerdict.BLOCKED:
        why = _sensitive(exposure, rules)
        if why:
            severity = _moved(severity, 1)
            trail.append(SeverityReason("sensitive_tags", "+1", why))
        severity = _into_sensitive(severity, trail, exposure)
    return _overridden(severity, trail, exposure, rules)
