"""The `export` job: a network as a file for another runtime, proven right in that runtime before it stays."""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from backends.jobs.cli import add_weights, job_parser
from backends.jobs.options import file_path, size, whole
from backends.jobs.quantization import Feed, calibration_set, cost, inputs_of, print_cost
from backends.jobs.weights import load_for, resolve
from core.arch import Spec
from core.backend import Backend, Graphs, Predictor, QuantizingGraphs, Runner
from core.config import Config, ModelConfig, dump_config, load_config
from core.data.datasets.roadscape import Roadscape
from core.data.normalization import Normalize, settle
from core.description import descriptions
from core.errors import ConfigError, DataError, SegParityError
from core.export import LARGEST_ERROR, LEAST_AGREEMENT, TARGETS, Comparison, ExportForm, compare
from core.initialize import initial_state
from core.ranges import Range
from core.schema import to_plain
from weights_convert.convert import checksum, tool_version

ENDINGS = {"onnx": ".onnx", "torchscript": ".pt", "torch-export": ".pt2", "openvino": ".xml"}
CALIBRATION = 32  # pictures
Size = tuple[int, int]


def size_or_dynamic(text: str) -> Size | None:
    """`HxW`, or `dynamic`: None."""
    return None if text == "dynamic" else size(text)


def parser(backend: str) -> argparse.ArgumentParser:
    command = job_parser(
        backend,
        "export",
        "Write a network for another runtime: resized to the picture, norms folded, run there and compared before it\n"
        "stays. Metadata (classes, palette, normalisation, protocol, checksums) are in the file.",
    )
    add_weights(command)
    command.add_argument("--preset", help="a preset of core.arch, instead of a run's; without weights: random ones")
    command.add_argument("--to", required=True, choices=TARGETS, help="what runs it")
    command.add_argument(
        "--size", type=size_or_dynamic, default=(512, 1024), metavar="HxW|dynamic", help="of the pictures (512x1024)"
    )
    command.add_argument("--argmax", action="store_true", help="gives uint8 classes instead of logits")
    command.add_argument(
        "--normalize", action="store_true", help="takes uint8 pictures [N, H, W, 3] in RGB and normalises them inside"
    )
    command.add_argument(
        "--int8", action="store_true", help="with --to onnx: 8-bit weights and activations; prints what that costs"
    )
    command.add_argument(
        "--calibrate", type=whole(Range(1)), metavar="N", help="of --int8: pictures of data.train that set ranges (32)"
    )
    command.add_argument("--split", help="of --int8: where the cost is measured (default: data.val)")
    command.add_argument("--limit", type=whole(Range(1)), metavar="N", help="of --int8: its first N pictures alone")
    command.add_argument("--out", type=file_path, metavar="FILE", help="(default: NETWORK with the target's ending)")
    return command


@dataclass(frozen=True)
class _Source:
    """What is exported."""

    config: Config
    spec: Spec
    state: dict[str, np.ndarray]
    weights: Path | None


def _source(arguments: argparse.Namespace) -> _Source:
    if arguments.preset is None or arguments.weights is not None or arguments.run is not None:
        if arguments.preset is not None:
            arguments.overrides = [f"model.preset={arguments.preset}", *arguments.overrides]
        config, weights = resolve(arguments)
        spec = config.segmenter(config.label_space().num_classes).for_inference()
        config, state = load_for(config, spec, weights, arguments.origin, arguments.ema)
        return _Source(config, spec, state, weights)
    config = replace(load_config(arguments.cfg, arguments.overrides), model=ModelConfig(preset=arguments.preset))
    spec = config.segmenter(config.label_space().num_classes).for_inference()
    print("no --weights and no --run: the weights are random ones", file=sys.stderr)
    settled = replace(config.transform, normalize=settle(config.transform.normalize, None))
    return _Source(replace(config, transform=settled), spec, initial_state(spec.parameters(), config.seed), None)


