"""The hundred iterations of published networks: the page is of its figures, and what is known is not trained again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import pytest

from core.arch import PRESETS
from core.description import backend_names
from core.errors import DataError
from parity_tests import first_hundred
from parity_tests.first_hundred import ITERATIONS, PAGE, RESULTS, Known, Plan, main, put_table, table

NAME = "espnet_c_p2_q3"
# Of the first loss, relative, where float32's rounding is known to be amplified in training mode: DFANet's batch norms
# on 1x1 maps, for which the facts of the originals state 1e-2 for its outputs.
ILL_CONDITIONED = {"dfanet": 1e-2}
COMMITTED = Known.read(RESULTS)
pytestmark = pytest.mark.skipif(
    not set(backend_names()) >= {t.backend for network in COMMITTED.networks.values() for t in network.trainings},
    reason="the committed figures are of backends that are not here",
)


class Scripted:
    """A worker whose losses go from 3 to `last`, and whose prediction is class `label` everywhere."""

    framework = "scripted 1"

    def __init__(self, name: str, last: float, label: int) -> None:
        self.name, self.last, self.label = name, last, label
        self.asked: list[str] = []
        self.loaded: dict[str, np.ndarray] = {}

    def request(self, operation: str, arrays: Any = None, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self.asked.append(operation)
        if operation == "learner_load":
            self.loaded = arrays
        if operation == "train":
            return {}, {"losses": np.linspace(3.0, self.last, fields["iterations"])[:, None]}
        if operation == "learner_state":
            return {}, {f"state/{name}": array for name, array in self.loaded.items()}
        if operation == "predict":
            assert set(arrays) - {"x"} == set(self.loaded)  # no auxiliary head: inference needs all of it
            return {}, {"labels": np.full((len(arrays["x"]), *fields["size"]), self.label)}
        return {}, {}


class ScriptedFleet:
    """Of torch, whose loss falls, and of paddle, whose loss does as `rises` says."""

    rises = False
    workers: dict[str, Scripted]

    def __init__(self, names: list[str]) -> None:
        self.missing: dict[str, str] = {}
        last = {"torch": 1.0, "paddle": 4.0 if self.rises else 1.5}
        type(self).workers = {name: Scripted(name, last[name], label) for label, name in enumerate(names)}

    def __enter__(self) -> ScriptedFleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def present(self) -> list[str]:
        return list(self.workers)

    def get(self, name: str) -> Scripted:
        return self.workers[name]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(first_hundred, "Fleet", ScriptedFleet)
    where = ["--file", str(tmp_path / "figures.json"), "--out", str(tmp_path / "sheets")]
    return ["--preset", NAME, "--backends", "torch", "paddle", "--crop", "32x48", *where]


def test_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert put_table(text, COMMITTED) == text, "run `make table`"


def test_every_loss_fell_and_every_start_is_equal() -> None:
    """Of the figures in the repository: from the same weights and batch, the first loss differs by rounding alone."""
    assert COMMITTED.networks
    for name, network in COMMITTED.networks.items():
        starts = [training.start for training in network.trainings]
        allowed = ILL_CONDITIONED.get(PRESETS[name].spec.arch, 1e-4)
        assert max(starts) - min(starts) <= allowed * max(starts), name
        for training in network.trainings:
            assert training.last < training.first, f"{name} in {training.backend}"


def test_what_is_known_is_not_trained_again(command: list[str], tmp_path: Path) -> None:
    assert main(command) == 0
    once = ["learner", "learner_load", "train", "learner_state", "predict"]
    assert [worker.asked for worker in ScriptedFleet.workers.values()] == [once, once]
    known = Known.read(tmp_path / "figures.json")
    torch, paddle = known.networks[NAME].trainings
    assert (torch.start, torch.first, paddle.version) == (3.0, pytest.approx(2.909, abs=1e-3), "scripted 1")
    assert torch.last < paddle.last < torch.first
    assert (torch.like_first, paddle.like_first) == (100.0, 0.0)
    picture = cv2.imread(str(tmp_path / "sheets" / f"{NAME}.png"))
    assert picture.shape[1] > 4 * 48  # picture, label and two predictions side by side
    assert main(command) == 0
    assert not any(worker.asked for worker in ScriptedFleet.workers.values())
    assert main([*command, "--again"]) == 0
    assert ScriptedFleet.workers["torch"].asked == once


def test_another_network_or_crop_is_not_known() -> None:
    plan = Plan(NAME, (32, 48), 4, 2e-3)
    training = plan.training("torch", "torch 2", [2.0] * ITERATIONS, np.zeros((8, 32, 48), np.uint8))
    known = Known(Path("nowhere.json"))
    known.put(plan, training)
    assert not known.lacks(plan, "torch")
    assert known.lacks(plan, "paddle")
    for other in (replace(plan, crop=(64, 48)), replace(plan, batch=2), replace(plan, rate=1e-3)):
        assert known.lacks(other, "torch")
    known.networks[NAME] = replace(known.networks[NAME], values=1)
    assert known.lacks(plan, "torch")


def test_a_loss_that_does_not_fall_fails(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(ScriptedFleet, "rises", True)
    assert main(command) == 2
    assert f"{NAME} in paddle: the loss did not fall" in capsys.readouterr().err
    assert len(Known.read(tmp_path / "figures.json").networks[NAME].trainings) == 2


def test_rows_are_of_published_networks() -> None:
    rows = [line.split("|")[1].strip() for line in table(COMMITTED).splitlines()[2:]]
    assert len(rows) == len(COMMITTED.networks)
    assert all(row.split("`")[1] in PRESETS for row in rows)


@pytest.mark.parametrize("text", ["[]", "{", json.dumps({NAME: {"values": "many"}})])
def test_a_file_of_something_else_is_said(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    path.write_text(text, encoding="utf-8")
    assert main(["--table", "--file", str(path)]) == 2
    assert str(path) in capsys.readouterr().err
    with pytest.raises(DataError, match="no lines"):
        put_table("nothing", COMMITTED)
