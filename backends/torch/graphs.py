"""Networks as files that run without this project: ONNX, TorchScript, torch.export, OpenVINO."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from backends.torch.layers import resize
from backends.torch.models import build_model
from backends.torch.state import set_state
from core.arch import Spec
from core.backend import Runner
from core.errors import ConfigError
from core.export import ExportForm
from core.fold import fold

OPSET = 17
METADATA = "segparity.json"
PRODUCTS = ("Conv", "Gemm", "MatMul")  # the operations that are quantised


class Segmenter(nn.Module):
    """(normalisation -) network - resize to the picture (- argmax), as core.export.ExportForm says."""

    def __init__(self, model: nn.Module, form: ExportForm) -> None:
        super().__init__()
        self.model, self.align_corners = model, model.spec.align_corners
        self.argmax, self.takes_pictures = form.argmax, form.normalize is not None
        if form.normalize is not None:
            factor, offset, self.reverses = form.constants()
            self.register_buffer("factor", torch.from_numpy(factor).view(1, 3, 1, 1), persistent=False)
            self.register_buffer("offset", torch.from_numpy(offset).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.takes_pictures:
            x = x.permute(0, 3, 1, 2).float()
            x = (x.flip(1) if self.reverses else x) * self.factor + self.offset
        logits = resize(self.model(x)[0], x.shape[2:], self.align_corners)
        return logits.argmax(dim=1).to(torch.uint8) if self.argmax else logits


class MainLogits(nn.Module):
    """A network's main logits at the head's own resolution, in inference mode."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)[0]


class HeadOnly(MainLogits):
    """The same from a state, as ONNX for one shape of input after another."""

    def __init__(self, spec: Spec, state: Mapping[str, np.ndarray]) -> None:
        model = build_model(spec)
        set_state(model, state)
        super().__init__(model)

    @torch.no_grad()
    def to_onnx(self, shape: tuple[int, ...]) -> bytes:
        return to_onnx(self, torch.zeros(shape), ExportForm((shape[2], shape[3])))


def compile_network(model: nn.Module, shape: tuple[int, ...]) -> Runner:
    """The main logits of float32 inputs of `shape` on a processor: traced, its weights constants, channels last."""
    return _compiled(model, shape, fused=False)


def compile_fused(model: nn.Module, shape: tuple[int, ...]) -> Runner:
    """The same with oneDNN's graphs, which join convolutions with the activations and sums behind them.

    In PyTorch 2.13 these fail on some networks and err on others: their logits are to be checked.
    """
    return _compiled(model, shape, fused=True)


