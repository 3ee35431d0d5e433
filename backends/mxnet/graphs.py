"""Networks as files that run without this project: an MXNet symbol and its parameters."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
from mxnet import autograd, gluon, nd, symbol

from backends.mxnet.layers import Network, Tensor, resize
from backends.mxnet.models import build_model
from backends.mxnet.state import set_state
from core.arch import Spec
from core.backend import Runner
from core.export import ExportForm
from core.fold import fold


class Segmenter(gluon.HybridBlock):
    """(normalisation -) network - resize to the picture (- argmax), as core.export.ExportForm says."""

    def __init__(self, model: Network, form: ExportForm) -> None:
        super().__init__()
        self.align_corners = model.spec.align_corners
        self.argmax, self.normalises = form.argmax, form.normalize is not None
        self.model = model
        if form.normalize is not None:
            factor, offset, self.reverses = form.constants()
            self.factor = self.params.get_constant("factor", factor.reshape(1, 3, 1, 1))
            self.offset = self.params.get_constant("offset", offset.reshape(1, 3, 1, 1))

    def hybrid_forward(self, F: ModuleType, x: Tensor, factor: Tensor = None, offset: Tensor = None) -> Tensor:
        if self.normalises:
            x = F.cast(F.transpose(x, (0, 3, 1, 2)), "float32")
            x = F.reverse(x, axis=1) if self.reverses else x
            x = F.broadcast_add(F.broadcast_mul(x, factor), offset)
        logits = resize(F, self.model(x)[0], x, self.align_corners)
        return F.cast(F.argmax(logits, axis=1), "uint8") if self.argmax else logits


def compile_network(model: Network, shape: tuple[int, ...]) -> Runner:
    """The main logits of float32 inputs of `shape` on a processor: memory planned once."""
    return _compiled(model, shape, fused=False)


def compile_fused(model: Network, shape: tuple[int, ...]) -> Runner:
    """The same with oneDNN's subgraphs, which join convolutions with the activations and sums behind them.

    In MXNet 1.9 these fail on some networks.
    """
    return _compiled(model, shape, fused=True)


def _compiled(model: Network, shape: tuple[int, ...], fused: bool) -> Runner:
    """The arrays of parameters are the network's own."""
    data = symbol.var("data")
    with autograd.predict_mode():
        main = model(data)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it knows no type of `data`: float32
        chosen = main.get_backend_symbol("MKLDNN") if fused else main
        block = gluon.SymbolBlock(chosen, [data], params=model.collect_params())
    block.hybridize(static_alloc=True, static_shape=True)

    def run(images: np.ndarray) -> np.ndarray:
        with autograd.predict_mode():
            return block(nd.array(images)).asnumpy()

    run(np.zeros(shape, np.float32))
    return run


def save(target: str, spec: Spec, state: Mapping[str, np.ndarray], form: ExportForm, path: Path) -> None:
    """The network with its norms folded: PATH-symbol.json, with the metadata, and PATH-0000.params."""
    folded, weights = fold(spec, state)
    model = build_model(folded)
    set_state(model, weights)
    segmenter = Segmenter(model, form)
    segmenter.params.initialize()  # the constants; the network has its values
    segmenter.hybridize()
    height, width = form.size or spec.size_at_least(256, 320)
    with autograd.predict_mode():
        if form.normalize is None:
            segmenter(nd.zeros((1, 3, height, width)))
        else:
            segmenter(nd.zeros((1, height, width, 3), dtype="uint8"))
    segmenter.export(str(path))
    drawing = path.with_name(f"{path.name}-symbol.json")
    graph = json.loads(drawing.read_text(encoding="utf-8"))
    graph["attrs"]["segparity"] = ["str", json.dumps(dict(form.metadata))]  # attributes are [type, value]
    drawing.write_text(json.dumps(graph, indent=1) + "\n", encoding="utf-8")


def load(target: str, path: Path) -> Runner:
    """The symbol as a block."""
    files = (path.with_name(f"{path.name}{end}") for end in ("-symbol.json", "-0000.params"))
    drawing, parameters = map(str, files)
    block = gluon.SymbolBlock.imports(drawing, ["data"], parameters)

    def run(array: np.ndarray) -> np.ndarray:
        with autograd.predict_mode():
            return block(nd.array(array, dtype=array.dtype)).asnumpy()

    return run