def metadata_of(source: _Source, form: ExportForm, backend: str) -> dict[str, str]:
    """What the file says of itself."""
    config, space = source.config, source.config.label_space()
    return {
        "format": "segparity",
        "preset": config.model.preset,
        "overrides": json.dumps(to_plain(config.model.overrides)),
        "num_classes": str(source.spec.num_classes),
        "dataset": config.data.dataset,
        "classes": json.dumps(list(space.classes)),
        "palette": json.dumps(np.asarray(space.palette).tolist()),
        "normalization": json.dumps(to_plain(config.eval_transform().normalize)),
        "protocol": json.dumps(config.evaluation.to_dict()),
        "config": dump_config(config),
        "checksum": checksum(source.state),
        "exported_by": f"segparity {tool_version()}, backends.{backend}",
        "input": "uint8 [N, H, W, 3], RGB" if form.normalize is not None else "float32 [N, 3, H, W], normalised",
        "output": "uint8 classes [N, H, W]" if form.argmax else "float32 logits [N, C, H, W]",
    }


def test_sizes(form: ExportForm, spec: Spec) -> list[Size]:
    """Where the file is run: at its size, or at two that share no factor."""
    if form.size is not None:
        return [form.size]
    return [spec.size_at_least(96, 160), spec.size_at_least(131, 211)]


def pictures(config: Config, at: Size) -> dict[str, np.ndarray]:
    """uint8 [1, H, W, 3]: one of the data set's, where it lies here, else a drawn one; and noise."""
    try:
        dataset = config.open_dataset(config.data.val)
        image, name = dataset.image_of(0), f"{dataset.name}/{dataset.split}"
    except SegParityError:
        image, name = Roadscape("val", val=1).image_of(0), "a drawn street"
    noise = np.random.default_rng(0).integers(0, 256, (1, *at, 3), dtype=np.uint8)
    return {name: cv2.resize(image, at[::-1], interpolation=cv2.INTER_AREA)[None], "noise": noise}


def check(
    runner: Runner, reference: Predictor, form: ExportForm, source: _Source, normalize: Normalize
) -> dict[str, Comparison]:
    """The file beside the backend's own network, on each picture at each size."""
    found: dict[str, Comparison] = {}
    for at in test_sizes(form, source.spec):
        for name, batch in pictures(source.config, at).items():
            expected = reference.logits(np.stack([normalize(picture) for picture in batch]), at)
            title = f"{name}, {at[0]}x{at[1]}"
            try:
                given = np.asarray(runner(form.inputs(batch, normalize)))
            except Exception as error:  # whatever the runtime raises means that the file does not run
                advice = (
                    "; this network keeps sizes of its example: give a fixed --size HxW" if form.size is None else ""
                )
                raise DataError(f"the exported file does not run on {title}: {_first_line(error)}{advice}") from error
            wanted = expected.shape if not form.argmax else (1, *at)
            if given.shape != wanted:
                raise DataError(f"the exported file gives {list(given.shape)} on {title}, not {list(wanted)}")
            found[title] = compare(expected, given)
    return found


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _graphs(backend: str, target: str) -> Graphs:
    """The backend's module that writes for the target. Raises ConfigError, one sentence, where none does."""
    if target == "tensorrt":
        raise ConfigError(
            "--to tensorrt: an engine is built on the machine that runs it: export --to onnx, and there run "
            "`trtexec --onnx=FILE --saveEngine=FILE.engine`"
        )
    if target in descriptions()[backend].exports:
        graphs: Graphs = importlib.import_module(f"backends.{backend}.graphs")
        return graphs
    others = [name for name, description in descriptions().items() if target in description.exports]
    writer = f"`python -m backends.{others[0]}.export` writes it from the same weights" if others else "no backend does"
    known = ", ".join(descriptions()[backend].exports)
    raise ConfigError(f"--to {target}: backends.{backend} writes {known}; {writer}")


