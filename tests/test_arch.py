"""Specs and their inventories: published counts, names, errors."""

from __future__ import annotations

import dataclasses

import pytest

from core.arch import ARCHITECTURES, PRESETS, build
from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.mobilenet_v2 import MobileNetV2Spec
from core.arch.backbones.resnest import ResNeStSpec
from core.arch.backbones.resnet import ResNetSpec, resnext_7x7
from core.arch.inventory import InitSpec, Inventory, check_state, count
from core.arch.parts import PyramidSpec, halving_kernel, halving_padding
from core.errors import ConfigError, SpecError, WeightsError
from core.initialize import initial_state


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_parameter_count_is_the_published_one(name: str) -> None:
    preset = PRESETS[name]
    spec = build(name, None, preset.published_at)
    if preset.published_parameters is None:
        assert spec.parameter_count() > 0
        return
    digits = len(str(preset.published_parameters).split(".")[1])
    assert spec.parameter_count() / 1e6 == pytest.approx(preset.published_parameters, abs=1.01 * 0.5 * 10**-digits)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.published_mxnetseg])
def test_count_in_mxnetsegs_way_is_the_published_one(name: str) -> None:
    """Without auxiliary heads, with batch-norm statistics; all four digits."""
    preset = PRESETS[name]
    values = build(name, None, preset.published_at).inference_values()
    assert f"{values / 1e6:.4f}" == f"{preset.published_mxnetseg:.4f}"


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_inventory_is_sound(name: str) -> None:
    parameters = PRESETS[name].spec.parameters()
    names = [parameter.name for parameter in parameters]
    assert len(set(names)) == len(names)
    assert all(side > 0 for parameter in parameters for side in parameter.shape)
    assert count(parameters, buffers=True) >= count(parameters)


def test_every_architecture_has_a_tiny_preset() -> None:
    tiny = {PRESETS[name].spec.arch for name in PRESETS if name.endswith("_tiny")}
    assert tiny == set(ARCHITECTURES)
    assert all(PRESETS[n].spec.parameter_count() < 500_000 for n in PRESETS if n.endswith("_tiny"))


def test_number_of_classes_changes_classifiers_alone() -> None:
    few, many = (build("pspnet_resnet50_gald", classes).parameters() for classes in (11, 19))
    changed = {a.name for a, b in zip(few, many) if a.shape != b.shape}
    assert changed == {f"{head}.classifier.{leaf}" for head in ("head", "auxiliary.0") for leaf in ("weight", "bias")}


def test_for_inference_drops_auxiliary_heads() -> None:
    spec = build("pspnet_resnet50_gald")
    names = {p.name for p in spec.for_inference().parameters()}
    dropped = {p.name for p in spec.parameters()} - names
    assert dropped
    assert all(name.startswith("auxiliary.") for name in dropped)


def test_without_dropout_reaches_every_dropout() -> None:
    spec = build("setr_pup_mxnetseg").without_dropout()
    assert spec.backbone.dropout.p == 0  # type: ignore[attr-defined]
    assert all(head.dropout.p == 0 for head in spec.auxiliary)


@pytest.mark.parametrize(
    ("options", "layer3", "layer4"),
    [
        ({"first_block": "stage"}, [2] * 6, [4, 4, 4]),  # GALD-Net's PSPNet
        ({"first_block": "stage", "multi_grid": (1, 2, 4)}, [2] * 6, [4, 8, 16]),  # GALD-Net's DualSeg
        ({"first_block": "previous"}, [1, 2, 2, 2, 2, 2], [2, 4, 4]),  # MXNetSeg, mmseg
        ({"first_block": "previous", "multi_grid": (1, 2, 4)}, [1, 2, 2, 2, 2, 2], [2, 4, 8]),  # SemSegPaddle
        ({"output_stride": 16, "first_block": "stage"}, [1] * 6, [2, 2, 2]),
        ({"output_stride": 32}, [1] * 6, [1, 1, 1]),
    ],
)
def test_dilations_of_the_originals(options: dict, layer3: list[int], layer4: list[int]) -> None:
    stages = ResNetSpec(depth=50, **options).blocks()
    assert [block.dilation for block in stages[2]] == layer3
    assert [block.dilation for block in stages[3]] == layer4


