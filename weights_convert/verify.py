"""Proof of a conversion: source and result run in every installed backend, and compared submodule by submodule.

In float64, in which two correct networks agree to many digits and a wrong one does not.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from core import safetensors
from core.arch import Spec
from core.description import backend_names
from core.errors import WeightsError
from core.process import BackendMissing, BackendProcess
from weights_convert.convert import folded
from weights_convert.load import Imported, import_weights

SIDE = 96
DEPTH = 3
# Of the largest value, in float64. Paddle and MXNet keep some constants (epsilons, resize positions) as float32: 1e-7.
ACROSS = 1e-6


@dataclass
class Verification:
    """What was measured.

    backends: name -> framework with version. own: name -> the largest difference between source and result in it.
    layers: submodule -> backend -> relative difference from the reference, in its order of computation.
    labels: backend -> share of the pixels with the reference's label. missing: why a backend was not asked.
    """

    size: tuple[int, int]
    folded: bool = False
    backends: dict[str, str] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)
    layers: dict[str, dict[str, float]] = field(default_factory=dict)
    labels: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def reference(self) -> str:
        return next(iter(self.backends))

    @property
    def ok(self) -> bool:
        """Whether source and result give the same bits in each backend, and the backends the same logits."""
        logits = [row for name, row in self.layers.items() if name.startswith("logits.")]
        allowed = ACROSS if self.folded else 0.0
        return all(value <= allowed for value in self.own.values()) and all(
            value <= ACROSS for row in logits for value in row.values()
        )

    def lines(self) -> list[str]:
        """For people."""
        found = [f"SKIPPED  {reason}" for reason in self.missing]
        count = sum(name.startswith("logits.") or not self.folded for name in self.layers)
        what = "outputs" if self.folded else "submodules"
        found += [
            f"{name}: source and result differ by {worst:.1e} at most, over {count} {what}, in float64"
            for name, worst in self.own.items()
        ]
        others = [name for name in self.backends if name != self.reference]
        if others:
            found.append(
                f"against {self.reference}, largest difference over largest value, in the order of computation:"
            )
            found += depth_table(self.layers, others)
            found += [
                f"{name}: {share:.4%} of the labels are {self.reference}'s" for name, share in self.labels.items()
            ]
        found.append("verified" if self.ok else "NOT VERIFIED: the differences above are more than rounding")
        return found


def picture(spec: Spec) -> np.ndarray:
    """A fixed random input [1, 3, H, W] of a size the network takes."""
    height, width = spec.size_at_least(SIDE, 2 * SIDE)
    return np.random.default_rng(0).standard_normal((1, 3, height, width)).astype(np.float32)


def relative(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference over the largest value of `other`; infinite where shapes differ or a value is not finite."""
    if one.shape != other.shape or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return float("inf")
    scale = float(np.max(np.abs(other), initial=0.0))
    difference = float(np.max(np.abs(one.astype(np.float64) - other), initial=0.0))
    return difference / scale if scale else difference


def depth_table(layers: Mapping[str, Mapping[str, float]], names: list[str]) -> list[str]:
    """A line for each submodule."""
    lines = [f"  {'submodule':44s}" + "".join(f"{name:>12s}" for name in names)]
    for layer, row in layers.items():
        cells = [f"{row[name]:12.1e}" if name in row else f"{'-':>12s}" for name in names]
        lines.append(f"  {layer:44s}{''.join(cells)}")
    return lines


def verify(imported: Imported, target: Path, *, fold: bool = False) -> Verification:
    """Compares the imported weights with those in `target`, in every installed backend.

    fold: the target's batch norms are folded, so that within a backend the outputs alone are compared, as across them.

    Raises WeightsError if no backend is installed, or `target` does not hold the tensors that were written.
    """
    written = folded(imported) if fold else imported
    result = import_weights(target, origin="segparity", preset=imported.fit.preset, overrides=written.fit.overrides)
    if set(result.state) != set(written.state):
        raise WeightsError(f"{target}: does not hold the tensors that were written")
    x = picture(imported.spec).astype(np.float64)
    found, traces = Verification((x.shape[2], x.shape[3]), fold), {}
    with tempfile.TemporaryDirectory(prefix="segparity-verify-") as folder:
        files = []
        for label, read in (("source", imported), ("result", replace(written, state=result.state))):
            path = Path(folder) / f"{label}.safetensors"
            safetensors.save(path, {name: array.astype(np.float64) for name, array in read.state.items()})
            files.append((read, path))
        for name in backend_names():
            try:
                with BackendProcess(name) as backend:
                    ours = [_trace(backend, read, path, x) for read, path in files]
                    found.backends[name] = backend.framework
            except BackendMissing as error:
                found.missing.append(str(error))
                continue
            traces[name] = ours[0]
            compared = [layer for layer in ours[0] if layer.startswith("logits.") or not fold]
            found.own[name] = max(relative(ours[1][layer], ours[0][layer]) for layer in compared)
    if not traces:
        raise WeightsError("nothing to verify with: no backend is installed")
    reference = traces[found.reference]
    others = {name: trace for name, trace in traces.items() if name != found.reference}
    for layer, array in reference.items():
        found.layers[layer] = {name: relative(t[layer], array) for name, t in others.items() if layer in t}
    labels = reference["logits.0"].argmax(1)
    found.labels = {name: float(np.mean(trace["logits.0"].argmax(1) == labels)) for name, trace in others.items()}
    return found


def report(found: Verification) -> int:
    """Prints what was found; the exit status."""
    for line in found.lines():
        print(line, file=sys.stderr if line.startswith("SKIPPED") else sys.stdout)
    return 0 if found.ok else 1


def _trace(backend: BackendProcess, imported: Imported, state: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """What every submodule gives with the weights in `state`, in the order of computation."""
    backend.request(
        "build",
        preset=imported.fit.preset,
        overrides=imported.fit.overrides,
        num_classes=imported.spec.num_classes,
        dtype="float64",
    )
    backend.request("load", state)
    fields, arrays = backend.request("trace", {"x": x}, train=False, depth=DEPTH)
    return {layer: arrays[layer] for layer in fields["order"]}
