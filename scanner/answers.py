"""Answers to who can use a key: from what a run has judged where it says the same, else judged now."""

from __future__ import annotations

from pathlib import Path

from scanner.analyze.parts import AnalysisRules
from scanner.analyze.principals.question import find_key
from scanner.analyze.who_can import Wanted, listed, who_can
from scanner.config import Settings
from scanner.model.explanation import WhoCan
from scanner.plan import analysis_rules
from scanner.reuse import access_judged
from scanner.runs import find_run
from scanner.worlds import world_of, world_to_ask


def answer_who_can(run: str, settings: Settings, key_text: str, wanted: Wanted) -> WhoCan:
    """Everybody who can use a key of a run, its folder or a lone snapshot.

    Raises:
        SnapshotError: there is no such run, or its snapshot is missing, damaged or of another version.
        UsageError: there is no such key, or more than one.
    """
    rules = analysis_rules(settings)[1]
    if not Path(run).is_file():
        run = str(find_run(run, settings.output.directory).path)  # `latest` may move meanwhile
        found = _judged(run, settings, key_text, wanted, rules)
        if found is not None:
            return found
    world = world_of(run, settings, quick=True)
    return who_can(world, find_key(world, key_text), rules, wanted)


def _judged(folder: str, settings: Settings, key_text: str, wanted: Wanted, rules: AnalysisRules) -> WhoCan | None:
    """The answer that a run gives; None where it does not say what is asked."""
    if wanted.insiders and not rules.insiders:
        return None
    world = world_to_ask(folder, settings, key_text, "")
    key = find_key(world, key_text)
    found = access_judged(Path(folder), key.arn, settings, rules.trust.vendors)
    return None if found is None else listed(world, key, found, rules, wanted)
