"""What the demonstration proves, from numbers to verdicts. Nothing here starts a run.

A `Proof` holds its verdict, the figures behind it and how they were computed; the page and demo.json are written from
it. Where only one framework is there, nothing can be compared and a verdict is None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.errors import SegParityError
from parity_tests.compare import compare, worst
from parity_tests.tolerances import Tolerance, ladder_tolerance

Arrays = Mapping[str, np.ndarray]

REFERENCE = "numpy"
MIOU_POINTS = Tolerance(0.01, "percentage points: the second decimal of a published figure")
PIXELS = Tolerance(1e-4, "of the pixels: two logits within rounding of each other may swap places")
DOUBLE = ladder_tolerance("8 training", "losses, float64", "")
STATE = Tolerance(1e-6, "Paddle and MXNet keep batch norm's momentum as float32")
STATE_FLOOR = 1e-3  # tensors that stay at rounding of 0 (biases in front of a batch norm) are measured against this


@dataclass(frozen=True)
class Table:
    """Cells as text; a row in `bad` is beyond its limit."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    bad: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Proof:
    """One claim. `figure`: what was found, in a word; `limit`: what was allowed and why; `facts`: all the numbers."""

    key: str
    title: str
    claim: str
    ok: bool | None
    figure: str
    unit: str
    limit: str
    tables: list[Table]
    how: list[str]
    commands: list[str]
    facts: dict[str, Any]

    @property
    def verdict(self) -> str:
        return {True: "PROVEN", False: "FAILED", None: "NOT COMPARED"}[self.ok]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def digest(arrays: Arrays) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def relative(first: Sequence[float], second: Sequence[float]) -> np.ndarray:
    """|first - second| / |first| for each iteration. Raises SegParityError for runs of different lengths."""
    if len(first) != len(second):
        raise SegParityError(f"runs of {len(first)} and {len(second)} iterations cannot be compared")
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    gaps = np.abs(a - b) / np.abs(a)
    return np.where(np.isfinite(gaps), gaps, np.inf)


def same_pixels(first: Path, second: Path) -> tuple[int, int]:
    """(pixels with the same class, pixels), over the label maps (PNG) of two folders."""
    names = sorted(path.name for path in first.glob("*.png"))
    if not names or names != sorted(path.name for path in second.glob("*.png")):
        raise SegParityError(f"{first} and {second} do not hold label maps of the same pictures")
    same = total = 0
    for name in names:
        a, b = (cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED) for folder in (first, second))
        same += int((a == b).sum())
        total += a.size
    return same, total


def _verdict(ok: bool, compared: int) -> bool | None:
    return ok if compared > 1 else None


def prove_start(digests: Mapping[str, Mapping[str, str]], numbers: int, batches: int) -> Proof:
    """`digests[what][who]`: who is numpy (the definition) and each framework. With one framework numpy is the other."""
    whos = list(next(iter(digests.values())))
    bad = [i for i, found in enumerate(digests.values()) if len(set(found.values())) != 1]
    rows = [[what, *(found[who][:8] for who in whos)] for what, found in digests.items()]
    return Proof(
        key="start",
        title="The same start and the same batches, bit for bit",
        claim=f"The initial weights ({numbers:,} numbers) and the first {batches} batches are the same bits.",
        ok=not bad,
        figure=f"{len(digests) - len(bad)} of {len(digests)}",
        unit="checksums equal",
        limit="every bit: nothing may differ",
        tables=[Table("SHA-256, its first eight digits; all 64 in demo.json", ["", *whos], rows, bad)],
        how=[
            "Initial weights are a function of seed, name and shape (core/initialize.py). They are put into each "
            "framework's own network (backends/<name>/state.py, set_state), taken out again in the canonical layout "
            "(get_state) and hashed: names, types, shapes and bytes.",
            "Batches come out of each framework's own loader (backends/<name>/data.py) over the samples of "
            "core/data/pipeline.py: random scale, crop, flip, normalisation. The column 'numpy' is the definition, "
            "without a framework.",
            "Asked for by parity_tests/demo.py, hashed by parity_tests/demo_proofs.py (digest).",
        ],
        commands=[],
        facts={"digests": {what: dict(found) for what, found in digests.items()}},
    )


