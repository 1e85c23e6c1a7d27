"""Trust as configured reaches the analysis: approvals, providers, boundaries, and the user's list of vendors."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace

import pytest
from scanner import pipeline
from scanner.analyze.principals.approvals import ApprovedAccount, ApprovedProvider
from scanner.analyze.principals.borders import InnerBoundary
from scanner.analyze.principals.party import Trust
from scanner.cli import main
from scanner.config import Settings, config_hash, load_settings, read_vendors
from scanner.errors import ConfigError, UsageError
from scanner.model.arn import AccountId
from scanner.plan import analysis_rules, check_trust, trust_of

from builders import MEMBER, OU, OWNER, ROOT, STRANGER, account, key, organization, world

TODAY = dt.date(2026, 11, 22)
CONFIG = """\
version: 1
aws: {member_role: Audit}
trust:
  organizations: [{id: o-abcdef1234, accounts: [333344445555]}]
  accounts:
    - id: 012345670123
      name: Payroll SaaS
      purpose: Decrypts exports
      owner: hr@acme.example
      approved_by: RISK-1042
      expires: 2027-03-31
      keys: ["tag:app=payroll"]
      capabilities: [decrypt]
  identity_providers:
    - {issuer: gitlab.example, subjects: ["a/*"], owner: me, expires: 2027-01-01}
  boundaries:
    - {name: prod, match: {ou: /Workloads/Prod}, sensitive: true}
    - {name: one, match: {account: 444455556666}}
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def vendors(text: str) -> str:
    Path("vendors.yaml").write_text(text, encoding="utf-8")
    return "vendors.yaml"


