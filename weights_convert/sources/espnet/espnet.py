"""ESPNet and ESPNet-C. `train/Model.py` and `test/Model.py` name the same; what the last concatenation takes shows in
the shape of `conv.conv`.
"""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module


def _block(pattern: str, target: str, norm: str) -> tuple[Rule, ...]:
    """An ESP module; `norm` is the path of batch norm and PReLU inside it."""
    return (
        module(pattern + r"\.c1\.conv", target + ".reduce"),
        module(pattern + r"\.d1\.conv", target + ".branches.0"),
        module(pattern + r"\.d2\.conv", target + ".branches.1"),
        module(pattern + r"\.d4\.conv", target + ".branches.2"),
        module(pattern + r"\.d8\.conv", target + ".branches.3"),
        module(pattern + r"\.d16\.conv", target + ".branches.4"),
        module(pattern + norm + r"bn", target + ".bn"),
        module(pattern + norm + r"act", target + ".act"),
    )


def encoder_rules(prefix: str) -> tuple[Rule, ...]:
    """The encoder behind `prefix` (a pattern)."""
    return (
        module(prefix + r"level1\.(?P<part>conv|bn|act)", "encoder.level1.{part}"),
        module(prefix + r"b(?P<i>[123])\.(?P<part>bn|act)", "encoder.norm{i}.{part}"),
        *_block(prefix + r"level(?P<level>[23])_0", "encoder.level{level}_down", r"\."),
        *_block(prefix + r"level(?P<level>[23])\.(?P<i>\d+)", "encoder.level{level}.{i}", r"\.bn\."),
        module(prefix + r"classifier\.conv", "encoder.classifier"),
    )


DECODER = (
    module(r"br", "decoder.norm3"),
    module(r"up_l3\.0", "decoder.up3"),
    module(r"level3_C\.conv", "decoder.project2"),
    module(r"combine_l2_l3\.0\.(?P<part>bn|act)", "decoder.norm2.{part}"),
    *_block(r"combine_l2_l3\.1", "decoder.merge2", r"\.bn\."),
    module(r"up_l2\.0", "decoder.up2"),
    module(r"up_l2\.1\.(?P<part>bn|act)", "decoder.norm1.{part}"),
    module(r"conv\.(?P<part>conv|bn|act)", "decoder.merge1.{part}"),
    module(r"classifier", "decoder.classifier"),
)

_FULL = ("espnet_p2_q8", "espnet_p2_q5", "espnet_p2_q3")
_SKIP16 = ("espnet_p2_q8_skip16", "espnet_p2_q5_skip16", "espnet_p2_q3_skip16")

ESPNET = RuleLayout(
    name="ESPNet",
    presets=(*_FULL, *_SKIP16),
    rules=(*encoder_rules(r"encoder\."), *DECODER),
    dropped=(COUNTER,),
)

ENCODER = RuleLayout(
    name="ESPNet_Encoder",
    presets=("espnet_c_p2_q8", "espnet_c_p2_q5", "espnet_c_p2_q3"),
    rules=encoder_rules(""),
    dropped=(COUNTER,),
)

LAYOUTS = (ESPNET, ENCODER)
