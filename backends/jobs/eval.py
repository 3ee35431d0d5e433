"""The `eval` job."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backends.jobs.cli import add_server, add_weights, check_server_options, job_parser
from backends.jobs.options import file_path, whole
from backends.jobs.weights import open_network, resolve
from core.arch import Spec
from core.backend import Backend, Predictor
from core.config import Config
from core.data import Dataset
from core.data.resampling import resize_label
from core.errors import ConfigError, DataError
from core.evaluation.protocols import PROTOCOLS, Circumstances, named_protocol, with_metrics
from core.evaluation.scoring import check_evaluation, evaluate, output_names
from core.evaluation.submission import submission
from core.files import require_file, require_folder, write_text
from core.ranges import Range
from core.visualize import write_png

Keep = Callable[[int, np.ndarray, np.ndarray], None]  # index, label, prediction


def parser(backend: str) -> argparse.ArgumentParser:
    command = job_parser(backend, "eval", "Score weights on a split: per-class IoU, mIoU, and the exact protocol.")
    add_weights(command)
    command.add_argument(
        "--protocol",
        dest="protocols",
        action="append",
        default=[],
        metavar="NAME",
        help="score by an original's protocol; several: one table. `configured` is the configuration's: "
        + ", ".join(PROTOCOLS),
    )
    command.add_argument("--split", help="the split (default: data.val)")
    command.add_argument("--json", type=file_path, metavar="FILE", help="write metrics and protocol there")
    command.add_argument("--save", type=file_path, metavar="DIR", help="write predicted label maps (PNG) there")
    add_server(command)
    command.add_argument("--out", type=file_path, metavar="FILE", help="the zip file of --server")
    command.add_argument(
        "--boundary-iou", action="store_true", help="the IoU of the classes' outlines too (Cheng et al., CVPR 2021)"
    )
    command.add_argument("--limit", type=whole(Range(1)), metavar="N", help="only the first N pictures")
    return command


def describe(config: Config, spec: Spec, weights: Path, dataset: Dataset, backend: str) -> dict[str, Any]:
    """All that decides the figures, for `--json`."""
    normalize = config.eval_transform().normalize
    return {
        "backend": backend,
        "weights": str(weights),
        "preset": config.model.preset,
        "overrides": config.model.overrides,
        "num_outputs": spec.num_classes,
        "dataset": dataset.name,
        "split": dataset.split,
        "normalize": {name: getattr(normalize, name) for name in normalize.__dataclass_fields__},
        "protocol": config.evaluation.to_dict(),
        "logits_align_corners": spec.align_corners,
        "ignore_index": dataset.ignore_index,
    }


def _compare(
    arguments: argparse.Namespace,
    backend: Backend,
    config: Config,
    spec: Spec,
    weights: Path,
    dataset: Dataset,
    predictor: Predictor,
) -> None:
    """The same weights by several protocols, in one table; all are checked before the first is run."""
    if arguments.save is not None or arguments.server is not None:
        raise ConfigError("--protocol: --save and --server go with the configured protocol alone")
    if backend.connect().shard.world > 1:
        raise ConfigError("--protocol: start one process alone")
    at = Circumstances(dataset.name, config.eval_transform().normalize)
    chosen = {}
    for name in dict.fromkeys(arguments.protocols):
        if name == "configured":
            chosen[name] = config
            continue
        protocol = named_protocol(name, at)
        chosen[name] = replace(config, evaluation=protocol, metrics=with_metrics(name, config.metrics))
    for each in chosen.values():
        check_evaluation(dataset, each.eval_transform(), each.evaluation, spec, each.metrics)
    print(f"{dataset.name}/{dataset.split}, {config.model.preset} in {backend.name}")
    outlines = f"{'bIoU':>8s}" if arguments.boundary_iou else ""
    print(f"{'protocol':20s}{'mIoU':>8s}{'pixels':>8s}{outlines}  what it is")
    reports = {}
    for name, each in chosen.items():
        result = evaluate(
            dataset,
            each.eval_transform(),
            each.evaluation,
            predictor,
            spec,
            metrics=each.metrics,
            limit=arguments.limit,
            boundary_iou=arguments.boundary_iou,
        )
        about = "the configuration's" if name == "configured" else PROTOCOLS[name].about
        scores = result.scores
        outlines = f"{100 * scores.mean_boundary_iou:8.2f}" if arguments.boundary_iou else ""
        figures = f"{100 * scores.mean_iou:8.2f}{100 * scores.pixel_accuracy:8.2f}{outlines}"
        print(f"{name:20s}{figures}  {about}", flush=True)
        for fault in () if name == "configured" else PROTOCOLS[name].faults:
            print(f"{'':36s}  off: the original's fault {fault}")
        reports[name] = {
            "metrics": scores.to_dict(dataset.classes),
            "pictures": result.pictures,
            "protocol": describe(each, spec, weights, dataset, backend.name),
        }
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(reports, indent=1) + "\n")


@contextmanager
def _kept(arguments: argparse.Namespace, dataset: Dataset) -> Iterator[Keep | None]:
    """What is done with each prediction, for `evaluate`: --save and --server."""
    keeps: list[Keep] = []
    with ExitStack() as stack:
        if arguments.save is not None or arguments.server is not None:
            names = output_names(dataset)
        if arguments.save is not None:
            require_folder(arguments.save, "--save")
            keeps.append(lambda index, label, seen: write_png(arguments.save / f"{names[index]}.png", seen))
        if arguments.server is not None:
            require_file(arguments.out, "--out")
            zipped = stack.enter_context(submission(arguments.out, arguments.server, dataset))
            keeps.append(
                lambda index, label, seen: zipped.add(
                    names[index], resize_label(seen, (label.shape[0], label.shape[1]))
                )
            )

        def keep(index: int, label: np.ndarray, prediction: np.ndarray) -> None:
            for action in keeps:
                action(index, label, prediction)

        yield keep if keeps else None


def job(arguments: argparse.Namespace, backend: Backend) -> None:
    """The `eval` command."""
    processes = backend.connect()
    check_server_options(arguments)
    if arguments.server is not None and processes.shard.world > 1:
        raise ConfigError("--server: the file is written by one process; start one alone")
    config, weights = resolve(arguments)
    dataset = config.open_dataset(arguments.split or config.data.val)
    spec = config.segmenter(dataset.num_classes).for_inference()
    config, predictor = open_network(config, spec, weights, arguments, backend)
    check_evaluation(dataset, config.eval_transform(), config.evaluation, spec, config.metrics)
    if arguments.json is not None:
        require_file(arguments.json, "--json")
    if arguments.protocols:
        _compare(arguments, backend, config, spec, weights, dataset, predictor)
        return
    with _kept(arguments, dataset) as keep:
        result = evaluate(
            dataset,
            config.eval_transform(),
            config.evaluation,
            predictor,
            spec,
            metrics=config.metrics,
            limit=arguments.limit,
            keep=keep,
            processes=processes,
            boundary_iou=arguments.boundary_iou,
        )
    processes.leave()
    if not processes.shard.leads:
        return
    print(f"{dataset.name}/{dataset.split}, {result.pictures} pictures, {config.model.preset} in {backend.name}")
    print(result.scores.table(dataset.classes))
    if arguments.json is not None:
        report = {
            "metrics": result.scores.to_dict(dataset.classes),
            "pictures": result.pictures,
            "protocol": describe(config, spec, weights, dataset, backend.name),
        }
        write_text(arguments.json, json.dumps(report, indent=1) + "\n")
    if result.pictures == 0:
        raise DataError(f"{dataset.name}/{dataset.split}: no picture was evaluated")
