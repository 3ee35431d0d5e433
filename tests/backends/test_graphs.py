"""A network as a graph takes any size and computes, learns and counts statistics as it does without one.

PyTorch: `torch.compile`, `torch.export`. Paddle: `paddle.jit`, a graph for any size or one for each; saved and loaded.
MXNet: the hybridized network; exported to a symbol file and imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.arch import build
from core.config import load_config
from core.initialize import initial_state
from core.losses import Objective, resolve_terms
from parity_tests.cases import TINY as CASES
from tests.backends.test_models import TINY, picture

# Above 64: where a map has one place, torch.export takes its size for a constant.
SIZES = [(96, 128), (91, 123)]
EXAMPLE = (2, 3, 128, 192)

Graph = Callable[[Any, Path], Callable[[Any], Any]]  # network, folder -> what is called in its place


def torch_compiled(model: Any, folder: Path) -> Any:
    model.compile(dynamic=True, backend="aot_eager")  # the backend that needs no C++ compiler
    return model


def torch_exported(model: Any, folder: Path) -> Any:
    import torch

    side = torch.export.Dim.DYNAMIC
    program = torch.export.export(model, (torch.zeros(EXAMPLE),), dynamic_shapes=({2: side, 3: side},))
    torch.export.save(program, folder / "network.pt2")
    return torch.export.load(folder / "network.pt2").module()


def paddle_any_size(model: Any, folder: Path) -> Any:
    import paddle

    pictures = paddle.static.InputSpec([None, 3, None, None], model.parameters()[0].dtype)
    return paddle.jit.to_static(model, input_spec=[pictures], full_graph=True)


def paddle_each_size(model: Any, folder: Path) -> Any:
    import paddle

    return paddle.jit.to_static(model)


def paddle_each_size_whole(model: Any, folder: Path) -> Any:
    import paddle

    return paddle.jit.to_static(model, full_graph=True)


def paddle_saved(model: Any, folder: Path) -> Any:
    import paddle

    pictures = paddle.static.InputSpec([None, 3, None, None], "float32")
    paddle.jit.save(model, str(folder / "network"), input_spec=[pictures])
    return paddle.jit.load(str(folder / "network"))


def mxnet_hybridized(model: Any, folder: Path) -> Any:
    return model  # as build_model makes it


def mxnet_exported(model: Any, folder: Path) -> Any:
    from mxnet import gluon, nd

    model(nd.zeros(EXAMPLE))
    model.export(str(folder / "network"))
    return gluon.SymbolBlock.imports(str(folder / "network-symbol.json"), ["data"], str(folder / "network-0000.params"))


LEARNING: dict[str, list[Graph]] = {
    "torch": [torch_compiled],
    "paddle": [paddle_any_size, paddle_each_size, paddle_each_size_whole],
    "mxnet": [mxnet_hybridized],
}
STORED: dict[str, list[Graph]] = {"torch": [torch_exported], "paddle": [paddle_saved], "mxnet": [mxnet_exported]}
# Tracing takes seconds: by default the few networks that stand for all, and of the slowest kinds of graph one network.
ONE = "pspnet_tiny"
FEW = {case.name for case in CASES if case.long} | {ONE}
SLOWEST = (torch_compiled, torch_exported, paddle_any_size, paddle_each_size, paddle_each_size_whole)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "graph" in metafunc.fixturenames:
        graphs = LEARNING if metafunc.function is test_a_graph_learns_as_the_network_does else STORED
        cases = [
            pytest.param(
                name,
                graph,
                marks=[] if name == ONE or (name in FEW and graph not in SLOWEST) else [pytest.mark.slow],
                id=f"{name}-{graph.__name__}",
            )
            for graph in graphs[metafunc.config.getoption("--backend")]
            for name in TINY
        ]
        metafunc.parametrize(("name", "graph"), cases)


def eager(backend: str, model: Any) -> Any:
    """The network without a graph."""
    if backend == "mxnet":
        model.hybridize(active=False)
    return model


def tensor(backend: str, array: np.ndarray) -> Any:
    if backend == "torch":
        import torch

        return torch.from_numpy(array)
    if backend == "paddle":
        import paddle

        return paddle.to_tensor(array)
    from mxnet import nd

    return nd.array(array)


def arrays(backend: str, outputs: Any) -> list[np.ndarray]:
    """The logits; a loaded graph of one output gives it bare."""
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    if backend == "mxnet":
        return [logits.asnumpy() for logits in outputs]
    return [logits.detach().numpy() for logits in outputs]


def assert_equal(found: np.ndarray, expected: np.ndarray, what: str, least: float = 1e-3) -> None:
    """`least`: the size of what the values are made of, where they may be smaller by cancellation."""
    assert found.shape == expected.shape, what
    assert np.abs(found - expected).max() <= 1e-5 * max(np.abs(expected).max(), least), what


def test_a_stored_graph_takes_any_size(
    name: str, graph: Graph, backend: str, module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    spec = build(name)
    networks = []
    for _ in range(2):
        model = module("models").build_model(spec)
        module("state").set_state(model, initial_state(spec.parameters(), 0))
        if backend != "mxnet":
            model.eval()
        networks.append(model)
    reference, call = eager(backend, networks[0]), graph(networks[1], tmp_path)
    for height, width in (spec.size_at_least(*size) for size in SIZES):
        x = tensor(backend, picture(2, 3, height, width))
        expected, found = arrays(backend, reference(x)), arrays(backend, call(x))
        assert len(found) == len(expected)
        for logits, wanted in zip(found, expected):
            assert_equal(logits, wanted, f"{height}x{width}")


def test_a_graph_learns_as_the_network_does(
    name: str, graph: Graph, backend: str, module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    """In float64: where a batch norm sees one place of two pictures, float32 leaves a gradient nothing but rounding,
    and another order of summation another one.
    """
    spec, config = build(name, 5).without_dropout(), load_config(overrides=["train.precision=float64"])
    learners = []
    for _ in range(2):
        learner = module("learner").Learner(spec, config, "cpu")
        learner.set_state(initial_state(spec.parameters(), 0))
        learners.append(learner)
    costs = resolve_terms(spec, config.loss)
    reference, learner = learners
    eager(backend, reference.model)
    learner.model = graph(learner.model, tmp_path)
    for height, width in (spec.size_at_least(*size) for size in SIZES):
        images = picture(2, 3, height, width)
        labels = np.random.default_rng(2).integers(0, 5, (2, height, width))
        losses = [
            each.backward([images], Objective(costs, [labels], spec.align_corners), seed=0)
            for each in (learner, reference)
        ]
        np.testing.assert_allclose(*losses, rtol=1e-5)
        found, expected = (module("parity").gradients(each) for each in (learner, reference))
        largest = max(np.abs(gradient).max() for gradient in expected.values())
        for key, gradient in expected.items():
            assert np.abs(found[key] - gradient).max() <= 1e-5 * largest, f"{height}x{width}: {key}"
    found, expected = learner.get_state(), reference.get_state()
    for key, value in expected.items():
        # Where the output of a norm, of mean 0, is convolved, the mean is nothing but rounding: of the deviation.
        variance = expected[key.replace("running_mean", "running_var")] if "running_mean" in key else np.float32(0)
        assert_equal(found[key], value, key, max(1e-3, float(np.sqrt(variance).max())))
