"""Two networks of anybody's, side by side: what agrees, and the first submodule that does not."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backends.worker.recording import INPUT
from core.description import backend_names
from core.errors import SegParityError
from core.process import BackendProcess
from core.tensors import listing
from parity_tests.compare import Difference, compare, digits, worst
from parity_tests.tolerances import LADDER
from parity_tests.trace import statistics
from weights_convert.name_map import NameMap, Pair, read_map

Arrays = Mapping[str, np.ndarray]
STATISTICS = ("running_mean", "running_var", "_mean", "_variance", "moving_mean", "moving_var")
FLOOR = 1e-3  # of the largest gradient: that of a bias before a batch norm is 0 but for rounding
SUBMODULE = LADDER["2 forward", "logits, float64"].limit


class Side(BackendProcess):
    """One network in a process of its own; its interpreter can be another environment's."""

    serves = "parity_tests.port.worker"


@dataclass(frozen=True)
class Target:
    """`framework:module:callable`, as on the command line."""

    framework: str
    module: str
    callable: str
    python: str | None = None

    @staticmethod
    def parse(text: str, option: str, python: str | None) -> Target:
        parts = text.split(":")
        if len(parts) != 3 or parts[0] not in backend_names() or not all(parts):
            raise SegParityError(
                f"{option} {text}: expected FRAMEWORK:MODULE:CALLABLE, such as {backend_names()[0]}:mymodule:build; "
                f"the frameworks are {', '.join(backend_names())}"
            )
        return Target(parts[0], parts[1], parts[2], python)


@dataclass
class Check:
    """One thing compared. `problem`: what is wrong where nothing could be computed."""

    name: str
    differences: list[Difference]
    limit: float
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem and all(d.relative <= self.limit for d in self.differences)

    def line(self) -> str:
        mark = "ok   " if self.ok else "WRONG"
        if self.problem:
            return f"{mark} {self.name}: {self.problem}"
        if not self.differences:
            return f"{mark} {self.name}: nothing to compare"
        most = worst(self.differences)
        wrong = sum(not d.relative <= self.limit for d in self.differences)
        count = f", {wrong} of {len(self.differences)} beyond {self.limit:.0e}" if wrong else ""
        return f"{mark} {self.name}: {digits(most.relative):.1f} digits; {most}{count}"


@dataclass(frozen=True)
class Step:
    """One submodule fed the left side's input. `told`: how its output differs; `problem`: why there is none."""

    left: str
    right: str
    told: Difference | None
    problem: str = ""
    text: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.told is not None and self.told.relative <= SUBMODULE


@dataclass
class Report:
    checks: list[Check] = field(default_factory=list)
    first: str = ""  # the first submodule that differs in a run of the whole
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks) and all(step.ok for step in self.steps)

    def lines(self) -> Iterator[str]:
        yield from (f"note: {note}" for note in self.notes)
        yield from (check.line() for check in self.checks)
        if self.first:
            yield self.first
        wrong = [step for step in self.steps if not step.ok]
        if self.steps:
            count = f"{len(self.steps)}, of which {len(wrong)} differ"
            yield f"single steps, each submodule fed the left side's input: {count}"
        for step in wrong:
            yield f"  {step.left} | {step.right}: {step.problem or step.told}"
            yield from (f"    {line}" for line in step.text)


def compare_ports(left: Target, right: Target, map_file: Path | None, size: tuple[int, ...], seed: int = 0) -> Report:
    """Everything there is to compare. Raises SegParityError where a side cannot be built, or the map is not theirs."""
    report = Report()
    x = np.random.default_rng(seed).standard_normal(size)
    with _side(left) as one, _side(right) as other:
        opened = [_open(side, target, x) for side, target in ((one, left), (other, right))]
        states = [side.request("state")[1] for side in (one, other)]
        names = _names(map_file, states, report)
        swapped = {name: ("fully connected" if pair.transposed else "") for name, pair in names.pairs.items()}
        for name, pair in names.pairs.items():  # two conventions, of which the frameworks know
            if (name in opened[0]["matrices"]) != (pair.to in opened[1]["matrices"]):
                swapped[name] = "fully connected"
        moved = {name for name, why in swapped.items() if why}
        _parameters(one, other, states, names, moved, report)
        if not report.checks[-1].ok:
            return report
        _outputs(one, other, x, names, moved, report)
        modules = module_map(names, opened[0]["modules"], opened[1]["modules"])
        _submodules(one, other, x, modules, report)
    return report


@contextmanager
def _side(target: Target) -> Iterator[Side]:
    """The interpreter is read from the environment, where a backend's is said."""
    variable = f"SEGPARITY_PYTHON_{target.framework.upper()}"
    before = os.environ.get(variable)
    if target.python is not None:
        os.environ[variable] = target.python
    side = Side(target.framework)
    try:
        side.__enter__()
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before
    try:
        yield side
    finally:
        side.close()


def _open(side: Side, target: Target, x: np.ndarray) -> dict[str, list[str]]:
    fields, _ = side.request("open", {"x": x}, module=target.module, callable=target.callable, folder=os.getcwd())
    return fields


