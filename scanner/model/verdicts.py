"""What judging one key gave, in plain values, as a run leaves it in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scanner.model.decision import Decision, StatementRef
from scanner.model.finding import AccessRow, CapabilityResult, Finding, FindingVerdict, Grantee
from scanner.model.value import value_class


@dataclass(frozen=True, slots=True)
class KeptSources:
    """Which Allow sources were asked about; of statements (document hash, index) and grants, None means all."""

    mechanisms: tuple[str, ...]
    statements: tuple[tuple[str, int], ...] | None
    grants: tuple[str, ...] | None


@value_class
class KeptUse:
    """What principals of ours can do with one action on a key of another account.

    `sources` is None where no policy had to be looked at.
    """

    action: str
    verdict: FindingVerdict
    reason: str
    decision: Decision
    sources: KeptSources | None


@dataclass(frozen=True, slots=True)
class KeptShare:
    """Callers who can do the same, in the order of their names, and all that they can do."""

    callers: tuple[str, ...]
    uses: tuple[KeptUse, ...]


@dataclass(frozen=True, slots=True)
class NamingUses:
    """What callers can do with the key by one naming; `actions` in the order in which they are told."""

    mechanism: str
    actions: tuple[str, ...]
    shares: tuple[KeptShare, ...]


@dataclass(frozen=True, slots=True)
class VerdictInputs:
    """What a key was judged from: a hash of all of it, and what was looked at beside the key.

    `looked_at` are the accounts and unique ids whose principals were asked about. `unread` are the rows of the ledger,
    and the accounts whose rows, that findings would cite.
    """

    sha256: str
    looked_at: tuple[str, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyVerdicts:
    """The judgement of one key, remedies aside.

    `findings` are without what is shown as it is now: the key itself and the time. `rows` are those about outsiders,
    `insiders` those about principals of the key's own account, `documents` the texts of grants that findings cite,
    `uses` what principals of other accounts can do with it.
    """

    key: str
    inputs: VerdictInputs
    findings: tuple[Finding, ...]
    rows: tuple[AccessRow, ...]
    insiders: tuple[AccessRow, ...]
    documents: Mapping[str, str]
    uses: tuple[NamingUses, ...]


def _nothing(key: str) -> KeyVerdicts | None:
    del key
    return None


@dataclass(frozen=True, slots=True)
class KnownVerdicts:
    """The judgements of an earlier run: what each key was judged from, and the judgement when it is asked for.

    `load` gives None where a judgement cannot be read; the key is judged then.
    """

    inputs: Mapping[str, VerdictInputs] = field(default_factory=dict)
    load: Callable[[str], KeyVerdicts | None] = _nothing


@value_class
class Holders:
    """Principals of whom access.csv says the same about one key, but for the capability and the path."""

    conditions: str
    decision: str
    reason: str
    actions: tuple[str, ...]
    principals: tuple[str, ...]


@value_class
class PathAccess:
    """Somebody who gets at a key through roles, and what can be done there.

    The first of the capabilities leads: `path` is how it is reached, as the column of access.csv has it, `statements`
    admit to the role that is entered. `cut` says that some chain was longer than what is followed.
    """

    grantee: Grantee
    statements: tuple[StatementRef, ...]
    path: str
    capabilities: tuple[CapabilityResult, ...]
    holders: tuple[Holders, ...]
    finding_id: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class KeyPaths:
    """What paths through roles lead to at one key.

    `cut` counts everybody in the world behind whom some chain was longer than what is followed.
    """

    access: tuple[PathAccess, ...] = ()
    cut: int = 0


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """Everything that is told of the access to one key, by its own documents and through roles.

    `findings` and `rows` are about outsiders and the key's own documents, `insiders` about its own account.
    """

    findings: Sequence[Finding]
    rows: Sequence[AccessRow]
    insiders: Sequence[AccessRow]
    paths: KeyPaths
