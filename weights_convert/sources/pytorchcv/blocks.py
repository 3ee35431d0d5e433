"""What the segmentation networks of this zoo share: how each framework counts children, ResNet-D as backbone, heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from weights_convert.sources.rules import COUNTER, MXNET_LEAVES, TORCH_LEAVES, Drop, Rule, RuleLayout, module

_PART = r"\.(?P<part>conv|bn)"


@dataclass(frozen=True)
class Naming:
    """PyTorch names the children of a sequence (`stage1`, `unit1`, `branch1`), Gluon counts them from 0.

    shift: from a child's number to its place.
    """

    about: str
    leaves: Mapping[str, str]
    dropped: tuple[Drop, ...]
    shift: str
    words: Mapping[str, str] = field(default_factory=dict)

    def child(self, kind: str, group: str, numbers: str = r"\d+") -> str:
        """A pattern for one of a sequence's children, its number in `group`."""
        return f"{self.words.get(kind, '')}(?P<{group}>{numbers})"

    def at(self, group: str) -> str:
        """The child's place, from 0, in a target."""
        return f"{{{group}{self.shift}}}"

    def layout(self, name: str, presets: tuple[str, ...], *rules: Rule) -> RuleLayout:
        return RuleLayout(
            name=f"{name}, {self.about}", presets=presets, rules=rules, dropped=self.dropped, leaves=self.leaves
        )

    def stem(self, path: str) -> Rule:
        return module(path + r"\.conv(?P<i>[123])" + _PART, "backbone.stem.{i-1}.{part}")

    def stages(self, path: str, stage: str) -> tuple[Rule, ...]:
        """Residual units below `path`, a pattern; `stage`: of the target, from the pattern's groups."""
        unit, target = rf"{path}\.{self.child('unit', 'block')}", f"backbone.layer{stage}.{self.at('block')}"
        return (
            module(unit + r"\.body\.conv(?P<i>[123])\.conv", target + ".conv{i}"),
            module(unit + r"\.body\.conv(?P<i>[123])\.bn", target + ".bn{i}"),
            module(unit + r"\.identity_conv" + _PART, target + ".downsample.{part}"),
        )

    def backbone(self) -> tuple[Rule, ...]:
        return (self.stem(r"backbone\.0"), *self.stages(r"backbone\.(?P<stage>[1234])", "{stage}"))

    def pyramid(self, path: str, target: str) -> Rule:
        """Four pooled branches; the first child is the input itself."""
        numbers, back = ("[2345]", "-2") if self.shift else ("[1234]", "-1")
        branch = self.child("branch", "i", numbers)
        return module(rf"{path}\.branches\.{branch}\.conv" + _PART, f"{target}.branches.{{i{back}}}.{{part}}")


PYTORCH = Naming("pytorchcv", TORCH_LEAVES, (COUNTER,), "-1", {kind: kind for kind in ("stage", "unit", "branch")})
GLUON = Naming("gluoncv2", MXNET_LEAVES, (), "")
NAMINGS = (PYTORCH, GLUON)


def pair(path: str, target: str) -> Rule:
    """A convolution and its norm."""
    return module(path + _PART, target + ".{part}")


def head(path: str, target: str) -> tuple[Rule, ...]:
    """Convolution, norm, dropout, classifier."""
    return pair(path + r"\.conv1", target + ".block"), module(path + r"\.conv2", target + ".classifier")
