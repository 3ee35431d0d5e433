"""What docs/framework_differences.md says of the frameworks, shown with the frameworks' own layers.

If one of these fails after an upgrade, the framework has changed its ways: correct the document, look at the backend.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from core.description import interpreter
from core.process import ROOT
from parity_tests.conftest import require
from parity_tests.habits import MANY, SHARE, STAIRS, ramp
from parity_tests.ladder import Fleet

Arrays = dict[str, np.ndarray]
Shown = Callable[[str, str], Arrays]


@pytest.fixture(scope="module")
def shown(fleet: Fleet) -> Shown:
    """shown("paddle", "resize"): what a snippet of parity_tests/habits gives."""

    def ask(backend: str, name: str) -> Arrays:
        require(fleet, backend)
        return fleet.get(backend).request("difference", name=name)[1]

    return ask


def gap(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / np.abs(a).max())


BATCH = ramp(2, 1, 1, 2)  # mean 1.5, biased variance 1.25, unbiased 5/3


@pytest.mark.parametrize(
    ("backend", "new_share", "variance"),
    [("torch", 0.25, BATCH.var(ddof=1)), ("paddle", 0.75, BATCH.var()), ("mxnet", 0.75, BATCH.var())],
)
def test_running_statistics(shown: Shown, backend: str, new_share: float, variance: float) -> None:
    """Momentum 0.25 is PyTorch's share of the new value, the others' of the old; PyTorch's variance is unbiased."""
    after = shown(backend, "batch_norm")["after backward"]
    expected = [new_share * BATCH.mean(), (1 - new_share) + new_share * variance]
    np.testing.assert_allclose(after, expected, rtol=1e-7)


@pytest.mark.parametrize(("backend", "updates"), [("torch", True), ("paddle", True), ("mxnet", False)])
def test_when_running_statistics_change(shown: Shown, backend: str, updates: bool) -> None:
    """MXNet changes them in the backward pass; a recorded forward pass alone leaves them at 0 and 1."""
    forward = shown(backend, "batch_norm")["after forward"]
    assert (forward.tolist() != [0.0, 1.0]) == updates


@pytest.mark.parametrize(
    ("backend", "means"), [("torch", (1.5, 11.5)), ("paddle", (1.5, 11.5)), ("mxnet", (11.5, 1.5))]
)
def test_in_which_order_a_batch_norm_sees_two_maps(shown: Shown, backend: str, means: tuple[float, float]) -> None:
    """MXNet's running statistics end with the first map, since they change in the backward pass."""
    expected = 0.0
    for mean in means:
        expected = (1 - SHARE) * expected + SHARE * mean
    assert shown(backend, "batch_norm_of_two_maps")["mean"][0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("backend", "refused"), [("torch", 1), ("paddle", 0), ("mxnet", 0)])
def test_batch_norm_of_a_single_value(shown: Shown, backend: str, refused: int) -> None:
    assert shown(backend, "batch_norm_of_one_value")["refused"] == refused


@pytest.mark.parametrize(("backend", "low", "high"), [("torch", 0, 5e-7), ("paddle", 0, 5e-6), ("mxnet", 2e-5, 1e-3)])
def test_batch_norm_of_many_values(shown: Shown, backend: str, low: float, high: float) -> None:
    """2^20 values per channel in float32: MXNet adds one after the other."""
    x = MANY.astype(np.float64)
    assert low <= gap((x - x.mean()) / x.std(), shown(backend, "batch_norm_of_many_values")["y"]) < high


def test_mxnet_fixes_gamma(shown: Shown) -> None:
    """By default the operator ignores the scale, and writes ones over it."""
    found = shown("mxnet", "fixed_gamma")
    np.testing.assert_allclose(found["fix_gamma=False"], 3 / np.sqrt(1.001), rtol=1e-6)
    np.testing.assert_allclose(found["default"], 1 / np.sqrt(1.001), rtol=1e-6)
    assert found["scale afterwards"] == 1.0


def test_constants_are_float32(shown: Shown) -> None:
    """In float64: Paddle's epsilon, and Paddle's and MXNet's batch-norm momentum."""
    torch, paddle, mxnet = (shown(name, "constants") for name in ("torch", "paddle", "mxnet"))
    assert gap(torch["scale"], mxnet["scale"]) < 1e-15
    assert 1e-9 < gap(torch["scale"], paddle["scale"]) < 1e-7
    assert 1e-9 < gap(torch["mean"], mxnet["mean"]) < 1e-6
    assert 1e-9 < gap(torch["mean"], paddle["mean"]) < 1e-6


def test_resize_defaults(shown: Shown) -> None:
    """PyTorch and Paddle take half-pixel centres by default, MXNet's operator corners. On noise that is all the map."""
    for backend, default in (("torch", "half pixel"), ("paddle", "half pixel"), ("mxnet", "corners")):
        found = shown(backend, "resize")
        assert np.array_equal(found["default"], found[default])
        assert gap(found["half pixel"], found["corners"]) > 0.1


