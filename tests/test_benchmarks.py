"""The benchmark's arithmetic, its rounds and its reports of failures; no network is run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import processes, worker
from benchmarks.cases import CANDIDATES, CASES, REFERENCE, Candidate, Case, find_case, thread_environment
from benchmarks.processes import CandidateError, Measurement, Process, take_turns
from benchmarks.table import Ratio, markdown, memory_ratio, rows, time_ratio, to_json
from core.arch import build
from core.description import backend_names

CASE = Case("nothing", "none", "Nothing, training", "train", 2, (4, 6), rounds=3, note="A note.")


def candidate(name: str, peer: str = "rival", **options: Any) -> Candidate:
    return Candidate(name, "torch", "benchmarks.none", f"build_{name}", peer, **options)


def measured(
    name: str, turns: list[list[float]], peak: float | None = 100.0, failure: str | None = None
) -> Measurement:
    return Measurement(candidate(name), turns, peak, 50.0, 1_500_000, {"none": "1.0"}, failure)


class Script:
    """A worker that answers from a list; an exception in it is raised."""

    def __init__(self, name: str, answers: list[Any], journal: list[str]) -> None:
        self.name, self.answers, self.journal, self.closed = name, answers, journal, False

    def ready(self) -> dict[str, Any]:
        self.journal.append(f"{self.name} ready")
        return {"parameters": 7, "versions": {}, "baseline_mib": 1.0}

    def turn(self, seconds: float, least: int) -> dict[str, Any]:
        self.journal.append(self.name)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"times_ms": answer, "peak_mib": 10.0 * len(self.journal)}

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SETTLE", 0.0)


# Ratios


def test_time_ratio_is_taken_within_each_round() -> None:
    # The machine is ten times slower in the second round: the ratio of the medians would be 20 / 100.
    ours = measured("ours", [[20.0, 22.0, 18.0], [200.0], [30.0]])
    rival = measured("rival", [[10.0], [100.0, 100.0], [10.0, 1000.0, 10.0]])
    assert time_ratio(ours, rival) == Ratio(2.0, 2.0, 3.0)
    assert time_ratio(ours, ours) == Ratio(1.0, 1.0, 1.0)
    assert str(time_ratio(ours, rival)) == "2.00 (2.00–3.00)"


def test_memory_ratio() -> None:
    assert memory_ratio(measured("a", [[1.0]], 150.0), measured("b", [[1.0]], 100.0)) == 1.5
    assert memory_ratio(measured("a", [[1.0]], None), measured("b", [[1.0]], 100.0)) is None


def test_a_failed_candidate_has_no_ratio_and_gives_none() -> None:
    good, bad = measured("good", [[1.0]]), measured("bad", [[1.0]], failure="ended with status 1")
    for pair in ((good, bad), (bad, good), (good, None), (good, measured("never", []))):
        assert time_ratio(*pair) is None
        assert memory_ratio(*pair) is None


# Table


def test_rows_relate_to_the_reference_and_to_the_peer() -> None:
    table = rows(
        [measured(REFERENCE, [[10.0]], 100), measured("ours", [[40.0]], 300), measured("rival", [[20.0]], 600)]
    )
    ours = table[1]
    assert (ours.median_ms, ours.time_ratio, ours.memory_ratio) == (40.0, Ratio(4, 4, 4), 3.0)
    assert (ours.peer, ours.peer_time_ratio, ours.peer_memory_ratio) == ("rival", Ratio(2, 2, 2), 0.5)
    assert ours.failure is None


def test_markdown_says_who_was_not_measured_and_why() -> None:
    failed = measured("ours", [[1.0]], failure="ModuleNotFoundError: No module named 'rivalry'")
    text = markdown(CASE, rows([measured(REFERENCE, [[10.0]]), failed, measured("rival", [])]))
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert "not measured" in lines["ours"]
    assert "1.50" in lines["ours"], "the number of parameters is known all the same"
    assert "not measured" not in lines[REFERENCE]
    assert "- **ours** was not measured: ModuleNotFoundError: No module named 'rivalry'" in text
    assert "- **rival** was not measured: no turn was taken" in text
    assert "A note." in text
    assert len({line.count("|") for line in lines.values()}) == 1


def test_json_holds_every_time_and_the_reasons() -> None:
    measurements = [measured(REFERENCE, [[10.0, 11.0], [12.0]]), measured("rival", [], failure="gone")]
    result = json.loads(json.dumps(to_json(CASE, measurements)))
    assert result["turns_ms"] == {REFERENCE: [[10.0, 11.0], [12.0]], "rival": []}
    assert [row["failure"] for row in result["rows"]] == [None, "gone"]


# Rounds


def run_scripts(scripts: dict[str, list[Any]], **options: Any) -> tuple[list[Measurement], list[str], list[Script]]:
    journal: list[str] = []
    workers = {name: Script(name, answers, journal) for name, answers in scripts.items()}
    names = [candidate(name) for name in scripts]
    result = take_turns(names, lambda c: workers[c.name], **{"rounds": 2, "seconds": 0.0, **options})
    return result, journal, list(workers.values())


def test_candidates_take_turns_and_the_warm_up_does_not_count() -> None:
    result, journal, workers = run_scripts({"a": [[99.0], [1.0], [2.0]], "b": [[98.0], [3.0], [4.0]]})
    assert journal == ["a ready", "b ready", "a", "b", "a", "b", "a", "b"]
    assert [m.turns_ms for m in result] == [[[1.0], [2.0]], [[3.0], [4.0]]]
    assert [m.peak_mib for m in result] == [70.0, 80.0], "the peak of the last turn"
    assert all(w.closed for w in workers)


def test_a_failure_in_between_ends_that_candidate_alone() -> None:
    said: list[str] = []
    scripts = {"a": [[9.0], CandidateError("died of SIGKILL")], "b": [[9.0], [3.0], [4.0]]}
    result, journal, workers = run_scripts(scripts, say=said.append)
    assert result[0].failure == "died of SIGKILL"
    assert result[1].failure is None
    assert result[1].turns_ms == [[3.0], [4.0]]
    assert journal.count("a") == 2
    assert said == ["a: died of SIGKILL"]
    assert all(w.closed for w in workers)


def test_the_limit_ends_a_case_after_two_rounds() -> None:
    result, _, _ = run_scripts({"a": [[9.0], [1.0], [2.0], [3.0]]}, rounds=3, limit=0.0)
    assert result[0].turns_ms == [[1.0], [2.0]]


# Processes


def test_a_process_answers() -> None:
    code = (
        "import json, sys\n"
        "print(json.dumps({'event': 'imported', 'baseline_mib': 1}), flush=True)\n"
        "print(json.dumps({'event': 'built', 'parameters': 3}), flush=True)\n"
        "for line in sys.stdin:\n"
        "    order = json.loads(line)\n"
        "    print(json.dumps({'event': 'turn', 'times_ms': [order['seconds']] * order['least']}), flush=True)\n"
    )
    process = Process([sys.executable, "-c", code], {})
    try:
        assert process.ready() == {"event": "built", "baseline_mib": 1, "parameters": 3}
        assert process.turn(2.5, 2)["times_ms"] == [2.5, 2.5]
    finally:
        process.close()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('first', file=sys.stderr); sys.exit('out of luck')", "ended with status 1: out of luck"),
        ("import os; os.kill(os.getpid(), 11)", "died of SIGSEGV"),
        ("""print('{"event": "failed", "reason": "SpecError: too small"}')""", "SpecError: too small"),
        ("import time; time.sleep(60)", r"no answer in 1 s \(imported\)"),
    ],
)
def test_a_process_that_fails_says_why(code: str, reason: str) -> None:
    process = Process([sys.executable, "-c", code], {}, patience=1.0 if "sleep" in code else 60.0)
    try:
        with pytest.raises(CandidateError, match=reason):
            process.ready()
    finally:
        process.close()


def test_a_process_that_died_between_turns_says_why() -> None:
    process = Process([sys.executable, "-c", "import sys; sys.exit('gone')"], {})
    try:
        process.process.wait()
        with pytest.raises(CandidateError, match="ended with status 1: gone"):
            process.turn(0.0, 1)
    finally:
        process.close()


# The worker


def test_the_worker_reports_what_it_built_and_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[None] = []

    def prepare(candidate: Candidate, case: Case) -> Callable[[], tuple[Callable[[], None], int]]:
        return lambda: (lambda: steps.append(None), 42)

    monkeypatch.setattr(worker, "prepare", prepare)
    replies: list[dict[str, Any]] = []
    worker.serve(candidate("ours"), CASE, ['{"seconds": 0, "least": 3}', '{"seconds": 0, "least": 1}'], replies.append)
    assert [reply["event"] for reply in replies] == ["imported", "built", "turn", "turn"]
    assert replies[1]["parameters"] == 42
    assert [len(reply["times_ms"]) for reply in replies[2:]] == [3, 1]
    assert len(steps) == 4
    assert all(reply["peak_mib"] >= 0 for reply in replies[2:])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_the_peak_counts_from_the_reset() -> None:
    block = bytearray(200 << 20)
    high = worker.status_mib("VmHWM")
    del block
    worker.reset_peak()
    assert worker.status_mib("VmHWM") < high - 150


# Cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cases_are_possible_and_complete(case: Case) -> None:
    candidates = CANDIDATES[case.network]
    names = [c.name for c in candidates]
    assert len(set(names)) == len(names)
    assert {REFERENCE, *backend_names()} <= set(names)
    for c in candidates:
        peer = next(other for other in candidates if other.name == c.peer)
        assert peer.framework == c.framework
        assert peer.module.startswith("benchmarks.peers_")
        if c.module.startswith("backends."):
            spec = build(c.build)
            spec.check_input(*case.size)
            if case.mode == "train":
                spec.check_batch(case.batch, *case.size)
    assert find_case(case.name) is case


def test_everybody_gets_the_same_number_of_threads() -> None:
    assert set(thread_environment(3).values()) == {"3"}
