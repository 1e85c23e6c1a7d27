"""suppressions.yaml: every problem at once with its line, what an entry covers, and entries appended to a file."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from hypothesis import given as supposing
from hypothesis import settings
from hypothesis import strategies as st
from scanner.config.starter import SUPPRESSIONS_STARTER
from scanner.errors import ConfigError, OutputError, UsageError
from scanner.model.actions import CAPABILITIES
from scanner.model.finding import Kind
from scanner.model.suppression import Selector, SuppressionEntry
from scanner.suppressions import SuppressionFile, SuppressionRules, append_suppression, read_suppressions

TODAY = dt.date(2026, 11, 22)
RULES = SuppressionRules()
ID = "kx-pnfc3b5nav5y"
GOOD = f"""\
version: 1
suppressions:
  - id: {ID}                       # by finding id
    fingerprint: a1fce436
    reason: Payroll vendor reads month-end exports; contract 2024-117
    owner: hr-platform@acme.example
    ticket: RISK-1042
    expires: 2027-03-31
  - match:
      kind: external_access
      key: {{account: "111122223333", tag: {{app: backup}}}}
      grantee: {{account: "222233334444"}}
      capabilities: [encrypt]
    reason: Central backup writes only
    owner: backup-team@acme.example
    expires: 2027-01-15
"""


TOO_FAR = "must be within 365 days: 2027-11-22 at the latest (suppressions.max_days)"
IN_ONE_LINE = "suppressions: [{id: kx-aaaaaaaaaaaa, reason: r, owner: o, expires: 2027-01-01}]\nversion: 1\n"


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "suppressions.yaml"


def read(path: Path, text: str, rules: SuppressionRules = RULES) -> SuppressionFile:
    path.write_text(text)
    return read_suppressions(path, rules, TODAY, must_exist=True)


def problems(path: Path, text: str, rules: SuppressionRules = RULES) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read(path, text, rules)
    return [problem.removeprefix(f"{path}:") for problem in refused.value.problems]


# -- reading ----------------------------------------------------------------------------------------------------------


def test_example_of_the_documentation_is_read_with_lines_and_hash(file) -> None:
    found = read(file, GOOD)
    by_id, by_match = found.entries
    assert (by_id.id, by_id.fingerprint, by_id.ticket, by_id.line) == (ID, "a1fce436", "RISK-1042", 3)
    assert by_match.selector == Selector(
        "external_access", key_account="111122223333", key_tags={"app": "backup"}, grantee_account="222233334444",
        capabilities=("encrypt",),
    )  # fmt: skip
    assert (by_match.line, by_match.expires) == (9, "2027-01-15")
    assert by_match.label == "222233334444 on 111122223333 app=backup: encrypt"
    assert len(found.sha256) == 64


def test_missing_default_file_is_empty_and_a_named_one_is_an_error(file) -> None:
    assert read_suppressions(file, RULES, TODAY, must_exist=False) == SuppressionFile()
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        read_suppressions(file, RULES, TODAY, must_exist=True)


def test_starter_file_and_a_list_without_entries_are_read(file) -> None:
    assert read(file, SUPPRESSIONS_STARTER).entries == ()
    assert read(file, "version: 1\nsuppressions:\n").entries == ()
    example = SUPPRESSIONS_STARTER.replace("suppressions: []\n", "suppressions:\n")
    example += "".join(f"{line[1:]}\n" for line in SUPPRESSIONS_STARTER.splitlines() if line.startswith("#  "))
    assert len(read(file, example).entries) == 2


def test_every_problem_is_told_at_once_with_its_line(file) -> None:
    bad = f"""\
version: 2
suppression: x
suppressions:
  - id: kx-1
    reason: r
    owner: o
    expires: 2027-02-31
  - id: {ID}
    match: {{key: {{account: "*"}}, grantee: {{}}, capabilities: [decrpyt]}}
    fingerprint: A1
    reason: r
    owner: o
    expires: 2029-01-01
  - match: {{kind: grants, key: {{region: eu-west-1, account: "12"}}, capabilities: []}}
    fingerprint: a1fce436
    reason: [r]
    owner:
    expires: 2027-01-01
  - just text