def test_resize_in_float64(shown: Shown) -> None:
    """Paddle and MXNet work out where to sample in float32."""
    torch = shown("torch", "resize")["half pixel"]
    for backend in ("paddle", "mxnet"):
        assert 1e-9 < gap(torch, shown(backend, "resize")["half pixel"]) < 1e-5


def test_resize_to_one_row(shown: Shown) -> None:
    """Paddle and MXNet sample place 0 instead of the middle."""
    torch = shown("torch", "resize")["one row"]
    for backend in ("paddle", "mxnet"):
        assert gap(torch, shown(backend, "resize")["one row"]) > 0.1


def test_paddle_align_mode(shown: Shown) -> None:
    """align_mode=1 is a third convention: neither corners nor half-pixel centres."""
    found = shown("paddle", "resize")
    assert gap(found["half pixel"], found["align_mode 1"]) > 0.1
    assert gap(found["corners"], found["align_mode 1"]) > 0.1


def test_adaptive_pooling_has_the_same_bins(shown: Shown) -> None:
    torch = shown("torch", "adaptive_pooling")["3 bins of 7"]
    for backend in ("paddle", "mxnet"):
        assert gap(torch, shown(backend, "adaptive_pooling")["3 bins of 7"]) < 1e-15


def test_padding_counts_in_the_mean(shown: Shown) -> None:
    """A corner of ones, pooled 3x3 with padding 1: 4/9 where padding counts (PyTorch, MXNet), 1 where not (Paddle)."""
    for backend, corner in (("torch", 4 / 9), ("mxnet", 4 / 9), ("paddle", 1.0)):
        assert shown(backend, "pooling")["padded mean of ones"][0, 0, 0, 0] == pytest.approx(corner)
    assert shown("paddle", "pooling")["padded mean of ones, not exclusive"][0, 0, 0, 0] == pytest.approx(4 / 9)


def test_ceil_mode(shown: Shown) -> None:
    """The same switch under three names; off by default everywhere."""
    torch = shown("torch", "pooling")
    assert torch["floor"].shape[2:] == (2, 2)
    assert torch["ceil"].shape[2:] == (3, 3)
    for backend in ("paddle", "mxnet"):
        found = shown(backend, "pooling")
        assert np.array_equal(found["ceil"], torch["ceil"])
        assert np.array_equal(found["floor"], torch["floor"])


def test_prelu(shown: Shown) -> None:
    """MXNet's operator rounds the slope to float32, and its default is one slope for all channels."""
    for backend in ("torch", "paddle"):
        assert gap(np.full((1, 3, 1, 1), -0.1), shown(backend, "prelu")["of -1"]) < 1e-16
    mxnet = shown("mxnet", "prelu")
    assert 1e-9 < gap(np.full((1, 3, 1, 1), -0.1), mxnet["of -1"]) < 1e-7
    assert mxnet["default shape"].tolist() == [1]


def test_group_norm(shown: Shown) -> None:
    """Two groups of four channels: MXNet 1.9 has a scale per group, the others one per channel; else equal."""
    torch = shown("torch", "group_norm")
    for backend, scales in (("torch", [4]), ("paddle", [4]), ("mxnet", [2])):
        found = shown(backend, "group_norm")
        assert found["scale shape"].tolist() == scales
        assert gap(torch["y"], found["y"]) < 1e-12
        assert found["eps"] == pytest.approx(1e-5)


def test_linear_layout(shown: Shown) -> None:
    for backend, shape in (("torch", [5, 3]), ("paddle", [3, 5]), ("mxnet", [5, 3])):
        assert shown(backend, "linear")["weight shape of 3 to 5"].tolist() == shape


def test_paddle_cuts_log_probabilities_off(shown: Shown) -> None:
    """A logit 100 below the largest costs 100 in PyTorch and MXNet, 64 in Paddle."""
    for backend, loss in (("torch", 100.0), ("mxnet", 100.0), ("paddle", 64.0)):
        found = shown(backend, "softmax_far_apart")
        assert found["loss"] == pytest.approx(loss)
        assert found["log softmax"][0, 1] == pytest.approx(-loss)


def test_gelu(shown: Shown) -> None:
    """All three are exact (no tanh) by default; MXNet's constants are float32."""
    torch = shown("torch", "gelu")["default"]
    assert gap(torch, shown("paddle", "gelu")["default"]) < 1e-15
    assert 1e-9 < gap(torch, shown("mxnet", "gelu")["default"]) < 1e-6


def test_sgd(shown: Shown) -> None:
    """Equal while the rate is constant; MXNet puts the rate into the momentum, so a changed rate comes late."""
    torch, paddle, mxnet = (shown(name, "optimizers") for name in ("torch", "paddle", "mxnet"))
    for name in ("sgd", "sgd, decay"):
        assert gap(torch[name], paddle[name]) < 1e-8
        assert gap(torch[name][0], mxnet[name][0]) < 1e-7
        assert gap(torch[name], mxnet[name]) > 1e-2


