"""The snapshot as a world: typed, read-only, with every gap marked where it weakens a verdict."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scanner.model.arn import AccountId, KeyArn, parse_arn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.key import Grant, KeyFacts
from scanner.model.organization import AccountFacts, Organization
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.world import World
from scanner.snapshot.holdings import KEY_POLICY, RAM_POLICY, all_grants
from scanner.snapshot.ledger import IDENTITY_CALL, READ, Ledger, ledger_of, never_written
from scanner.snapshot.part import Part, narrowed
from scanner.snapshot.principals import load_principals
from scanner.snapshot.read import ContentError, read_document

_ENABLED = frozenset({"ENABLED", "ENABLED_BY_DEFAULT"})
_SETTLED = _ENABLED | {"DISABLED"}
_ORGANIZATION_CALL = "organizations:DescribeOrganization"
_TREE_CALLS = (
    _ORGANIZATION_CALL, "organizations:ListRoots", "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListAccountsForParent",
)  # fmt: skip
_CALLS = {
    "describe": "kms:DescribeKey", "key_policy": "kms:GetKeyPolicy", "ram_policy": "kms:GetKeyPolicy",
    "grants": "kms:ListGrants", "tags": "kms:ListResourceTags", "aliases": "kms:ListAliases",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the user says about the world that no snapshot holds.

    `trusted_accounts` are members of further organizations the user owns, by account id.
    """

    as_of: str
    trusted_accounts: Mapping[str, str] = field(default_factory=dict)
    credit_scp: bool = True
    credit_rcp: bool = True
    asserted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def load_meta(connection: sqlite3.Connection) -> dict[str, str]:
    """The header of the snapshot."""
    return dict(connection.execute("SELECT key, value FROM meta ORDER BY key").fetchall())


def load_coverage(connection: sqlite3.Connection, part: Part | None = None) -> tuple[LedgerRow, ...]:
    """Every row of the coverage ledger, ordered, and one for each planned unit that a killed collection never wrote."""
    found = {row.ref: row for row in never_written(connection)}
    concerned = narrowed("{accounts} OR region IN ('global', '*')", part)
    found.update((row.ref, row) for row in ledger_of(connection, *concerned))
    return tuple(sorted(found.values(), key=lambda row: (row.account_id, row.region, row.call, row.subject)))


def load_world(connection: sqlite3.Connection, assumptions: Assumptions, part: Part | None = None) -> World:
    """Everything the analysis needs, in memory.

    Args:
        part: leaves out the keys, principals and ledger rows that a question does not concern.

    Raises:
        SnapshotError: a document that an index names is missing or damaged, or the organization's tree has no root.
    """
    return _Loader(connection, assumptions, part).world()