def _names(path: Path | None, states: Sequence[Arrays], report: Report) -> NameMap:
    """The map, which accounts for every parameter of both sides."""
    left, right = states
    if path is None:
        same = {name: Pair(name) for name in left if name in right}
        names = NameMap(same)
        if len(same) < max(len(left), len(right)):
            missing = [name for name in left if name not in right] or [name for name in right if name not in left]
            raise SegParityError(
                f"the two sides name their parameters differently ({listing(missing, 3)}): give --map FILE; "
                "`python -m weights_convert map` proposes one"
            )
        return names
    names = read_map(path)
    if names.undecided:
        raise SegParityError(f"{path}: not decided yet: {listing(names.undecided, 5)}")
    reached = {pair.to for pair in names.pairs.values()}
    for what, items in (
        ("names of the left side that it does not have", [n for n in names.pairs if n not in left]),
        ("names of the right side that it does not have", [n for n in reached if n not in right]),
        ("parameters of the left side that are neither mapped nor dropped", _rest(left, names.pairs, names.dropped)),
        ("parameters of the right side that nothing is mapped to", _rest(right, reached, names.dropped)),
    ):
        if items:
            raise SegParityError(f"{path}: {what}: {listing(sorted(items), 5)}")
    if names.dropped:
        report.notes.append(f"left out, as the map says: {listing(sorted(names.dropped), 5)}")
    return names


def _rest(state: Arrays, *taken: object) -> list[str]:
    return [name for name in state if not any(name in part for part in taken)]  # type: ignore[operator]


def _to_left(arrays: Arrays, names: NameMap, moved: set[str]) -> dict[str, np.ndarray]:
    """The right side's arrays under the left side's names and axes."""
    found = {}
    for name, pair in names.pairs.items():
        if pair.to in arrays:
            array = arrays[pair.to]
            found[name] = array.T if name in moved and array.ndim == 2 else array
    return found


def _parameters(
    one: Side, other: Side, states: Sequence[Arrays], names: NameMap, moved: set[str], report: Report
) -> None:
    """Shapes; then the left side's values go to the right."""
    left = {name: states[0][name] for name in names.pairs}
    built = compare(left, _to_left(states[1], names, moved))
    report.notes.append(f"as built {sum(d.relative == 0 for d in built)} of {len(built)} parameters are equal")
    shapes = [difference for difference in built if "shape" in difference.problem]
    if shapes:
        report.checks.append(Check("parameters", shapes, 0.0))
        return
    given = {names.pairs[name].to: (a.T if name in moved and a.ndim == 2 else a) for name, a in left.items()}
    other.request("load", {name: np.ascontiguousarray(array) for name, array in given.items()})
    held = _to_left(other.request("state")[1], names, moved)
    report.checks.append(Check("parameters, the left side's given to the right", compare(left, held), 0.0))


def _outputs(one: Side, other: Side, x: np.ndarray, names: NameMap, moved: set[str], report: Report) -> None:
    for dtype in ("float32", "float64"):
        for side in (one, other):
            side.request("cast", dtype=dtype)
        outputs = [side.request("forward", {"x": x}, train=False)[1] for side in (one, other)]
        limit = LADDER["2 forward", f"logits, {dtype}"].limit
        report.checks.append(Check(f"forward, {dtype}", compare(*outputs), limit))
    before = one.request("state")[1]
    gradients = [side.request("backward", {"x": x})[1] for side in (one, other)]
    of_left = {name: array for name, array in gradients[0].items() if name in names.pairs}
    of_right = _to_left(gradients[1], names, moved)
    of_right = {name: array for name, array in of_right.items() if name in of_left or not _statistic(name)}
    limit = LADDER["4 backward", "gradients, float64"].limit
    report.checks.append(Check("gradients in training mode, float64", compare(of_left, of_right, floor=FLOOR), limit))
    after = [side.request("state")[1] for side in (one, other)]
    running = {name: array for name, array in after[0].items() if name in names.pairs and _statistic(name)}
    theirs = {name: array for name, array in _to_left(after[1], names, moved).items() if name in running}
    limit = LADDER["4 backward", "statistics, float64"].limit
    differences = compare(running, theirs)
    biased = [
        d.name
        for d in differences
        if not d.relative <= limit
        and not d.problem
        and _by_bias(before[d.name], running[d.name], theirs[d.name], limit)
    ]
    if biased:
        report.notes.append(
            f"{len(biased)} running variances differ by the factor n/(n-1) alone: one side stores the unbiased "
            "variance, the other the biased one (docs/framework_differences.md)"
        )
    left = [d for d in differences if d.name not in biased]
    report.checks.append(Check("running statistics after one step, float64", left, limit))
    one.request("load", before)
    back = {
        names.pairs[name].to: (a.T if name in moved and a.ndim == 2 else a)
        for name, a in before.items()
        if name in names.pairs
    }
    other.request("load", {name: np.ascontiguousarray(array) for name, array in back.items()})