def _compiled(model: nn.Module, shape: tuple[int, ...], fused: bool) -> Runner:
    """The switch for oneDNN's graphs is the whole process's: it is on only until this graph has settled."""
    example = torch.zeros(shape).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes may become constants: there is but one
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.compile needs a C++ compiler
        graph = torch.jit.freeze(torch.jit.trace(MainLogits(model), example, check_trace=False))

    @torch.inference_mode()
    def run(images: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
        return graph(x).contiguous().numpy()

    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(fused)
    try:
        for _ in range(2):  # after which it has settled
            run(example.numpy())
    finally:
        torch.jit.enable_onednn_fusion(before)
    return run


def save(target: str, spec: Spec, state: Mapping[str, np.ndarray], form: ExportForm, path: Path) -> None:
    """The network with its norms folded, for `target`."""
    folded, weights = fold(spec, state)
    model = build_model(folded)
    set_state(model, weights)
    segmenter = Segmenter(model, form).eval()
    height, width = form.size or spec.size_at_least(256, 320)
    example = torch.zeros((1, 3, height, width))
    if form.normalize is not None:
        example = torch.zeros((1, height, width, 3), dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes are checked where they become constants
        if target == "onnx":
            path.write_bytes(to_onnx(segmenter, example, form))
        elif target == "torchscript":
            script = torch.jit.freeze(torch.jit.trace(segmenter, example, check_trace=False))
            torch.jit.save(script, str(path), _extra_files={METADATA: json.dumps(dict(form.metadata))})
        elif target == "torch-export":
            side, first = torch.export.Dim.DYNAMIC, 1 if form.normalize is not None else 2
            shapes = None if form.size else ({first: side, first + 1: side},)
            program = torch.export.export(segmenter, (example,), dynamic_shapes=shapes)
            torch.export.save(program, path, extra_files={METADATA: json.dumps(dict(form.metadata))})
        else:
            _save_openvino(segmenter, example, form, path)


def to_onnx(segmenter: nn.Module, example: Tensor, form: ExportForm) -> bytes:
    """The ONNX model, checked, with its metadata. Raises ConfigError where `onnx` is not installed."""
    require("onnx", "--to onnx", "onnx")
    import onnx

    first = 2 if example.dtype == torch.float32 else 1
    axes = None if form.size else {"picture": {0: "batch", first: "height", first + 1: "width"}}
    out, printed = io.BytesIO(), io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):  # it prints whole graphs when it fails
        warnings.simplefilter("ignore")
        torch.onnx.export(
            segmenter,
            (example,),
            out,
            dynamo=False,
            opset_version=OPSET,
            input_names=["picture"],
            output_names=["classes" if form.argmax else "logits"],
            dynamic_axes=axes,
        )
    model = onnx.load_from_string(out.getvalue())
    onnx.helper.set_model_props(model, dict(form.metadata))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _save_openvino(segmenter: nn.Module, example: Tensor, form: ExportForm, path: Path) -> None:
    require("openvino", "--to openvino", "")
    import openvino

    with tempfile.TemporaryDirectory(prefix="segparity-export-") as folder:
        source = Path(folder) / "network.onnx"
        source.write_bytes(to_onnx(segmenter, example, form))
        model = openvino.convert_model(source)
    for key, value in form.metadata.items():
        model.set_rt_info(value, ["segparity", key])
    openvino.save_model(model, path, compress_to_fp16=False)


def quantize(source: Path, out: Path, inputs: Iterator[np.ndarray], metadata: Mapping[str, str]) -> None:
    """An 8-bit copy of an ONNX file: weights per channel, activations by the least and largest of `inputs`.

    ONNX Runtime's static quantisation, as pairs of QuantizeLinear and DequantizeLinear, of convolutions and products
    alone: sums and the like in 8 bits cost ESPNet on CamVid three times as much mIoU. The last of them and all behind
    it (resize, argmax) stay as they are: 8 bits of logits have many ties.
    """
    require("onnxruntime", "--int8", "onnx")
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(({"picture": array} for array in inputs), None)

    with tempfile.TemporaryDirectory(prefix="segparity-int8-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(str(prepared)).graph.node
        ends = (*PRODUCTS, "ConvTranspose")
        last = max((place for place, node in enumerate(nodes) if node.op_type in ends), default=len(nodes))
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it warns of what has been done above
        try:
            quantization.quantize_static(
                str(prepared),
                str(out),
                Reader(),
                per_channel=True,
                op_types_to_quantize=list(PRODUCTS),
                nodes_to_exclude=[node.name for node in nodes[last:]],
            )
        finally:
            root.setLevel(level)
    model = onnx.load(str(out))
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    out.write_bytes(model.SerializeToString())


def require(module: str, option: str, extra: str) -> None:
    """Raises ConfigError, one sentence that says what to install, where a package is missing."""
    if importlib.util.find_spec(module) is None:
        how = f'`pip install -e ".[{extra}]"` in the project\'s folder' if extra else f"`pip install {module}`"
        raise ConfigError(f"{option} needs {module}, which is not installed: run {how}")


def load(target: str, path: Path) -> Runner:
    """The file in its own runtime."""
    if target == "onnx":
        require("onnxruntime", "running an ONNX file", "onnx")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda array: session.run(None, {name: array})[0]
    if target == "openvino":
        import openvino

        compiled = openvino.Core().compile_model(path, "CPU")
        return lambda array: compiled(array)[0]
    module = torch.jit.load(path) if target == "torchscript" else torch.export.load(path).module()

    @torch.no_grad()
    def run(array: np.ndarray) -> np.ndarray:
        return module(torch.from_numpy(array)).numpy()

    return run
