"""What a finding costs in report.html, over findings as the analysis makes them, and over every form of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as Folder
from statistics import mean

import pytest
from scanner.model.decision import Gate, GateOutcome, Layer, Side, StatementRef
from scanner.model.finding import (
    CapabilityKeys,
    CapabilityResult,
    Evidence,
    Finding,
    FindingVerdict,
    Grantee,
    Highlight,
    Hop,
    Kind,
    Path,
    Reach,
    Remediation,
    Severity,
)
from scanner.report.html import render_html

import report_builders as build
from report import sizes_of
from reported import Reported, reported, side_by_side
from synthetic.shape import Shape

MEMBER = "222233334444"
ROLE = f"arn:aws:iam::{MEMBER}:role/lake-export"
ENTRY = "arn:aws:iam::888899990000:role/partner-notebooks"
BUDGET = 5_000
"""Bytes per finding on average (product.md, section 10.4 of the project)."""
FIXED = 100_000
"""Bytes of a page that stay the same however many findings there are: style, method, who reaches whom."""

FULL_ACCESS = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
INLINE = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ReadLake",
      "Effect": "Allow",
      "Action": ["kms:Decrypt", "kms:DescribeKey"],
      "Resource": "arn:aws:kms:*:012345670123:key/*"
    }
  ]
}"""
TRUST = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"AWS": "arn:aws:iam::999988887777:root"},
      "Action": "sts:AssumeRole",
      "Condition": {"StringEquals": {"sts:ExternalId": "acme-notebooks"}}
    }
  ]
}"""
PATCH = "\n".join(
    (
        f"--- key policy default of {build.KEY_ARN}",
        f"+++ key policy default of {build.KEY_ARN}",
        "@@ -10,16 +10,4 @@",
        *(f" {line}" for line in build.POLICY.split("\n")[8:11]),
        *(f"-{line}" for line in build.POLICY.split("\n")[11:24]),
        *(f" {line}" for line in build.POLICY.split("\n")[24:27]),
    )
)
REMEDY = Remediation(
    "remove_statement",
    "Remove statement `LegacyShare`, which names only this grantee.",
    f"aws kms put-key-policy --region eu-west-1 --key-id {build.KEY_ID} --policy file://policy.json",
    PATCH,
    verified=True,
    effect="Tried on the snapshot: the finding goes, no other access to this key changes, "
    "and the key's own account keeps its access.",
)


def cites(source: str, text: str, sid: str, first: int, last: int) -> StatementRef:
    """A statement of one of the documents above."""
    return StatementRef(source, "inline policy lake-keys", build.sha256(text), 0, sid, "Allow", first, last)


def traced(outcome: GateOutcome) -> tuple[Gate, ...]:
    """All gates of a request of a member account, whose control policies end as given."""
    scp = replace(cites("p-FullAWSAccess", FULL_ACCESS, "", 1, 1), document="SCP FullAWSAccess at r-acme")
    beside = GateOutcome.NOT_APPLICABLE
    return (
        Gate(Layer.IAM, Side.CALLER, GateOutcome.ALLOW, (cites(ROLE, INLINE, "ReadLake", 4, 9),)),
        Gate(Layer.BOUNDARY, Side.CALLER, beside),
        Gate(Layer.SESSION, Side.CALLER, beside),
        Gate(Layer.SCP, Side.CALLER, outcome, (scp, scp, scp)),
        Gate(Layer.RCP, Side.OWNER, GateOutcome.ALLOW),
        Gate(Layer.KEY_POLICY, Side.OWNER, GateOutcome.ALLOW, (build.statement("LegacyShare", 12),)),
        Gate(Layer.RAM, Side.OWNER, beside),
    )


def evidence() -> tuple[Evidence, ...]:
    """The documents of the caller's side, before that of the key."""
    at = (Highlight(4, 1, 1, "iam, the caller's side: allow"),)
    scp = (Highlight(1, 1, 1, "scp, the caller's side: allow"),)
    return (
        Evidence("iam_statement", ROLE, "inline policy lake-keys", build.sha256(INLINE), 4, 9, at),
        Evidence("scp_statement", "p-FullAWSAccess", "SCP FullAWSAccess", build.sha256(FULL_ACCESS), 1, 1, scp),
        *build.stranger_finding().evidence,
    )


def member_finding(verdict: FindingVerdict) -> Finding:
    """A role of the organization with both sides read; blocked where a control policy denies."""
    refused = verdict is FindingVerdict.BLOCKED
    return build.stranger_finding(
        severity=Severity.LOW, verdict=verdict, verdict_reasons=("scp_deny" if refused else "both_sides_allow",),
        title="A role of account data-lake (222233334444, same organization), role/lake-export, can decrypt data with "
        "alias/card-data of payments-prod in eu-west-1",
        grantee=Grantee(ROLE, "role", MEMBER, "data-lake", "same_organization"),
        path=Path((), traced(GateOutcome.DENY_EXPLICIT if refused else GateOutcome.ALLOW)), evidence=evidence(),
        reach=Reach(1, (), (ROLE,), (MEMBER,)), remediation=REMEDY,
    )  # fmt: skip


