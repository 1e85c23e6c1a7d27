"""Which findings an entry accepts: whole texts, listed capabilities, its last day, the pinned fingerprint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as supposing
from hypothesis import settings
from hypothesis import strategies as st
from scanner.analyze.history.lifecycle import Former, follow
from scanner.analyze.history.suppress import recounted, suppress
from scanner.analyze.summary import gate_is_open
from scanner.model.finding import Finding, Kind, Rise, Severity
from scanner.model.suppression import Selector, SuppressionEntry

from builders import KEY, OWNER, STRANGER, allow, analyzed, iam, key, world

ROOT = iam(STRANGER, "root")
AS_OF = "2026-11-22T00:00:00Z"


def findings(*actions: str) -> tuple[Finding, ...]:
    given = key(allow(ROOT, *(actions or ("kms:Decrypt",))), tags={"app": "backup"}, aliases=("alias/ci-logs",))
    return analyzed(world(given)).findings


def entry(**parts: Any) -> SuppressionEntry:
    return replace(SuppressionEntry("why", "who", "2027-03-31", "RISK-1"), **parts)


def by_selector(**parts: Any) -> SuppressionEntry:
    base = Selector(key_account=OWNER, grantee_account=STRANGER, capabilities=("decrypt",))
    return entry(selector=replace(base, **parts))


def state(given: SuppressionEntry, *actions: str, as_of: str = AS_OF) -> str:
    """What the entry is said to do for the one finding; empty where it is not about it."""
    (found,) = suppress(findings(*actions), (given,), as_of).findings
    return found.suppression.state if found.suppression else ""


def test_entry_by_id_accepts_its_finding_and_keeps_its_severity() -> None:
    (finding,) = findings()
    found = suppress((finding,), (entry(id=finding.id),), AS_OF)
    (accepted,) = found.findings
    assert accepted.suppression is not None
    assert (accepted.suppression.owner, accepted.suppression.state, accepted.suppression.capabilities) == (
        "who", "active", ("decrypt",),
    )  # fmt: skip
    assert accepted.severity == finding.severity
    assert accepted.is_suppressed
    assert [(n.entry, n.state, n.finding_ids) for n in found.notes] == [(finding.id, "active", (finding.id,))]
    assert (gate_is_open((finding,), "low"), gate_is_open((accepted,), "low")) == (False, True)


def test_entry_holds_to_the_end_of_its_last_day_and_is_void_after_it() -> None:
    (finding,) = findings()
    ends = entry(id=finding.id, expires="2026-11-22")
    assert state(ends, as_of="2026-11-22T23:59:59Z") == "active"
    assert state(ends, as_of="2026-11-23T00:00:00Z") == "expired"
    (found,) = suppress((finding,), (ends,), "2026-11-23T00:00:00Z").findings
    assert not gate_is_open((found,), "low")


def test_pinned_entry_is_void_as_soon_as_the_access_changes() -> None:
    (finding,) = findings()
    pinned = entry(id=finding.id, fingerprint=finding.fingerprint)
    assert state(pinned) == "active"
    assert state(pinned, "kms:Decrypt", "kms:CreateGrant") == "fingerprint_changed"
    assert state(entry(id=finding.id), "kms:Decrypt", "kms:CreateGrant") == "active"


def test_access_that_grew_behind_an_entry_without_fingerprint_is_noted_and_still_hidden() -> None:
    before = world(key(allow(ROOT)))
    after = world(key(allow(ROOT), allow(iam("888877776666", "root")), allow(ROOT, "kms:CreateGrant")))
    former = Former(analyzed(before).findings)
    present = follow(analyzed(after).findings, former, after).findings
    (wider,) = (f for f in present if f.lifecycle == "widened")
    pinned = entry(id=wider.id, fingerprint=wider.fingerprint)
    several = by_selector(capabilities=("decrypt", "delegate"))
    found = suppress(present, (entry(id=wider.id), pinned, several, by_selector()), AS_OF)
    assert [(n.state, n.widened) for n in found.notes] == [
        ("active", (wider.id,)), ("active", ()), ("active", (wider.id,)), ("partial", ()),
    ]  # fmt: skip
    assert next(f for f in found.findings if f.id == wider.id).is_suppressed
    assert [n.widened for n in suppress(findings(), (entry(id=wider.id),), AS_OF).notes] == [()]


def test_severity_that_rose_behind_a_pinned_entry_is_noted_and_voids_nothing() -> None:
    (finding,) = findings()
    graver = replace(finding, lifecycle="unchanged", rise=Rise(Severity.LOW, "the approval ended"))
    found = suppress((graver,), (entry(id=finding.id, fingerprint=finding.fingerprint),), AS_OF)
    assert [(n.state, n.widened, n.graver) for n in found.notes] == [("active", (), (finding.id,))]
    assert found.findings[0].is_suppressed


def test_selector_covers_the_capabilities_it_lists_and_says_which_of_a_wider_finding() -> None:
    assert state(by_selector()) == "active"
    assert state(by_selector(), "kms:Decrypt", "kms:Encrypt") == "partial"
    assert state(by_selector(capabilities=("encrypt", "decrypt")), "kms:Decrypt", "kms:Encrypt") == "active"
    assert state(by_selector(), "kms:Encrypt") == ""
    (found,) = suppress(findings("kms:Decrypt", "kms:Encrypt"), (by_selector(),), AS_OF).findings
    assert found.suppression is not None
    assert found.suppression.capabilities == ("decrypt",)
    assert not gate_is_open((found,), "low")


@pytest.mark.parametrize(
    ("parts", "fits"),
    [
        ({"kind": "external_access"}, True),
        ({"kind": "key_hygiene"}, False),
        ({"key_arn": KEY}, True),
        ({"key_arn": KEY[:-1]}, False),
        ({"key_arn": "arn:aws:kms:eu-*"}, True),
        ({"key_alias": "alias/ci-logs"}, True),
        ({"key_alias": "alias/ci-log"}, False),
        ({"key_alias": "alias/ci-log?"}, True),
        ({"key_alias": "alias/ci-[l]ogs"}, False),
        ({"key_region": "eu-west-1"}, True),
        ({"key_region": "us-*"}, False),
        ({"key_account": "444455556666"}, False),
        ({"key_tags": {"app": "backup"}}, True),
        ({"key_tags": {"app": "back"}}, False),
        ({"key_tags": {"team": "*"}}, False),
        ({"grantee_account": "444455556666"}, False),
        ({"grantee_selector": ROOT}, True),
        ({"grantee_selector": f"arn:aws:iam::{STRANGER}:role/*"}, False),
    ],
)
def test_selector_compares_whole_texts_on_both_sides(parts, fits) -> None:
    assert state(by_selector(**parts)) == ("active" if fits else "")


def test_finding_that_reaches_several_keys_is_accepted_only_where_all_are_listed_and_fit() -> None:
    (finding,) = findings()
    assert finding.key is not None
    path = replace(finding, kind=Kind.ASSUMED_ROLE_PATH, key=None, keys=(finding.key,))
    other = replace(finding.key, account_id="444455556666")
    for given, fits in ((path, True), (replace(path, keys_total=2), False), (replace(path, keys=()), False),
                        (replace(path, keys=(finding.key, other), keys_total=2), False)):  # fmt: skip
        (found,) = suppress((given,), (by_selector(),), AS_OF).findings
        assert found.is_suppressed is fits


def test_best_of_several_entries_counts_and_every_entry_says_what_it_did() -> None:
    (finding,) = findings("kms:Decrypt", "kms:Encrypt")
    entries = (
        entry(id=finding.id, expires="2026-01-01"), by_selector(), entry(id="kx-aaaaaaaaaaaa"),
        by_selector(capabilities=("decrypt", "encrypt")),
        entry(id="kx-bbbbbbbbbbbb", expires="2026-01-01"),
    )  # fmt: skip
    found = suppress((finding,), entries, AS_OF)
    assert found.findings[0].is_suppressed
    assert [n.state for n in found.notes] == ["expired", "partial", "unused", "active", "expired"]
    assert found.notes[0].finding_ids == (finding.id,)


def test_accepted_finding_moves_to_its_own_column_and_one_not_rechecked_is_counted() -> None:
    analysis = analyzed(world(key(allow(ROOT))))
    (finding,) = analysis.findings
    held = suppress(analysis.findings, (entry(id=finding.id),), AS_OF).findings
    (row,) = recounted(analysis.keys, analysis.findings, held)
    assert (row.critical, row.suppressed) == (0, 1)
    old = replace(finding, id="kx-old", suppression=None)
    (row,) = recounted(analysis.keys, analysis.findings, (finding, old, replace(old, key=None)))
    assert (row.critical, row.suppressed) == (2, 0)
    (same,) = recounted(analysis.keys, (), ())
    assert same == analysis.keys[0]


def test_gate_on_new_findings_counts_new_reopened_and_wider_ones_only() -> None:
    (finding,) = findings()
    counted = {
        name for name in ("new", "reopened", "widened", "narrowed", "unchanged", "not_rechecked", "engine_changed")
        if not gate_is_open((replace(finding, lifecycle=name),), "high", new_only=True)
    }  # fmt: skip
    assert counted == {"new", "reopened", "widened"}
    rose = replace(finding, lifecycle="unchanged", rise=Rise(Severity.INFO, ""))
    assert not gate_is_open((rose,), "critical", new_only=True)
    assert gate_is_open((replace(rose, severity=Severity.MEDIUM),), "high", new_only=True)
    assert not gate_is_open((replace(finding, lifecycle="not_rechecked"),), "high")


@settings(deadline=None, max_examples=60)
@supposing(st.lists(st.sampled_from(("kms:Decrypt", "kms:Encrypt", "kms:Sign", "kms:CreateGrant")), min_size=1))
def test_stale_fingerprint_never_hides_another_access(actions) -> None:
    (finding,) = findings("kms:Decrypt")
    pinned = entry(id=finding.id, fingerprint=finding.fingerprint)
    for found in (f for f in findings(*actions) if f.id == finding.id):
        (held,) = suppress((found,), (pinned,), AS_OF).findings
        assert held.is_suppressed is (found.fingerprint == finding.fingerprint)
        assert not held.is_suppressed or [c.capability for c in held.capabilities] == ["decrypt"]
