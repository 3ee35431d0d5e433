"""The options of every command, defined once: the backends' jobs differ in nothing the command line shows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.checkpoint import RunDirectory, load_checkpoint
from core.config import Config, load_config
from core.errors import ConfigError, SegParityError


def parser(backend: str, job: str, description: str) -> argparse.ArgumentParser:
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


def train_parser(backend: str) -> argparse.ArgumentParser:
    command = parser(
        backend,
        "train",
        f"Train a network natively in {backend}.\n\nA run is a directory: configuration, metrics, checkpoints, sample "
        "predictions. Kill it at any\nmoment and continue with --resume; a run begun in another backend continues too.",
    )
    command.add_argument(
        "--run", type=Path, metavar="DIR", help="the run's directory (default: runs/<cfg name>-<backend>)"
    )
    command.add_argument("--resume", action="store_true", help="continue the run from its last checkpoint")
    command.add_argument("--overwrite", action="store_true", help="replace a run that is already in the directory")
    command.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="start from these weights; classifiers of another class count are left out",
    )
    command.add_argument(
        "--from", dest="origin", metavar="ORIGIN", help="the repository the weights come from, if not plain"
    )
    return command


def _add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument("--run", type=Path, metavar="DIR", help="take configuration and best weights from this run")
    command.add_argument("--weights", type=Path, metavar="FILE", help="weights: any format that weights_convert reads")
    command.add_argument(
        "--from", dest="origin", metavar="ORIGIN", help="the repository the weights come from, if not plain"
    )


def eval_parser(backend: str) -> argparse.ArgumentParser:
    command = parser(backend, "eval", "Score weights on a split: per-class IoU, mIoU, and the exact protocol.")
    _add_weights(command)
    command.add_argument("--split", help="the split (default: data.val)")
    command.add_argument("--json", type=Path, metavar="FILE", help="write metrics and protocol there")
    command.add_argument("--save", type=Path, metavar="DIR", help="write predicted label maps (PNG) there")
    command.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")
    return command


def predict_parser(backend: str) -> argparse.ArgumentParser:
    command = parser(
        backend,
        "predict",
        "Segment pictures, folders of pictures or videos.\n\nFor each picture NAME: NAME_label.png (class numbers), "
        "NAME_color.png (the data set's\npalette) and NAME_overlay.png. For a video: NAME_overlay.mp4 and a label PNG "
        "per frame.",
    )
    _add_weights(command)
    command.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="picture, folder or video")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    command.add_argument("--alpha", type=float, default=0.5, help="opacity of the colours in the overlay (0 to 1)")
    return command


def benchmark_parser(backend: str) -> argparse.ArgumentParser:
    command = parser(backend, "benchmark", "Measure time per iteration and peak memory of a network.")
    command.add_argument("--preset", help="a preset of core.arch (default: the configuration's)")
    command.add_argument("--mode", choices=("train", "infer"), default="infer")
    command.add_argument("--batch", type=int, default=1)
    command.add_argument("--size", type=_size, default=(512, 1024), metavar="HxW")
    command.add_argument("--iterations", type=int, default=10, help="timed iterations, after three that are not")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return command


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not HxW, e.g. 512x1024") from None
    return height, width


def run(job: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Runs the job; an expected error becomes one line and exit status 2."""
    try:
        job(arguments)
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
