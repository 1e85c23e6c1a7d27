"""paths.jsonl: what is written of a key is what is read of it, and a file that is none of ours is not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from scanner.errors import SnapshotError
from scanner.model.decision import StatementRef
from scanner.model.finding import CapabilityResult, FindingVerdict, Grantee, Severity
from scanner.model.verdicts import Holders, KeyPaths, PathAccess
from scanner.report.canonical import compact
from scanner.report.directory import RunDirectory
from scanner.report.key_paths import PATHS, PathsWriter, read_paths
from scanner.report.packed_rows import Place

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


Written = tuple[Path, dict[str, Place]]
"""The file, and where it tells of which key."""


def written(folder: Path, told: dict[str, KeyPaths]) -> Written:
    directory = RunDirectory.create(folder, "run")
    with PathsWriter(directory) as kept:
        places = {key: kept.write(key, paths) for key, paths in told.items()}
    return directory.path / PATHS, places


def read(file: Written) -> dict[str, KeyPaths]:
    path, places = file
    return {key: read_paths(path, place, key) for key, place in places.items()}


def test_what_is_written_of_a_key_is_what_is_read_of_it(tmp_path: Path) -> None:
    assert read(written(tmp_path, TOLD)) == TOLD


@pytest.mark.parametrize("old", [b'"cut":3', b'"kx-1"', b'"kx-2"'])
def test_what_is_not_what_was_written_is_not_read(old: bytes, tmp_path: Path) -> None:
    path, places = written(tmp_path, TOLD)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, old[:-1] + b"9" if old.endswith(b"3") else old[:-2] + b'9"', 1))
    with pytest.raises(SnapshotError, match="is damaged: it does not tell of"):
        read((path, places))


def test_place_of_another_key_tells_of_none(tmp_path: Path) -> None:
    path, places = written(tmp_path, TOLD)
    with pytest.raises(SnapshotError, match="is damaged: it does not tell of"):
        read_paths(path, places[OTHER], KEY)


def test_what_keys_share_is_written_once(tmp_path: Path) -> None:
    lines = written(tmp_path, TOLD)[0].read_text("ascii").splitlines()
    assert [line[:10] for line in lines] == ['{"format":', *['{"capabili'] * 2, *['{"blocks":'] * 3]
    assert lines[-2].startswith(f'{{"blocks":[{len(lines[0]) + 1}],"cut":0,')


def test_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    with pytest.raises(TypeError), PathsWriter(directory) as kept:
        kept.write(KEY, KeyPaths((replace(ONE, path=object()),)))  # type: ignore[arg-type]
    assert directory.files() == ()


@pytest.mark.parametrize("text", ["\x00\x1b[31m", "\u202e<script>", "=cmd()", 'a"\\\n\r', "\ud800", '{"blocks":'])
def test_hostile_text_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    hostile = replace(ONE, path=text, finding_id=text)
    odd = {KEY: KeyPaths((hostile,)), f'k",{text}': KeyPaths((TWO,)), OTHER: TOLD[OTHER]}
    assert read(written(tmp_path, odd)) == odd


def change(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return changed


@pytest.mark.parametrize("harm", [change(b'{"format":2}', b'{"format":1}'), lambda _: b""])
def test_file_of_another_form_is_not_read(harm: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path, places = written(tmp_path, TOLD)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(SnapshotError, match="has not the form that this version reads"):
        read((path, places))


ACCESS = compact(ONE).encode() + b"\n"
START = len(b'{"format":2}\n')


def line_of(blocks: object = (START,), cut: object = 3, key: str = KEY) -> bytes:
    return json.dumps({"blocks": blocks, "cut": cut, "key": key}).encode() + b"\n"


@pytest.mark.parametrize(("access", "line"), [
    (ACCESS, line_of((START, START + 1))), (ACCESS, line_of((START, 10**6))), (ACCESS, line_of((-START,))),
    (ACCESS, line_of((True,))), (ACCESS, line_of(cut="3")), (ACCESS, line_of(key=OTHER)), (ACCESS, b"[" * 100_000),
    (ACCESS.replace(b'"path":', b'"way":'), line_of()), (ACCESS.replace(b'"conditional"', b'"fine"'), line_of()),
    (compact(replace(ONE, capabilities=())).encode() + b"\n", line_of()), (b"[" + ACCESS, line_of()),
])  # fmt: skip
def test_what_is_none_of_ours_is_not_read(access: bytes, line: bytes, tmp_path: Path) -> None:
    """As a wrong hash is found before it, the right one is given."""
    path = tmp_path / PATHS
    path.write_bytes(b'{"format":2}\n' + access + line)

    def told() -> KeyPaths:
        starts = [START] if b"[[" in line else json.loads(line)["blocks"]
        blocks = [path.read_bytes()[abs(start) :].partition(b"\n") for start in starts]
        digests = b"".join(sha256(text + end).digest() for text, end, _ in blocks)
        return read_paths(path, Place(START + len(access), sha256(digests + line).hexdigest()), KEY)

    with pytest.raises(SnapshotError, match="is damaged: it does not tell of"):
        told()
    path.write_bytes(b'{"format":2}\n' + (access := ACCESS) + (line := line_of()))
    assert told() == KeyPaths((ONE,), 3)


def test_file_that_is_not_there_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="cannot be read: no such file"):
        read_paths(tmp_path / PATHS, Place(START, "a" * 64), KEY)
