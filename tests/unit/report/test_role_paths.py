"""Paths through roles as people and programs read them: the hops of a card, lines of who-can, graph.json."""

from __future__ import annotations

import json
from dataclasses import replace

from scanner.analyze.findings import AnalysisRules
from scanner.analyze.who_can import Wanted, who_can
from scanner.config import Settings
from scanner.model.decision import StatementRef
from scanner.model.finding import Hop, Path
from scanner.model.graph import Graph
from scanner.plan import analysis_rules
from scanner.report.graph import dump_graph
from scanner.report.html import render_html
from scanner.report.who_can import render_who_can

import report_builders as build
from builders import MEMBER, OWNER, STRANGER, iam, world
from role_worlds import ASSUMING, DELEGATING, USING, admits, followed, role

HOSTILE = "<script>alert(1)</script>"
GITHUB = "token.actions.githubusercontent.com"
ENTRY = role(MEMBER, "Entry", admits(iam(STRANGER, "root")), ASSUMING)
LAST = role(OWNER, "Last", admits(ENTRY.arn), USING)


def page(*hops: Hop) -> str:
    """The page of a document whose first finding takes these hops."""
    document = build.document()
    first = next(f for f in document.findings if f.path.layers)
    shown = replace(document, findings=(replace(first, path=Path(hops, first.path.layers)),))
    return render_html(shown, build.key_rows(), {}, build.documents).decode()


def test_card_shows_every_role_on_the_way_above_the_gates() -> None:
    ref = StatementRef(ENTRY.arn, "trust policy", "0" * 64, 0, "Vendor", "Allow", 4, 10)
    html = page(
        Hop("arn:p", "sts:AssumeRole", ENTRY.arn, "conditional", "residual_condition", "sts:ExternalId = x", (ref,)),
        Hop(ENTRY.arn, "sts:AssumeRole", LAST.arn, "unknown", "trust_not_read"),
    )
    start = html.index('<ol class="gates hops">')
    table = html[start : html.index("</ol>", start)]
    assert html.index("<ul class=gates>", start) < html.index("Severity and history", start)
    assert table.count("<li><code>sts:AssumeRole") == 2
    told = ("Vendor", "lines 4–10", "a trust policy was not read", "no statement of its trust policy was read")
    for wanted in (ENTRY.arn, LAST.arn, "sts:ExternalId = x", *told):
        assert wanted in table


def test_card_shows_the_callers_own_side_of_every_step() -> None:
    ref = StatementRef(ENTRY.arn, "inline policy assume", "0" * 64, 1, "MayAssume", "Allow", 4, 10)
    html = page(
        Hop("arn:p", "sts:AssumeRole", ENTRY.arn, "allowed", "", caller_side="its own account decides as well"),
        Hop(ENTRY.arn, "sts:AssumeRole", LAST.arn, "allowed", "", caller_statements=(ref,)),
    )
    assert "<small>its own account decides as well</small>" in html
    assert "<small><code>MayAssume</code> of inline policy assume, lines 4–10</small>" in html


def test_hops_are_escaped() -> None:
    html = page(Hop(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, caller_side=HOSTILE))
    assert HOSTILE not in html


def test_card_without_hops_has_no_such_list() -> None:
    assert 'class="gates hops"' not in page()


def test_who_can_names_the_roles_and_the_identities_of_providers() -> None:
    provider = {"Federated": f"arn:aws:iam::{OWNER}:oidc-provider/{GITHUB}"}
    web = "sts:AssumeRoleWithWebIdentity"
    pinned = {"StringLike": {f"{GITHUB}:sub": "repo:acme/app:*"}}
    given = world(
        ENTRY, LAST, DELEGATING, role(OWNER, "Ci", admits(provider, web), USING),
        role(OWNER, "Release", admits(provider, web, when=pinned), USING),
    )  # fmt: skip
    printed = render_who_can(who_can(given, DELEGATING, AnalysisRules(), Wanted()))
    assert f"assumes role/Entry of {MEMBER}, then role/Last of {OWNER}: trust policy statement 0, lines" in printed
    assert f"anybody with an identity of {GITHUB}" in printed
    assert f"repo:acme/app:* via {GITHUB}" in printed
    lines = printed.splitlines()
    ours = next(n for n, line in enumerate(lines) if f"role/Entry of {MEMBER} " in line)
    assert all(n < ours for n, line in enumerate(lines) if GITHUB in line), "identities of providers are strangers"
    assert "paths through assumed roles: 3 outsiders reach 1 key; 1 of ours reaches 1 key" in printed


def test_only_path_that_perhaps_exists_is_no_further_one() -> None:
    opaque = replace(DELEGATING, key_policy=None, gaps={"key_policy": "row"})
    given = world(role(OWNER, "Entry", admits(iam(STRANGER, "root")), USING), opaque)
    printed = render_who_can(who_can(given, opaque, AnalysisRules(), Wanted()))
    assert "in what was read, 0 selectors outside the account can use this key today, 1 could" in printed
    assert "paths through assumed roles: 1 path may exist" in printed


def test_identity_center_is_named_as_such() -> None:
    saml = {"Federated": f"arn:aws:iam::{OWNER}:saml-provider/AWSSSO_1"}
    sso = role(OWNER, "AWSReservedSSO_Admins_0123456789abcdef", admits(saml, "sts:AssumeRoleWithSAML"), USING)
    printed = render_who_can(who_can(world(sso, DELEGATING), DELEGATING, AnalysisRules(), Wanted()))
    assert "anybody with an identity of IAM Identity Center" in printed


def test_graph_is_canonical_ascii_json() -> None:
    hostile = role(OWNER, "Ünïcode", admits(iam(STRANGER, "root")), USING)
    data = build.whole(dump_graph(followed(ENTRY, LAST, hostile, DELEGATING).result.graph))
    assert data == build.whole(dump_graph(followed(DELEGATING, hostile, LAST, ENTRY).result.graph))
    read = json.loads(data.decode("ascii"))
    assert set(read) == {"schema_version", "engine", "max_hops", "cut", "nodes", "edges"}
    assert set(read["edges"][0]) == {
        "kind", "source", "target", "actions", "verdict", "reason", "condition", "mechanism", "finding_id",
        "statements",
    }  # fmt: skip
    ends = {node["id"] for node in read["nodes"]}
    assert all({edge["source"], edge["target"]} <= ends for edge in read["edges"])


def test_graph_of_nothing_is_complete_json() -> None:
    assert json.loads(build.whole(dump_graph(Graph())))["nodes"] == []


def test_longest_chain_is_taken_from_the_configuration() -> None:
    settings = Settings.model_validate({"analysis": {"max_role_hops": "2"}, "aws": {"member_role": "Audit"}})
    assert analysis_rules(settings)[1].max_role_hops == 2
    assert AnalysisRules().max_role_hops == Settings.model_validate({}).analysis.max_role_hops
