"""Rules several origins share: GluonCV's Xception-65, which MXNetSeg names in the same way."""

from __future__ import annotations

from weights_convert.sources.rules import Rule, module


def _separable(conv: str, norm: str, target: str) -> tuple[Rule, ...]:
    """`conv` holds the depthwise convolution, its batch norm and the pointwise one, whose batch norm is `norm`."""
    return (
        module(conv + r"\.conv1", target + ".depthwise.conv"),
        module(conv + r"\.bn", target + ".depthwise.bn"),
        module(conv + r"\.pointwise", target + ".pointwise.conv"),
        module(norm, target + ".pointwise.bn"),
    )


def _block(path: str, target: str, first: int) -> tuple[Rule, ...]:
    """Its list counts activations: the first of three convolutions is number `first`."""
    convs = [
        _separable(rf"{path}\.rep\.{first + 3 * i}", rf"{path}\.rep\.{first + 3 * i + 1}", f"{target}.convs.{i}")
        for i in range(3)
    ]
    return (
        *convs[0],
        *convs[1],
        *convs[2],
        module(path + r"\.skip", target + ".shortcut.conv"),
        module(path + r"\.skipbn", target + ".shortcut.bn"),
    )


XCEPTION65 = (
    module(r"conv(?P<i>[12])", "backbone.stem.{i-1}.conv"),
    module(r"bn(?P<i>[12])", "backbone.stem.{i-1}.bn"),
    *_block(r"block(?P<i>[12])", "backbone.entry.{i-1}", 0),
    *_block(r"block3", "backbone.entry.2", 1),
    *_block(r"midflow\.(?P<i>\d+)", "backbone.middle.{i}", 1),
    *_block(r"block20", "backbone.exit", 1),
    *_separable(r"conv(?P<i>[345])", r"bn(?P<i>[345])", "backbone.tail.{i-3}"),
)
