"""Low precision and compiled training: what they change, what is refused, and that the loss scale is saved."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.config import Config, load_config
from core.errors import ConfigError
from core.initialize import initial_state
from core.loss_scale import LossScale
from core.losses import Objective, resolve_terms

SIZE = (64, 96)
NAMES = ["fast_scnn_tiny", "espnet_tiny", "bisenet_tiny"]


def learner_of(module: Callable[[str], ModuleType], *settings: str, name: str = NAMES[0]) -> tuple[Any, Config]:
    config = load_config(overrides=[f"model.preset={name}", *settings])
    spec = config.spec(5).without_dropout()
    learner = module("learner").Learner(spec, config, "cpu")
    learner.set_state(initial_state(spec.parameters(), 0))
    return learner, config


def objective(learner: Any, config: Config) -> Objective:
    labels = np.random.default_rng(1).integers(0, 5, (2, *SIZE))
    spec = learner.model.spec
    return Objective(resolve_terms(spec, config.loss), [labels], spec.align_corners)


def pictures(scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(0).standard_normal((2, 3, *SIZE), dtype=np.float32)


def refused(module: Callable[[str], ModuleType], precision: str) -> bool:
    try:
        learner_of(module, f"train.precision={precision}")
    except ConfigError:
        return True
    return False


def test_low_precision_is_refused_in_words_where_it_is_not(module: Callable[[str], ModuleType], backend: str) -> None:
    for precision in ["fp16"] if backend == "torch" else ["fp16", "bf16"]:
        with pytest.raises(ConfigError, match=rf"train\.precision: .*{precision}"):
            learner_of(module, f"train.precision={precision}")


@pytest.mark.parametrize("name", NAMES)
def test_bf16_is_as_near_as_its_own_noise(module: Callable[[str], ModuleType], name: str, backend: str) -> None:
    """Logits of bfloat16 against float32, measured by how far bfloat16 is from itself.

    Its noise is what it makes of pictures that differ by half a unit of its last place (2**-9), the least it can know
    of them. The distance from float32 is of rounding at every layer and may be a few times that of rounding the first;
    where float32's best class leads by more, bfloat16 must choose the same.
    """
    if refused(module, "bf16"):
        pytest.skip(f"{backend} has no bf16 on a processor, which is said")
    import torch

    exact, _ = learner_of(module, name=name)
    low, config = learner_of(module, "train.precision=bf16", name=name)

    def logits(learner: Any, images: np.ndarray) -> np.ndarray:
        learner.model.train()
        x = torch.from_numpy(images.astype(np.float32))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=learner.low is not None):
            return learner.model(x)[0].float().numpy()

    truth, found = logits(exact, pictures()), logits(low, pictures())
    near = [logits(low, pictures(1 + sign * 2.0**-9)) for sign in (1, -1)]
    noise = np.sqrt(np.mean([np.square(other - found) for other in near]))
    distance = np.sqrt(np.mean(np.square(found - truth)))
    assert 0 < distance <= 8 * noise
    ordered = np.sort(truth, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 4 * np.abs(found - truth).max()
    assert (found.argmax(axis=1) == truth.argmax(axis=1))[clear].all()
    values = low.backward([pictures()], objective(low, config), 0)
    expected = exact.backward([pictures()], objective(exact, config), 0)
    np.testing.assert_allclose(values, expected, rtol=0.02)  # bfloat16 has 8 bits: 2**-8, over some layers
    low.update(0.1)
    assert {array.dtype for array in low.get_state().values() if array.dtype.kind == "f"} == {np.dtype(np.float32)}


def test_a_loss_scale_changes_no_step_and_leaves_out_what_overflows(
    module: Callable[[str], ModuleType], backend: str
) -> None:
    """In float32, where a power of two scales exactly."""
    plain, config = learner_of(module)
    scaled, _ = learner_of(module)
    if not hasattr(scaled, "loss_scale"):
        pytest.skip(f"{backend} has no fp16")
    scaled.loss_scale = LossScale()
    for learner in (plain, scaled):
        learner.backward([pictures()], objective(learner, config), 0)
        learner.update(0.1)
    before = scaled.get_state()
    for name, value in plain.get_state().items():
        np.testing.assert_allclose(before[name], value, rtol=1e-6, atol=1e-7, err_msg=name)
    scaled.backward([pictures()], objective(scaled, config), 0)
    gradients = module("parity").gradients(scaled)
    gradients[next(iter(gradients))].flat[0] = np.inf
    module("parity").set_gradients(scaled, gradients)
    statistics = {name for name in before if "running" in name}
    scaled.update(0.1)
    for name, value in scaled.get_state().items():
        assert name in statistics or np.array_equal(value, before[name]), name
    assert scaled.loss_scale.value == LossScale.FIRST / 2
    other, _ = learner_of(module)
    other.loss_scale = LossScale()
    other.set_optimizer_state(scaled.get_optimizer_state(), 2)
    assert vars(other.loss_scale) == vars(scaled.loss_scale)
    assert other.optimizer.steps == 1  # of two iterations one was left out


def test_compiled_training_is_training(module: Callable[[str], ModuleType], backend: str) -> None:
    if backend == "torch":
        pytest.skip("inductor compiles for a minute: test_inductor_compiles_training")
    _same_with(module, "train.compile=true")


@pytest.mark.slow
def test_inductor_compiles_training(module: Callable[[str], ModuleType], backend: str) -> None:
    if backend != "torch":
        pytest.skip("PyTorch's")
    _same_with(module, "train.compile=true")


def test_channels_last_is_the_same_or_refused(module: Callable[[str], ModuleType], backend: str) -> None:
    if backend == "torch":
        _same_with(module, "train.channels_last=true")
    else:
        with pytest.raises(ConfigError, match=r"train\.channels_last: "):
            learner_of(module, "train.channels_last=true")


def _same_with(module: Callable[[str], ModuleType], setting: str) -> None:
    """Two steps of ESPNet: other orders of summation alone, of a network that does not amplify them."""
    found = []
    for settings in ((), (setting,)):
        learner, config = learner_of(module, *settings, name="espnet_tiny")
        for _ in range(2):
            values = learner.backward([pictures()], objective(learner, config), 0)
            learner.update(0.01)
        found.append((values, learner.predictor().logits(pictures(), SIZE)))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-4)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-3 * np.abs(found[0][1]).max())
