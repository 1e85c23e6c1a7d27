"""Which findings still let somebody at a key when one of them is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from scanner.analyze.keys.judge import strength
from scanner.model.difference import OtherWay
from scanner.model.finding import Finding, FindingVerdict, Grantee, Kind

_SURE = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL})
_IN_ACCOUNT = frozenset({"role", "user", "session", "root_user"})

_SHOWN = 3


class OtherWays:
    """The standing access of outsiders, asked about somebody and some keys.

    A statement that is gone proves nothing about a role that the same account can assume, or about a wider name it is
    behind: saying `no access` then would be a false no.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._by_key: dict[str, list[Finding]] = {}
        self._not_listed: list[Finding] = []
        for finding in findings:
            if not is_open(finding):
                continue
            keys = keys_of(finding)
            for arn in keys:
                self._by_key.setdefault(arn, []).append(finding)
            if finding.key is None and finding.keys_total > len(keys):
                self._not_listed.append(finding)

    def of(self, gone: Finding, keys: Collection[str]) -> tuple[OtherWay, ...]:
        """The other findings that give the one whom a finding is about, or a part of it, access to any of the keys.

        One of which not every key is listed may reach them: it counts, and is not sure.
        """
        reaching = {f.id: f for arn in sorted(keys) for f in self._by_key.get(arn, ())}
        perhaps = (f for f in self._not_listed if f.id not in reaching)
        return (*ways_among(gone, reaching.values()), *ways_among(gone, perhaps, sure=False))


def ways_among(gone: Finding, findings: Iterable[Finding], *, sure: bool = True) -> tuple[OtherWay, ...]:
    """Those of the findings about one key that are another way for the one whom a finding is about; sure ones first.

    Args:
        sure: whether they are known to reach the key.
    """
    found = [_way(f, sure=sure) for f in findings if is_open(f) and _is_another(f, gone)]
    found.sort(key=lambda way: (not way.sure, way.kind is not Kind.EXTERNAL_ACCESS, way.finding_id))
    return tuple(found)


def is_open(finding: Finding) -> bool:
    """Whether anything of a finding is access that is not proven to be blocked."""
    return any(strength(c.verdict) > strength(FindingVerdict.BLOCKED) for c in finding.capabilities)


def keys_of(finding: Finding) -> frozenset[str]:
    """The keys that a finding lists: its own, or those that its paths reach."""
    if finding.key is not None:
        return frozenset({finding.key.arn})
    return frozenset((*finding.reach.by_key, *(key.arn for key in finding.keys)))


def _is_another(finding: Finding, gone: Finding) -> bool:
    return finding.id != gone.id and (_takes_in(finding, gone.grantee) or _takes_in(gone, finding.grantee))


def _takes_in(wide: Finding, grantee: Grantee) -> bool:
    """Whether a finding is about the grantee, or about a name that it is behind."""
    name = wide.grantee
    if name.selector == grantee.selector or name.kind == "any":
        return True
    if name.kind == "organization":
        return grantee.account_id in wide.reach.accounts
    return name.kind == "account" and name.account_id == grantee.account_id and grantee.kind in _IN_ACCOUNT


def _way(finding: Finding, *, sure: bool) -> OtherWay:
    certain = sure and any(c.verdict in _SURE for c in finding.capabilities)
    return OtherWay(finding.id, finding.title, finding.kind, finding.grantee, finding.resource, certain)


def ways_in_words(ways: Sequence[OtherWay]) -> str:
    """`through role/vendor-support (kx-…)`, `directly (kx-…)`: the first of them, and how many more there are."""
    named = ", ".join(
        f"{'directly' if w.kind is Kind.EXTERNAL_ACCESS else f'through {_tail(w.resource.arn)}'} ({w.finding_id})"
        for w in ways[:_SHOWN]
    )
    return named + (f" and {len(ways) - _SHOWN:,} more ways" if len(ways) > _SHOWN else "")


def _tail(arn: str) -> str:
    return arn.split(":", 5)[-1]


def kept_in_words(gone: Finding, ways: Sequence[OtherWay]) -> Iterator[str]:
    """What is to be known before a finding is ended: the other ways, each with what its finding says."""
    for way in ways[:_SHOWN]:
        same = way.grantee.selector == gone.grantee.selector
        who = "The same grantee keeps what it has" if same else "Access stays for part of the same principals"
        yield f"{who} through another way: {way.title} (finding `{way.finding_id}`)."
    if len(ways) > _SHOWN:
        yield f"{len(ways) - _SHOWN:,} more findings give such access."
