"""Who does an analysis: processes that end with it, a cluster that answers or is refused with what to do."""

from __future__ import annotations

import builtins
import gc
import multiprocessing
import os
import signal
import struct
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from scanner import executors
from scanner.config import Settings
from scanner.errors import InterruptedRunError, UnavailableError, WorkerError
from scanner.executors import HowToAnalyze, greet, lanes_of
from scanner.pipeline import analyze_named

from org import write
from synthetic.shape import Shape

WRITTEN = ("access.csv", "coverage.csv", "findings.json", "graph.graphml", "graph.json", "keys.csv", "paths.jsonl",
           "places.jsonl", "trials.jsonl", "verdicts.jsonl")  # fmt: skip


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(Shape(16, 6, seed=5), tmp_path_factory.mktemp("org") / "snapshot.sqlite")


@pytest.fixture(scope="module")
def alone(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return judged(snapshot, tmp_path_factory.mktemp("alone"))


def settings_in(folder: Path) -> Settings:
    return Settings.model_validate({"output": {"directory": folder}})


def judged(snapshot: Path, folder: Path, **how: Any) -> dict[str, bytes]:
    """The files that `verify` compares."""
    _, directory = analyze_named(str(snapshot), settings_in(folder), folder_given=True, how=HowToAnalyze(**how))
    return {name: (directory.path / name).read_bytes() for name in WRITTEN}


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


# -- processes --------------------------------------------------------------------------------------------------------


def test_files_are_the_same_by_processes(snapshot: Path, alone: dict[str, bytes], tmp_path: Path) -> None:
    assert judged(snapshot, tmp_path, processes=2) == alone


def test_one_process_is_this_one() -> None:
    with lanes_of(HowToAnalyze()) as lanes:
        assert not lanes


def test_every_executor_is_a_process_of_its_own_that_ends_with_the_block() -> None:
    with lanes_of(HowToAnalyze(processes=2)) as lanes:
        workers = [lane.submit(greet).result()[1] for lane in (*lanes, *lanes)]
        assert workers[:2] == workers[2:]
        assert len({*workers, os.getpid()}) == 3
    assert not any(map(is_alive, workers))


def test_processes_are_gone_where_the_block_ends_with_an_error() -> None:
    workers: list[int] = []

    def begin_and_fail() -> None:
        with lanes_of(HowToAnalyze(processes=2)) as lanes:
            workers.append(lanes[0].submit(greet).result()[1])
            lanes[0].submit(signal.pause)  # what it does will not end by itself
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin_and_fail()
    assert not is_alive(workers[0])


def test_process_that_dies_is_an_error_that_says_what_to_do(snapshot: Path, tmp_path: Path) -> None:
    def die_at_the_first_key(judging: Any) -> None:
        for child in multiprocessing.active_children():
            child.kill()
            child.join()

    with pytest.raises(WorkerError, match="has ended before the part was done") as caught:
        judged(snapshot, tmp_path, processes=2, on_progress=die_at_the_first_key)
    assert caught.value.exit_code == 2
    assert "fewer --processes" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())


def begin_an_answer(said: Path) -> None:
    """Write a part of an answer, say so, and never go on."""
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    promised = 1000
    os.write(frame.f_locals["result_queue"]._writer.fileno(), struct.pack("!i", promised) + b"some of them")
    said.write_text("begun")
    signal.pause()


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """A pipe with a name: whoever reads it waits for the one who writes."""
    os.mkfifo(tmp_path / "said")
    return tmp_path / "said"


def test_process_that_is_killed_in_the_middle_of_an_answer_is_an_error_too(said: Path) -> None:
    def begin_and_lose_it() -> None:
        with lanes_of(HowToAnalyze(processes=2)) as lanes:
            answer = lanes[1].submit(begin_an_answer, said)
            assert said.read_text() == "begun"
            for child in multiprocessing.active_children():
                child.kill()
            answer.result(timeout=60)

    with pytest.raises(WorkerError, match="has ended before the part was done"):
        begin_and_lose_it()


