"""DFANet. Its third stage calls its deepest encoder `enc3_4`."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, Drop, Rule, RuleLayout, module


def _encoder(pattern: str, target: str) -> tuple[Rule, ...]:
    """The blocks of one encoder; `rep` counts ReLU, separable convolution and norm three times over."""
    block, target = pattern + r"\.block\.(?P<block>\d+)\.", target + ".{block}."
    rules = [
        module(block + r"skip", target + "skip.conv"),
        module(block + r"skipbn", target + "skip.bn"),
    ]
    for i, (conv, norm) in enumerate(((1, 2), (4, 5), (7, 8))):
        rules += [
            module(block + rf"rep\.{conv}\.conv1", target + f"convs.{i}.depthwise.conv"),
            module(block + rf"rep\.{conv}\.bn", target + f"convs.{i}.depthwise.bn"),
            module(block + rf"rep\.{conv}\.pointwise", target + f"convs.{i}.pointwise.conv"),
            module(block + rf"rep\.{norm}", target + f"convs.{i}.pointwise.bn"),
        ]
    return tuple(rules)


def _attention(pattern: str, target: str) -> tuple[Rule, ...]:
    return (
        module(pattern + r"\.fc", target + ".fc"),
        module(pattern + r"\.conv\.0", target + ".project.conv"),
        module(pattern + r"\.conv\.1", target + ".project.bn"),
    )


DFANET = RuleLayout(
    name="DFANet",
    presets=("dfanet_fastseg",),
    rules=(
        module(r"backbone\.conv1\.0", "backbone.stem.conv"),
        module(r"backbone\.conv1\.1", "backbone.stem.bn"),
        *_encoder(r"backbone\.enc(?P<depth>[234])", "backbone.enc{depth}"),
        *_attention(r"backbone\.fca", "backbone.attention"),
        *_encoder(r"enc(?P<depth>[234])_2", "stages.0.enc{depth}"),
        *_encoder(r"enc(?P<depth>[23])_3", "stages.1.enc{depth}"),
        *_encoder(r"enc3_4", "stages.1.enc4"),
        *_attention(r"fca_(?P<i>[23])", "stages.{i-2}.attention"),
        module(r"enc2_(?P<i>[123])_reduce\.(?P<part>conv|bn)", "detail.{i-1}.{part}"),
        module(r"conv_fusion\.(?P<part>conv|bn)", "fuse.{part}"),
        module(r"fca_(?P<i>[123])_reduce\.(?P<part>conv|bn)", "context.{i-1}.{part}"),
        module(r"conv_out", "classifier"),
        module(r"dsn(?P<i>[12])\.0", "auxiliary.{i-1}.block.conv"),
        module(r"dsn(?P<i>[12])\.1", "auxiliary.{i-1}.block.bn"),
        module(r"dsn(?P<i>[12])\.4", "auxiliary.{i-1}.classifier"),
    ),
    dropped=(COUNTER, Drop(r"backbone\.fc\.(weight|bias)", "the backbone's ImageNet classifier, takes no part here")),
)

LAYOUTS = (DFANET,)