"""
    assert problems(file, bad) == [
        "1: version must be 1, the version that this release reads",
        "2: suppression is not known (did you mean `suppressions`?)",
        "4: suppressions.0.id is `kx-1`, must be a finding id: kx- and 12 signs",
        "7: suppressions.0.expires is `2027-02-31`, must be a date such as 2027-03-31",
        "8: suppressions.1 must name a finding with `id`, or several with `match`, and not both",
        "9: suppressions.1.match.grantee must name the caller side: account or selector",
        "9: suppressions.1.match.key.account is `*`, which fits everything; name something",
        f"9: suppressions.1.match.capabilities.0 must be one of {', '.join(CAPABILITIES)} (did you mean `decrypt`?)",
        "10: suppressions.1.fingerprint is `A1`, must be 8 hex digits",
        f"13: suppressions.1.expires is 2029-01-01, {TOO_FAR}",
        "14: suppressions.2.match.grantee must name the caller side: account or selector",
        f"14: suppressions.2.match.kind is `grants`, must be one of {', '.join(Kind)}",
        "14: suppressions.2.match.key.account is `12`, must be a 12-digit account id or a glob of one",
        "14: suppressions.2.match.capabilities must list the capabilities that are accepted, such as [encrypt]",
        "15: suppressions.2.fingerprint goes with `id` only",
        "16: suppressions.2.reason must be one text",
        "17: suppressions.2.owner is required",
        "19: suppressions.3 must be a mapping of id, fingerprint, match, reason, owner, ticket, expires",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "1: the file must be a mapping of version, suppressions"),
        ("version: 1\nsuppressions: all\n", "2: suppressions must be a list of entries"),
        ("version: 1\nsuppressions: [\n", "3: is not YAML"),
        (GOOD + f"  - {{id: {ID}, reason: r, owner: o, expires: 2027-01-01}}\n",
         f"17: `{ID}` is suppressed twice, first in line 3"),
        (GOOD.replace("{app: backup}", "app"), "11: suppressions.1.match.key.tag must be a mapping of tag keys"),
        (GOOD.replace("tag: {app: backup}", "tag: {}").replace('account: "111122223333", ', ""),
         "11: suppressions.1.match.key must name the key side: account, arn, alias or tag"),
    ],
)  # fmt: skip
def test_file_that_cannot_be_used_says_where_and_why(file, text, problem) -> None:
    assert any(found.startswith(problem) for found in problems(file, text))


def test_ticket_is_required_where_the_configuration_asks_for_it(file) -> None:
    rules = SuppressionRules(365, ("reason", "owner", "expires", "ticket"))
    assert problems(file, GOOD, rules) == ["9: suppressions.1.ticket is required"]


def test_file_that_is_no_text_or_far_too_large_is_refused(file) -> None:
    file.write_bytes(b"version: 1\n\xff")
    with pytest.raises(ConfigError, match=":2: is not UTF-8 text"):
        read_suppressions(file, RULES, TODAY, must_exist=True)
    file.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(UsageError, match="larger than 4 MiB"):
        read_suppressions(file, RULES, TODAY, must_exist=True)


# -- appending --------------------------------------------------------------------------------------------------------

ENTRY = SuppressionEntry("Exports: month-end # contract", "me@acme.example", "2027-03-31", "RISK-1", ID, "a1fce436")


@pytest.mark.parametrize(
    "before",
    [
        None,
        "",
        SUPPRESSIONS_STARTER,
        "version: 1\n",
        "# ours\nversion: 1\nsuppressions:   [ ]   # none yet\n",
        "version: 1\nsuppressions:\n",
        "version: 1\nsuppressions: ~",
        GOOD.replace(ID, "kx-aaaaaaaaaaaa"),
        GOOD.replace(ID, "kx-aaaaaaaaaaaa").replace("\n  ", "\n"),
        GOOD.replace(ID, "kx-aaaaaaaaaaaa").rstrip("\n"),
        "version: 1\r\nsuppressions: []\r\n",
    ],
)
def test_entry_is_appended_and_everything_before_it_stays(file, before) -> None:
    if before is not None:
        file.write_bytes(before.encode())
    if before == "":
        with pytest.raises(ConfigError):
            append_suppression(file, ENTRY, RULES, TODAY)
        assert file.read_bytes() == b""
        return
    append_suppression(file, ENTRY, RULES, TODAY)
    after = file.read_bytes().decode()
    entries = read_suppressions(file, RULES, TODAY, must_exist=True).entries
    last = entries[-1]
    assert (last.reason, last.owner, last.ticket, last.fingerprint) == (
        ENTRY.reason, ENTRY.owner, ENTRY.ticket, "a1fce436",
    )  # fmt: skip
    for line in (before or "").splitlines():
        if not line.startswith("suppressions:"):
            assert line in after
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_second_entry_for_a_finding_is_refused_and_names_the_first(file) -> None:
    file.write_text(GOOD)
    with pytest.raises(UsageError, match=f":3: `{ID}` has an entry already"):
        append_suppression(file, ENTRY, RULES, TODAY)
    assert file.read_text() == GOOD


@pytest.mark.parametrize(
    "before",
    ["suppressions: []\nversion: 1\n", IN_ONE_LINE, "version: 1\nsuppressions: {}\n"],
)  # fmt: skip
def test_file_that_cannot_be_appended_to_stays_as_it_is(file, before) -> None:
    file.write_text(before)
    with pytest.raises(UsageError):
        append_suppression(file, ENTRY, RULES, TODAY)
    assert file.read_text() == before


def test_entry_that_would_not_load_is_not_written(file) -> None:
    file.write_text(GOOD.replace(ID, "kx-aaaaaaaaaaaa"))
    far = SuppressionEntry("r", "o", "2030-01-01", id=ID)
    with pytest.raises(ConfigError, match="must be within 365 days"):
        append_suppression(file, far, RULES, TODAY)
    assert ID not in file.read_text()


def test_folder_that_cannot_be_written_is_named(file, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match="cannot be written: permission denied"):
        append_suppression(file, ENTRY, RULES, TODAY)


@settings(deadline=None, max_examples=60)
@supposing(st.text(min_size=1, max_size=40).filter(lambda t: t.strip() and t.isprintable()))
def test_any_reason_comes_back_as_it_was_typed(tmp_path_factory, reason) -> None:
    path = tmp_path_factory.mktemp("s") / "suppressions.yaml"
    append_suppression(path, SuppressionEntry(reason, "o", "2027-03-31", id=ID), RULES, TODAY)
    (entry,) = read_suppressions(path, RULES, TODAY, must_exist=True).entries
    assert entry.reason == reason