def _by_bias(before: np.ndarray, one: np.ndarray, other: np.ndarray, limit: float) -> bool:
    """Whether two variances come of the same batches of n values, one corrected by n/(n-1), the other not.

    With momentum m and the batch's variance v: one = (1-m) before + m v n/(n-1), other = (1-m) before + m v, so that
    one - other = a (other - before) + b before, with a = 1/(n-1) and b = m a the same for all channels.
    """
    if one.size < 3:
        return False
    one, other = (one, other) if (one - other).mean() >= 0 else (other, one)
    columns = np.stack([other - before, before], axis=1)
    (a, b), *_ = np.linalg.lstsq(columns, one - other, rcond=None)
    rest = np.abs(columns @ np.array([a, b]) - (one - other)).max()
    return bool(rest <= limit * np.abs(one).max() and 0 < a <= 1 and 0 < b <= a * 1.001)


def _statistic(name: str) -> bool:
    return name.rpartition(".")[2] in STATISTICS


def _chains(owners: Sequence[str], modules: Sequence[str]) -> dict[frozenset[str], list[str]]:
    """Layers with parameters -> the modules that hold just these, the outer first."""
    held: dict[str, set[str]] = {}
    for owner in owners:
        parts = owner.split(".")
        for depth in range(1, len(parts) + 1):
            held.setdefault(".".join(parts[:depth]), set()).add(owner)
    chains: dict[frozenset[str], list[str]] = {}
    for name in sorted(held, key=lambda name: name.count(".")):
        if name in modules:
            chains.setdefault(frozenset(held[name]), []).append(name)
    return chains


def module_map(names: NameMap, left: list[str], right: list[str]) -> dict[str, str]:
    """Which submodule of the left side is which of the right: those of mapped parameters, what contains them alone on
    both sides, what the map says itself, and what is called the same on both."""
    found = {name: to for name, to in names.modules.items() if name in left and to in right}
    owners = {n.rpartition(".")[0]: p.to.rpartition(".")[0] for n, p in names.pairs.items()}
    theirs = _chains(list(owners.values()), right)
    for members, chain in _chains(list(owners), left).items():
        partners = theirs.get(frozenset(owners[member] for member in members), [])
        if len(chain) == len(partners):  # of modules that hold the same, one in another: outer with outer
            for name, partner in zip(chain, partners):
                found.setdefault(name, partner)
        elif len(members) == 1 and (name := next(iter(members))) in left and owners[name] in right:
            found.setdefault(name, owners[name])
    found |= {name: name for name in left if name in right and name not in found and name not in found.values()}
    return {name: found[name] for name in left if name in found}


def _submodules(one: Side, other: Side, x: np.ndarray, modules: dict[str, str], report: Report) -> None:
    fields, ours = one.request("trace", {"x": x})
    _, theirs = other.request("trace", {"x": x})
    before, told = "", False
    inputs: dict[str, np.ndarray] = {}
    for name in fields["order"]:
        base, mark, call = name.partition("#")
        if base not in modules:
            continue
        partner = modules[base] + mark + call
        if partner in theirs and not told:
            given = compare({name: ours[name]}, {name: theirs[partner]})[0]
            if not given.relative <= SUBMODULE:
                report.first, told = _first(name, partner, ours, theirs, given, before), True
            before = name
        if name + INPUT in ours:
            inputs[partner] = ours[name + INPUT]
    answer, got = other.request("steps", inputs)
    left_of = {
        modules[name.partition("#")[0]] + "".join(name.partition("#")[1:]): name
        for name in fields["order"]
        if name.partition("#")[0] in modules
    }
    for partner in inputs:
        name = left_of[partner]
        if partner not in got:
            why = answer["refused"].get(partner, "gives no single tensor")
            report.steps.append(Step(name, partner, None, f"does not take the left side's input: {why}"))
            continue
        told_of = compare({name: ours[name]}, {name: got[partner]})[0]
        text = (
            f"takes {statistics(ours[name + INPUT])}",
            f"left gives {statistics(ours[name])}",
            f"right gives {statistics(got[partner])}",
        )
        report.steps.append(Step(name, partner, told_of, text=text))


def _first(name: str, partner: str, ours: Arrays, theirs: Arrays, given: Difference, before: str) -> str:
    """The first submodule that differs where both networks run as they are."""
    lines = [f"first diverging submodule: {name} | {partner}: {given}"]
    keys = name + INPUT, partner + INPUT
    if keys[0] in ours and keys[1] in theirs:
        taken = compare({name: ours[keys[0]]}, {name: theirs[keys[1]]})[0]
        after = f"after {before}" if before else "before any other submodule"
        agree = taken.relative <= SUBMODULE
        lines.append("  its input agrees" if agree else f"  its input differs already: look at the code {after}")
    lines += [f"  left gives {statistics(ours[name])}", f"  right gives {statistics(theirs[partner])}"]
    return "\n".join(lines)


def size_of(text: str) -> tuple[int, ...]:
    """`1x3x64x64`. Raises SegParityError."""
    parts = text.lower().split("x")
    if not all(part.isdigit() and 0 < int(part) < 1 << 20 for part in parts) or math.prod(map(int, parts)) > 1 << 28:
        raise SegParityError(f"--input {text}: expected a shape such as 1x3x64x64")
    return tuple(int(part) for part in parts)
