"""Configuration and weights of a job that only looks: where the two come from, and that they go together."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.arch import Spec
from core.backend import Backend, Predictor
from core.checkpoint import RunDirectory
from core.config import Config, load_config
from core.data import DATASETS
from core.data.normalization import describe, disagreement, read_normalization, settle
from core.errors import ConfigError
from core.settings import parse_setting
from weights_convert import LoadedWeights, load_weights
from weights_convert.load import open_tensors

ONNX = ".onnx"


def stored_metadata(path: Path) -> dict[str, str]:
    """What an ONNX file says of itself. Raises ConfigError where it cannot be read."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'{path}: reading it needs onnx, which is not installed: run `pip install -e ".[onnx]"` in the project\'s '
            "folder"
        ) from error
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's own exceptions, whose class depends on its implementation
        raise ConfigError(f"{path}: is no ONNX file that can be read ({str(error).splitlines()[0]})") from error
    return {entry.key: entry.value for entry in model.metadata_props}


def open_network(
    config: Config, spec: Spec, weights: Path, arguments: argparse.Namespace, backend: Backend
) -> tuple[Config, Predictor]:
    """The network that a job runs: from weights, or as an exported file; the configuration with its normalisation."""
    if weights.suffix.lower() != ONNX:
        config, state = load_for(config, spec, weights, arguments.origin, arguments.ema)
        return config, backend.predictor(spec, state, arguments.device)
    if backend.stored is None:
        raise ConfigError(f"{weights}: an exported network; `python -m backends.onnxruntime.eval` (or predict) runs it")
    metadata = stored_metadata(weights)
    known = read_normalization(metadata.get("normalization"))
    normalize = settle(config.transform.normalize, known)
    config = replace(config, transform=replace(config.transform, normalize=normalize))
    return config, backend.stored(weights, arguments.device)


def resolve(arguments: argparse.Namespace) -> tuple[Config, Path]:
    """Configuration and weights of an eval or predict command: from --cfg, --run, or the weights' own metadata."""
    cfg, weights = arguments.cfg, arguments.weights
    if arguments.run is not None:
        directory = RunDirectory(arguments.run)
        directory.open()
        cfg = cfg or directory.config
        weights = weights or (directory.best if directory.best.exists() else directory.last)
    if weights is None:
        raise ConfigError("no weights: give --weights FILE or --run DIR")
    if cfg is None:
        return config_of(weights, arguments.overrides), weights
    return load_config(cfg, arguments.overrides), weights


def config_of(weights: Path, overrides: Sequence[str]) -> Config:
    """The configuration that the weights carry: whole, as the files of a run and what is converted from them do, or
    the network alone, as other converted files do; `--set` says the rest.

    Raises ConfigError where neither the file nor `overrides` name the network.
    """
    metadata = stored_metadata(weights) if weights.suffix.lower() == ONNX else open_tensors(weights).metadata
    if metadata.get("config"):
        return load_config(None, overrides, text=metadata["config"], where=f"{weights} (configuration inside)")
    text = json.dumps(_network_of(metadata, weights))
    said = [parse_setting(override).values.get("model") or {} for override in overrides]
    if "preset" not in metadata and not any("preset" in model for model in said):
        raise ConfigError(
            f"{weights}: carries no configuration; give --cfg FILE, or say what it is with --set model.preset=NAME "
            "(and data.dataset, data.root as needed)"
        )
    return load_config(None, overrides, text=text, where=f"{weights} (its metadata)")


def _network_of(metadata: Mapping[str, str], weights: Path) -> dict[str, Any]:
    """Settings that a converted file's metadata tell."""
    try:
        model = {"overrides": json.loads(metadata.get("overrides", "{}"))}
        model |= {"num_classes": int(metadata["num_classes"])} if "num_classes" in metadata else {}
    except ValueError as error:
        raise ConfigError(f"{weights}: its metadata cannot be read: {error}") from error
    model |= {"preset": metadata["preset"]} if "preset" in metadata else {}
    settings: dict[str, Any] = {"model": model}
    if metadata.get("dataset") in DATASETS:
        settings["data"] = {"dataset": metadata["dataset"]}
    return settings


def load_for(
    config: Config, spec: Spec, weights: Path, origin: str | None, ema: bool = False
) -> tuple[Config, dict[str, np.ndarray]]:
    """The weights of `spec`, and the configuration with the normalisation that is theirs (`with_normalization`)."""
    loaded = load_weights(weights, spec, origin=origin, ema=ema)
    print(loaded.summary(), file=sys.stderr)
    return with_normalization(config, loaded), loaded.state


def with_normalization(config: Config, loaded: LoadedWeights | None) -> Config:
    """`transform.normalize: auto` settled: as the weights were trained, where that is known.

    Says on stderr what was taken from the weights, and if the configuration says otherwise than they do.
    """
    known = None if loaded is None else loaded.normalization
    said = config.transform.normalize
    normalize = settle(said, known)
    if loaded is not None:
        warning = disagreement(normalize, known, loaded.path)
        if warning is not None:
            print(warning, file=sys.stderr)
        elif normalize != said and known is not None:
            print(f"  pictures are normalised as the weights say: {describe(normalize)}", file=sys.stderr)
    return replace(config, transform=replace(config.transform, normalize=normalize))
