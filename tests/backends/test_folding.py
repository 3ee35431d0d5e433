"""Folded batch norms: every preset's network without them gives what it gave with them."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from core.arch import PRESETS, Spec, build
from core.errors import SpecError, WeightsError
from core.fold import fold, fold_state
from core.initialize import initial_state

Module = Callable[[str], ModuleType]
# A network per backbone and per way a norm stands behind its convolution: alone, behind a sum, a line, a linear layer.
COVERING = [
    "dabnet_efficientnet_tiny",
    "deeplabv3_tiny",
    "denseaspp_tiny",
    "dgcnet_tiny",
    "fast_scnn_tiny",
    "fcn_hrnet_tiny",
    "ginet_tiny",
    "glore_tiny",
    "setr_pup_tiny",
]


def trained_state(spec: Spec) -> dict[str, np.ndarray]:
    """float64, with norms that are no identities."""
    rng = np.random.default_rng(0)
    state = {name: array.astype(np.float64) for name, array in initial_state(spec.parameters(), 0).items()}
    for parameter in spec.parameters():
        if parameter.kind in ("norm_scale", "running_var"):
            state[parameter.name] = rng.uniform(0.5, 1.5, parameter.shape)
        elif parameter.kind in ("norm_bias", "running_mean", "bias"):
            state[parameter.name] = rng.normal(0, 0.3, parameter.shape)
    return state


def assert_folded_is_equal(spec: Spec, module: Module) -> None:
    """In float64: Paddle and MXNet hold epsilon and some constants in float32, hence not 1e-14."""
    state = trained_state(spec)
    folded, folded_state = fold(spec, state)
    x = np.random.default_rng(1).standard_normal((1, 3, *spec.size_at_least(64, 96)))
    outputs = []
    for network, weights in ((spec, state), (folded, folded_state)):
        model = module("parity").build(network, "float64")
        module("state").set_state(model, weights)
        assert list(module("state").names(model)) == [parameter.name for parameter in network.parameters()]
        outputs.append(module("parity").forward(model, x, False)[0])
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-9 * np.abs(outputs[0]).max()
    norms = {p.name for p in spec.parameters() if p.kind == "running_var"}
    left = {p.name for p in folded.parameters() if p.kind == "running_var"}
    assert left == norms - {f"{fold.norm}.running_var" for fold in folded.folds()}


@pytest.mark.parametrize("name", COVERING)
def test_folded_networks_are_equal(name: str, module: Module) -> None:
    assert_folded_is_equal(build(name).for_inference(), module)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_folded_is_equal(name: str, module: Module) -> None:
    assert_folded_is_equal(PRESETS[name].spec.for_inference().narrow(), module)


def test_part_of_a_network_is_folded(module: Module) -> None:
    """As a published checkpoint may be: here the backbone alone."""
    spec = build("fcn_mobilenet_v2_tiny", 5).for_inference()
    folded = build("fcn_mobilenet_v2_tiny", 5, {"folded_norms": ["backbone.*"]}).for_inference()
    state = trained_state(spec)
    x = np.random.default_rng(1).standard_normal((1, 3, 64, 64))
    outputs = []
    for network, weights in ((spec, state), (folded, fold_state(folded, state))):
        model = module("parity").build(network, "float64")
        module("state").set_state(model, weights)
        outputs.append(module("parity").forward(model, x, False)[0])
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=0, atol=1e-9 * np.abs(outputs[0]).max())
    left = {p.name for p in folded.parameters() if p.kind == "running_var"}
    assert left
    assert not any(name.startswith("backbone.") for name in left)


def test_what_cannot_be_folded_is_said() -> None:
    with pytest.raises(SpecError, match="no batch norm that can be folded into a convolution is called 'nothing'"):
        build("fast_scnn_tiny").__class__(folded_norms=("nothing",)).parameters()
    spec = build("fast_scnn_tiny")
    state = trained_state(spec)
    del state["detail.0.bn.bias"]
    with pytest.raises(WeightsError, match=r"detail\.0\.bn: cannot be folded, detail\.0\.bn\.bias"):
        fold(spec, state)


def test_epsilon_is_the_networks_own() -> None:
    """The inventory's, which folding uses, against the layers of PyTorch."""
    torch_models = pytest.importorskip("backends.torch.models")
    for name in sorted(PRESETS):
        spec = PRESETS[name].spec.narrow()
        modules = dict(torch_models.build_model(spec).named_modules())
        for entry in spec.inventory().foldable:
            assert modules[entry.norm].eps == entry.eps, (name, entry.norm)