def test_interruption_does_not_wait_for_the_rest_of_an_answer(said: Path) -> None:
    def begin_and_fail() -> None:
        with lanes_of(HowToAnalyze(processes=2)) as lanes:
            lanes[0].submit(begin_an_answer, said)
            assert said.read_text() == "begun"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin_and_fail()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_an_analysis_and_leaves_nothing(
    number: signal.Signals, processes: int, snapshot: Path, tmp_path: Path
) -> None:
    def send(judging: Any) -> None:
        if judging.total:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with pytest.raises(InterruptedRunError, match="nothing was written") as caught:
        judged(snapshot, tmp_path, processes=processes, on_progress=send)
    assert caught.value.exit_code == 128 + number
    assert f"kms-scan analyze {snapshot}" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())
    assert not multiprocessing.active_children()
    assert signal.getsignal(number) is before


def test_search_for_garbage_is_as_before_when_the_analysis_has_ended() -> None:
    before = gc.get_threshold()
    with lanes_of(HowToAnalyze()):
        assert gc.get_threshold() != before
    assert gc.get_threshold() == before


# -- Dask -------------------------------------------------------------------------------------------------------------


def test_files_are_the_same_by_dask(
    snapshot: Path, alone: dict[str, bytes], tmp_path: Path, with_dask: Callable[..., dict[str, Any]]
) -> None:
    directory = Path(with_dask("analyzed", str(snapshot), str(tmp_path))["directory"])
    assert {name: (directory / name).read_bytes() for name in WRITTEN} == alone


def test_scheduler_without_workers_is_refused(with_dask: Callable[..., dict[str, Any]]) -> None:
    found = with_dask("without_workers")
    assert "has no worker" in found["message"]
    assert f"dask worker {found['address']}" in found["hint"]


@pytest.mark.parametrize("how", ["lost", "overtaken"])
def test_cluster_that_loses_all_its_workers_ends_the_analysis(
    how: str, snapshot: Path, tmp_path: Path, with_dask: Callable[..., dict[str, Any]]
) -> None:
    found = with_dask(how, str(snapshot), str(tmp_path))
    assert "has lost a part of the analysis" in found["message"]
    assert found["exit_code"] == 2
    assert not list(tmp_path.iterdir())


def test_address_that_does_not_answer_is_refused(with_dask: Callable[..., dict[str, Any]]) -> None:
    addresses = ["tcp://127.0.0.1:1", "carrier-pigeon://loft", "not an address"]
    found = with_dask("asked", *addresses)["refused"]
    assert [one["address"] for one in found] == addresses
    for one in found:
        assert one["message"] == f"no Dask scheduler answers at `{one['address']}`"
        assert one["exit_code"] == 2


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(UnavailableError, match="distributed") as caught,
        lanes_of(HowToAnalyze(dask="tcp://10.0.0.5:1")),
    ):
        pytest.fail("there is no such package")
    assert caught.value.hint == "pip install 'kms-scan[dask]'"


class Answering(Executor):
    """A worker that answers with something of its own."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Whatever is asked for."""
        future: Future[Any] = Future()
        try:
            future.set_result(self.answer())
        except ImportError as error:
            future.set_exception(error)
        return future


def test_worker_of_another_release_is_refused() -> None:
    with pytest.raises(WorkerError, match=r"worker `tcp://x` has kms-scan 0\.0\.1, engine 1"):
        executors._check_release("tcp://x", Answering(lambda: ("0.0.1, engine 1", 7)))
    executors._check_release("tcp://x", Answering(greet))


def test_worker_without_kms_scan_is_refused() -> None:
    def fail() -> Any:
        return builtins.__import__("no_such_module")

    with pytest.raises(WorkerError, match="cannot load kms-scan: ModuleNotFoundError") as caught:
        executors._check_release("tcp://x", Answering(fail))
    assert "install kms-scan" in str(caught.value.hint)
