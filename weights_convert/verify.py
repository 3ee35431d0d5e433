"""Proof of a conversion: source and result run in every installed backend, and compared submodule by submodule."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
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
# Two frameworks round differently, and deep networks amplify it: of the largest value, in float32.
ACROSS = 1e-2


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


def depth_table(traces: Mapping[str, Mapping[str, np.ndarray]], reference: str) -> list[str]:
    """A line for each submodule that all traces have, in the reference's order of computation."""
    others = [name for name in traces if name != reference]
    if not others:
        return []
    lines = [f"  {'submodule':44s}" + "".join(f"{name:>12s}" for name in others)]
    for layer, array in traces[reference].items():
        cells = [
            f"{relative(traces[name][layer], array):12.1e}" if layer in traces[name] else f"{'-':>12s}"
            for name in others
        ]
        lines.append(f"  {layer:44s}{''.join(cells)}")
    return lines


def verify(imported: Imported, target: Path, *, fold: bool = False) -> int:
    """Compares the imported weights with those in `target`; prints what it finds. 0 if all is as it should be.

    Within a backend the two must give the same bits; across backends the differences are printed by depth, and those of
    the logits may not pass ACROSS. fold: the target's batch norms are folded, so that the same is asked of its logits
    within a backend too.
    """
    written = folded(imported) if fold else imported
    result = import_weights(target, origin="segparity", preset=imported.fit.preset, overrides=written.fit.overrides)
    if set(result.state) != set(written.state):
        raise WeightsError(f"{target}: does not hold the tensors that were written")
    what = "outputs" if fold else "submodules"
    x, traces, faults = picture(imported.spec), {}, 0
    with tempfile.TemporaryDirectory(prefix="segparity-verify-") as folder:
        files = []
        for label, read in (("source", imported), ("result", replace(written, state=result.state))):
            path = Path(folder) / f"{label}.safetensors"
            safetensors.save(path, {name: array.astype(np.float32) for name, array in read.state.items()})
            files.append((read, path))
        for name in backend_names():
            try:
                with BackendProcess(name) as backend:
                    ours = [_trace(backend, read, file, x) for read, file in files]
            except BackendMissing as error:
                print(f"SKIPPED  {error}", file=sys.stderr)
                continue
            traces[name] = ours[0]
            compared = [layer for layer in ours[0] if layer.startswith("logits.") or not fold]
            worst = max(relative(ours[1][layer], ours[0][layer]) for layer in compared)
            faults += worst > (ACROSS if fold else 0)
            print(f"{name}: source and result differ by {worst:.1e} at most, over {len(compared)} {what}")
    if not traces:
        raise WeightsError("nothing to verify with: no backend is installed")
    reference = next(iter(traces))
    if len(traces) > 1:
        print(f"against {reference}, largest difference over largest value, in the order of computation:")
        print("\n".join(depth_table(traces, reference)))
    for trace in traces.values():
        logits = [layer for layer in traces[reference] if layer.startswith("logits.")]
        faults += any(relative(trace[layer], traces[reference][layer]) > ACROSS for layer in logits)
    print("verified" if not faults else "NOT VERIFIED: the differences above are more than rounding")
    return 1 if faults else 0


def _trace(backend: BackendProcess, imported: Imported, state: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """What every submodule gives with the weights in `state`, in the order of computation."""
    backend.request(
        "build", preset=imported.fit.preset, overrides=imported.fit.overrides, num_classes=imported.spec.num_classes
    )
    backend.request("load", state)
    fields, arrays = backend.request("trace", {"x": x}, train=False, depth=DEPTH)
    return {layer: arrays[layer] for layer in fields["order"]}
