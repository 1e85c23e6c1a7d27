"""One scanned demo organization for all end-to-end tests of a process."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from scanner.cli import main


@dataclass(frozen=True)
class DemoRun:
    """What `kms-scan demo` left behind."""

    output: Path
    directory: Path
    stdout: str

    def findings(self) -> list[dict]:
        """The findings of findings.json."""
        return json.loads((self.directory / "findings.json").read_text())["findings"]

    def text(self, name: str) -> str:
        """A file of the run."""
        return (self.directory / name).read_text("utf-8-sig")


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """`kms-scan demo`, run once, in a folder of its own."""
    output = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(output.parent)
        patch.setenv("KMS_SCAN_LOGGING_LEVEL", "error")
        printed, talk = StringIO(), StringIO()
        with redirect_stdout(printed), redirect_stderr(talk), pytest.raises(SystemExit) as ended:
            main(["demo", "-q", "-o", str(output)])
    assert ended.value.code == 0, talk.getvalue()
    return DemoRun(output, (output / "latest").resolve(), printed.getvalue())
