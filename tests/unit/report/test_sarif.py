"""SARIF of findings: against the official schema, and that every region is the text it says it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft4Validator
from scanner.model.finding import Evidence, Finding, FindingsDocument, Highlight, Severity
from scanner.model.lifecycle import Baseline, History, Lifecycle, Suppression
from scanner.report.policy_files import PolicyFiles, uri_of
from scanner.report.sarif import render_sarif

import report_builders as build

KEY_FILE = f"policies/{build.OWNER}/eu-west-1/{build.KEY_ID}.json"
TEXTS = {build.sha256(build.POLICY): build.POLICY}
"""What the snapshot holds; the grant stands in the document."""


@lru_cache
def official() -> Draft4Validator:
    """The official schema."""
    path = Path(__file__).parents[2] / "data" / "sarif" / "sarif-2.1.0-rtm.5.json"
    schema = json.loads(path.read_text("utf-8"))
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema)


def places(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The physical locations of a result."""
    for place in (*result["locations"], *result.get("relatedLocations", ())):
        if "physicalLocation" in place:
            yield place["physicalLocation"]


def marked(place: dict[str, Any], files: dict[str, bytes]) -> str:
    """The text that a location points at."""
    lines = files[unquote(place["artifactLocation"]["uri"])].decode("utf-8").split("\n")
    region = place["region"]
    if "startColumn" not in region:
        return "\n".join(lines[region["startLine"] - 1 : region["endLine"]])
    return lines[region["startLine"] - 1][region["startColumn"] - 1 : region["endColumn"] - 1]


