"""The demonstration, small: its proofs, what it writes, and that a fault planted in one framework turns it red."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.description import descriptions
from parity_tests import demo
from parity_tests.compare import compare
from parity_tests.demo_proofs import REFERENCE, digest, prove_double, prove_handover, prove_scores, prove_start
from tests.backends.conftest import settings

KEYS = ["start", "double", "scores", "handover"]


def installed(count: int) -> list[str]:
    """The first backends that are there; skips (fails in CI) where there are fewer than `count`."""
    found = [name for name, description in descriptions().items() if description.installed]
    if len(found) < count:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"only {found} installed (make setup)")
    return found[:count]


def small(folder: Path, backends: list[str], iterations: int, *options: str) -> tuple[int, dict[str, Any]]:
    """The whole demonstration with a small network that learns within a few iterations; exit status and demo.json."""
    changes = settings(
        model__preset="espnet_c_p2_q3",
        train__iterations=str(iterations),
        optimizer="{name: sgd, lr: 0.05}",
        schedule="{policy: constant, warmup_iterations: 0}",
    )
    where = ["--runs", str(folder / "runs"), "--out", str(folder / "report")]
    status = demo.main(["--backends", " ".join(backends), "--steps", "2", *changes, *where, *options])
    return status, json.loads((folder / "report" / "demo.json").read_text())


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, *small(folder, installed(2), 8)


def test_every_proof_stands_in_the_order_promised(shown: tuple[Path, int, dict[str, Any]]) -> None:
    _, status, data = shown
    assert status == 0
    assert data["verdict"] == "PROVEN"
    assert [proof["key"] for proof in data["proofs"]] == KEYS
    start, double, scores, handover = (proof["facts"] for proof in data["proofs"])
    for found in start["digests"].values():
        assert set(found) == {REFERENCE, *data["backends"]}
        assert len(set(found.values())) == 1
        assert re.fullmatch("[0-9a-f]{64}", found[REFERENCE])
    assert len(set(map(str, start["digests"].values()))) == len(start["digests"])  # each of something else
    names = list(data["backends"])
    assert [len(double["losses"][name]) for name in names] == [2, 2]
    assert double["losses"][names[0]][0] != double["losses"][names[0]][1]
    assert 0 < max(double["loss_differences"].values()) < 1e-8
    assert sorted(scores["miou"]) == sorted(scores["miou"][names[0]]) == sorted(names)
    pairs = [found for row in scores["same_pixels"].values() for found in row.values()]
    assert all(found["all"] == 3 * 72 * 96 for found in pairs)
    assert sorted(handover["finished"]) == sorted(names)
    assert handover["finished"][names[0]] == handover["stayed"] == double["losses"][names[0]]


def test_the_twin_starts_one_ulp_off(shown: tuple[Path, int, dict[str, Any]]) -> None:
    _, _, data = shown
    losses = data["curves"]["losses"]
    first = next(iter(data["backends"]))
    assert list(losses) == [*data["backends"], f"{first}, one ulp off"]
    own, twin = losses[first], losses[f"{first}, one ulp off"]
    assert len(own) == len(twin) == 8
    assert twin[0] == pytest.approx(own[0], rel=1e-5)
    assert twin != own
    assert [found["twin"] for found in data["distances"]] == [False, True]


def test_the_page_needs_no_other_file(shown: tuple[Path, int, dict[str, Any]]) -> None:
    folder, _, _ = shown
    text = (folder / "report" / "index.html").read_text()
    assert "PROVEN: 4 of 4" in text
    assert "FAILED" not in text
    assert not re.search(r'(src|href)="https?:', text)
    assert set(re.findall(r'(?:src|href)="([^"#][^"]*)"', text.replace("data:image/png", ""))) >= {"demo.json"}
    assert [text.index(f'id="{key}"') for key in [*KEYS, "curves", "predictions"]] == sorted(
        text.index(f'id="{key}"') for key in [*KEYS, "curves", "predictions"]
    )
    assert text.count("<svg") == 2
    assert text.count("data:image/png;base64,") == 3 * 5
    photographs = list((folder / "report" / "predictions").glob("*_picture.png"))
    assert len(photographs) == 3
    assert all(np.ptp(cv2.imread(str(path))) > 100 for path in photographs)


def test_every_command_shown_was_run(shown: tuple[Path, int, dict[str, Any]]) -> None:
    _, _, data = shown
    commands = [line for proof in data["proofs"] for line in proof["commands"]] + data["curves"]["commands"]
    jobs = [line for line in commands if line.startswith("python -m backends.")]
    # In float64: each, one begun, each finishing it. In float32: each and the twin, everyone's score by each.
    assert len([line for line in jobs if ".train " in line]) == 2 + 1 + 2 + 2 + 1
    assert len([line for line in jobs if ".eval " in line]) == 4 + 1
    logs = list((shown[0] / "runs" / "logs").glob("*.log"))
    assert len(logs) == len(jobs)


@pytest.mark.slow
def test_a_fault_planted_in_one_framework_turns_every_proof_red(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backends = installed(2)
    status, data = small(tmp_path, backends, 8, "--no-twin", "--fault", f"{backends[0]}: channels swapped")
    assert status == 1
    assert data["verdict"] == "FAILED"
    assert [proof["verdict"] for proof in data["proofs"]] == ["FAILED"] * 4
    digests = data["proofs"][0]["facts"]["digests"]
    assert len(set(digests["initial weights"].values())) == 1
    assert len(set(digests["batch 1: labels"].values())) == 1
    assert len(set(digests["batch 1: pictures"].values())) == 2
    text = (tmp_path / "report" / "index.html").read_text()
    assert '<div class="banner bad">FAILED: 4 of 4 proofs' in text
    assert "FAILED       The same start" in capsys.readouterr().out


@pytest.mark.slow
def test_one_framework_alone_proves_its_start_and_compares_nothing(tmp_path: Path) -> None:
    status, data = small(tmp_path, installed(1), 2, "--no-twin")
    assert status == 0
    assert data["verdict"] == "NOT COMPARED"
    assert [proof["ok"] for proof in data["proofs"]] == [True, None, None, None]
    assert data["missing"] == [] or set(data["missing"]) <= {"paddle", "mxnet"}


@pytest.mark.slow
def test_all_three_frameworks(tmp_path: Path) -> None:
    status, data = small(tmp_path, installed(3), 4)
    assert status == 0
    assert len(data["proofs"][2]["facts"]["miou"]) == 3


def test_a_bit_makes_another_checksum() -> None:
    array = np.arange(6, dtype=np.float32)
    moved = np.nextafter(array, np.float32(9))
    assert digest({"a": array}) == digest({"a": array.copy()})
    others = [{"a": moved}, {"b": array}, {"a": array.reshape(2, 3)}, {"a": array.view(np.int32)}]
    assert len({digest({"a": array}), *map(digest, others)}) == 5
    assert prove_start({"weights": {"numpy": "a" * 64, "torch": "b" * 64}}, 6, 1).ok is False


def test_a_loss_beyond_rounding_fails_in_float64() -> None:
    state = {"w": np.ones(3)}
    good = prove_double({"a": [3.0, 2.0], "b": [3.0, 2.0 + 1e-12]}, {"a": state, "b": state}, [])
    assert good.ok is True
    assert prove_double({"a": [3.0, 2.0], "b": [3.0, 2.0 + 1e-6]}, {"a": state, "b": state}, []).ok is False
    other = {"w": np.array([1.0, 1.0, 1.0 + 1e-4])}
    assert prove_double({"a": [3.0], "b": [3.0]}, {"a": state, "b": other}, []).ok is False
    assert prove_double({"a": [3.0], "b": [float("nan")]}, {"a": state, "b": state}, []).ok is False
    assert compare(state, other)[0].relative == pytest.approx(1e-4)


def test_scores_and_label_maps_are_held_to_their_limits(tmp_path: Path) -> None:
    def folder(name: str, wrong: int) -> Path:
        labels = np.zeros((200, 200), np.uint8)
        labels.flat[:wrong] = 1
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "x.png"), labels)
        return tmp_path / name

    own, few, many = folder("own", 0), folder("few", 4), folder("many", 5)  # of 40,000 pixels
    assert prove_scores({"a": {"a": 0.5, "b": 0.5}}, {"a": {"a": own, "b": few}}, []).ok is True
    assert prove_scores({"a": {"a": 0.5, "b": 0.5}}, {"a": {"a": own, "b": many}}, []).ok is False
    assert prove_scores({"a": {"a": 0.5, "b": 0.50011}}, {"a": {"a": own, "b": own}}, []).ok is False
    assert prove_scores({"a": {"a": 0.5}}, {"a": {"a": own}}, []).ok is None


def test_a_run_that_goes_on_differently_fails() -> None:
    assert prove_handover("a", 1, [3.0, 2.0], {"a": [3.0, 2.0], "b": [3.0, 2.0]}, []).ok is True
    failed = prove_handover("a", 1, [3.0, 2.0], {"a": [3.0, 2.0], "b": [3.0, 2.1]}, [])
    assert failed.ok is False
    assert failed.tables[-1].bad == [1]


def test_bad_arguments_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--runs", str(tmp_path), "--out", str(tmp_path)]
    assert demo.main(["--backends", "jax", *where]) == 2
    assert "unknown backends ['jax']" in capsys.readouterr().err
    first = installed(1)[0]
    assert demo.main(["--backends", first, "--fault", f"{first}: gremlins", *where]) == 2
    assert f"{first} has the faults " in capsys.readouterr().err
    assert demo.main(["--backends", first, "--fault", "gremlins", *where]) == 2
    assert "expected BACKEND:FAULT" in capsys.readouterr().err
    assert demo.main(["--backends", first, "--steps", "1", *where]) == 2
    assert "--steps 1" in capsys.readouterr().err


def test_a_command_that_fails_ends_the_demonstration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = installed(1)[0]
    where = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path)]
    changes = settings(train__iterations="2", schedule__warmup_iterations="0", data__val="nowhere")
    assert demo.main(["--backends", first, "--steps", "2", *changes, *where]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "index.html").exists()
