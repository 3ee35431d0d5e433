"""The demonstration's page: loss curves on one plot, predictions side by side, the table of scores and differences."""

from __future__ import annotations

import base64
import html
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np

from core.checkpoint import RunDirectory, load_checkpoint
from core.config import load_config
from core.data import Dataset
from core.data.datasets.images import colorize
from core.visualize import overlay, side_by_side, write_png

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"torch": "#d9480f", "paddle": "#1864ab", "mxnet": "#2b8a3e"}
STYLES = {"torch": "-", "paddle": "--", "mxnet": ":"}
TWIN = "#868e96"  # the run that starts one ulp off
SHOWN = 4

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; color: #212529 }
h1 { font-weight: 650 }
h2 { margin-top: 2.2rem; font-weight: 600 }
img { max-width: 100%; display: block; margin: .6rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .9rem; text-align: right }
th:first-child, td:first-child { text-align: left }
thead th { border-bottom: 2px solid #495057 }
tbody tr:nth-child(even) { background: #f8f9fa }
code { background: #f1f3f5; padding: .1rem .3rem }
.chip { margin-right: .9rem; white-space: nowrap; font-size: .9rem }
.chip i { display: inline-block; width: .9rem; height: .9rem; margin-right: .3rem; vertical-align: -1px }
.warn { background: #fff3bf; padding: .6rem 1rem }
"""


@dataclass
class RunResult:
    """A finished run: its name, directory, predicted label maps, the scores of `eval --json`, training seconds."""

    name: str
    directory: Path
    predictions: Path
    scores: dict[str, Any]
    seconds: float

    def losses(self) -> np.ndarray:
        """The training loss of every iteration, [iterations]."""
        records = RunDirectory(self.directory).read_metrics()
        return np.array([record["loss"] for record in records if "loss" in record])


def write_report(out: Path, cfg: Path, results: list[RunResult], missing: list[str]) -> Path:
    """Writes pictures and index.html (self-contained) into `out`; returns the page's path."""
    out.mkdir(parents=True, exist_ok=True)
    config = load_config(results[0].directory / "config.yaml")
    dataset = config.open_dataset(config.data.val)
    curves = _plot_losses(out / "losses.png", results)
    pictures = _draw_predictions(out, dataset, results)
    table = _table(results, dataset)
    page = out / "index.html"
    page.write_text(_page(cfg, results, missing, dataset, curves, pictures, table), encoding="utf-8")
    print(_plain(table))
    return page


def _plot_losses(path: Path, results: list[RunResult]) -> Path:
    """Above, the losses; below, how far each lies from the first backend's."""
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, height_ratios=(2, 1), layout="constrained")
    reference = results[0].losses()
    steps = np.arange(1, len(reference) + 1)
    for width, result in zip((4.0, 2.2, 1.2, 1.0), results):
        losses, colour = result.losses(), COLOURS.get(result.name, TWIN)
        top.plot(steps, losses, STYLES.get(result.name, "-."), color=colour, lw=width, label=result.name)
        if result is not results[0]:
            gap = np.maximum(np.abs(losses - reference) / np.abs(reference), 1e-9)
            bottom.semilogy(steps, gap, color=colour, lw=1.2, label=f"{result.name} - {results[0].name}")
    top.set_ylabel("training loss")
    top.legend(frameon=False)
    bottom.set_ylabel("relative difference")
    bottom.set_xlabel("iteration")
    if len(results) > 1:
        bottom.legend(frameon=False)
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def _draw_predictions(out: Path, dataset: Dataset, results: list[RunResult]) -> list[Path]:
    """One strip per picture: photograph, ground truth, each backend's prediction."""
    paths = []
    count = len(dataset)
    for index in np.linspace(0, count - 1, min(SHOWN, count)).astype(int):
        sample = dataset[int(index)]
        assert sample.label is not None
        stem = Path(dataset.name_of(int(index))).stem
        strips, names = (
            [sample.image, overlay(sample.image, sample.label, dataset.palette, 0.85)],
            ["picture", "ground truth"],
        )
        for result in results:
            labels = cv2.imread(str(result.predictions / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
            strips.append(colorize(labels, dataset.palette))
            names.append(result.name)
        path = out / f"prediction_{stem}.png"
        write_png(str(path), side_by_side(strips, names))
        paths.append(path)
    return paths


def _agreement(first: RunResult, second: RunResult) -> float:
    """Share of pixels with the same predicted class, over all pictures."""
    same = total = 0
    for path in sorted(first.predictions.glob("*.png")):
        a, b = (
            cv2.imread(str(folder / path.name), cv2.IMREAD_UNCHANGED)
            for folder in (first.predictions, second.predictions)
        )
        same += int((a == b).sum())
        total += a.size
    return same / total


def _weight_gap(first: RunResult, second: RunResult) -> float:
    """Distance of the final weights, over the norm of the first's."""
    a, b = (load_checkpoint(RunDirectory(result.directory).last).weights for result in (first, second))
    distance = sum(float(np.square(a[name] - b[name]).sum(dtype=np.float64)) for name in a)
    return math.sqrt(distance / sum(float(np.square(array).sum(dtype=np.float64)) for array in a.values()))


def _table(results: list[RunResult], dataset: Dataset) -> list[list[str]]:
    """Rows of text: header, one row per quantity, one column per backend; differences are to the first backend."""
    first = results[0]
    rows = [["", *[result.name for result in results]]]

    def row(name: str, values: list[str]) -> None:
        rows.append([name, *values])

    def percent(key: str) -> list[str]:
        return [f"{100 * result.scores['metrics'][key]:.2f}" for result in results]

    row("mIoU (%)", percent("mean_iou"))
    row("pixel accuracy (%)", percent("pixel_accuracy"))
    for name in dataset.classes:
        row(f"IoU {name} (%)", [_percent(result.scores["metrics"]["iou"][name]) for result in results])
    row("first loss", [f"{result.losses()[0]:.7f}" for result in results])
    row("last loss", [f"{result.losses()[-1]:.7f}" for result in results])
    gaps = [np.abs(r.losses() - first.losses()) / np.abs(first.losses()) for r in results]
    row("largest relative difference of a loss", [f"{gap.max():.1e}" if gap.max() else "-" for gap in gaps])
    row(
        "pixels with the same class (%)",
        [f"{100 * _agreement(first, r):.3f}" if r is not first else "-" for r in results],
    )
    row(
        "distance of the weights, over their norm",
        [f"{_weight_gap(first, r):.1e}" if r is not first else "-" for r in results],
    )
    row("training time (s)", [f"{result.seconds:.0f}" for result in results])
    return rows


def _percent(value: float | None) -> str:
    return "absent" if value is None else f"{100 * value:.2f}"


def _plain(table: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
        for row in table
    )


def _embed(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(path.stem)}">'


def _legend(dataset: Dataset) -> str:
    chips = []
    for name, colour in zip(dataset.classes, dataset.palette):
        rgb = ",".join(str(int(value)) for value in colour)
        chips.append(f'<span class="chip"><i style="background:rgb({rgb})"></i>{html.escape(name)}</span>')
    return "".join(chips)


def _page(
    cfg: Path,
    results: list[RunResult],
    missing: list[str],
    dataset: Dataset,
    curves: Path,
    pictures: list[Path],
    table: list[list[str]],
) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table[1:])
    frameworks = [result.name for result in results if result.name in COLOURS]
    names = ", ".join(frameworks)
    absent = (
        f'<p class="warn">Not installed, so not shown: {", ".join(missing)}. `make setup` installs them.</p>'
        if missing
        else ""
    )
    plural = "s" if len(frameworks) > 1 else ""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<title>SegParity: one config, {len(frameworks)} framework{plural}</title>
<style>{STYLE}</style>
<h1>One config, one seed, {len(frameworks)} framework{plural}</h1>
<p>The same network was trained natively in {names} from <code>{html.escape(str(cfg))}</code>:
same initial weights, same batches, same schedule. Data set: {dataset.name}, {len(dataset)} validation pictures.</p>
{absent}
<h2>Training loss</h2>{_embed(curves)}
<h2>Predictions</h2><p>{_legend(dataset)}</p>{"".join(_embed(path) for path in pictures)}
<h2>Scores and differences</h2><p>Differences are to {results[0].name}.</p>
<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></html>
"""
