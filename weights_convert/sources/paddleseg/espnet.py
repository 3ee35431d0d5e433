"""ESPNetV1, and the reproduction it came from (github.com/simuler/ESPNet), which names its convolutions otherwise."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, Drop, Rule, RuleLayout, module


def _module(pattern: str, target: str, conv: str, norm: str) -> tuple[Rule, ...]:
    """An ESP module; `conv`: what stands behind a convolution's name, `norm`: the path of batch norm and PReLU."""
    return (
        module(pattern + r"\.conv1" + conv, target + ".reduce"),
        module(pattern + r"\.d_conv1" + conv, target + ".branches.0"),
        module(pattern + r"\.d_conv2" + conv, target + ".branches.1"),
        module(pattern + r"\.d_conv4" + conv, target + ".branches.2"),
        module(pattern + r"\.d_conv8" + conv, target + ".branches.3"),
        module(pattern + r"\.d_conv16" + conv, target + ".branches.4"),
        module(pattern + norm + r"bn", target + ".bn"),
        module(pattern + norm + r"act", target + ".act"),
    )


def _modules(conv: str) -> tuple[Rule, ...]:
    return (
        *_module(r"encoder\.level(?P<level>[23])_0", "encoder.level{level}_down", conv, r"\."),
        *_module(r"encoder\.level(?P<level>[23])\.(?P<i>\d+)", "encoder.level{level}.{i}", conv, r"\.bn\."),
        *_module(r"combine_l2_l3\.1", "decoder.merge2", conv, r"\.bn\."),
    )


_SHARED = (
    module(r"encoder\.br(?P<i>[123])\.(?P<part>bn|act)", "encoder.norm{i}.{part}"),
    module(r"combine_l2_l3\.0\.(?P<part>bn|act)", "decoder.norm2.{part}"),
    module(r"level2_up\.1\.(?P<part>bn|act)", "decoder.norm1.{part}"),
)
_DECONVS = (
    module(r"level3_up", "decoder.up3"),
    module(r"level2_up\.0", "decoder.up2"),
    module(r"out_up", "decoder.classifier"),
)
_DEAD = Drop(r"(br3|level2_proj)\..*", "never used in forward")

_BLOCKS = (
    (r"encoder\.level1", "encoder.level1"),
    (r"encoder\.proj(?P<i>[123])", "encoder.projections.{i-1}"),
    (r"out_proj", "decoder.merge1"),
)

ESPNETV1 = RuleLayout(
    name="ESPNetV1",
    presets=("espnet_paddleseg",),
    rules=(
        *_modules(""),
        *_SHARED,
        *(rule for pattern, target in _BLOCKS for rule in conv_bn(pattern, target)),
        *(module(pattern + r"\._prelu\.act_func", target + ".act") for pattern, target in _BLOCKS),
        *_DECONVS,
    ),
    dropped=(_DEAD,),
    leaves=PADDLE_LEAVES,
)

# The reproduction: convolutions without bias, PReLUs of one slope per channel.
ANCESTOR = RuleLayout(
    name="ESPNetV1 before it was PaddleSeg's",
    presets=("espnet_simuler",),
    rules=(
        *_modules(r"\.conv"),
        *_SHARED,
        *(module(pattern + r"\.(?P<part>conv|bn|act)", target + ".{part}") for pattern, target in _BLOCKS),
        *_DECONVS,
    ),
    dropped=(_DEAD,),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (ESPNETV1, ANCESTOR)