def refused(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_vendors(vendors(text))
    return caught.value.problems


def test_trust_of_the_configuration_is_what_the_analysis_takes() -> None:
    Path("config.yaml").write_text(CONFIG + "  known_vendors: vendors.yaml\n", encoding="utf-8")
    vendors("- {name: Example Backup, accounts: ['111111111111']}\n")
    settings = load_settings(Path("config.yaml"), environ={}, flags={}, today=TODAY).settings
    trust = trust_of(settings)
    assert trust == Trust(
        organizations=frozenset({"o-abcdef1234"}),
        accounts={"333344445555": "o-abcdef1234"},
        approvals=(
            ApprovedAccount(
                "012345670123", "Payroll SaaS", "2027-03-31", "RISK-1042", "Decrypts exports", "hr@acme.example",
                ("tag:app=payroll",), ("decrypt",),
            ),
        ),
        providers=(ApprovedProvider("gitlab.example", ("a/*",), "2027-01-01", "me"),),
        vendors={"111111111111": "Example Backup"},
        boundaries=(InnerBoundary("prod", "/Workloads/Prod", sensitive=True), InnerBoundary("one", account=MEMBER)),
    )  # fmt: skip
    assert analysis_rules(settings)[1].trust == trust


# -- the list of vendors ----------------------------------------------------------------------------------------------


def test_no_list_names_nobody() -> None:
    assert read_vendors("none") == {}


def test_list_of_vendors_names_accounts_and_skips_what_published_lists_add() -> None:
    path = vendors(
        "- name: Example Backup\n  source: [https://backup.example]\n  accounts: [012345670123, 222222222222]\n"
        "- name: Other\n  accounts: [222222222222]\n- name: Without accounts\n"
    )
    assert read_vendors(path) == {"012345670123": "Example Backup", "222222222222": "Example Backup or Other"}


def test_every_problem_of_a_list_of_vendors_is_told_with_file_and_line() -> None:
    assert refused("- name: A\n  accounts:\n    - 12\n- accounts: []\n") == (
        "vendors.yaml:3: 0.accounts.0 is `12`, must be a 12-digit account id",
        "vendors.yaml:4: 1.name is required",
    )
    assert refused("name: A\n")[0].startswith("vendors.yaml:1: must be a list of vendors such as ")
    assert refused("- [\n")[0].startswith("vendors.yaml:2: is not YAML: ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "no such file or directory"), (b"\xff\xfe\x00", "it is not UTF-8 text"), (b" " * 4194305, "it is larger")],
)
def test_list_that_cannot_be_read_is_told_at_the_setting(
    content: bytes | None, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("config.yaml").write_text(CONFIG + "  known_vendors: vendors.yaml\n", encoding="utf-8")
    if content is not None:
        Path("vendors.yaml").write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        main(["config", "check", "--config", "config.yaml"])
    assert caught.value.code == 2
    text = "config.yaml:19: trust.known_vendors is `vendors.yaml`, which cannot be read: "
    assert text + reason in capsys.readouterr().err


def test_content_of_the_list_is_part_of_the_configuration_and_its_place_is_not() -> None:
    settings = Settings.model_validate({"trust": {"known_vendors": "vendors.yaml"}})
    moved = Settings.model_validate({"trust": {"known_vendors": "elsewhere.yaml"}})
    assert config_hash(settings, {"1": "A"}) == config_hash(moved, {"1": "A"})
    assert config_hash(settings, {"1": "A"}) != config_hash(settings, {"1": "B"})
    assert config_hash(Settings()) == config_hash(Settings(), {})


# -- against the organization that was read ---------------------------------------------------------------------------

GIVEN = world(
    key(),
    organization(
        members={AccountId(OWNER): (ROOT, OU), AccountId(MEMBER): (ROOT,)},
        ou_names={OU: "Workloads", "ou-empty": "Empty"},
    ),
    account("121212121212"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("trust", "problem"),
    [
        (
            Trust(approvals=(ApprovedAccount(MEMBER, "Us", "2027-01-01"),)),
            "trust.accounts.0.id is `444455556666`, one of your own accounts (nothing to approve)",
        ),
        (
            Trust(approvals=(ApprovedAccount("121212121212", "Us", "2027-01-01"),)),
            "trust.accounts.0.id is `121212121212`, one of your own accounts (nothing to approve)",
        ),
        (
            Trust(boundaries=(InnerBoundary("p", ou="/Workloads/Prdo"),)),
            "trust.boundaries.0.match.ou is `/Workloads/Prdo`, no organizational unit of the organization",
        ),
        (
            Trust(boundaries=(InnerBoundary("p", ou="ou-none"),)),
            "trust.boundaries.0.match.ou is `ou-none`, no organizational unit of the organization",
        ),
        (
            Trust(boundaries=(InnerBoundary("p", account=STRANGER),)),
            f"trust.boundaries.0.match.account is `{STRANGER}`, no account of the organization",
        ),
    ],
)
def test_trust_that_the_organization_contradicts_is_refused(trust: Trust, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_trust(trust, GIVEN)
    assert caught.value.message == problem


@pytest.mark.parametrize(
    "boundary",
    [
        InnerBoundary("a", ou="/Workloads"),
        InnerBoundary("b", ou=OU),
        InnerBoundary("c", ou="ou-empty"),
        InnerBoundary("d", ou="/Workloads/Empty"),
        InnerBoundary("e", account=MEMBER),
    ],
)
def test_boundary_around_something_is_accepted(boundary: InnerBoundary) -> None:
    check_trust(Trust(approvals=(ApprovedAccount(STRANGER, "V", "2027-01-01"),), boundaries=(boundary,)), GIVEN)


def test_boundary_cannot_be_checked_where_the_organization_was_not_read() -> None:
    check_trust(Trust(boundaries=(InnerBoundary("p", ou="/Nowhere"),)), world(key(), organizations=()))


def test_refusal_after_collecting_says_where_the_collected_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UsageError("no", hint="correct it")

    monkeypatch.setattr(pipeline, "collect_run", lambda *_, **__: SimpleNamespace(path=Path("out/run-1")))
    monkeypatch.setattr(pipeline, "analyze_run", refuse)
    with pytest.raises(UsageError) as caught:
        pipeline.run(Settings(), {}, clock=pipeline.SystemClock())
    assert caught.value.hint == "correct it; what was collected is in `out/run-1`"
