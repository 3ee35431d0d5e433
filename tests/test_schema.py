"""Families of dataclasses told apart by a tag; the architecture specs keep to their contracts."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from core.arch import PRESETS, build
from core.arch.backbones.resnet import ResNetSpec
from core.arch.backbones.vit import ViTSpec
from core.errors import ConfigError, SpecError
from core.schema import Tagged, to_plain, update

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Shape(Tagged):
    TAG: ClassVar[str] = "kind"


@dataclass(frozen=True)
class Circle(Shape):
    kind: ClassVar[str] = "circle"
    size: int = 1


@dataclass(frozen=True)
class Square(Shape):
    kind: ClassVar[str] = "square"
    size: int = 2
    turned: bool = False


@dataclass(frozen=True)
class Drawing:
    shape: Shape = field(default_factory=Circle)
    either: Circle | Square | None = None


def test_a_tag_decides_never_which_fields_fit() -> None:
    assert update(Drawing(), {"shape": {"size": 5}}, "f").shape == Circle(5)
    assert update(Drawing(), {"shape": {"kind": "square", "turned": True}}, "f").shape == Square(2, True)
    assert update(Drawing(), {"either": {"kind": "square", "size": 5}}, "f").either == Square(5)
    assert update(Drawing(either=Square(3)), {"either": {"size": 5}}, "f").either == Square(5)
    assert to_plain(Drawing())["shape"] == {"kind": "circle", "size": 1}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape": {"turned": True}}, "unknown key 'shape.turned'"),
        ({"shape": {"kind": "squar"}}, "unknown kind 'squar'. Did you mean 'square'"),
        ({"shape": 3}, "expected a mapping"),
        ({"either": {"size": 5}}, "lacks 'kind', one of circle, square"),
        ({"either": {"kind": "line"}}, "unknown kind 'line'"),
    ],
)
def test_a_wrong_tag_is_named(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        update(Drawing(), values, "f")


def test_a_depth_does_not_turn_a_transformer_into_a_resnet() -> None:
    spec = build("setr_naive_tiny", overrides={"backbone": {"depth": 4}})
    assert isinstance(spec.backbone, ViTSpec)  # type: ignore[attr-defined]
    other = build("pspnet_tiny", overrides={"backbone": {"family": "resnet", "depth": 34}})
    assert isinstance(other.backbone, ResNetSpec)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="unknown family 'resne'"):
        build("pspnet_tiny", overrides={"backbone": {"family": "resne"}})


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_reads_back_from_its_plain_form(name: str) -> None:
    spec = PRESETS[name].spec
    assert build(name, overrides=to_plain(spec)) == spec


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_narrow_keeps_every_switch_and_is_small(name: str) -> None:
    spec = build(name, 19)  # a classifier of ImageNet's 1000 is a million parameters by itself
    small = spec.narrow()
    assert small.parameter_count() < 1_000_000
    assert len(small.auxiliary) == len(spec.auxiliary)
    assert (small.align_corners, small.num_classes) == (spec.align_corners, spec.num_classes)
    assert small.multiple == spec.multiple
    small.check_input(*small.size_at_least(64, 64))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_smallest_picture_is_the_smallest(name: str) -> None:
    spec = PRESETS[name].spec
    height, width = spec.size_at_least(1, 1)
    spec.check_input(height, width)
    with pytest.raises(SpecError, match=f"input of {height - 1}x{width}"):
        spec.check_input(height - 1, width)


def test_classes_are_inferred_from_the_classifier() -> None:
    for name in PRESETS:
        spec = build(name, 23)
        assert spec.infer_classes({p.name: p.shape for p in spec.parameters()}) == 23, name


def test_no_file_asks_which_family_a_spec_is() -> None:
    """What is known of a family stands in that family."""
    asks = re.compile(r"\.arch (==|!=|not in|in) [\"(\[]|isinstance\(spec\b")
    found = []
    for folder in ("core", "weights_convert", "backends", "parity_tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            if "families" in path.parts:
                continue
            text = path.read_text(encoding="utf-8")
            ast.parse(text)
            found += [f"{path}: {line.strip()}" for line in text.splitlines() if asks.search(line)]
    assert not found
