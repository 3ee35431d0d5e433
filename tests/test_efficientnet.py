"""EfficientNet's spec against published counts, what shapes tell of it, and its published Lite weights."""

from __future__ import annotations

import pytest

from core.arch import build
from core.arch.backbones.efficientnet import EfficientNetSpec, efficientnet, efficientnet_lite0
from core.arch.inventory import InitSpec, Inventory, Parameter, count
from core.arch.parts import DropoutSpec
from core.schema import to_plain
from tests.shared_paths import require_shared
from weights_convert.load import load_weights

# Learnable parameters of timm's efficientnet_b0 … b7 with the classifier of 1000 classes.
PUBLISHED = (5_288_548, 7_794_184, 9_109_994, 12_233_232, 19_341_616, 30_389_784, 43_040_704, 66_347_960)


def parameters(spec: EfficientNetSpec) -> list[Parameter]:
    out = Inventory(InitSpec())
    spec.inventory(out)
    return out.parameters


@pytest.mark.parametrize(("number", "published"), list(enumerate(PUBLISHED)))
def test_counts_are_the_published_ones(number: int, published: int) -> None:
    spec = efficientnet(number, last=True)  # type: ignore[arg-type]
    assert count(parameters(spec)) + 1000 * (spec.channels("last") + 1) == published


def test_lite0_has_as_many_values_as_its_file() -> None:
    spec = efficientnet_lite0(last=True)
    values = count(parameters(spec), buffers=True) + 1000 * (spec.channels("last") + 1)
    assert values + 49 == 4_694_073  # with a counter of batches for each norm


@pytest.mark.parametrize("number", range(8))
def test_shapes_tell_which_of_the_eight_it_is(number: int) -> None:
    spec = efficientnet(number, last=True)  # type: ignore[arg-type]
    shapes = {parameter.name: parameter.shape for parameter in parameters(spec)}
    for other in range(8):
        found = efficientnet(other).infer(shapes)  # type: ignore[arg-type]
        expected = {} if other == number else {"width": spec.width, "depth": spec.depth}
        assert found == {"last": True} | expected


def test_drop_path_grows_with_the_depth_and_is_a_dropout() -> None:
    spec = build("dabnet_efficientnet_tiny", 7, {"backbone": {"drop_path": {"p": 0.2, "unit": "sample"}}})
    rates = [block.drop_path.p for block in spec.backbone.blocks()]  # type: ignore[attr-defined]
    assert rates == pytest.approx([0.2 * i / len(rates) for i in range(len(rates))])
    assert spec.without_dropout().backbone.drop_path.p == 0  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="sample"):
        EfficientNetSpec(drop_path=DropoutSpec(p=0.2))


def test_the_published_lite0_file() -> None:
    path = require_shared("checkpoints/efficientnet_lite0_imagenet/efficientnet-lite0-57934424.pth")
    backbone = to_plain(efficientnet_lite0())
    spec = build("fcn_tiny", 11, {"backbone": {"family": "efficientnet", **backbone}})
    loaded = load_weights(path, spec, fine_tune=True)
    assert loaded.origin.startswith("efficientnet_pytorch")
    assert loaded.normalization == "half"
    assert set(loaded.state) == {p.name for p in spec.parameters() if p.name.startswith("backbone.")}
