"""Findings about keys themselves and our own permissions, each with the edit that was tried, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice, takewhile

from scanner.analyze.edits.attribute_edits import attribute_edits
from scanner.analyze.edits.broad_edits import broad_edits
from scanner.analyze.edits.foreign_edits import foreign_edits
from scanner.analyze.edits.hygiene_edits import hygiene_edits
from scanner.analyze.edits.trials import (
    Trial,
    best_of,
    is_saveable,
    names_the_gone,
    others_in_words,
    rest_in_words,
    tried,
)
from scanner.analyze.edits.world_trials import WorldBench, WorldEdit
from scanner.analyze.keys.severity import rank
from scanner.analyze.permissions.attribute_rules import KeySet, key_sets
from scanner.analyze.principals.reach import Population
from scanner.model.arn import KeyArn
from scanner.model.finding import Finding, Kind, Remediation

_KINDS = frozenset({
    Kind.KEY_HYGIENE, Kind.FOREIGN_KEY_USE, Kind.BROAD_KEY_PERMISSION, Kind.ATTRIBUTE_CONTROL,
})  # fmt: skip
_NOT_TRIED = "No edit was tried on the snapshot: that would need too many trials."
_REFUSED = "The policy would hold a part that AWS refuses, or be too long; change that first."
_NO_SINGLE = "No single edit was found that ends this finding; look at its statements together."
_LOSSES = "No single edit was found that ends this finding and keeps the access of the own account to its keys."
_SUPPORT = "No edit of yours ends this, as the policy lets no one change it: there is no patch to try."


class WorldRemedies:
    """Findings about keys themselves and our own permissions, and what edits end them."""

    def __init__(self, findings: Sequence[Finding], population: Population, trials: WorldBench) -> None:
        self._findings, self._population, self._world = findings, population, population.world
        self._trials = trials
        self._order = sorted((f for f in findings if f.kind in _KINDS), key=lambda f: (-rank(f.severity), f.id))

    def begin(self) -> None:
        """Ask for the first trial, which is made for certain: whoever makes it need not wait until it is looked at."""
        drawn = ((finding, self._edits_of(finding)[0]) for finding in self._order)
        for finding, edits in islice(((f, edits) for f, edits in drawn if edits), 1):
            if self._trials.affords(edits[0]):
                self._trials.begin(finding, edits[0])

    def told(self) -> list[Finding]:
        """The findings in the same order; those about keys themselves and our own permissions with what was tried."""
        told = {f.id: replace(f, remediation=self._remedy(f)) for f in self._order}
        return [told.get(f.id, f) for f in self._findings]

    @cached_property
    def _key_sets(self) -> Sequence[KeySet]:
        return key_sets(self._world)

    def _remedy(self, finding: Finding) -> Remediation:
        advice = finding.remediation
        edits, why, refused = self._edits_of(finding)
        if not edits:
            return replace(advice, effect=_REFUSED if refused else why or _NO_SINGLE)
        trials = tried(
            takewhile(self._trials.affords, edits), lambda edit: self._trials.attempt(finding, edit), nested=True
        )  # fmt: skip
        best = best_of(trials)
        if best is None:
            return replace(advice, effect=_NOT_TRIED if len(trials) < len(edits) else why or _why_none(trials))
        edit = best.edit
        gone = (sentence for policy in edit.policies for sentence in names_the_gone(policy, self._world))
        notes = " ".join((*others_in_words(best), *edit.risks, *gone))
        return Remediation(
            edit.kind, _text(finding, edit), edit.cli, edit.diff, best.is_clean, _effect(best), notes, edit.terraform
        )  # fmt: skip

    def _edits_of(self, finding: Finding) -> tuple[list[WorldEdit], str, bool]:
        """The edits that can be tried, why there are none or no more, and whether AWS would refuse what was drawn."""
        drawn, why = self._drawn(finding)
        edits = [e for e in drawn if all(is_saveable(p) for p in e.policies)]
        return edits, why, len(edits) < len(drawn)

    def _drawn(self, finding: Finding) -> tuple[list[WorldEdit], str]:
        """The edits that could end a finding, smallest first, and why there are none or no more."""
        match finding.kind:
            case Kind.FOREIGN_KEY_USE:
                return foreign_edits(finding, self._world)
            case Kind.BROAD_KEY_PERMISSION:
                return broad_edits(finding, self._world)
            case Kind.ATTRIBUTE_CONTROL:
                return attribute_edits(finding, self._world, self._key_sets)
            case _:
                key = self._world.keys[KeyArn(finding.resource.arn)]
                support = finding.verdict_reasons[0] == "unmanageable_key"
                return list(hygiene_edits(finding, key, self._population)), _SUPPORT if support else _NO_SINGLE


def _why_none(trials: Sequence[Trial[WorldEdit]]) -> str:
    return _LOSSES if any(t.ends for t in trials) else _NO_SINGLE


def _text(finding: Finding, edit: WorldEdit) -> str:
    """What to do, with the general advice where only a part of what the edit takes is unwanted."""
    advice = finding.remediation
    if advice.kind == "none":
        return f"Nothing to do if the use is wanted; else: {edit.text[0].lower()}{edit.text[1:]}"
    if finding.kind is Kind.FOREIGN_KEY_USE:
        return f"{edit.text} {advice.text}"
    if finding.kind is Kind.BROAD_KEY_PERMISSION:
        return f"{edit.text} Where less is wanted: {advice.text[0].lower()}{advice.text[1:]}"
    return edit.text


def _effect(trial: Trial[WorldEdit]) -> str:
    own = "every principal of the own account keeps its access to its keys"
    if trial.edit.meant and trial.edit.holders:
        own = f"the own account loses no more than {', '.join(f'`{a}`' for a in sorted(trial.edit.meant))}"
    if not trial.whole:
        own = "whether somebody of the own account loses access was not asked, as too many could"
    return f"Tried on the snapshot: the finding goes, {rest_in_words(trial)}, and {own}."