class _Loader:
    def __init__(self, connection: sqlite3.Connection, assumptions: Assumptions, part: Part | None) -> None:
        self.rows = connection
        self.assumptions = assumptions
        self.part = part
        self.ledger = Ledger(load_coverage(connection, part))
        self._texts: dict[str, str] = {}
        self._placed: dict[tuple[str, DocumentKind, str, str], PolicyText] = {}

    def world(self) -> World:
        organization = self._organization()
        members = frozenset(organization.members) if organization else frozenset()
        return World(
            accounts=self._accounts(members, organization),
            organizations=(organization,) if organization else (),
            keys=self._keys(),
            principals=load_principals(self.rows, self.ledger, self.text, self.part),
            as_of=self.assumptions.as_of,
            coverage=self.ledger.rows,
            credit_scp=self.assumptions.credit_scp,
            credit_rcp=self.assumptions.credit_rcp,
            asserted=dict(self.assumptions.asserted),
            organization_gap="" if organization else self._organization_gap(),
            unlisted_accounts_collected=False,
            shared_keys=self._shared_keys(),
        )

    def text(self, sha256: str, kind: DocumentKind, source: str, name: str) -> PolicyText:
        """A document in its place: one value for all who hold it there, as a million may."""
        place = (sha256, kind, source, name)
        if place not in self._placed:
            if sha256 not in self._texts:
                self._texts[sha256] = read_document(self.rows, sha256)
            self._placed[place] = PolicyText(self._texts[sha256], *place)
        return self._placed[place]

    def _narrowed(self, query: str) -> sqlite3.Cursor:
        """The rows of a query that belong to the part."""
        return self.rows.execute(*narrowed(query, self.part))

    # -- organization ----------------------------------------------------------------------------------------------

    def _organization(self) -> Organization | None:
        found = self.rows.execute(
            "SELECT id, management_account_id, root_id, scp_enabled, rcp_enabled, tree_read, scp_read, rcp_read "
            "FROM organizations"
        ).fetchone()
        if found is None or found[5] not in READ:
            return None
        org_id, management, root, scp_on, rcp_on, _, scp_read, rcp_read = found
        parents = dict(self.rows.execute("SELECT id, parent_id FROM ous"))
        members = {
            AccountId(account): self._path(parent, parents, root)
            for account, parent in self.rows.execute(
                "SELECT account_id, parent_id FROM org_members ORDER BY account_id"
            )
        }
        targets = [root, *parents, *members]
        scps = self._attached(DocumentKind.SCP, targets) if scp_on is not None and scp_read in READ else None
        rcps = self._attached(DocumentKind.RCP, targets) if rcp_on is not None and rcp_read in READ else None
        return Organization(
            id=org_id,
            root=root,
            management_account=AccountId(management),
            members=members,
            scps=scps,
            rcps=rcps,
            scp_enabled=scp_on != 0,
            rcp_enabled=rcp_on != 0,
            scp_gap=self._policy_gap(DocumentKind.SCP) if scps is None else "",
            rcp_gap=self._policy_gap(DocumentKind.RCP) if rcps is None else "",
            ou_names=dict(self.rows.execute("SELECT id, name FROM ous")),
        )

    def _organization_gap(self) -> str:
        """The first row that tells why the tree is not known, in the order of the calls; empty where none failed.

        The role of whoever reads the organization is entered first; its row is global, that of an account's own is not.
        """
        entered = (r for r in self.ledger.unread("sts:AssumeRole") if r.region == "global")
        failed = (r for call in _TREE_CALLS for r in self.ledger.unread(call))
        return next((row.ref for row in (*entered, *failed) if row.outcome.is_gap), "")

    @staticmethod
    def _path(parent: str, parents: Mapping[str, str], root: str) -> tuple[str, ...]:
        path = [parent]
        while path[0] in parents and len(path) <= len(parents):
            path.insert(0, parents[path[0]])
        if path[0] != root:
            raise ContentError(f"the organization of the snapshot does not lead to its root at `{parent}`")
        return tuple(path)

    def _policy_gap(self, kind: DocumentKind) -> str:
        """The row that tells why the policies of a type are not known; their list's where no call about them failed."""
        name, operation = kind.name_of_type, "organizations:ListPolicies"
        subjects = {p for (p,) in self.rows.execute("SELECT policy_id FROM org_policies WHERE type = ?", (name,))}
        calls = (operation, "organizations:ListTargetsForPolicy", "organizations:DescribePolicy")
        failed = (r for r in self.ledger.unread(*calls) if r.subject in {name, *subjects} and r.outcome.is_gap)
        listed = (r for r in self.ledger.rows if (r.call, r.subject) == (operation, name))
        return next((row.ref for row in (*failed, *listed)), "")

    def _attached(self, kind: DocumentKind, targets: Iterable[str]) -> dict[str, tuple[PolicyText, ...]] | None:
        """Policies by target; None where the text of one that is attached was not read (R3.56)."""
        policies = {
            policy_id: (name, sha256)
            for policy_id, name, sha256 in self.rows.execute(
                "SELECT policy_id, name, document_sha256 FROM org_policies WHERE type = ?", (kind.name_of_type,)
            )
        }
        found: dict[str, list[PolicyText]] = {target: [] for target in targets}
        for target, policy_id in self.rows.execute(
            "SELECT target_id, policy_id FROM org_attachments ORDER BY target_id, policy_id"
        ):
            if policy_id not in policies or target not in found:
                continue
            name, sha256 = policies[policy_id]
            if sha256 is None:
                return None
            found[target].append(self.text(sha256, kind, policy_id, f"{kind.short_name} {name} at {target}"))
        if kind is DocumentKind.SCP and not all(found.values()):
            return None
        return {target: tuple(texts) for target, texts in found.items()}

    # -- accounts and their IAM ------------------------------------------------------------------------------------

    def _accounts(
        self, members: frozenset[AccountId], organization: Organization | None
    ) -> dict[AccountId, AccountFacts]:
        regions: dict[str, dict[str, str]] = defaultdict(dict)
        for account, region, status in self.rows.execute("SELECT account_id, region, opt_status FROM regions"):
            regions[account][region] = status
        read = {
            row.account_id
            for row in self.ledger.rows
            if (row.call, row.subject) == (IDENTITY_CALL, "") and row.outcome in READ
        }
        # AWSOrganizationsNotInUseException, answered to the account's own call: it is in no organization.
        alone = {r.account_id for r in self.ledger.rows if r.call == _ORGANIZATION_CALL and r.outcome is Outcome.EMPTY}
        found: dict[AccountId, AccountFacts] = {}
        for account_id, name, status, entered in self.rows.execute(
            "SELECT account_id, name, status, collected FROM accounts"
        ):
            known = account_id in members or account_id in alone
            known = known or (organization is not None and account_id == organization.management_account)
            statuses = regions.get(account_id, {})
            found[AccountId(account_id)] = AccountFacts(
                id=AccountId(account_id),
                name=name,
                status=status or "ACTIVE",
                collected=bool(entered),
                iam_complete=account_id in read,
                ours=True,
                organization_unknown=not known,
                opted_in_regions=self._enabled_regions(statuses),
                default_regions=frozenset(r for r, s in statuses.items() if s == "ENABLED_BY_DEFAULT") or None,
                gap="" if account_id in read else self.ledger.why(account_id, "global", (IDENTITY_CALL, "")),
            )
        for account_id in self.assumptions.trusted_accounts:
            unread = AccountFacts(AccountId(account_id), collected=False, ours=True, organization_unknown=True)
            found.setdefault(AccountId(account_id), unread)
        return found

    @staticmethod
    def _enabled_regions(statuses: Mapping[str, str]) -> frozenset[str] | None:
        """None where one is unknown or changing right now: neither its access nor the lack of it can be proven."""
        if not statuses or not _SETTLED.issuperset(statuses.values()):
            return None
        return frozenset(region for region, status in statuses.items() if status in _ENABLED)

    # -- keys ------------------------------------------------------------------------------------------------------

    def _keys(self) -> dict[KeyArn, KeyFacts]:
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for arn, name, value in self._narrowed("SELECT key_arn, tag_key, tag_value FROM key_tags WHERE {key}"):
            tags[arn][name] = value
        aliases: dict[str, list[str]] = defaultdict(list)
        for arn, name in self._narrowed("SELECT key_arn, name FROM aliases WHERE {key} ORDER BY name"):
            aliases[arn].append(name)
        grants = self._grants()
        self.rows.row_factory = sqlite3.Row
        try:
            rows = self._narrowed("SELECT * FROM keys WHERE {arn} ORDER BY arn").fetchall()
        finally:
            self.rows.row_factory = None
        return {KeyArn(r["arn"]): self._key(r, tags, aliases, grants) for r in rows}

    def _key(
        self,
        row: sqlite3.Row,
        tags: Mapping[str, Mapping[str, str]],
        aliases: Mapping[str, list[str]],
        grants: Mapping[str, list[Grant]],
    ) -> KeyFacts:
        arn = row["arn"]
        gaps = self._key_gaps(row)
        parsed = parse_arn(arn)
        policy = row["policy_sha256"]
        ram = row["ram_policy_sha256"]
        return KeyFacts(
            arn=KeyArn(arn),
            account_id=AccountId(row["account_id"]),
            region=row["region"],
            partition=parsed.partition if parsed else "aws",
            key_policy=self.text(policy, DocumentKind.KEY_POLICY, arn, KEY_POLICY) if policy else None,
            ram_policy=self.text(ram, DocumentKind.RAM_POLICY, arn, RAM_POLICY) if ram else None,
            ram_policy_read="ram_policy" not in gaps,
            grants=None if "grants" in gaps and arn not in grants else tuple(grants.get(arn, ())),
            tags=None if "tags" in gaps else dict(tags.get(arn, {})),
            aliases=None if "aliases" in gaps else tuple(aliases.get(arn, ())),
            manager=row["manager"] or "CUSTOMER",
            spec=row["spec"] or "",
            usage=row["usage"] or "",
            origin=row["origin"] or "",
            state=row["state"] or "",
            multi_region=row["key_id"].startswith("mrk-") if row["multi_region"] is None else bool(row["multi_region"]),
            multi_region_type=row["multi_region_type"] or "",
            description=row["description"] or "",
            created=row["created"] or "",
            last_used=row["last_used"] or "",
            gaps=gaps,
        )

    def _key_gaps(self, row: sqlite3.Row) -> dict[str, str]:
        """The ledger row of every part of the key that was not read."""
        columns = {
            "describe": "describe_status", "key_policy": "policy_status", "ram_policy": "ram_status",
            "grants": "grants_status", "tags": "tags_status", "aliases": "aliases_status",
        }  # fmt: skip
        gaps: dict[str, str] = {}
        for part, column in columns.items():
            status = row[column]
            if status in READ or (part == "key_policy" and row["policy_sha256"]):
                continue
            if status == Outcome.SKIPPED.value and (part != "ram_policy" or row["manager"] == "AWS"):
                continue
            subject = f"{row['key_id']}/AWS_RAM" if part == "ram_policy" else row["key_id"]
            places = ((_CALLS[part], subject), ("kms:DescribeKey", row["key_id"]), (_CALLS[part], ""))
            gaps[part] = self.ledger.why(row["account_id"], row["region"], *places)
        return gaps

    def _shared_keys(self) -> dict[AccountId, tuple[KeyArn, ...]]:
        found: dict[AccountId, list[KeyArn]] = defaultdict(list)
        for account_id, arn in self.rows.execute("SELECT account_id, key_arn FROM shared_keys ORDER BY key_arn"):
            found[AccountId(account_id)].append(KeyArn(arn))
        return {account_id: tuple(arns) for account_id, arns in found.items()}

    def _grants(self) -> dict[str, list[Grant]]:
        found: dict[str, list[Grant]] = defaultdict(list)
        for key_arn, grant in all_grants(self.rows, self.part):
            found[key_arn].append(grant)
        return found


def load_scope(connection: sqlite3.Connection) -> tuple[list[tuple[str, str]], list[str], tuple[str, ...]]:
    """What was in scope: (account, Region) pairs, accounts, and a sentence on every account that was left out."""
    pairs = connection.execute(
        "SELECT account_id, region FROM regions WHERE scanned ORDER BY account_id, region"
    ).fetchall()
    accounts = [a for (a,) in connection.execute("SELECT account_id FROM accounts WHERE scanned ORDER BY account_id")]
    left_out = connection.execute(
        "SELECT account_id, name, exclusion_reason FROM accounts WHERE NOT scanned ORDER BY account_id"
    ).fetchall()
    sentences = tuple(
        f"{name or 'no name'} ({account}): {reason or 'not in scope'}" for account, name, reason in left_out
    )
    return [(a, r) for a, r in pairs], accounts, sentences
