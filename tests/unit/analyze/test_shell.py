"""The block that a person pastes: which key it tries, and what stands in it for names that a shell would read."""

from __future__ import annotations

import shlex
from dataclasses import replace

from scanner.analyze.keys.shell import Place, change_block, deletion_block, key_name, revoke_block
from scanner.model.arn import KeyArn

from builders import OWNER, key

PLACE = Place(OWNER, "--role-name R", 'aws iam get "$@"', 'aws iam put "$@" --document', "--trust-policy", "a b; c")


def test_key_is_tried_by_its_id_and_a_replica_by_its_arn() -> None:
    one = key()
    assert key_name(one) == one.arn.rsplit("/", 1)[-1]
    shared = replace(one, arn=KeyArn(f"{one.arn.rsplit('/', 1)[0]}/mrk-1234"))
    assert key_name(shared) == shared.arn


def test_target_is_one_word_for_the_shell() -> None:
    trial = next(line for line in change_block(PLACE).splitlines() if line.startswith("kms-scan "))
    assert shlex.split(trial) == [
        "kms-scan",
        "what-if",
        "$RUN",
        "--trust-policy",
        "a b; c=policy.json",
        "--fail-on-widened",
    ]


def test_every_step_stands_between_the_options_that_stop_at_a_failure_and_the_end() -> None:
    for block in (change_block(PLACE), deletion_block(PLACE), revoke_block(key(), ["g"])):
        lines = block.splitlines()
        assert lines[0].startswith("(set -eux -- --")
        assert lines[1].endswith(f" = {OWNER}")
        assert lines[-1] == "echo in place)"
        assert not any(line.startswith("#") for line in lines)


def test_grants_are_retired_in_the_account_of_their_holder() -> None:
    assert revoke_block(key(), ["g"], "retire", "444455556666").splitlines()[1].endswith(" = 444455556666")


def test_block_stops_where_somebody_gains_unless_part_of_everybody_is_named() -> None:
    assert change_block(PLACE).count(" --fail-on-widened\n") == 1
    assert "--fail-on-widened" not in change_block(PLACE, may_widen=True)
