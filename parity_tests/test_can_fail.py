"""Broken on purpose: each fault must turn its rung red, name the place, and leave the rungs below green."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from parity_tests import faults
from parity_tests.cases import TINY, Case
from parity_tests.conftest import require
from parity_tests.faults import Change, Faulty, one_weight_off, other_config, other_spec, other_weights
from parity_tests.ladder import Fleet, Ladder, Outcome
from parity_tests.rungs import RUNGS
from parity_tests.trace import first_divergence, traced

BROKEN = "broken torch"
CASES = {case.name: case for case in TINY}


@dataclass(frozen=True)
class Fault:
    """`change` of requests, or `inject` of the process; the first rung that must be red and what it must name.

    trace: the submodule that the first divergence must name, in inference mode.
    """

    case: str
    rung: str
    names: str
    change: Change | None = None
    inject: str | None = None
    trace: str = ""
    green: tuple[str, ...] = field(default=())


FAULTS = {
    "align_corners flipped": Fault(
        "pspnet_tiny",
        "2 forward",
        "out/0",
        other_spec({"pyramid": {"align_corners": False}}),
        trace="pyramid",
        green=("1 parameters",),
    ),
    "epsilon 1e-3": Fault(
        "pspnet_tiny",
        "2 forward",
        "out/0",
        other_spec({"backbone": {"norm": {"eps": 1e-3}}}),
        trace="backbone.stem.0.bn",
        green=("1 parameters",),
    ),
    "momentum reversed": Fault(
        "pspnet_tiny",
        "4 backward",
        "backbone.stem.0.bn.running_mean",
        other_spec({"backbone": {"norm": {"momentum": 0.9}}}),
        green=("1 parameters", "2 forward"),
    ),
    "a transposed linear": Fault(
        "setr_mla_tiny",
        "2 forward",
        "out/0",
        other_weights("backbone.blocks.1.attn.proj.weight", np.transpose),
        trace="backbone.blocks.1.attn.proj",
    ),
    "ceil_mode": Fault(
        "pspnet_tiny",
        "2 forward",
        "shape",
        other_spec({"backbone": {"stem_pool_ceil": True}}),
        trace="backbone.layer1.0.conv1",
        green=("1 parameters",),
    ),
    "unbiased variance": Fault(
        "pspnet_tiny",
        "4 backward",
        "backbone.stem.0.bn.running_var",
        inject="unbiased variance",
        green=("1 parameters", "2 forward"),
    ),
    "one weight off by 1e-3": Fault(
        "dgcnet_tiny",
        "2 forward",
        "out/0",
        other_weights("dual.feature.project.conv.weight", one_weight_off),
        trace="dual.feature.project.conv",
    ),
    "a dropped auxiliary loss": Fault(
        "pspnet_tiny",
        "4 backward",
        "auxiliary.0.classifier.bias",
        inject="no auxiliary loss",
        green=("1 parameters", "2 forward"),
    ),
    "auxiliary weight 0 in training": Fault(
        "fast_scnn_tiny",
        "8 training",
        "losses",
        other_config({"loss": {"auxiliary_weight": 0.0}}),
        green=("2 forward",),
    ),
    "learning rate folded into momentum": Fault(
        "espnet_tiny",
        "5 optimizers",
        "encoder.level1.conv.weight",
        inject="rate in momentum",
        green=("2 forward", "4 backward"),
    ),
    "labels resized by corner": Fault(
        # The rung pastes classes too: pictures follow the labels, and come first.
        "pspnet_tiny",
        "6 data",
        "images",
        inject="labels by corner",
        green=("2 forward", "4 backward"),
    ),
    "RGB and BGR swapped": Fault(
        "pspnet_tiny", "6 data", "images", inject="channels swapped", green=("2 forward", "4 backward")
    ),
    "the highest of tied classes": Fault(
        "pspnet_tiny", "7 labels", "lowest of the tied classes", inject="highest of ties", green=("2 forward",)
    ),
}


@pytest.fixture(scope="module")
def broken(fleet: Fleet) -> Iterator[Fleet]:
    """PyTorch alone, and room for one more process that is kept to be broken."""
    require(fleet, "torch")
    alone = Fleet(("torch",))
    alone.add("torch", fleet.get("torch"))
    with alone:
        yield alone


@pytest.fixture(scope="module")
def spare(broken: Fleet) -> object:
    return broken.start("torch")


def _climb(ladder: Ladder, rung: str, case: Case) -> list[Outcome]:
    return ladder.climb(RUNGS[rung], case, "torch", BROKEN)


@pytest.mark.parametrize("title", FAULTS)
def test_fault_is_caught(broken: Fleet, spare: object, title: str) -> None:
    fault, case = FAULTS[title], CASES[FAULTS[title].case]
    side = Faulty(BROKEN, spare, fault.change)
    broken.add(BROKEN, side)
    ladder = Ladder(broken)
    try:
        side.request("fault", name=fault.inject)
        for rung in fault.green:
            assert all(outcome.ok for outcome in _climb(ladder, rung, case)), f"{rung} must stay green"
        red = [outcome for outcome in _climb(ladder, fault.rung, case) if not outcome.ok]
        assert red, f"{title}: {fault.rung} did not notice"
        assert any(fault.names in outcome.where for outcome in red), [str(outcome) for outcome in red]
        if fault.trace:
            found = first_divergence(traced(broken.get("torch"), case), traced(side, case), tolerance=1e-9)
            assert found is not None
            assert found.layer.name == fault.trace, found.describe("torch", BROKEN)
    finally:
        side.request("fault")


@pytest.mark.parametrize("rung", ["1 parameters", "2 forward", "3 losses", "4 backward", "6 data", "7 labels"])
def test_nothing_broken_is_green(broken: Fleet, spare: object, rung: str) -> None:
    """The same process, unbroken, differs from its like in nothing: red above is the fault's doing."""
    broken.add(BROKEN, Faulty(BROKEN, spare))
    outcomes = _climb(Ladder(broken), rung, CASES["pspnet_tiny"])
    assert all(outcome.relative == 0 for outcome in outcomes), [str(outcome) for outcome in outcomes]


def test_unknown_faults_are_refused() -> None:
    with pytest.raises(KeyError):
        faults.inject("no such fault", "torch")