def _check_int8(arguments: argparse.Namespace) -> None:
    """Raises ConfigError, one sentence, for options that do not go together."""
    if arguments.int8 and arguments.to != "onnx":
        raise ConfigError(f"--int8: ONNX files are quantised, not --to {arguments.to}; give --to onnx")
    for option in () if arguments.int8 else ("calibrate", "split", "limit"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option} goes with --int8; give that too, or leave it out")


def _quantized(
    draft: Path, source: _Source, form: ExportForm, graphs: QuantizingGraphs, arguments: argparse.Namespace
) -> Path:
    """The 8-bit copy of the proven file, run once; prints what it costs. In a folder of its own beside it."""
    feed = Feed(source.spec, form, source.config.eval_transform().normalize)
    dataset, places = calibration_set(source.config, arguments.calibrate or CALIBRATION)
    about = f"int8, calibrated with {len(places)} pictures of {dataset.name}/{dataset.split}"
    folder = draft.parent / "int8"
    folder.mkdir()
    out = folder / draft.name
    print(about)
    try:
        graphs.quantize(draft, out, inputs_of(dataset, places, feed), {**form.metadata, "quantization": about})
    except SegParityError:
        raise
    except Exception as error:  # whatever the runtime raises
        raise DataError(f"--int8: {source.config.model.preset}: {_first_line(error)}") from error
    whole_runner, runner = (graphs.load("onnx", path) for path in (draft, out))
    first = feed(dataset.image_of(0))
    given, expected = np.asarray(runner(first)), np.asarray(whole_runner(first))
    if given.shape != expected.shape or not np.isfinite(given).all():
        raise DataError(f"--int8: the 8-bit file gives {list(given.shape)} or no numbers on {dataset.location(0)}")
    print_cost(
        source.config,
        arguments.split,
        lambda split: cost(split, feed, source.config, whole_runner, runner, arguments.limit),
    )
    return out


def job(arguments: argparse.Namespace, backend: Backend) -> None:
    """The file is written beside its place and moved there when it has been proven."""
    _check_int8(arguments)
    graphs = _graphs(backend.name, arguments.to)
    source = _source(arguments)
    normalize = source.config.eval_transform().normalize
    form = ExportForm(arguments.size, normalize if arguments.normalize else None, arguments.argmax)
    if form.size is not None:
        source.spec.check_input(*form.size)
    form = replace(form, metadata=metadata_of(source, form, backend.name))
    out = arguments.out or Path(f"{source.config.model.preset}{ENDINGS.get(arguments.to, '')}")
    ending = ENDINGS.get(arguments.to, "")
    if ending and out.suffix != ending:
        raise ConfigError(f"--out {out}: a file for {arguments.to} ends in {ending}")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: the directory {out.parent} does not exist")
    reference = backend.predictor(source.spec, source.state, "cpu")
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as folder:
        draft = Path(folder) / out.name
        try:
            graphs.save(arguments.to, source.spec, source.state, form, draft)
        except SegParityError:
            raise
        except Exception as error:  # the exporters' own exceptions
            fixed = "; give a fixed --size HxW" if form.size is None else ""
            raise DataError(
                f"--to {arguments.to}: {source.config.model.preset}: {_first_line(error)}{fixed}"
            ) from error
        results = check(graphs.load(arguments.to, draft), reference, form, source, normalize)
        for title, result in results.items():
            print(f"{title}: {result}")
        if not all(result.passes for result in results.values()):
            advice = "; give a fixed --size HxW" if form.size is None else ""
            raise DataError(
                f"{out}: not written: beyond the tolerance (error {LARGEST_ERROR:g}, agreement "
                f"{100 * LEAST_AGREEMENT:g} % without ties){advice}"
            )
        if arguments.int8:
            _quantized(draft, source, form, cast(QuantizingGraphs, graphs), arguments).replace(draft)
            (draft.parent / "int8").rmdir()
        for file in sorted(Path(folder).iterdir()):
            shutil.move(file, out.parent / file.name)
            print(f"{out.parent / file.name}: written, {(out.parent / file.name).stat().st_size / 2**20:.1f} MiB")
