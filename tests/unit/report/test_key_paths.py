"""paths.jsonl: what is written of a key is what is read of it, and a file that is none of ours is not read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scanner.errors import SnapshotError
from scanner.model.decision import StatementRef
from scanner.model.finding import CapabilityResult, FindingVerdict, Grantee, Severity
from scanner.model.verdicts import Holders, KeyPaths, PathAccess
from scanner.report.directory import RunDirectory
from scanner.report.key_paths import PATHS, PathsWriter, read_paths

from builders import KEY, MEMBER, STRANGER, iam

APP = iam(MEMBER, "role/App")
OTHER, NOWHERE = KEY.replace("1234abcd", "4321dcba"), KEY.replace("1234abcd", "00000000")
HELD = Holders("x is y", "conditional", "residual_condition", ("kms:Decrypt",), (iam(STRANGER, "root"), APP))
RESULT = CapabilityResult(
    "decrypt", ("kms:Decrypt",), FindingVerdict.CONDITIONAL, Severity.HIGH, ("residual_condition",), "x is y",
    caller_chosen=True,
)  # fmt: skip
ONE = PathAccess(
    Grantee(iam(STRANGER, "root"), "account", STRANGER, "", "unknown_third_party"),
    (StatementRef(APP, "trust policy", "a" * 64, 0, "S", "Allow"),), APP, (RESULT,), (HELD,), "kx-1",
)  # fmt: skip
TWO = replace(ONE, finding_id="kx-2", cut=True)
TOLD = {KEY: KeyPaths((ONE, TWO), 3), OTHER: KeyPaths((replace(ONE),)), NOWHERE: KeyPaths()}


def written(folder: Path, told: dict[str, KeyPaths]) -> Path:
    directory = RunDirectory.create(folder, "run")
    with PathsWriter(directory) as kept:
        for key, paths in told.items():
            kept.write(key, paths)
    return directory.path / PATHS


def test_what_is_written_of_a_key_is_what_is_read_of_it(tmp_path: Path) -> None:
    path = written(tmp_path, TOLD)
    assert {key: read_paths(path, key) for key in TOLD} == TOLD
    assert read_paths(path, KEY.replace("1234abcd", "ffffffff")) is None
    assert read_paths(path, KEY[1:]) is None


def test_what_keys_share_is_written_once(tmp_path: Path) -> None:
    lines = written(tmp_path, TOLD).read_text("ascii").splitlines()
    assert [line[:10] for line in lines] == ['{"format":', *['{"capabili'] * 2, *['{"blocks":'] * 3]
    assert lines[-2].startswith('{"blocks":[0],"cut":0,')


def test_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    with pytest.raises(TypeError), PathsWriter(directory) as kept:
        kept.write(KEY, KeyPaths((replace(ONE, path=object()),)))  # type: ignore[arg-type]
    assert directory.files() == ()


@pytest.mark.parametrize("text", ["\x00\x1b[31m", "\u202e<script>", "=cmd()", 'a"\\\n\r', "\ud800", '{"blocks":'])
def test_hostile_text_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    hostile = replace(ONE, path=text, finding_id=text)
    odd = {KEY: KeyPaths((hostile,)), f'k",{text}': KeyPaths((TWO,)), OTHER: TOLD[OTHER]}
    path = written(tmp_path, odd)
    assert {key: read_paths(path, key) for key in odd} == odd


def none_of(told: dict[str, KeyPaths]) -> bytes:
    """Access by which nothing can be done."""
    with tempfile.TemporaryDirectory() as folder:
        odd = {key: KeyPaths(tuple(replace(a, capabilities=()) for a in paths.access)) for key, paths in told.items()}
        return written(Path(folder), odd).read_bytes().partition(b"\n")[2]


def change(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return changed


@pytest.mark.parametrize(("harm", "said"), [
    (change(b'{"format":1}', b'{"format":2}'), "has not the form that this version reads"),
    (change(b'{"format":1}\n', b""), "has not the form that this version reads"),
    (lambda _: b"", "has not the form that this version reads"),
    (change(b'"blocks":[0,1]', b'"blocks":[0,9]'), "is damaged: it does not tell of"),
    (change(b'"blocks":[0,1]', b'"blocks":[0,-1]'), "is damaged: it does not tell of"),
    (change(b'"blocks":[0,1]', b'"blocks":[0,true]'), "is damaged: it does not tell of"),
    (change(b'"cut":3', b'"cut":"3"'), "is damaged: it does not tell of"),
    (change(b'"path":', b'"way":'), "is damaged: it does not tell of"),
    (lambda _: b'{"format":1}\n' + none_of(TOLD), "is damaged: it does not tell of"),
    (change(b'"conditional"', b'"fine"'), "is damaged: it does not tell of"),
    (change(b'{"capabilities":', b'[{"capabilities":'), "is damaged: it does not tell of"),
])  # fmt: skip
def test_file_that_is_none_of_ours_is_not_read(harm: Callable[[bytes], bytes], said: str, tmp_path: Path) -> None:
    path = written(tmp_path, TOLD)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(SnapshotError, match=said):
        read_paths(path, KEY)


def test_file_that_is_not_there_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="cannot be read: no such file"):
        read_paths(tmp_path / PATHS, KEY)