def test_adam(shown: Shown) -> None:
    """MXNet adds epsilon before the correction of the second moment: small gradients move less."""
    torch, paddle, mxnet = (shown(name, "optimizers") for name in ("torch", "paddle", "mxnet"))
    assert gap(torch["adam"], paddle["adam"]) < 1e-8
    assert gap(torch["adamw"], paddle["adamw"]) < 1e-8
    assert gap(torch["adam"][:, 2], mxnet["adam"][:, 2]) > 1e-3
    assert gap(torch["adam"][:, 0], mxnet["adam"][:, 0]) < 1e-5


def test_weight_decay_defaults(shown: Shown) -> None:
    """AdamW decays by 0.01 unless told otherwise, in PyTorch and Paddle."""
    for backend in ("torch", "paddle"):
        found = shown(backend, "decay_defaults")
        assert [found[name].item() for name in ("SGD", "Adam", "AdamW")] == [0.0, 0.0, 0.01]


def test_mxnet_trainer_divides_by_the_batch(shown: Shown) -> None:
    assert shown("mxnet", "trainer_step")["weight"] == pytest.approx(-1 / 4)


def test_cross_entropy_means(shown: Shown) -> None:
    """With class weights the mean is over the weights; with no labelled pixel PyTorch gives nan, Paddle 0."""
    nlls = np.log(1 + np.exp(-1)), np.log(1 + np.exp(1))
    for backend in ("torch", "paddle"):
        found = shown(backend, "cross_entropy")
        assert found["weighted mean"] == pytest.approx((nlls[0] + 3 * nlls[1]) / 4)
        assert found["one ignored"] == pytest.approx(nlls[0])
    assert np.isnan(shown("torch", "cross_entropy")["all ignored"])
    assert shown("paddle", "cross_entropy")["all ignored"] == 0


def test_gluon_knows_no_ignored_label(shown: Shown) -> None:
    """255 is taken for the last class, silently."""
    found = shown("mxnet", "cross_entropy")
    assert np.array_equal(found["one of 255"], found["two"])


def test_float64_arrays(shown: Shown) -> None:
    """mx.nd.array makes float32 of a float64 array; the others keep it. Lists are float32 in all three."""
    for backend, size in (("torch", 8), ("paddle", 8), ("mxnet", 4)):
        found = shown(backend, "from_float64")
        assert found["bytes"].item() == size
        assert found["of a list"].item() == 4


def test_dropout(shown: Shown) -> None:
    """Kept values are divided by 1 - p in training; Paddle's other mode multiplies in inference instead."""
    for backend in ("torch", "paddle", "mxnet"):
        found = shown(backend, "dropout")
        np.testing.assert_allclose(found["train"], [0, 4 / 3], rtol=1e-6)
        assert found["inference"].tolist() == [1.0]
    paddle = shown("paddle", "dropout")
    assert paddle["train, downscale_in_infer"].tolist() == [0.0, 1.0]
    assert paddle["inference, downscale_in_infer"].tolist() == [0.75]


def test_argmax_of_ties(shown: Shown) -> None:
    """The lowest index in all three; MXNet gives it as float32, exact up to 2**24."""
    for backend, kind in (("torch", "i"), ("paddle", "i"), ("mxnet", "f")):
        found = shown(backend, "argmax")["of ties"]
        assert found.tolist() == [1]
        assert found.dtype.kind == kind


def test_repeated_runs_are_equal(shown: Shown) -> None:
    """On a processor, at a fixed number of threads, every framework repeats itself bit for bit."""
    for backend in ("torch", "paddle", "mxnet"):
        gradients = shown(backend, "repeated")["gradients"]
        assert all(np.array_equal(gradients[0], other) for other in gradients[1:])


def test_a_static_graph_of_paddle_replaces_gradients(shown: Shown) -> None:
    """The first backward pass at a new size: what was accumulated before is gone."""
    found = shown("paddle", "static_graph")
    assert gap(found["second alone"], found["static"]) < 1e-6
    assert gap(found["eager"], found["static"]) > 0.1


def test_importing_paddle_sets_the_threads(fleet: Fleet) -> None:
    """OMP_NUM_THREADS=1 unless it is set, for the whole process and all that it starts."""
    require(fleet, "paddle")
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    code = "import os, paddle; print(os.environ['OMP_NUM_THREADS'])"
    command = [interpreter("paddle"), "-c", code]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] == "1"


@pytest.mark.parametrize("backend", ["torch", "paddle", "mxnet"])
def test_sampling_at_whole_places(shown: Shown, backend: str) -> None:
    """Positions are shares of the sides: rounding decides whether the place before or the one after gives the slope."""
    steps, slopes = np.diff(STAIRS[0, 0, 0]), shown(backend, "sampling")["slopes"]
    before, after = (np.isclose(slopes[1:-1], step) for step in (steps[:-1], steps[1:]))
    assert (before | after).all()
    assert before.any()
    assert after.any()


def test_mxnet_has_no_deformable_backward_pass_on_a_processor(shown: Shown) -> None:
    assert shown("mxnet", "deformable")["refused"]
