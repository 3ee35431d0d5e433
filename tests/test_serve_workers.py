"""The service's engines with the frameworks themselves: equal label maps, batches, a worker that dies."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from backends.serve.engine import Engine, Result, Unavailable, Unsuitable
from backends.serve.models import CONFIGURED, PROTOCOLS, find_models, protocol_of
from core.config import dump_config, load_config
from core.description import descriptions
from core.errors import CheckpointError, ConfigError
from core.initialize import initial_state
from core.safetensors import save

PRESENT = [name for name, description in descriptions().items() if description.installed]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights with its configuration inside."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    config = load_config(None, ["model.preset=espnet_tiny", "transform.normalize=imagenet"])
    save(path, initial_state(config.spec(11).parameters(), 0), {"config": dump_config(config)})
    return path


@pytest.fixture(scope="module")
def order(weights: Path) -> dict[str, object]:
    (model,) = find_models([], [weights], None, [])
    assert model.name == "small"
    return model.order()


def wait_for(answer: Future[Result]) -> Result:
    return answer.result(timeout=300)


@pytest.mark.slow
def test_the_frameworks_agree_and_batches_change_nothing(order: dict[str, object]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 50, 66, 3), dtype=np.uint8)
    found = {}
    for backend in PRESENT:
        engine = Engine(backend, timeout=300, batch=4, batch_pixels=1 << 20)
        try:
            answers = [engine.segment(picture, order, CONFIGURED) for picture in pictures]
            results = [wait_for(answer) for answer in answers]
            assert max(result.batch for result in results) > 1
            assert engine.pictures == 5 > engine.batches
            found[backend] = np.stack([result.labels for result in results])
            assert found[backend].shape == (5, 50, 66)
            alone = wait_for(engine.segment(pictures[0], order, CONFIGURED)).labels
            assert (alone == found[backend][0]).mean() > 0.999
            merged = wait_for(engine.segment(pictures[0], order, "mmseg-ms")).labels
            assert merged.shape == (50, 66)
            assert (merged != alone).any()
        finally:
            engine.close()
    for labels in found.values():
        assert (labels == found[PRESENT[0]]).mean() > 0.999


@pytest.mark.slow
def test_a_worker_that_dies_is_said_and_started_again(order: dict[str, object]) -> None:
    picture = np.zeros((50, 66, 3), np.uint8)
    engine = Engine(PRESENT[0], timeout=300, batch=4, batch_pixels=1 << 20)
    try:
        wait_for(engine.segment(picture, order, CONFIGURED))
        assert engine._process is not None
        assert engine._process._process is not None
        os.kill(engine._process._process.pid, signal.SIGKILL)
        while engine._process.alive:
            time.sleep(0.01)
        wait_for(engine.segment(picture, order, CONFIGURED))
        assert engine.starts == 2
        missing = {**order, "name": "gone", "weights": "/secret/place/gone.pth"}
        with pytest.raises(Unsuitable, match="these weights do not open in this framework"):
            wait_for(engine.segment(picture, missing, CONFIGURED))
    finally:
        engine.close()
    quick = Engine(PRESENT[0], timeout=0.001, batch=4, batch_pixels=1 << 20)
    try:
        with pytest.raises(Unavailable, match=r"failed or took more than 0\.001 s; try again"):
            wait_for(quick.segment(picture, order, CONFIGURED))
    finally:
        quick.close()


def test_a_framework_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, order: dict[str, object]) -> None:
    backend = PRESENT[0]
    monkeypatch.setattr(type(descriptions()[backend]), "installed", property(lambda self: False))
    engine = Engine(backend, timeout=1, batch=1, batch_pixels=1)
    try:
        assert engine.state == "is not installed"
        with pytest.raises(Unavailable, match="is not installed"):
            engine.segment(np.zeros((4, 4, 3), np.uint8), order, CONFIGURED).result(timeout=10)
    finally:
        engine.close()


def test_models_have_names_of_their_own_and_no_place(weights: Path, tmp_path: Path) -> None:
    first, second = find_models([], [weights, weights], None, [])
    assert (first.name, second.name) == ("small", "small-2")
    assert str(weights.parent) not in str(first.describe())
    assert len(first.palette) == len(first.classes) == 11
    with pytest.raises(CheckpointError, match="holds no run"):
        find_models([tmp_path], [], None, [])
    with pytest.raises(ConfigError, match="no such configuration file"):
        find_models([], [tmp_path / "gone.pth"], tmp_path / "none.yaml", [])


def test_every_protocol_that_is_offered_is_one(weights: Path) -> None:
    (model,) = find_models([], [weights], None, [])
    found = {name: protocol_of(name, model.config) for name in PROTOCOLS}
    assert found[CONFIGURED] == model.config.evaluation
    assert found["whole-mirrored"].flip
    assert len(found["mmseg-ms"].scales) > 1


def test_without_any_weights_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("backends.serve.models.FOLDER", tmp_path / "backends")
    monkeypatch.setattr("backends.serve.models.CHECKPOINTS", tmp_path)
    with pytest.raises(ConfigError, match="give --run DIR or --weights FILE, or run `make demo` first"):
        find_models([], [], None, [])