def read(document: FindingsDocument, texts: dict[str, str] = TEXTS) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The one run of the log, and all files; the log fits the schema and points at text that is there."""
    data, files = render_sarif(document, texts.get)
    log = json.loads(data)
    assert [f"{e.json_path}: {e.message[:200]}" for e in official().iter_errors(log)] == []
    (run,) = log["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert all(marked(place, files) for place in places(result))
    uris = [artifact["location"]["uri"] for artifact in run["artifacts"]]
    assert sorted(map(unquote, uris)) == sorted(files)
    assert not any(re.search(r"^[a-z]+:|^/|\.\.|[^A-Za-z0-9._~%/-]", uri) for uri in uris)
    return run, files


def result_of(finding: Finding, **changes: Any) -> dict[str, Any]:
    """The result of one finding."""
    (result,) = read(build.document(findings=(finding,), **changes))[0]["results"]
    assert isinstance(result, dict)
    return result


def test_log_of_every_kind_of_finding_fits_the_official_schema() -> None:
    run, files = read(build.document(resolved=(build.stranger_finding(lifecycle="resolved"),)))
    assert [result["fingerprints"]["finding/v1"] for result in run["results"]] == [
        "kx-pnfc3b5nav5y", "kx-3v3amusq34ah", "kx-7qk2d4n6x0ab", "kx-zz9plural0za", "kx-pnfc3b5nav5y",
    ]  # fmt: skip
    assert len(files) == 2


@pytest.mark.parametrize(
    "change",
    [{"level": "bad"}, {"invented": 1}, {"message": {}}, {"baselineState": "gone"}, {"locations": [{"id": -2}]}],
)
def test_official_schema_refuses_what_is_no_result(change: dict[str, Any]) -> None:
    log = json.loads(render_sarif(build.document(), TEXTS.get)[0])
    log["runs"][0]["results"][0] |= change
    assert list(official().iter_errors(log)) != []


def test_run_without_findings_is_a_log_without_results() -> None:
    run, files = read(build.document(findings=()))
    assert (run["results"], run["artifacts"], run["tool"]["driver"]["rules"]) == ([], [], [])
    assert files == {}


def test_policy_is_written_word_for_word_and_results_point_at_what_decides() -> None:
    run, files = read(build.document())
    assert files[KEY_FILE].decode() == build.POLICY
    first = run["results"][0]
    assert [marked(place, files) for place in places(first)] == [
        f'"arn:aws:iam::{build.STRANGER}:root"', '"kms:Decrypt"',
    ]  # fmt: skip
    (place, *_) = places(first)
    assert place["artifactLocation"]["uri"] == KEY_FILE
    assert '"LegacyShare"' in marked({**place, "region": place["contextRegion"]}, files)
    assert first["locations"][0]["message"]["text"].endswith("delegates to every principal of 999988887777")
    assert first["relatedLocations"][0]["id"] == 1


def test_columns_count_characters_also_beyond_the_basic_plane() -> None:
    text = '{"Sid": "𝒌𝒌",\r\n "Action": "kms:Decrypt"}'
    column = text.index('"𝒌𝒌"') + 1
    mark = Highlight(1, column, column + 3, "the Sid")
    evidence = Evidence("policy_statement", build.KEY_ARN, "key policy default", build.sha256(text), 1, 2, (mark,))
    run, files = read(
        build.document(findings=(build.stranger_finding(evidence=(evidence,)),)), {build.sha256(text): text}
    )
    assert run["columnKind"] == "unicodeCodePoints"
    assert [marked(place, files) for place in places(run["results"][0])] == ['"𝒌𝒌"']
    assert files[KEY_FILE] == text.encode()


def test_mark_on_the_indent_of_a_statement_means_the_statement() -> None:
    evidence = replace(build.stranger_finding().evidence[0], highlights=(Highlight(10, 1, 1, "scp: allow"),))
    assert build.POLICY.split("\n")[9].startswith(" ")
    result = result_of(build.stranger_finding(evidence=(evidence,)))
    (place,) = places(result)
    assert "LegacyShare" in marked(place, read(build.document())[1])
    assert "contextRegion" not in place
    assert result["locations"][0]["message"]["text"].endswith("scp: allow")


@pytest.mark.parametrize("mark", [(99, 1, 1), (0, 1, 1), (1, 0, 1), (1, 5, 9), (1, 3, 2)])
def test_highlight_outside_the_text_leaves_the_excerpt(mark: tuple[int, int, int]) -> None:
    evidence = replace(build.stranger_finding().evidence[0], highlights=(Highlight(*mark, "wrong"),))
    result = result_of(build.stranger_finding(evidence=(evidence,)))
    (place,) = places(result)
    assert set(place["region"]) == {"startLine", "endLine"}
    assert "contextRegion" not in place


def test_highlight_outside_the_excerpt_has_no_context() -> None:
    evidence = replace(build.stranger_finding().evidence[0], highlights=(Highlight(1, 1, 1, "elsewhere"),))
    (place,) = places(result_of(build.stranger_finding(evidence=(evidence,))))
    assert place["region"] == {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}
    assert "contextRegion" not in place


@pytest.mark.parametrize(("first", "last"), [(0, 0), (1, 9999), (9999, 1), (-4, -4)])
def test_excerpt_is_kept_within_the_text(first: int, last: int) -> None:
    evidence = replace(build.stranger_finding().evidence[0], highlights=(), excerpt_from=first, excerpt_to=last)
    (place,) = places(result_of(build.stranger_finding(evidence=(evidence,))))
    count = len(build.POLICY.split("\n"))
    assert 1 <= place["region"]["startLine"] <= place["region"]["endLine"] <= count


def test_result_whose_document_is_not_at_hand_has_a_logical_location_only() -> None:
    result = result_of(build.ineffective_finding())
    assert result["locations"] == [
        {"logicalLocations": [{"name": "alias/card-data", "fullyQualifiedName": build.KEY_ARN, "kind": "resource"}]}
    ]


def test_rules_are_kind_and_leading_capability_and_sorted() -> None:
    run, _ = read(build.document())
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [
        "external_access/decrypt",
        "ineffective_permission",
    ]


def test_level_follows_the_severity() -> None:
    levels = [result_of(build.stranger_finding(severity=severity))["level"] for severity in Severity]
    assert levels == ["error", "error", "warning", "note", "note"]


@pytest.mark.parametrize(
    ("lifecycle", "state"),
    [
        (Lifecycle.NEW, "new"),
        (Lifecycle.REOPENED, "new"),
        (Lifecycle.UNCHANGED, "unchanged"),
        (Lifecycle.NOT_RECHECKED, "unchanged"),
        (Lifecycle.WIDENED, "updated"),
        (Lifecycle.NARROWED, "updated"),
        (Lifecycle.ENGINE_CHANGED, "updated"),
        (Lifecycle.RESOLVED, "absent"),
    ],
)
def test_baseline_state_follows_the_lifecycle(lifecycle: Lifecycle, state: str) -> None:
    earlier = History(Baseline("r", "2026-11-01T00:00:00Z", 1, "c", "s", "findings"))
    result = result_of(build.stranger_finding(lifecycle=lifecycle.value), history=earlier)
    assert (result["baselineState"], result["properties"]["lifecycle"]) == (state, lifecycle.value)


def test_result_without_a_baseline_has_no_state() -> None:
    assert "baselineState" not in result_of(build.stranger_finding(lifecycle="new"))


def test_fingerprint_is_partial_and_the_id_is_whole() -> None:
    result = result_of(build.stranger_finding())
    assert result["partialFingerprints"] == {"access/v1": "a1fce436"}
    assert result["fingerprints"] == {"finding/v1": "kx-pnfc3b5nav5y"}


def test_only_an_entry_that_holds_suppresses() -> None:
    entry = Suppression("contract", "hr@acme.example", "T-1", "2027-03-31", "active")
    assert result_of(build.stranger_finding(suppression=entry))["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "contract (hr@acme.example, T-1, until 2027-03-31)",
        }
    ]
    for state in ("partial", "expired", "fingerprint_changed"):
        assert "suppressions" not in result_of(build.stranger_finding(suppression=replace(entry, state=state)))


def test_what_was_not_read_is_a_notification_and_the_run_no_success() -> None:
    (invocation,) = read(build.document(findings=()))[0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [note["descriptor"]["id"] for note in invocation["toolExecutionNotifications"]] == [
        "coverage-gap", "coverage-gap", "opaque-key",
    ]  # fmt: skip
    assert "me-south-1, me-central-1: kms:ListKeys ended with denied_by_scp" in str(invocation)
    assert invocation["startTimeUtc"] == "2026-11-22T00:10:00Z"
    (good,) = read(build.document(run=build.run_info(gate_coverage=True)))[0]["invocations"]
    assert good["executionSuccessful"] is True


def test_message_makes_no_link_and_no_placeholder() -> None:
    text = result_of(build.stranger_finding(title="[click](javascript:alert(1)) {0} ${aws:username}"))["message"][
        "text"
    ]
    assert text.startswith("[click] (javascript:alert(1)) {{0}} ${{aws:username}}. ")


# -- names of files ---------------------------------------------------------------------------------------------------


def named(source: str, document: str, text: str = "{}") -> str | None:
    """The name of one document."""
    evidence = Evidence("k", source, document, build.sha256(text), 1, 1)
    return PolicyFiles({build.sha256(text): text}.get).name_of(evidence)


@pytest.mark.parametrize(
    ("source", "document", "name"),
    [
        (build.KEY_ARN, "key policy default", f"{build.OWNER}/eu-west-1/{build.KEY_ID}.json"),
        (build.KEY_ARN, "key policy AWS_RAM", f"{build.OWNER}/eu-west-1/{build.KEY_ID}.key-policy-AWS_RAM.json"),
        (build.KEY_ARN, "grant a1b2", f"{build.OWNER}/eu-west-1/{build.KEY_ID}.grant-a1b2.json"),
        ("arn:aws:iam::111122223333:role/entry", "trust policy", "111122223333/iam/role/entry/trust-policy.json"),
        ("arn:aws:iam::111122223333:user/a=b,c", "inline policy x", "111122223333/iam/user/a=b,c/inline-policy-x.json"),
        ("p-9x8y7z6w", "SCP DenyAll at r-acme", "organization/p-9x8y7z6w.json"),
    ],
)
def test_file_is_named_after_what_holds_the_document(source: str, document: str, name: str) -> None:
    assert named(source, document) == f"policies/{name}"


def test_uri_is_percent_encoded() -> None:
    assert uri_of("policies/111122223333/iam/user/a=b,c@d+e/x.json") == (
        "policies/111122223333/iam/user/a%3Db%2Cc%40d%2Be/x.json"
    )


@pytest.mark.parametrize("text", [*build.HOSTILE, "../../etc/passwd", "..", ".", "", "/etc/x", "a/../b", "con\\aux"])
def test_name_never_leaves_its_folder_whatever_the_document_is_called(text: str) -> None:
    for source, document in ((text, "d"), (build.KEY_ARN, text), (f"arn:aws:iam::1:role/{text}", text)):
        parts = (named(source, document) or "").split("/")
        assert parts[0] == "policies"
        assert all(re.fullmatch(r"[A-Za-z0-9+=,@_-][A-Za-z0-9+=,.@_-]{0,200}", part) for part in parts)
        assert parts[-1].endswith(".json")


def test_role_in_a_path_takes_no_place_of_a_folder() -> None:
    files = PolicyFiles({build.sha256("{}"): "{}"}.get)
    inner = Evidence("k", "arn:aws:iam::1:role/x/trust-policy.json", "trust policy", build.sha256("{}"), 1, 1)
    outer = replace(inner, source_arn="arn:aws:iam::1:role/x")
    names = [files.name_of(inner), files.name_of(outer)]
    assert not any(str(name).startswith(f"{other}/") for name in names for other in names)


def test_names_that_differ_only_in_what_is_replaced_stay_apart() -> None:
    assert named("arn:aws:iam::1:role/a/b", "d") != named("arn:aws:iam::1:role/a:b", "d")
    assert named(build.KEY_ARN, "x" * 200) != named(build.KEY_ARN, "x" * 201)


def test_second_text_under_one_name_is_told_apart_by_its_hash() -> None:
    texts = {build.sha256(text): text for text in ("{}", "[]")}
    files = PolicyFiles(texts.get)
    names = [files.name_of(Evidence("k", build.KEY_ARN, "key policy default", digest, 1, 1)) for digest in texts]
    assert names == [KEY_FILE, KEY_FILE.replace(".json", f".{build.sha256('[]')[:12]}.json")]
    assert sorted(files.files().values()) == [b"[]", b"{}"]


@pytest.mark.parametrize("text", build.HOSTILE, ids=range(len(build.HOSTILE)))
def test_hostile_text_fits_the_schema_and_strict_readers(text: str) -> None:
    document = build.hostile_document(text)
    texts = dict(document.documents)
    whole = replace(document, resolved=document.findings)
    run, files = read(whole, texts)
    assert len(run["results"]) == 6
    data, _ = render_sarif(whole, texts.get)
    assert data.isascii()
    json.dumps(json.loads(data), ensure_ascii=False).encode("utf-8")
    assert "\x00" not in str(json.loads(data))
    assert all(content.decode("utf-8") for content in files.values())
    assert not re.search(r"\]\(", str([result["message"] for result in run["results"]]))