def prove_double(losses: Mapping[str, Sequence[float]], states: Mapping[str, Arrays], commands: list[str]) -> Proof:
    """Trainings in float64, from the same start: the losses of every iteration and the weights after the last."""
    pairs = {f"{a} – {b}": (a, b) for a, b in combinations(losses, 2)}
    gaps = {title: float(relative(losses[a], losses[b]).max()) for title, (a, b) in pairs.items()}
    weights = {title: worst(compare(states[a], states[b], floor=STATE_FLOOR)) for title, (a, b) in pairs.items()}
    worst_gap = max(gaps.values(), default=0.0)
    worst_weight = max((found.relative for found in weights.values()), default=0.0)
    steps = len(next(iter(losses.values())))
    shown = sorted({0, 1, steps // 4 - 1, steps // 2 - 1, steps - 1} & set(range(steps)))
    rows = [[str(i + 1), *(f"{losses[name][i]:.13f}" for name in losses)] for i in shown]
    bad = [
        i
        for i, title in enumerate(pairs)
        if not (gaps[title] <= DOUBLE.limit and weights[title].relative <= STATE.limit)
    ]
    pair_rows = [[title, f"{gaps[title]:.1e}", f"{weights[title].relative:.1e}"] for title in pairs]
    return Proof(
        key="double",
        title=f"{steps} iterations in float64",
        claim="Trained with enough digits, the frameworks have the same losses, and the same weights at the end.",
        ok=_verdict(worst_gap <= DOUBLE.limit and worst_weight <= STATE.limit, len(losses)),
        figure=f"{worst_gap:.1e}",
        unit="largest relative difference of a loss",
        limit=f"losses {DOUBLE.limit:.0e} ({DOUBLE.reason}); weights and statistics {STATE.limit:.0e} ({STATE.reason})",
        tables=[
            Table("The losses, to 13 decimals", ["iteration", *losses], rows),
            Table(
                "Largest relative difference",
                ["", f"of {steps} losses", "of the last weights and statistics"],
                pair_rows,
                bad,
            ),
        ],
        how=[
            "The same network on the same batches as in the training below, in float64, by these commands: forward, "
            "losses of all heads, backward, batch-norm statistics, optimizer. The rate is small and every constant of "
            "the optimizer is one that float32 holds exactly, because Paddle and MXNet keep those as float32 whatever "
            "the network computes in (docs/framework_differences.md).",
            "A loss's difference is |a - b| / |a|, from the runs' metrics.jsonl; a tensor's max|a - b| / max|a|, from "
            "last.safetensors (parity_tests/compare.py).",
        ],
        commands=commands,
        facts={
            "losses": {name: list(map(float, found)) for name, found in losses.items()},
            "loss_differences": gaps,
            "weight_differences": {t: {"relative": w.relative, "where": str(w)} for t, w in weights.items()},
        },
    )


def prove_scores(
    miou: Mapping[str, Mapping[str, float]], maps: Mapping[str, Mapping[str, Path]], commands: list[str]
) -> Proof:
    """`miou[trained][scored]` in 0 … 1; `maps` likewise: the folder of label maps."""
    scorers = list(next(iter(miou.values())))
    pixels = {
        trained: {
            f"{a} – {b}": same_pixels(folders[a], folders[b]) for a, b in combinations(scorers, 2) if len(scorers) > 1
        }
        for trained, folders in maps.items()
    }
    spread = {trained: 100 * (max(row.values()) - min(row.values())) for trained, row in miou.items()}
    differing = {
        trained: max(((total - same) / total for same, total in found.values()), default=0.0)
        for trained, found in pixels.items()
    }
    bad = [
        i
        for i, trained in enumerate(miou)
        if not (spread[trained] <= MIOU_POINTS.limit and differing[trained] <= PIXELS.limit)
    ]
    rows = [
        [trained, *(f"{100 * row[s]:.4f}" for s in scorers), f"{spread[trained]:.4f}"] for trained, row in miou.items()
    ]
    pixel_rows = [
        [trained, *(f"{100 * same / total:.4f} % ({total - same})" for same, total in found.values())]
        for trained, found in pixels.items()
    ]
    tables = [Table("mIoU in %", ["trained in", *(f"scored in {s}" for s in scorers), "spread"], rows, bad)]
    if len(scorers) > 1:
        head = ["trained in", *next(iter(pixels.values()))]
        tables.append(Table("Pixels with the same class (and how many differ)", head, pixel_rows, bad))
    most = max(differing.values())
    return Proof(
        key="scores",
        title="Each trained checkpoint, scored in every framework",
        claim="A checkpoint is the same network everywhere: whoever scores it finds the same mIoU and the same label "
        "maps.",
        ok=_verdict(not bad, len(scorers)),
        figure=f"{100 * (1 - most):.4f} %",
        unit=f"of pixels equal at least; mIoU within {max(spread.values()):.4f} points",
        limit=f"mIoU {MIOU_POINTS.limit} {MIOU_POINTS.reason}; {100 * (1 - PIXELS.limit):.2f} % {PIXELS.reason}",
        tables=tables,
        how=[
            "Rows are the float32 trainings below, columns the framework that loaded their last.safetensors and "
            "predicted every validation picture. Along a row only the framework differs, and the figures agree; down a "
            "column the trainings differ, as two float32 trainings do.",
            "The label maps are the PNG files of eval --save, compared pixel by pixel (parity_tests/demo_proofs.py, "
            "same_pixels); mIoU is that of eval --json, with all its digits.",
        ],
        commands=commands,
        facts={
            "miou": {trained: dict(row) for trained, row in miou.items()},
            "spread_points": spread,
            "same_pixels": {t: {p: {"same": s, "all": n} for p, (s, n) in f.items()} for t, f in pixels.items()},
        },
    )


def prove_handover(
    began: str, half: int, stayed: Sequence[float], finished: Mapping[str, Sequence[float]], commands: list[str]
) -> Proof:
    """`finished[name]`: losses of the run that `began` began and `name` finished; `stayed`: of one never stopped."""
    gaps = {name: float(relative(stayed, losses).max()) for name, losses in finished.items()}
    steps = len(stayed)
    shown = sorted({half - 1, half, half + 1, steps - 1} & set(range(steps)))
    rows = [[str(i + 1), f"{stayed[i]:.13f}", *(f"{losses[i]:.13f}" for losses in finished.values())] for i in shown]
    own, moved = gaps[began], max((gap for name, gap in gaps.items() if name != began), default=0.0)
    bad = [i for i, gap in enumerate(gaps.values()) if not gap <= DOUBLE.limit]
    gap_rows = [
        [f"finished in {name}", "0 (the same bits)" if gap == 0 else f"{gap:.1e}"] for name, gap in gaps.items()
    ]
    return Proof(
        key="handover",
        title="Begun in one framework, finished in another",
        claim=f"A run begun in {began} and stopped after {half} of {steps} iterations goes on anywhere as if it had "
        "never moved.",
        ok=_verdict(not bad, len(finished)),
        figure=f"{moved:.1e}" if len(finished) > 1 else f"{own:.1e}",
        unit="largest relative difference of a loss to the run that stayed",
        limit=f"{DOUBLE.limit:.0e} ({DOUBLE.reason})",
        tables=[
            Table(
                f"The losses around the move, after iteration {half}",
                ["iteration", f"{began}, never stopped", *(f"finished in {name}" for name in finished)],
                rows,
            ),
            Table(f"Largest relative difference to {began}, never stopped", ["", "of a loss"], gap_rows, bad),
        ],
        how=[
            f"{began} trains {half} iterations in float64 and writes a checkpoint: weights, batch-norm statistics, the "
            "optimizer's momentum, the iteration. Each framework resumes a copy of that run directory by its ordinary "
            "train --resume, on the batches that come next, and compared with the float64 run above that was never "
            "stopped.",
        ],
        commands=commands,
        facts={
            "began": began,
            "half": half,
            "stayed": list(map(float, stayed)),
            "finished": {name: list(map(float, losses)) for name, losses in finished.items()},
            "differences": gaps,
        },
    )
