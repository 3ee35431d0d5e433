"""Line plots as SVG, drawn without a library: a page of them needs nothing but a browser."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLOURS = ("#d1495b", "#1f77b4", "#2a9d5c", "#8e5bb5", "#c77d0a", "#3c4f5c", "#c2439b", "#158a96")
DASHES = ("", "7 3", "2 3")
POINTS = 400  # a line's most points: a long run is averaged


@dataclass(frozen=True)
class Line:
    """A run's values over its iterations; None where there is none."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


def style(number: int) -> str:
    """Colour and dashes of run `number`, the same in every plot."""
    return (
        f'stroke="{COLOURS[number % len(COLOURS)]}" stroke-dasharray="{DASHES[number // len(COLOURS) % len(DASHES)]}"'
    )


def plot(
    title: str,
    lines: Sequence[Line],
    *,
    size: tuple[int, int] = (560, 270),
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """A plot of the lines; `log`: a logarithmic scale, on which only positive values stand."""
    width, height = size
    left, right, top, bottom = 58, 12, 26, 24
    shown = [(i, _averaged(line, log)) for i, line in enumerate(lines)]
    xs = np.concatenate([x for _, (x, _) in shown]) if shown else np.empty(0)
    ys = np.concatenate([y for _, (_, y) in shown]) if shown else np.empty(0)
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">'
    name = f'<text x="{left}" y="16" class="title">{html.escape(title)}</text>'
    if not len(ys):
        return f'{head}{name}<text x="{left}" y="{height // 2}" class="tick">nothing yet</text></svg>'
    x_low, x_high = float(xs.min()), float(xs.max())
    x_high = x_high if x_high > x_low else x_low + 1
    y_low = float(ys.min()) if low is None else (math.log10(low) if log else low)
    y_high = float(ys.max()) if high is None else (math.log10(high) if log else high)
    if y_high <= y_low:
        y_low, y_high = y_low - abs(y_low) * 0.1 - 1e-9, y_high + abs(y_high) * 0.1 + 1e-9

    def across(x: float) -> float:
        return left + (x - x_low) / (x_high - x_low) * (width - left - right)

    def down(y: float) -> float:
        return height - bottom - (y - y_low) / (y_high - y_low) * (height - top - bottom)

    parts = [head, name]
    for value in _ticks(y_low, y_high, log):
        y, text = down(value), _number(10**value if log else value)
        parts.append(f'<path d="M{left} {y:.1f}H{width - right}" class="grid"/>')
        parts.append(f'<text x="{left - 5}" y="{y + 3.5:.1f}" class="tick" text-anchor="end">{text}</text>')
    for value in _ticks(x_low, x_high, False):
        x = across(value)
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" class="tick" text-anchor="middle">{_number(value)}</text>')
    for number, (columns, values) in shown:
        points = [f"{across(a):.1f} {down(b):.1f}" for a, b in zip(columns, values)]
        tip = f"<title>{html.escape(lines[number].name)}</title>"
        if len(points) == 1:
            a, b = points[0].split()
            parts.append(f'<circle cx="{a}" cy="{b}" r="3.5" fill="{COLOURS[number % len(COLOURS)]}">{tip}</circle>')
        elif points:
            thick = 1.7 + 1.5 * min(len(lines) - 1 - number, 4)  # equal lines are seen: the first lies widest beneath
            drawn = f'd="M{"L".join(points)}" class="line" stroke-width="{thick:.1f}" {style(number)}'
            parts.append(f"<path {drawn}>{tip}</path>")
    return "".join([*parts, "</svg>"])


def _averaged(line: Line, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """The line's points that can be drawn, averaged in groups where they are too many; log10 of them on a log scale."""
    pairs = [(x, y) for x, y in zip(line.x, line.y) if y is not None and math.isfinite(y) and (y > 0 or not log)]
    if not pairs:
        return np.empty(0), np.empty(0)
    x, y = np.array(pairs, np.float64).T
    if log:
        y = np.log10(y)
    groups = min(len(x), POINTS)
    edges = np.linspace(0, len(x), groups + 1).astype(int)[:-1]
    counts = np.diff(np.append(edges, len(x)))
    return np.add.reduceat(x, edges) / counts, np.add.reduceat(y, edges) / counts


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Round values in the range, about five of them; whole powers of ten on a log scale that spans two or more."""
    if log and high - low >= 2:
        decades = max(1, math.ceil((high - low) / 6))
        return [float(v) for v in range(math.ceil(low), math.floor(high) + 1, decades)]
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    if value == 0 or abs(value) < 1e-12:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace(".0e", "e")
    return f"{value:.4g}"
