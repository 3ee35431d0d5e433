"""python -m core.data.browse --cfg FILE [--set KEY=VALUE] [--out FILE]

A contact sheet of samples as the network sees them: scaled, cropped, turned and coloured as `transform` says, with the
normalisation undone, and their labels laid over. The same samples that training takes first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from core.config import Config, load_layers
from core.data.datasets.base import Dataset
from core.data.datasets.images import colorize
from core.data.doctor.mend import layers_of
from core.data.labels import IGNORE
from core.data.normalization import find_normalization
from core.data.pipeline import EvaluationSamples, TrainingSamples
from core.errors import ConfigError, SegParityError
from core.files import require_file
from core.visualize import overlay, write_png

_GAP, _LINE, _INK = 6, 16, (30, 30, 30)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        layers = layers_of(options.cfg, options.overrides)
        if not layers:
            raise ConfigError("nothing to look at: give --cfg FILE")
        config = load_layers(layers, str(options.cfg or "command line"))
        require_file(options.out, "--out")
        sheet = contact_sheet(config, options.split, options.count, options.columns, options.width)
        write_png(options.out, sheet)
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {sheet.shape[1]}x{sheet.shape[0]} pixels")
    return 0


def contact_sheet(
    config: Config, split: str | None = None, count: int = 12, columns: int = 4, width: int = 320
) -> np.ndarray:
    """uint8 [H, W, 3], RGB: `count` samples, picture over labels, and the classes' colours.

    Args:
        split: a split as evaluation sees it; None for the first samples of the training, transformed.
        columns, width: samples in a row, and the width of each in pixels.
    """
    dataset = config.open_dataset(split or config.data.train)
    normalize = find_normalization(config.transform.normalize)
    tiles = []
    for image, label, name in _samples(config, dataset, split, count):
        tiles.append(_tile(normalize.undo(image), label.astype(np.uint8), name, dataset, width))
    columns = min(columns, len(tiles))
    rows = [_row(tiles[start : start + columns], columns, width) for start in range(0, len(tiles), columns)]
    sheet = np.concatenate([_legend(dataset, rows[0].shape[1]), *rows])
    return np.ascontiguousarray(sheet)


def _samples(
    config: Config, dataset: Dataset, split: str | None, count: int
) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """(normalised picture, label map, name) each."""
    if split is not None:
        shown = EvaluationSamples(dataset, config.eval_transform())
        places = np.unique(np.linspace(0, len(shown) - 1, min(count, len(shown))).astype(int)).tolist()
        return [(*shown[place], dataset.name_of(place)) for place in places]
    batch = config.train.batch_size
    samples = TrainingSamples(dataset, config.train_transform(), config.seed, batch, -(-count // batch))
    return [(*samples[i], dataset.name_of(samples.locate(i)[1])) for i in range(count)]


def _tile(image: np.ndarray, label: np.ndarray, name: str, dataset: Dataset, width: int) -> np.ndarray:
    """The picture, under it the labels laid over it: class borders, the classes' colours, ignored pixels hatched."""
    shown = overlay(image, label, dataset.palette, 0.6)
    rows, columns = np.indices(label.shape)
    hatched = (label == IGNORE) & ((rows + columns) // max(2, label.shape[1] // 64) % 2 == 0)
    shown[hatched] = (255, 255, 255)
    scale = width / image.shape[1]
    size = (width, max(1, round(image.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    parts = [cv2.resize(part, size, interpolation=how) for part in (image, shown)]
    present = [dataset.classes[value] for value in np.unique(label) if value < dataset.num_classes]
    ignored = float((label == IGNORE).mean())
    lines = [name, (f"{ignored:.0%} ignored; " if ignored else "") + ", ".join(present)]
    caption = np.full((len(lines) * _LINE + 4, width, 3), 255, np.uint8)
    for number, line in enumerate(lines):
        _write(caption, line, 2, (number + 1) * _LINE - 4, width)
    return np.concatenate([parts[0], parts[1], caption])


def _row(tiles: list[np.ndarray], columns: int, width: int) -> np.ndarray:
    """Tiles beside each other on white, filled up to `columns`."""
    height = max(tile.shape[0] for tile in tiles)
    row = np.full((height + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        left = _GAP + number * (width + _GAP)
        row[: tile.shape[0], left : left + width] = tile
    return row


def _legend(dataset: Dataset, width: int) -> np.ndarray:
    """The classes' colours and names, in as many lines as it takes."""
    swatches, left, line = [], _GAP, 0
    for number, name in enumerate(dataset.classes):
        text = f"{number} {_plain(name)}"
        need = 22 + cv2.getTextSize(text, _FONT, 0.4, 1)[0][0] + 14
        if left + need > width and left > _GAP:
            left, line = _GAP, line + 1
        swatches.append((left, line, number, text))
        left += need
    legend = np.full(((line + 1) * 20 + 10, width, 3), 255, np.uint8)
    for left, line, number, text in swatches:
        top = line * 20 + 6
        color = colorize(np.full((1, 1), number, np.uint8), dataset.palette)[0, 0]
        legend[top : top + 13, left : left + 18] = color
        cv2.rectangle(legend, (left, top), (left + 17, top + 12), (120, 120, 120), 1)
        cv2.putText(legend, text, (left + 22, top + 11), _FONT, 0.4, _INK, 1, cv2.LINE_AA)
    return legend


def _write(area: np.ndarray, text: str, left: int, bottom: int, width: int) -> None:
    """As much of the text as fits."""
    text = _plain(text)
    while text and cv2.getTextSize(text, _FONT, 0.38, 1)[0][0] > width - left:
        text = text[:-4] + "..." if len(text) > 7 else ""
    cv2.putText(area, text, (left, bottom), _FONT, 0.38, _INK, 1, cv2.LINE_AA)


def _plain(text: str) -> str:
    """What OpenCV's letters can write."""
    return text.encode("ascii", "replace").decode()


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.data.browse",
        description="Write a contact sheet of samples as the network sees them, with their labels laid over.",
    )
    parser.add_argument("--cfg", type=Path, metavar="FILE", help="the configuration that training takes")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable"
    )
    parser.add_argument("--split", help="whole pictures of this split, instead of the first crops of the training")
    parser.add_argument("--count", type=_whole, default=12, metavar="N", help="samples (default: 12)")
    parser.add_argument("--columns", type=_whole, default=4, metavar="N", help="samples in a row (default: 4)")
    parser.add_argument("--width", type=_whole, default=320, metavar="N", help="of a sample, in pixels (default: 320)")
    parser.add_argument(
        "--out", type=Path, default=Path("report/browse.png"), metavar="FILE", help="default: report/browse.png"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