@pytest.mark.parametrize(
    ("depth", "groups", "width", "whole"),
    [(50, 32, 4, 25_028_904), (101, 32, 8, 88_791_336), (101, 64, 4, 83_455_272)],
)
def test_resnext_has_the_published_parameters(depth: int, groups: int, width: int, whole: int) -> None:
    """torchvision's counts, which hold the 1000-class layer."""
    out = Inventory(InitSpec())
    resnext_7x7(depth, groups, width).inventory(out)
    assert count(out.parameters) == whole - (2048 * 1000 + 1000)


@pytest.mark.parametrize(
    ("depth", "stem", "whole"), [(50, 32, 27_483_240), (101, 64, 48_275_016), (200, 64, 70_201_544)]
)
def test_resnest_has_the_published_parameters(depth: int, stem: int, whole: int) -> None:
    """The authors' networks of one group and radix 2, with the 1000-class layer."""
    out = Inventory(InitSpec())
    ResNeStSpec(depth=depth, stem_widths=(stem, stem, 2 * stem)).inventory(out)  # type: ignore[arg-type]
    assert count(out.parameters) == whole - (2048 * 1000 + 1000)


def test_groups_must_divide_the_channels() -> None:
    narrow = {"groups": 32, "width_per_group": 4, "stage_widths": [40, 64, 64, 64]}
    with pytest.raises(ConfigError, match=r"groups 32 do not divide the 80 inner"):
        build("pspnet_resnet50_gald", overrides={"backbone": narrow})
    with pytest.raises(ConfigError, match=r"depth >= 50"):
        build("pspnet_tiny", overrides={"backbone": {"groups": 2}})


@pytest.mark.parametrize("family", sorted(BackboneSpec.members()))
@pytest.mark.parametrize("name", ["pspnet_tiny", "ginet_tiny"])
def test_another_backbone_has_taps_of_its_own(name: str, family: str) -> None:
    """A tap that names no stage is an error that says which there are; following it gives a network."""
    backbone = BackboneSpec.members()[family]()  # type: ignore[call-arg]
    if backbone.tokens:
        with pytest.raises(ConfigError, match=f"{family} gives tokens"):
            build(name, overrides={"backbone": {"family": family}, "auxiliary": []})
        return
    if "layer3" not in backbone.stages():
        with pytest.raises(ConfigError, match=f"taps 'layer3'.*{family}.*{', '.join(backbone.stages())}"):
            build(name, overrides={"backbone": {"family": family}})
    jpu = {"jpu": {"levels": 2}} if name == "ginet_tiny" else {}
    spec = build(name, overrides={"backbone": {"family": family}, "auxiliary": [{"tap": backbone.deepest}], **jpu})
    names = {parameter.name for parameter in spec.parameters()}
    assert {"auxiliary.0.block.conv.weight", "head.classifier.weight"} < names


def test_too_few_stages_for_a_joint_pyramid_are_said() -> None:
    with pytest.raises(ConfigError, match=r"jpu\.levels is 5.*layer1, layer2, layer3, layer4"):
        build("ginet_tiny", overrides={"jpu": {"levels": 5}})