def chained_finding() -> Finding:
    """A stranger who assumes two roles, and does more with some keys than with others."""
    trust = replace(cites(ENTRY, TRUST, "", 4, 9), document="trust policy")
    hops = (
        Hop(f"arn:aws:iam::{build.STRANGER}:root", "sts:AssumeRole", ENTRY, "conditional", "residual_condition",
            "sts:ExternalId = acme-notebooks", (trust,)),
        Hop(ENTRY, "sts:AssumeRole", ROLE, "allowed", "", "", (replace(trust, source=ROLE),)),
    )  # fmt: skip
    marks = (Highlight(6, 28, 59, "delegates to every principal of 999988887777"),)
    reached = tuple(f"{build.KEY_ARN[:-1]}{number}" for number in range(9))
    by = cites(ROLE, INLINE, "ReadLake", 4, 9)
    shown = Evidence("policy_statement", ENTRY, "trust policy", build.sha256(TRUST), 4, 9, marks)
    return build.stranger_finding(
        kind=Kind.ASSUMED_ROLE_PATH, path=Path(hops, traced(GateOutcome.ALLOW)), evidence=(shown, *evidence()),
        capabilities=(
            CapabilityResult("decrypt", ("kms:Decrypt",), FindingVerdict.CONDITIONAL, Severity.CRITICAL,
                             ("residual_condition",), "sts:ExternalId = acme-notebooks", caller_chosen=True,
                             keys=CapabilityKeys(4, reached[:4], 1), statements=(by,)),
            CapabilityResult("metadata", ("kms:DescribeKey",), FindingVerdict.CONDITIONAL, Severity.LOW,
                             ("residual_condition",), "sts:ExternalId = acme-notebooks", caller_chosen=True,
                             keys=CapabilityKeys(9, reached), statements=(by, build.statement("PartnerUse", 13))),
        ),
        key=None, keys=tuple(build.key_facts(arn=arn) for arn in reached), keys_total=len(reached),
    )  # fmt: skip


def realistic(number: int) -> tuple[Finding, ...]:
    """Findings of every form: half of them reach outside, one in ten goes through roles."""
    patched = build.stranger_finding(remediation=REMEDY)
    forms = (
        patched, replace(build.partner_finding(), remediation=REMEDY), build.grant_finding(),
        build.ineffective_finding(), member_finding(FindingVerdict.CONFIRMED), member_finding(FindingVerdict.BLOCKED),
        chained_finding(), build.stranger_finding(), build.partner_finding(), build.grant_finding(),
    )  # fmt: skip
    return tuple(replace(forms[n % len(forms)], id=f"kx-{n:012d}") for n in range(number))


def size(number: int) -> int:
    """Bytes of a page with so many findings."""
    texts = {build.sha256(text): text for text in (INLINE, TRUST, FULL_ACCESS, build.GRANT)}
    document = build.document(findings=realistic(number), documents=texts)
    return len(render_html(document, build.key_rows(), {}, build.documents))


def test_thousand_findings_stay_within_the_size_budget() -> None:
    few, many = size(10), size(1000)
    assert (many - few) / 990 <= BUDGET


def test_findings_that_are_measured_have_what_findings_have() -> None:
    found = realistic(10)
    assert sum(bool(finding.path.layers) for finding in found) >= 7
    assert sum(bool(finding.remediation.diff) for finding in found) >= 4
    assert {len(finding.evidence) for finding in found} >= {1, 3, 4}


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """A small made-up organization with everything that the analysis says of it."""
    return reported(Shape(60, 20, 0, ""), tmp_path_factory.mktemp("made-up"))


def rendered(given: Reported) -> str:
    """The whole report on one page."""
    sources = given.sources
    return render_html(given.document, sources.rows, sources.notes, sources.documents, sources.holdings).decode()


def test_cards_of_an_analyzed_organization_stay_within_the_budget(organization: Reported) -> None:
    many = side_by_side(organization, 300)
    sizes = sizes_of([rendered(many)])
    assert len(sizes.cards) == 300
    assert mean(sizes.cards) <= BUDGET
    assert (sum(sizes.pages) - sizes.keys - FIXED) / 300 <= BUDGET


def test_findings_of_an_analyzed_organization_are_patched_and_have_several_documents(organization: Reported) -> None:
    found = organization.document.findings
    assert sum(bool(finding.remediation.diff) for finding in found) >= len(found) / 4
    assert {len(finding.evidence) for finding in found} >= {1, 2, 3, 4}
    assert {finding.kind for finding in found} >= {Kind.EXTERNAL_ACCESS, Kind.ASSUMED_ROLE_PATH}


def test_copy_has_names_and_texts_of_its_own_and_as_many_bytes(organization: Reported, tmp_path: Folder) -> None:
    whole = len(organization.document.findings)
    many = side_by_side(organization, 2 * whole)
    first, second = many.document.findings[:whole], many.document.findings[whole:]
    assert first == organization.document.findings
    assert not {finding.id for finding in first} & {finding.id for finding in second}
    assert not {row.key_arn for row in many.rows[: len(organization.rows)]} & {
        row.key_arn for row in many.rows[len(organization.rows) :]
    }
    assert len(many.rows) == 2 * len(organization.rows)
    for one, other in zip(first, second, strict=True):
        assert len(one.title) == len(other.title)
        assert [len(many.texts[e.sha256]) for e in one.evidence] == [len(many.texts[e.sha256]) for e in other.evidence]
    for sha256, text in many.texts.items():
        assert build.sha256(text) == sha256
