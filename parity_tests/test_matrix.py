"""SemSegPaddle's promise kept: four heads on four backbones, each pair a configuration that trains, equal in all.

Its README names PSPNet, DeepLabv3, GloRe and GINet on ResNet, ResNeXt, HRNet and EfficientNet; its code held fewer.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from core.arch import PRESETS
from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnext_7x7
from core.schema import to_plain
from parity_tests.cases import Arrays, Case, lively_state, pictures
from parity_tests.compare import compare, worst
from parity_tests.conftest import require
from parity_tests.ladder import Asked, Fleet
from parity_tests.rungs.training import first_state, train
from parity_tests.tolerances import ladder_tolerance

HEADS = ("pspnet", "deeplabv3", "glore", "ginet")
BACKBONES = ("resnet", "resnext", "hrnet", "efficientnet")
MORE = (("pspnet", "resnest"),)  # of MXNetSeg's backbones, the one that no preset holds
STEPS = 2  # the second loss shows the update that the first made


def narrow_backbone(name: str) -> dict[str, Any]:
    """The backbone made narrow, as a configuration has it; ResNeXt is the ResNet with groups."""
    spec = resnext_7x7(50, groups=32, width_per_group=4) if name == "resnext" else BackboneSpec.members()[name]()
    return dict(to_plain(spec.narrow()))


def overrides(backbone: str) -> dict[str, Any]:
    """The backbone, and the auxiliary head on the last stage but one."""
    values = narrow_backbone(backbone)
    stages = BackboneSpec.members()[values["family"]]().stages()
    return {"backbone": values, "auxiliary": [{"tap": stages[-2], "width": 8}]}


PAIRS = [*product(HEADS, BACKBONES), *MORE]


def case(head: str, backbone: str) -> Case:
    small = Case(f"{head} on {backbone}", f"{head}_tiny", overrides(backbone), ((2, 75, 66),), batch=2)
    assert small.spec().size_at_least(75, 66) == (75, 66)
    return small


def collect(worker: Asked, small: Case) -> tuple[Arrays, np.ndarray]:
    """Logits of inference, and the losses of the first iterations [STEPS, heads], in float64."""
    batch, height, width = small.sizes[0]
    worker.request("build", **small.request("float64"))
    worker.request("load", lively_state(small.spec()))
    _, logits = worker.request("forward", {"x": pictures(batch, (height, width))}, train=False)
    worker.request("free")
    return logits, train(worker, small, first_state(small), "float64", STEPS)


@pytest.mark.parametrize(("head", "backbone"), PAIRS)
def test_every_head_on_every_backbone(head: str, backbone: str, fleet: Fleet) -> None:
    small, names = case(head, backbone), fleet.present()
    require(fleet, *fleet.names)
    found = {name: collect(fleet.get(name), small) for name in names}
    for first, second in combinations(names, 2):
        (ours, our_losses), (theirs, their_losses) = found[first], found[second]
        assert our_losses.shape == (STEPS, 1 + len(small.spec().auxiliary))
        for quantity, differences, rung in (
            ("logits, float64", compare(ours, theirs), "2 forward"),
            ("losses, float64", compare({"losses": our_losses}, {"losses": their_losses}), "8 training"),
        ):
            difference = worst(differences)
            limit = ladder_tolerance(rung, quantity, small.name).limit
            assert difference.relative <= limit, (
                f"{small.name}: {first} and {second} differ in {quantity}: {difference}"
            )
        assert not np.array_equal(our_losses[0], our_losses[1]), f"{small.name}: {first} learned nothing"


def test_heads_are_made_for_any_backbone() -> None:
    """What the configurations of the pairs say, without a framework."""
    for head, backbone in PAIRS:
        spec = case(head, backbone).spec()
        assert len(spec.auxiliary) == 1
        assert PRESETS[f"{head}_tiny"].spec.arch == spec.arch
        assert any(parameter.name.startswith("auxiliary.0.") for parameter in spec.parameters())