@pytest.mark.parametrize(("ceil", "expected"), [(True, 33), (False, 32)])
def test_map_size_of_the_ceil_mode_stem(ceil: bool, expected: int) -> None:
    assert ResNetSpec(stem_pool_ceil=ceil).map_size(256) == expected


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_same_padding_at_stride_2_is_tensorflows(kernel: int) -> None:
    for side in range(kernel, 40):
        total = (-(-side // 2) - 1) * 2 + kernel - side  # what the last window sticks out by
        assert halving_padding(kernel, side) == (total // 2, total - total // 2)


def test_same_padding_of_other_strided_convolutions_is_refused() -> None:
    assert halving_kernel(3, 1, 4) == 0
    for kernel, stride, dilation in ((3, 4, 1), (2, 2, 1), ((3, 1), 2, 1), (3, 2, 2)):
        with pytest.raises(ValueError, match="not provided for"):
            halving_kernel(kernel, stride, dilation)


# The shapes of published weights: shared/checkpoints/mobilenetv2_imagenet and deeplabv3_mobilenetv2_voc.
@pytest.mark.parametrize(
    ("options", "values", "widths"),
    [
        ({"last": True}, 2_257_984, [16, 24, 32, 64, 96, 160, 320]),  # 2,258,036 with 52 counters of batches
        ({"width": 0.5, "divisor": 4, "output_stride": 16}, None, [8, 12, 16, 32, 48, 80, 160]),
        ({"width": 0.5, "divisor": 8}, None, [8, 16, 16, 32, 48, 80, 160]),  # torchvision's rounding
    ],
)
def test_mobilenet_v2_has_the_published_shapes(options: dict, values: int | None, widths: list[int]) -> None:
    spec = MobileNetV2Spec(**options)
    blocks = spec.blocks()
    assert list(dict.fromkeys(block.out for block in blocks)) == list(dict.fromkeys(widths))
    assert [block.residual for block in blocks].count(True) == 10
    out = Inventory(InitSpec())
    spec.inventory(out)
    assert values is None or count(out.parameters, buffers=True) == values


def test_mobilenet_v2_dilates_behind_the_block_that_would_stride() -> None:
    blocks = MobileNetV2Spec(output_stride=16).blocks()
    assert [block.dilation for block in blocks] == [1] * 14 + [2] * 3
    assert [i for i, block in enumerate(blocks) if block.stride == 2] == [1, 3, 6]
    assert [block.dilation for block in MobileNetV2Spec(output_stride=8).blocks()] == [1] * 7 + [2] * 7 + [4] * 3


def test_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"pspnet_resnet50_gold.*pspnet_resnet50_gald"):
        build("pspnet_resnet50_gold")


def test_unknown_override_names_path_and_nearest() -> None:
    with pytest.raises(ConfigError, match=r"overrides\.backbone\.dept'.*'depth'"):
        build("pspnet_resnet50_gald", overrides={"backbone": {"dept": 18}})


@pytest.mark.parametrize(
    ("name", "height", "width", "message"),
    [
        ("espnet_p2_q8", 100, 96, r"multiples of 8.*nearest to 100 is 96|104"),
        ("setr_naive_mxnetseg", 120, 128, r"multiples of 16"),
        ("pspnet_resnet50_semsegpaddle", 48, 48, r"strided pooling"),
        ("fast_scnn", 16, 64, r"at least 32"),
    ],
)
def test_input_size_the_network_cannot_take(name: str, height: int, width: int, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        build(name).check_input(height, width)


def test_batch_of_one_is_refused_where_batch_norm_sees_one_value() -> None:
    with pytest.raises(SpecError, match="at least 2"):
        build("pspnet_resnet50_gald").check_batch(1, 256, 256)


def test_strided_pooling_covers_published_sizes() -> None:
    spec = PyramidSpec(pooling="strided")
    assert spec.covers(96)
    assert spec.covers(16)
    assert not spec.covers(6)


def test_check_state_lists_what_does_not_fit() -> None:
    spec = build("fast_scnn_tiny")
    state = initial_state(spec.parameters(), 0)
    removed = state.pop("head.classifier.bias")
    state["head.classifier.offset"] = removed
    state["detail.0.conv.weight"] = state["detail.0.conv.weight"][:1]
    with pytest.raises(WeightsError) as error:
        check_state(spec.parameters(), state)
    for part in ("missing: head.classifier.bias", "unexpected: head.classifier.offset", "shape: detail.0.conv.weight"):
        assert part in str(error.value)


def test_specs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        build("fast_scnn").num_classes = 3  # type: ignore[misc]
