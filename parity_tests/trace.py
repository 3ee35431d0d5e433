"""First divergence: the first named submodule that differs between two backends, and what went in and out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backends.worker.recording import INPUT
from parity_tests.cases import Arrays, Case, lively_state, pictures
from parity_tests.compare import Difference, compare, digits
from parity_tests.ladder import Asked

ALL = 100  # deeper than any network's submodules nest


@dataclass(frozen=True)
class Traced:
    """Everything one backend computed: submodules in the order in which they finish, their inputs and outputs."""

    order: list[str]
    arrays: Arrays


@dataclass(frozen=True)
class Layer:
    """How one submodule compares. `taken` is None where its input is not a single tensor."""

    name: str
    taken: Difference | None
    given: Difference


@dataclass(frozen=True)
class Divergence:
    """The first submodule beyond the tolerance. `before`: the last one that had finished, and agreed."""

    layer: Layer
    before: str
    inputs_differ: bool
    first: Traced
    second: Traced

    def describe(self, first: str, second: str) -> str:
        """Some lines for people."""
        name = self.layer.name
        lines = [f"first divergence: {name}: {_short(self.layer.given)}"]
        if self.inputs_differ:
            after = f"after {self.before}" if self.before else "before any other submodule"
            lines.append(f"  its input differs already: look at the code around it, {after}")
        elif self.layer.taken is not None:
            lines.append(f"  its input agrees: {_short(self.layer.taken)}")
        for side, traced in ((first, self.first), (second, self.second)):
            for key, word in ((name + INPUT, "takes"), (name, "gives")):
                if key in traced.arrays:
                    lines.append(f"  {side:>8} {word} {statistics(traced.arrays[key])}")
        return "\n".join(lines)


def _short(difference: Difference) -> str:
    return (
        difference.problem
        or f"relative difference {difference.relative:.1e} ({digits(difference.relative):.1f} digits)"
    )


def statistics(array: np.ndarray) -> str:
    """Shape, range, mean and deviation, values that are not finite."""
    finite = array[np.isfinite(array)].astype(np.float64)
    text = f"{list(array.shape)} {array.dtype}"
    if finite.size:
        text += f" in [{finite.min():.6g}, {finite.max():.6g}], mean {finite.mean():.6g}, std {finite.std():.6g}"
    return text + (f", {array.size - finite.size} not finite" if finite.size < array.size else "")


def traced(
    backend: Asked, case: Case, *, dtype: str = "float64", train: bool = False, x: np.ndarray | None = None
) -> Traced:
    """Runs the case's network once and keeps what every submodule takes and gives."""
    if x is None:
        batch, size = (case.batch, case.crop) if train else (case.sizes[0][0], case.sizes[0][1:])
        x = pictures(batch, (size[0], size[1]))
    backend.request("build", **case.request(dtype))
    backend.request("load", lively_state(case.spec()))
    fields, arrays = backend.request("trace", {"x": x}, train=train, depth=ALL)
    backend.request("free")
    return Traced(fields["order"], arrays)


def layers(first: Traced, second: Traced) -> list[Layer]:
    """Every submodule that both sides have, in the first side's order."""
    found = []
    for name in first.order:
        if name not in second.arrays:
            continue
        key, taken = name + INPUT, None
        if key in first.arrays and key in second.arrays:
            taken = _compare(key, first, second)
        found.append(Layer(name, taken, _compare(name, first, second)))
    return found


def _compare(name: str, first: Traced, second: Traced) -> Difference:
    """Axes of length 1 do not matter: a backend may normalise [N, C, L] as [N, C, 1, L]."""
    ours, theirs = first.arrays[name], second.arrays[name]
    if ours.shape != theirs.shape:
        ours, theirs = np.squeeze(ours), np.squeeze(theirs)
    return compare({name: ours}, {name: theirs})[0]


def first_divergence(first: Traced, second: Traced, tolerance: float) -> Divergence | None:
    """The first submodule whose output differs by more than `tolerance`; None where all agree.

    Submodules come in the order in which they finish, so that an inner one is named before what contains it.
    """
    before = ""
    for layer in layers(first, second):
        if not layer.given.relative <= tolerance:
            inputs_differ = layer.taken is not None and not layer.taken.relative <= tolerance
            return Divergence(layer, before, inputs_differ, first, second)
        before = layer.name
    return None


def single_steps(
    backend: Asked, case: Case, first: Traced, *, dtype: str = "float64"
) -> tuple[list[Layer], dict[str, str]]:
    """Each submodule of `backend`'s network fed what `first` gave to it, so that no early difference hides a later one.

    Gives how the outputs compare, in the order of computation, and why a submodule gave none.
    """
    backend.request("build", **case.request(dtype))
    backend.request("load", lively_state(case.spec()))
    inputs = {name: first.arrays[name + INPUT] for name in first.order if name + INPUT in first.arrays}
    fields, given = backend.request("steps", inputs)
    backend.request("free")
    second = Traced(list(given), given)
    return [Layer(name, None, _compare(name, first, second)) for name in inputs if name in given], fields["refused"]


def profile_table(found: Sequence[Layer]) -> str:
    """One line per submodule: digits of agreement of input and output."""
    width = max((len(layer.name) for layer in found), default=0)
    lines = [f"{'submodule':<{width}}  {'in':>5}  {'out':>5}  (digits of agreement)"]
    for layer in found:
        taken = "" if layer.taken is None else f"{layer.taken.digits:.1f}"
        lines.append(f"{layer.name:<{width}}  {taken:>5}  {layer.given.digits:5.1f}")
    return "\n".join(lines)
