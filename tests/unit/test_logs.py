"""Logs say who and where, in one line each, and hold nothing that was not named."""

import io
import json
import logging
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scanner import logs
from scanner.errors import OutputError

LOG = logging.getLogger("scanner.test")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in ("scanner", "botocore", "boto3", "urllib3")}
    yield
    logs.remove_handlers()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_record_has_time_level_event_and_context() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    with logs.log_context(run_id="r-1", account="012345670123"), logs.log_context(region="eu-west-1"):
        LOG.warning("call failed %s", "twice", extra={"call": "kms:ListKeys", "attempt": 2})
    (record,) = records(stream)
    assert str(record.pop("ts")).endswith("Z")
    assert record == {
        "level": "warning",
        "event": "call failed twice",
        "run_id": "r-1",
        "account": "012345670123",
        "region": "eu-west-1",
        "call": "kms:ListKeys",
        "attempt": 2,
    }


def test_context_ends_with_its_block_and_stays_in_its_thread() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    with logs.log_context(account="111122223333"):
        worker = threading.Thread(target=lambda: LOG.info("from a worker"))
        worker.start()
        worker.join()
    LOG.info("after")
    assert [("account" in record) for record in records(stream)] == [False, False]


def test_field_that_is_not_allowed_never_reaches_a_log() -> None:
    for name in ("text", "json"):
        stream = io.StringIO()
        logs.configure("info", name, stream)
        LOG.info("assumed", extra={"secret_access_key": "hunter2", "subject": "role/Audit"})
        assert "hunter2" not in stream.getvalue()
        assert "role/Audit" in stream.getvalue()
    with pytest.raises(KeyError), logs.log_context(password="hunter2"):
        LOG.info("not reached")


@pytest.mark.parametrize("name", ["text", "json"])
def test_hostile_text_cannot_forge_a_record_or_move_the_cursor(name: str) -> None:
    stream = io.StringIO()
    logs.configure("info", name, stream)
    with logs.log_context(account="x\ny"):
        LOG.info("alias/\x1b[2J\u202e\nts=now level=error %s", "\r\x9b1m", extra={"subject": "a\nb"})
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert not set(written) & set("\x1b\r\x9b\u202e")
    assert "x1b[2J" in written


def test_long_text_is_cut_and_its_length_said() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream)
    LOG.info("x" * 9000)
    assert len(stream.getvalue()) < 4200
    assert "(9000 characters)" in stream.getvalue()


def test_text_record_is_one_readable_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream)
    with logs.log_context(run_id="r-1", account="111122223333", region="eu-west-1"):
        LOG.info("unit done", extra={"seconds": 1.5})
    assert stream.getvalue().split(" ", 1)[1] == "info    [111122223333 eu-west-1] unit done seconds=1.5\n"


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        logs.configure("info", "auto", stream)
        LOG.info("hello")
    assert not terminal.getvalue().startswith("{")
    assert records(pipe)[0]["event"] == "hello"


def test_level_is_ours_and_libraries_speak_from_warning_on() -> None:
    """botocore's debug records hold request bodies and credentials."""
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    LOG.debug("ours")
    logging.getLogger("botocore.parsers").debug("SecretAccessKey")
    other = logging.getLogger("werkzeug")
    previous = other.level
    other.setLevel(logging.INFO)
    try:
        other.info("GET /")
    finally:
        other.setLevel(previous)
    logging.getLogger("botocore.retries").warning("throttled")
    logs.configure("error", "json", stream)
    LOG.warning("too quiet")
    assert [record["event"] for record in records(stream)] == ["ours", "throttled"]


def test_exception_is_its_type_and_message_without_traceback() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    LOG.error("failed", exc_info=ValueError("bad\x1b[1m"))
    (record,) = records(stream)
    assert record["error"] == r"ValueError: bad\x1b[1m"
    assert "Traceback" not in stream.getvalue()


def test_configuring_again_replaces_the_handlers() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("info", "json", first)
    logs.configure("info", "json", second)
    LOG.info("once")
    assert (first.getvalue(), len(records(second))) == ("", 1)


def test_log_file_is_appended_as_json_and_private(tmp_path: Path) -> None:
    path = tmp_path / "scan.log"
    for word in ("one", "two"):
        logs.configure("info", "auto", Terminal(), path)
        LOG.info(word)
    events = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert events == ["log opened", "one", "log opened", "two"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_run_log_ends_with_its_block(tmp_path: Path) -> None:
    logs.configure("info", "text", io.StringIO())
    with logs.run_log(tmp_path / "log.jsonl"):
        LOG.info("inside")
    LOG.info("outside")
    assert [json.loads(line)["event"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == ["inside"]


def test_log_file_that_cannot_be_opened_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path in (tmp_path / "missing" / "x.log", tmp_path, tmp_path / "link"):
        with pytest.raises(OutputError, match="cannot be opened"):
            logs.configure("info", "text", io.StringIO(), path)
