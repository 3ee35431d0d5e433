"""What the command lines of the jobs share: options, errors, and where configuration and weights come from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.checkpoint import RunDirectory, load_checkpoint
from core.config import Config, load_config
from core.errors import ConfigError, SegParityError


def job_parser(backend: str, job: str, description: str) -> argparse.ArgumentParser:
    """A parser with what all jobs take."""
    command = argparse.ArgumentParser(
        prog=f"python -m backends.{backend}.{job}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Settings are key paths of the configuration: --set data.root=/data/camvid --set train.batch_size=4. "
        "A run's config.yaml shows them all.",
    )
    command.add_argument(
        "--cfg", type=Path, metavar="FILE", help="configuration (YAML), e.g. configs/camvid/fast_scnn.yaml"
    )
    command.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable"
    )
    command.add_argument("--device", default="auto", help="auto (default: a GPU if there is one), cpu, gpu or gpu:N")
    return command


def add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument("--run", type=Path, metavar="DIR", help="take configuration and best weights from this run")
    command.add_argument("--weights", type=Path, metavar="FILE", help="weights: any format that weights_convert reads")
    command.add_argument(
        "--from", dest="origin", metavar="ORIGIN", help="the repository the weights come from, if not plain"
    )


def run(job: Callable[[], None]) -> int:
    """Runs the job; an expected error becomes one line and exit status 2."""
    try:
        job()
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


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
        return _config_of(weights, arguments.overrides), weights
    return load_config(cfg, arguments.overrides), weights


def _config_of(weights: Path, overrides: Sequence[str]) -> Config:
    """The configuration a run's checkpoint carries."""
    if weights.suffix == ".safetensors":
        text = load_checkpoint(weights).metadata.get("config")
        if text:
            return load_config(None, overrides, text=text, where=f"{weights} (configuration inside)")
    raise ConfigError(f"{weights}: carries no configuration; give --cfg FILE")
