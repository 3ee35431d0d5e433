"""What evaluation runs (norms folded, resize and argmax by rows) against the plain network."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from core.arch import build
from core.errors import SegParityError
from core.evaluation.graphs import AFTER, SWITCH, TOLERANCE
from tests.backends.test_folding import trained_state
from tests.backends.test_models import TINY

Module = Callable[[str], ModuleType]

# SwiftNet's grid of bins follows from the map's sides, which MXNet's planned graphs want to know beforehand.
NO_GRAPH = {("mxnet", "swiftnet_tiny"): "Shape is unknown"}


@pytest.mark.parametrize("name", ["fast_scnn_tiny", "deeplabv3_tiny", "setr_pup_tiny"])
def test_the_fast_way_gives_the_plain_networks_answers(name: str, module: Module) -> None:
    """Labels are those of the largest logit but where two are nearer to each other than rounding."""
    spec = build(name).for_inference()
    state = {key: value.astype(np.float32) for key, value in trained_state(spec).items()}
    predictor = module("inference").Predictor(spec, state, "cpu")
    model = module("parity").build(spec, "float32")
    module("state").set_state(model, state)
    plain = module("inference").Predictor.of(model)
    size = spec.size_at_least(64, 96)
    x = np.random.default_rng(2).standard_normal((2, 3, *size)).astype(np.float32)
    expected, found = plain.logits(x, size), predictor.logits(x, size)
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < 1e-4 * scale
    labels = predictor.labels(x, size)
    assert labels.dtype == np.uint8
    assert labels.shape == (2, *size)
    chosen = np.take_along_axis(expected, labels[:, None].astype(np.int64), axis=1)[:, 0]
    assert (expected.max(axis=1) - chosen).max() < 2e-4 * scale


@pytest.mark.parametrize(
    "name", [n if n == "fast_scnn_tiny" else pytest.param(n, marks=pytest.mark.slow) for n in TINY]
)
def test_a_size_that_repeats_runs_as_a_graph(
    name: str, backend: str, module: Module, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its logits are the plain network's: GraphForward holds them to that on an input, this test on another."""
    monkeypatch.delenv(SWITCH, raising=False)
    spec = build(name).for_inference()
    state = {key: value.astype(np.float32) for key, value in trained_state(spec).items()}
    predictor = module("inference").Predictor(spec, state, "cpu")
    size = spec.size_at_least(64, 96)
    if predictor.graphs is None:  # as asked for by MXNet's network itself
        assert predictor.model.by_parts
        return
    first, other = (np.random.default_rng(seed).standard_normal((1, 3, *size)).astype(np.float32) for seed in (2, 3))
    expected = predictor.logits(other, size)
    for _ in range(AFTER + 1):
        predictor.logits(first, size)
    said = capsys.readouterr().err
    if (backend, name) in NO_GRAPH:
        assert said.count("\n") == 1
        assert NO_GRAPH[backend, name] in said
    else:
        assert said == ""
        assert predictor.graphs.has((1, 3, *size))
    found = predictor.logits(other, size)
    assert np.abs(found - expected).max() < TOLERANCE * np.abs(expected).max()


def test_nan_is_an_error_not_a_class(module: Module) -> None:
    spec = build("fast_scnn_tiny").for_inference()
    state = {key: value.astype(np.float32) for key, value in trained_state(spec).items()}
    state["head.classifier.bias"][:] = np.nan
    predictor = module("inference").Predictor(spec, state, "cpu")
    with pytest.raises(SegParityError, match="scores hold nan"):
        predictor.labels(np.zeros((1, 3, 64, 64), np.float32), (64, 64))
