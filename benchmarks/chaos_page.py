"""docs/chaos.md: the figures that `benchmarks.chaos` measures, between the markers of the page."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paired import compare, detectable, runs_needed
from core.errors import ConfigError
from core.files import write_text
from core.report.plots import COLOURS, Line, plot

SVG = (
    "<style>.line{fill:none;stroke-linejoin:round}.grid{stroke:#e4e8ec;fill:none}text{font-family:sans-serif;fill:#55616f}"
    ".tick{font-size:11px}.title{font-size:13px;font-weight:600}</style>"
)
APART = 1e-3  # losses that differ by more are apart to the eye


def write_page(folder: Path, data: dict[str, Any]) -> None:
    """Replaces what stands between the page's markers, and writes the plots and figures beside it.

    Raises ConfigError where the page is missing or has no such markers.
    """
    page = folder / "chaos.md"
    if not page.is_file():
        raise ConfigError(f"{page}: no such page; --out is the folder where chaos.md lies")
    text = page.read_text(encoding="utf-8")
    for name, content in (("separation", separation_table(data)), ("scores", scores_table(data))):
        pattern = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        if not pattern.search(text):
            raise ConfigError(f"{page}: has no markers <!-- {name}: begin --> and <!-- {name}: end -->")
        text = pattern.sub(rf"\g<1>{content}\g<2>", text)  # tables hold no backslash
    write_text(folder / "chaos.json", json.dumps(data, indent=1) + "\n")
    for backend, rates in data["separation"].items():
        write_text(folder / f"chaos_{backend}.svg", separation_plot(backend, rates))
    write_text(page, text)


def separation_plot(backend: str, rates: dict[str, list[float]]) -> str:
    """A standing SVG: relative difference of the loss over the iterations, a line a rate."""
    lines = [Line(f"lr {rate}", range(1, len(gaps) + 1), gaps) for rate, gaps in rates.items()]
    drawn = plot(f"{backend} beside itself, one ulp off", lines, log=True, low=1e-9, high=10, size=(640, 340))
    legend = "".join(
        f'<text x="{480}" y="{200 + 18 * i}" class="tick" style="fill:{COLOURS[i]};font-weight:600">lr {rate}</text>'
        for i, rate in enumerate(rates)
    )
    return (
        drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        .replace(">", f">{SVG}", 1)
        .replace("</svg>", f"{legend}</svg>\n")
    )


def separation_table(data: dict[str, Any]) -> str:
    """A row a framework and rate: growth, when the losses are apart, how far at the end."""
    rows = [
        "| framework | rate | growth an iteration | 0.1 % apart at iteration | apart at the end |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for backend, rates in data["separation"].items():
        for rate, gaps in rates.items():
            first = next((str(i) for i, gap in enumerate(gaps, start=1) if gap > APART), "never")
            end = float(np.median(gaps[-max(1, len(gaps) // 10) :]))
            rows.append(f"| {backend} | {rate} | {_growth(gaps)} | {first} | {100 * end:.2g} % |")
    return "\n".join([*rows, ""])


def _growth(gaps: list[float]) -> str:
    """The factor an iteration until the losses are apart, between the first and the largest difference by then."""
    known = [(i, gap) for i, gap in enumerate(gaps) if gap > 0]
    stop = next((n for n, (_, gap) in enumerate(known) if gap > APART), len(known) - 1)
    if stop < 1:
        return "–"
    (start, low), (end, high) = known[0], known[stop]
    return f"{math.exp(math.log(high / low) / (end - start)):.3g}"


def scores_table(data: dict[str, Any]) -> str:
    """Means and deviations, the paired tests, and what could have been seen."""
    scores = data["scores"]
    rows = ["| framework | mean mIoU | deviation between seeds |", "| --- | ---: | ---: |"]
    for backend, values in scores.items():
        rows.append(f"| {backend} | {np.mean(values):.2f} | {np.std(values, ddof=1):.2f} |")
    rows += [
        "",
        "| pair | mean difference, points | deviation | p | seen with power 0.8 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for found in compare(scores):
        least = detectable(found.deviation, len(found.differences))
        rows.append(
            f"| {found.other} – {found.first} | {found.mean:+.2f} | {found.deviation:.2f} | {found.p:.2f} "
            f"| {least:.2f} |"
        )
    deviation = float(np.mean([np.std(values, ddof=1) for values in scores.values()]))
    rows += [
        "",
        f"One run of this size deviates by {deviation:.2f} points from the mean of its kind. Seen with power 0.8 at "
        f"the 5 % level, a true difference of 0.3 points would take {runs_needed(0.3, deviation)} independent runs a "
        f"side, one of 1 point {runs_needed(1.0, deviation)}. {data['seeds']} seeds of {data['seed_iterations']} "
        f"iterations a framework; with the runs above, {sum(data['cpu_seconds'].values()) / 60:.0f} core minutes.",
    ]
    return "\n".join([*rows, ""])
