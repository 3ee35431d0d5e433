"""Networks as files that run without this project: Paddle Inference."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor, inference, nn

from backends.paddle.layers import Network, resize
from backends.paddle.models import build_model
from backends.paddle.state import set_state
from core.arch import Spec
from core.backend import Runner
from core.export import ExportForm
from core.fold import fold

# What Paddle Inference 3.3 gives to oneDNN: convolutions with what stands behind them. With all of its passes products
# and sums with a ReLU go there as well, and read what convolutions leave in oneDNN's layouts as if it were plain: wrong
# logits, without an error (docs/framework_differences.md).
CONVOLUTIONS = (
    "depthwise_conv_onednn_pass",
    "conv2d_bias_fuse_pass",
    "conv2d_transpose_bias_fuse_pass",
    "conv_activation_onednn_fuse_pass",
    "constant_folding_pass",
    "dead_code_elimination_pass",
)


class Segmenter(nn.Layer):
    """(normalisation -) network - resize to the picture (- argmax), as core.export.ExportForm says."""

    def __init__(self, model: Network, form: ExportForm) -> None:
        super().__init__()
        self.model, self.align_corners = model, model.spec.align_corners
        self.argmax, self.takes_pictures = form.argmax, form.normalize is not None
        if form.normalize is not None:
            factor, offset, self.reverses = form.constants()
            self.register_buffer("factor", paddle.to_tensor(factor.reshape(1, 3, 1, 1)))
            self.register_buffer("offset", paddle.to_tensor(offset.reshape(1, 3, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        if self.takes_pictures:
            x = x.transpose([0, 3, 1, 2]).astype("float32")
            x = (x.flip(1) if self.reverses else x) * self.factor + self.offset
        logits = resize(self.model.forward(x)[0], x.shape[2:], self.align_corners)
        return logits.argmax(axis=1).astype("uint8") if self.argmax else logits


class MainLogits(nn.Layer):
    """A network's main logits at the head's own resolution, in inference mode."""

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.model.forward(x)[0]


def compile_network(model: Network, shape: tuple[int, ...]) -> Runner:
    """The main logits of float32 inputs of `shape` on a processor, in Paddle Inference with oneDNN's convolutions."""
    with tempfile.TemporaryDirectory(prefix="segparity-graph-") as folder:
        path = Path(folder) / "network"
        inputs = [paddle.static.InputSpec(list(shape), "float32", "picture")]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of places, which a graph has not
            paddle.jit.save(MainLogits(model), str(path), input_spec=inputs)
        run = _runner(path, CONVOLUTIONS)
    for _ in range(2):  # the first makes oneDNN's primitives
        run(np.zeros(shape, np.float32))
    return run


def save(target: str, spec: Spec, state: Mapping[str, np.ndarray], form: ExportForm, path: Path) -> None:
    """The network with its norms folded: PATH.json (the program), PATH.pdiparams, and what is known of it beside them.

    Paddle's files hold no metadata: they are in PATH.segparity.json.
    """
    folded, weights = fold(spec, state)
    model = build_model(folded)
    set_state(model, weights)
    height, width = form.size or (None, None)
    pictures = paddle.static.InputSpec([None, 3, height, width], "float32", "picture")
    if form.normalize is not None:
        pictures = paddle.static.InputSpec([None, height, width, 3], "uint8", "picture")
    segmenter = Segmenter(model, form)
    segmenter.eval()
    paddle.jit.save(segmenter, str(path), input_spec=[pictures])
    described = path.with_name(f"{path.name}.segparity.json")
    described.write_text(json.dumps(dict(form.metadata), indent=1) + "\n", encoding="utf-8")


def load(target: str, path: Path) -> Runner:
    """The file in Paddle Inference, without oneDNN."""
    return _runner(path)


def _runner(path: Path, passes: Sequence[str] = ()) -> Runner:
    """The file in Paddle Inference: without oneDNN, or with what `passes` give to it."""
    program = next(
        p for p in (path.with_name(f"{path.name}.json"), path.with_name(f"{path.name}.pdmodel")) if p.exists()
    )
    config = inference.Config(str(program), str(path.with_name(f"{path.name}.pdiparams")))
    config.disable_gpu()
    config.disable_glog_info()
    if passes:
        config.enable_mkldnn()
        config.enable_custom_passes(list(passes), True)
        config.set_cpu_math_library_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    else:
        config.disable_mkldnn()
    predictor = inference.create_predictor(config)
    taken = predictor.get_input_handle(predictor.get_input_names()[0])
    given = predictor.get_output_handle(predictor.get_output_names()[0])

    def run(array: np.ndarray) -> np.ndarray:
        taken.reshape(array.shape)
        taken.copy_from_cpu(np.ascontiguousarray(array))
        predictor.run()
        return given.copy_to_cpu()

    return run
